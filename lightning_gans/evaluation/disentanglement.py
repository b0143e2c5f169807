"""Disentanglement of content and speaker: fresh probes on codes, and recognisers of conversions."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import SpeechData, SpeechSplit, SplitName
from lightning_gans.core.protocols import Converts
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.measures import higher, lower, measure
from lightning_gans.evaluation.splits import held_out, read, train_part
from lightning_gans.metrics.disentanglement import Recogniser, fresh_probe_accuracy


class Known(NamedTuple):
    """Samples (N, ...) with what is said (N,), or None, and by whom (N,)."""

    x: Tensor
    content: Tensor | None
    speaker: Tensor


class Recognisers(NamedTuple):
    """Fitted to real training samples alone. content: None where what is said is not known."""

    content: Recogniser | None
    speaker: Recogniser


@measure(
    higher("content_probe", "accuracy of a fresh probe that reads the content from the content code"),
    higher("speaker_probe", "accuracy of a fresh probe that reads the speaker from the speaker code"),
    lower(
        "speaker_from_content", "accuracy of a fresh probe that reads the speaker from the content code: at best chance"
    ),
    higher("converted_content", "share of converted utterances that keep the content of their source"),
    higher("converted_speaker", "share of converted utterances that sound like the speaker asked for"),
    higher("converted", "share of converted utterances that do both"),
    needs=Converts,
)
class Disentanglement:
    """Fresh probes on frozen codes, and what conversions are taken for by classifiers of real samples.

    `content_probe` and `speaker_probe` read a code's own matter, `speaker_from_content` reads what the content code
    should not say: fitted to the training split's codes, scored on the held-out ones. Each held-out sample is converted
    to the speaker of one other, drawn once and for all: `converted_content`, `converted_speaker`, and `converted`, the
    share where both are right. What is said has to be known for all but the two of speakers alone and
    `converted_speaker`.
    """

    def __init__(self) -> None:
        self._fitted: WeakKeyDictionary[SpeechData, Recognisers] = WeakKeyDictionary()

    def __call__(self, model: Converts, data: SpeechData, split: SplitName) -> dict[str, float]:
        train, asked = _read(train_part(data, split)), _read(held_out(data, split))
        return _probed(model, train, asked) | _converted(model, self._recognisers(data), asked)

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


def _probed(model: Converts, train: Known, held_out: Known) -> dict[str, float]:
    content, held_out_content = model.content(train.x).cpu(), model.content(held_out.x).cpu()
    speaker, held_out_speaker = model.speaker(train.x).cpu(), model.speaker(held_out.x).cpu()
    asked = {
        "speaker_from_content": (content, train.speaker, held_out_content, held_out.speaker),
        "speaker_probe": (speaker, train.speaker, held_out_speaker, held_out.speaker),
    }
    if train.content is not None and held_out.content is not None:
        asked["content_probe"] = content, train.content, held_out_content, held_out.content
    scores = {}
    for name, arguments in asked.items():
        with activity(name.replace("_", " ")):
            scores[name] = fresh_probe_accuracy(*arguments)
    return scores


def _converted(model: Converts, recognisers: Recognisers, held_out: Known) -> dict[str, float]:
    target = targets(held_out.speaker)
    converted = model.convert(held_out.x, held_out.x[target]).cpu()
    spoken = recognisers.speaker(converted) == held_out.speaker[target]
    scores = {"converted_speaker": float(spoken.float().mean())}
    if recognisers.content is not None and held_out.content is not None:
        kept = recognisers.content(converted) == held_out.content
        scores["converted_content"] = float(kept.float().mean())
        scores["converted"] = float((kept & spoken).float().mean())
    return scores


def targets(speaker: Tensor) -> Tensor:
    """For each of (N,) speakers, the place of a sample of any other, drawn once and for all: (N,) int64."""
    chosen = torch.empty_like(speaker)
    generator = stream("conversion")
    for one in speaker.unique().tolist():
        mine, others = (speaker == one).nonzero().squeeze(1), (speaker != one).nonzero().squeeze(1)
        chosen[mine] = others[torch.randint(len(others), (len(mine),), generator=generator)]
    return chosen
