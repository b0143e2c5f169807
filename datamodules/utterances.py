"""Base class of speech data: segments of several speakers, and training batches of paired segments."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from datamodules import checks
from datamodules.base import DataModule, SplitName
from datamodules.melspectrogram import LogMel
from datamodules.order import Order
from datamodules.sources import Split, Tensors
from lightning_gans.core.batches import UtteranceBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream


class Utterances(Tensors):
    """Log-mel segments in one tensor, sorted by speaker.

    Args:
        x: (N, mels, frames).
        labels: (N,) int64, the content, or None.
        speakers: (N,) int64, ascending; at least two speakers of at least two segments.
    """

    def __init__(self, x: Tensor, labels: Tensor | None, speakers: Tensor) -> None:
        super().__init__(x, labels)
        self.speakers = speakers
        counts = torch.bincount(speakers)
        self._counts, self._first = counts, counts.cumsum(0) - counts

    def on(self, device: torch.device) -> "Utterances":
        moved = super().on(device)
        return self if moved is self else Utterances(moved.x, moved.labels, self.speakers.to(device))

    def partners(self, rows: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Draw for each of `rows` (n,) another row of its speaker, and a row of another; uniform: (n, 2), U(0, 1)."""
        speaker = self.speakers[rows]
        count, first = self._counts[speaker], self._first[speaker]
        same = (rows - first + 1 + (uniform[:, 0] * (count - 1)).long()) % count
        other = (first + count + (uniform[:, 1] * (len(self) - count)).long()) % len(self)
        return first + same, other


class UtteranceSplit(Split):
    """Segments for evaluation, with their speakers (N,) int64."""

    def __init__(self, source: Utterances, finish: Callable[[Tensor], Tensor], rows: Tensor | None = None) -> None:
        super().__init__(source, finish, rows)
        self.speakers = source.speakers if rows is None else source.speakers[rows]


class SpeechData(DataModule):
    """Log-mel segments of several speakers, each paired in training with one of its speaker and one of another.

    Args:
        batch_size: global batch.
        sample_rate: Hz.
        mels: bands of a spectrogram.
        frames: of 64 ms or so, 16 ms apart; a multiple of 4.

    Attributes:
        speaker_names: names of speakers 0, 1, ...
    """

    batch: ClassVar[type] = UtteranceBatch

    def __init__(self, *, batch_size: int, sample_rate: int, mels: int, frames: int) -> None:
        super().__init__(batch_size=batch_size)
        self.sample_rate = checks.whole("sample_rate", sample_rate, least=4000)
        self.mels = checks.whole("mels", mels, least=8)
        self.frames = checks.whole("frames", frames, least=4)
        if frames % 4:
            raise UserError(
                f"data.frames={frames} does not fit: networks take four frames together. Say data.frames="
                f"{frames // 4 * 4} or {frames // 4 * 4 + 4}."
            )
        self.spectrogram = LogMel(sample_rate=sample_rate, mels=mels, frames=frames)
        self.sample_shape = (mels, frames)

    @property
    def speaker_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def split(self, name: SplitName) -> UtteranceSplit:
        source = self.sources[checks.one_of("split", name, tuple(self.sources))]
        assert isinstance(source, Utterances)
        return UtteranceSplit(source, self.finish)

    def wav(self, x: Tensor) -> list[bytes]:
        """Convert spectrograms (N, mels, frames) to the contents of N wav files."""
        return self.spectrogram.wav(x)

    def _batches(
        self, start: int, stop: int, seed: int, rank: int, world: int, device: torch.device, stream_name: str
    ) -> Iterator[Any]:
        if (stream_name, device) not in self._resident:
            self._resident[stream_name, device] = self.sources[stream_name].on(device)
        source = self._resident[stream_name, device]
        assert isinstance(source, Utterances)
        order = Order(len(source), batch=self.batch_size, seed=seed, rank=rank, world=world, device=source.device)
        mine = slice(order.offset, order.offset + order.rows)
        for iteration in range(start, stop):
            rows = order.indices(iteration)
            uniform = torch.rand(self.batch_size, 2, generator=stream(seed, "partners", iteration))[mine]
            partner, other = source.partners(rows, uniform.to(source.device))
            label = None if source.labels is None else source.labels[rows].to(device)
            x, x_partner, x_other = (self.finish(source.x[which].to(device)) for which in (rows, partner, other))
            yield UtteranceBatch(x, label, source.speakers[rows].to(device), x_partner, x_other)
