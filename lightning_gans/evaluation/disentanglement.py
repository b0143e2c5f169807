"""Disentanglement of content and speaker: fresh probes on codes, and recognisers of conversions."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import HasFresh, SpeechData, SpeechSplit, SplitName
from lightning_gans.core.protocols import Converts
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.measures import higher, lower, measure
from lightning_gans.evaluation.splits import TRAIN, held_out, read
from lightning_gans.metrics.disentanglement import Recogniser, equal_error_rate, probe_accuracies, strongest
from lightning_gans.metrics.estimate import Estimate, share

VERIFIED = 1000  # largest number of held-out samples for verification


class Known(NamedTuple):
    """Samples (N, ...) with their content (N,), or None, and their speaker (N,)."""

    x: Tensor
    content: Tensor | None
    speaker: Tensor

    def rows(self, chosen: Tensor) -> "Known":
        """Select the samples at `chosen`."""
        content = None if self.content is None else self.content[chosen]
        return Known(self.x[chosen], content, self.speaker[chosen])


class Recognisers(NamedTuple):
    """Recognisers of content and speaker, fitted to real training samples. content: None without content labels."""

    content: Recogniser | None
    speaker: Recogniser


@measure(
    higher("content_probe", "accuracy of the strongest fresh probe that reads the content from the content code"),
    higher("speaker_probe", "accuracy of the strongest fresh probe that reads the speaker from the speaker code"),
    lower(
        "speaker_from_content",
        "accuracy of the strongest fresh probe that reads the speaker from the content code: at best chance",
    ),
    lower("speaker_eer", "equal error rate of verifying speakers by the cosine of speaker codes; chance is 0.5"),
    higher("content_eer", "equal error rate of verifying speakers by the cosine of content codes: at best 0.5"),
    higher("converted_content", "share of converted utterances that keep the content of their source"),
    higher("converted_speaker", "share of converted utterances that sound like the speaker asked for"),
    higher("converted", "share of converted utterances that do both"),
    needs=Converts,
)
class Disentanglement:
    """Disentanglement metrics: fresh probes on frozen codes, and classifiers of real samples on conversions.

    `content_probe` and `speaker_probe` measure a code's own information, `speaker_from_content` the speaker, which the
    content code should not contain. Probes (`metrics/disentanglement.py`) are fitted to codes of samples that the model
    was not trained on. If the data can synthesise new ones, probes are fitted to these, at most 5,000, and tested on
    all held-out samples; otherwise they are fitted to each half of the held-out samples and tested on the other half.
    The strongest probe counts; on the test split, each probe's accuracy is reported too, e.g. as
    `speaker_from_content_lookup`.

    `speaker_eer` and `content_eer` need no probe. Of all pairs of held-out samples (at most 1,000 samples), those whose
    codes have a cosine above a threshold are classified as one speaker. The equal error rate is the rate at the
    threshold where the share of same-speaker pairs that are rejected equals that of two-speaker pairs that are
    accepted.

    Each held-out sample is converted to the speaker of another one, drawn once: `converted_content`,
    `converted_speaker`, and `converted`, the share with both right. All but `speaker_probe`, `speaker_from_content`,
    the error rates and `converted_speaker` need content labels.
    """

    def __init__(self) -> None:
        self._fitted: WeakKeyDictionary[SpeechData, Recognisers] = WeakKeyDictionary()

    def __call__(self, model: Converts, data: SpeechData, split: SplitName) -> dict[str, Estimate]:
        asked = _read(held_out(data, split))
        if isinstance(data, HasFresh):
            parts = [(_read(data.fresh().at_most(TRAIN)), asked)]
        else:
            a, b = (asked.rows(rows) for rows in halves(asked.speaker))
            parts = [(a, b), (b, a)]
        verified = _verified(model, asked.rows(torch.randperm(len(asked.x), generator=stream("verified"))[:VERIFIED]))
        return (
            _probed(model, parts, each=split == "test") | verified | _converted(model, self._recognisers(data), asked)
        )

    def _recognisers(self, data: SpeechData) -> Recognisers:
        if data not in self._fitted:
            train = _read(data.split("train"))
            with activity("recognisers of real samples", None):
                content = None if train.content is None else Recogniser(train.x, train.content)
                self._fitted[data] = Recognisers(content, Recogniser(train.x, train.speaker))
        return self._fitted[data]


def _read(split: SpeechSplit) -> Known:
    x = torch.cat([batch.x for batch in read(split)])
    content = None if split.labels is None else split.labels.cpu()
    return Known(x, content, split.speakers.cpu())


def _probed(model: Converts, parts: list[tuple[Known, Known]], *, each: bool) -> dict[str, Estimate]:
    """Accuracies of the strongest probe; parts: samples that probes are fitted to, and samples of their test.

    each: also the accuracy of each probe of the speaker in the content code.
    """
    codes = [[(model.content(known.x).cpu(), model.speaker(known.x).cpu()) for known in pair] for pair in parts]
    asked = {"speaker_from_content": (0, "speaker"), "speaker_probe": (1, "speaker"), "content_probe": (0, "content")}
    scores = {}
    for name, (code, of) in asked.items():
        if of == "content" and any(known.content is None for pair in parts for known in pair):
            continue
        fitted, tested = (
            [(found[side][code], getattr(pair[side], of)) for found, pair in zip(codes, parts, strict=True)]
            for side in (0, 1)
        )
        with activity(name.replace("_", " ")):
            accuracies = probe_accuracies(fitted, tested)
        scores[name] = accuracies[strongest(accuracies)]
        if each and name == "speaker_from_content":
            scores |= {f"{name}_{probe}": found for probe, found in accuracies.items()}
    return scores


def _verified(model: Converts, known: Known) -> dict[str, Estimate]:
    """Equal error rates; none if all samples are of one speaker, or each of another."""
    if not 1 < len(known.speaker.unique()) < len(known.speaker):
        return {}
    codes = {"speaker_eer": model.speaker(known.x), "content_eer": model.content(known.x)}
    return {name: equal_error_rate(code.flatten(1).cpu(), known.speaker) for name, code in codes.items()}


def _converted(model: Converts, recognisers: Recognisers, held_out: Known) -> dict[str, Estimate]:
    target, n = targets(held_out.speaker), len(held_out.x)
    converted = model.convert(held_out.x, held_out.x[target]).cpu()
    spoken = recognisers.speaker(converted) == held_out.speaker[target]
    scores = {"converted_speaker": share(int(spoken.sum()), n)}
    if recognisers.content is not None and held_out.content is not None:
        kept = recognisers.content(converted) == held_out.content
        scores["converted_content"] = share(int(kept.sum()), n)
        scores["converted"] = share(int((kept & spoken).sum()), n)
    return scores


def halves(speaker: Tensor) -> tuple[Tensor, Tensor]:
    """Split the positions of (N,) speakers into two halves, always the same; each speaker has equal parts in both."""
    order = torch.randperm(len(speaker), generator=stream("probes"))
    order = order[speaker[order].argsort(stable=True)]  # by speaker, in random order within each
    return order[::2].sort().values, order[1::2].sort().values


def targets(speaker: Tensor) -> Tensor:
    """Position of a sample of another speaker for each of (N,) speakers, always the same: (N,) int64."""
    chosen = torch.empty_like(speaker)
    generator = stream("conversion")
    for one in speaker.unique().tolist():
        mine, others = (speaker == one).nonzero().squeeze(1), (speaker != one).nonzero().squeeze(1)
        chosen[mine] = others[torch.randint(len(others), (len(mine),), generator=generator)]
    return chosen
