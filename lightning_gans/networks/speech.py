"""Small convolutions over the time of log-mel segments (N, mels, frames), after Chou et al. 2018 and AdaIN-VC."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from lightning_gans.settings import Count, Fraction, Ge

SLOPE = 0.01  # of leaky ReLUs below 0 (Chou et al.)
PATCH = 4  # frames for one step of a content code


def _layers(mels: int, width: int, *, norm: bool = False) -> nn.Sequential:
    """(N, mels, frames) -> (N, width, frames / 4): four frames together, then twice with their neighbours."""
    convolutions = [
        nn.Conv1d(mels, width, PATCH, stride=PATCH),
        nn.Conv1d(width, width, 3, padding=1),
        nn.Conv1d(width, width, 3, padding=1),
    ]
    layers: list[nn.Module] = []
    for convolution in convolutions:
        layers += [convolution, *([nn.InstanceNorm1d(width)] if norm else []), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class ContentEncoder(nn.Module):
    """Content encoder: x (N, mels, frames) -> c (N, content_dim, frames / 4), a code for every four frames.

    Args:
        mels: mel bands of a spectrogram.
        width: channels of a layer.
        content_dim: length of a content code, every four frames or of a segment.
        norm: normalisation of the hidden layers; "instance" removes what is constant over a segment. It removes each
            channel's mean and scale over the segment from every layer (AdaIN-VC, 1904.05742), and with them the
            speaker; for a sustained vowel, also the vowel.
        levels: number of values of each number in a content code; None: real numbers. The values lie evenly from -1 to
            1: tanh rounded, with the gradient of tanh (Mentzer et al. 2023, 2309.15505; two levels are the binary codes
            of Liu et al. 2019, 1905.11563). Real codes can hide the speaker from a classifier, in separate regions for
            each speaker.
        pool: one code for a whole segment, (N, content_dim, 1), from a mean over time: for a segment that is one sound.
    """

    def __init__(
        self,
        *,
        mels: Count,
        width: Count,
        content_dim: Count,
        norm: Literal["none", "instance"] = "none",
        levels: Annotated[int, Ge(2)] | None = None,
        pool: bool = False,
    ) -> None:
        super().__init__()
        if norm not in ("none", "instance"):
            raise ValueError(f"norm={norm!r}: a content encoder has none or instance")
        if levels is not None and levels < 2:
            raise ValueError(
                f"levels={levels!r}: numbers of a content code have two levels or more, or null for real ones"
            )
        self.levels, self.pool = levels, pool
        self.layers = _layers(mels, width, norm=norm == "instance")
        self.head = nn.Conv1d(width, content_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layers(x)
        c: Tensor = self.head(h.mean(2, keepdim=True) if self.pool else h)
        return c if self.levels is None else _rounded(c.tanh(), self.levels)


def _rounded(x: Tensor, levels: int) -> Tensor:
    """Round x to the nearest of evenly spaced levels from -1 to 1, with the gradient of the identity."""
    step = 2 / (levels - 1)
    nearest = ((x.detach() + 1) / step + 0.5).floor() * step - 1
    return nearest + (x - x.detach())  # that is 0: the levels are exact


class SpeakerEncoder(nn.Module):
    """Speaker encoder: x (N, mels, frames) -> s (N, speaker_dim), from a mean over time.

    Args:
        mels: mel bands of a spectrogram.
        width: channels of a layer.
        speaker_dim: length of a speaker's code.
    """

    def __init__(self, *, mels: Count, width: Count, speaker_dim: Count) -> None:
        super().__init__()
        self.layers = _layers(mels, width)
        self.head = nn.Linear(width, speaker_dim)

    def forward(self, x: Tensor) -> Tensor:
        s: Tensor = self.head(self.layers(x).mean(2))
        return s


class SpeechDecoder(nn.Module):
    """Speech decoder: c (N, content_dim, frames / 4), s (N, speaker_dim) -> (N, mels, frames), s joined to every layer.

    Args:
        mels: mel bands of a spectrogram.
        width: channels of a layer.
        content_dim: length of a content code, every four frames or of a segment.
        speaker_dim: length of a speaker's code.
        frames: number of frames of a sample, over which a code of one step (N, content_dim, 1) is spread; None: four
            for every step.
    """

    def __init__(
        self, *, mels: Count, width: Count, content_dim: Count, speaker_dim: Count, frames: Count | None = None
    ) -> None:
        super().__init__()
        self.steps = None if frames is None else frames // PATCH
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(inputs + speaker_dim, width, 3, padding=1), nn.LeakyReLU(SLOPE))
            for inputs in (content_dim, width)
        )
        self.head = nn.Conv1d(width + speaker_dim, PATCH * mels, 1)

    def forward(self, c: Tensor, s: Tensor) -> Tensor:
        c = c if self.steps is None else c.expand(-1, -1, self.steps)
        for layer in self.layers:
            c = layer(_told(c, s))
        frames = self.head(_told(c, s)).unflatten(1, (-1, PATCH))  # (N, mels, 4, frames / 4)
        x: Tensor = frames.transpose(2, 3).flatten(2)
        return x


def _told(c: Tensor, s: Tensor) -> Tensor:
    return torch.cat([c, s[:, :, None].expand(-1, -1, c.shape[2])], dim=1)


class _Judge(nn.Module):
    """Perceptron with two hidden layers on codes (N, content_dim, steps), standardised component by component.

    A code has a step for every four frames, or one if `pool`, as in the encoder.

    The standardisation is a batch norm without gain and bias. On raw codes, a network misses information in a small
    component beside a large constant, which a decoder or a probe does not miss.
    """

    def __init__(
        self, *, content_dim: int, frames: int, pool: bool, codes: int, outputs: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        numbers = content_dim * (1 if pool else frames // PATCH)
        self.standardise = nn.BatchNorm1d(numbers, affine=False)
        self.layers = nn.Sequential(
            nn.Linear(codes * numbers, width),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(width, outputs),
        )


class SpeakerClassifier(_Judge):
    """Speaker classifier: c (N, content_dim, steps) -> logits (N, speakers), from the whole code.

    Args:
        content_dim: length of a content code, every four frames or of a segment.
        frames: number of frames of a segment.
        speakers: number of speakers in the data.
        width: channels of a layer.
        dropout: dropout rate of the hidden layers.
        pool: one content code for a whole segment, as the content encoder's.
    """

    def __init__(
        self,
        *,
        content_dim: Count,
        frames: Count,
        speakers: Count,
        width: Count,
        dropout: Fraction = 0.0,
        pool: bool = False,
    ) -> None:
        super().__init__(
            content_dim=content_dim, frames=frames, pool=pool, codes=1, outputs=speakers, width=width, dropout=dropout
        )

    def forward(self, c: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.standardise(c.flatten(1)))
        return logits


class PairDiscriminator(_Judge):
    """Pair discriminator: c_i, c_j (N, content_dim, steps) -> logits (N,) of one speaker, from both whole codes.

    Args:
        content_dim: length of a content code, every four frames or of a segment.
        frames: number of frames of a segment.
        width: channels of a layer.
        dropout: dropout rate of the hidden layers.
        pool: one content code for a whole segment, as the content encoder's.
    """

    def __init__(
        self, *, content_dim: Count, frames: Count, width: Count, dropout: Fraction = 0.0, pool: bool = False
    ) -> None:
        super().__init__(
            content_dim=content_dim, frames=frames, pool=pool, codes=2, outputs=1, width=width, dropout=dropout
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        both = self.standardise(torch.cat([a, b]).flatten(1))
        logits: Tensor = self.layers(torch.cat(both.chunk(2), dim=1)).squeeze(1)
        return logits
