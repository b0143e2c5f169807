"""Disentanglement of content and speaker: fresh probes on codes, and recognisers of conversions."""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lightning_gans.core.protocols import Converts
from lightning_gans.core.rng import stream
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


class Disentanglement:
    """Fresh probes on frozen codes, and what conversions are taken for by classifiers of real samples.

    `content_probe` and `speaker_probe` read a code's own matter, `speaker_from_content` reads what the content code
    should not say: fitted to the training split's codes, scored on the held-out ones. Each held-out sample is converted
    to the speaker of one other, drawn once and for all: `converted_content`, `converted_speaker`, and `converted`, the
    share where both are right. What is said has to be known for all but the two of speakers alone and
    `converted_speaker`.
    """

    def __init__(self) -> None:
        self._fitted: WeakKeyDictionary[Any, Recognisers] = WeakKeyDictionary()

    def __call__(self, model: nn.Module, data: Any, split: str) -> dict[str, float]:
        if not isinstance(model, Converts):
            return {}
        train, asked = _read(train_part(data, split)), _read(held_out(data, split))
        return _probed(model, train, asked) | _converted(model, self._recognisers(data), asked)

    def _recognisers(self, data: Any) -> Recognisers:
        if data not in self._fitted:
            train = _read(data.split("train"))
            content = None if train.content is None else Recogniser(train.x, train.content)
            self._fitted[data] = Recognisers(content, Recogniser(train.x, train.speaker))
        return self._fitted[data]


def _read(split: Any) -> Known:
    x = torch.cat([batch.x for batch in read(split)])
    content = None if split.labels is None else split.labels.cpu()
    return Known(x, content, split.speakers.cpu())


def _probed(model: Converts, train: Known, held_out: Known) -> dict[str, float]:
    content, held_out_content = model.content(train.x).cpu(), model.content(held_out.x).cpu()
    speaker, held_out_speaker = model.speaker(train.x).cpu(), model.speaker(held_out.x).cpu()
    scores = {
        "speaker_from_content": fresh_probe_accuracy(content, train.speaker, held_out_content, held_out.speaker),
        "speaker_probe": fresh_probe_accuracy(speaker, train.speaker, held_out_speaker, held_out.speaker),
    }
    if train.content is not None and held_out.content is not None:
        scores["content_probe"] = fresh_probe_accuracy(content, train.content, held_out_content, held_out.content)
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
