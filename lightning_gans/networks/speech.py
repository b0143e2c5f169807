"""Small convolutions over the time of log-mel segments (N, mels, frames), after Chou et al. 2018 and AdaIN-VC."""

from typing import Literal

import torch
from torch import Tensor, nn

SLOPE = 0.01  # of leaky ReLUs below 0 (Chou et al.)
KERNEL = 3
REDUCED = 4  # frames for one step of a content code


def _layer(inputs: int, outputs: int, *, stride: int = 1, norm: bool = False) -> nn.Sequential:
    convolution = nn.Conv1d(inputs, outputs, KERNEL, stride=stride, padding=KERNEL // 2)
    return nn.Sequential(convolution, *([nn.InstanceNorm1d(outputs)] if norm else []), nn.LeakyReLU(SLOPE))


class ContentEncoder(nn.Module):
    """x (N, mels, frames) -> c (N, content_dim, frames / 4), a code for every four frames.

    norm: "instance" takes each channel's mean and scale over the segment away from every layer (AdaIN-VC, 1904.05742),
    and with them what is the same all along it: the speaker, and of a held vowel the vowel too.
    """

    def __init__(self, *, mels: int, width: int, content_dim: int, norm: Literal["none", "instance"] = "none") -> None:
        super().__init__()
        if norm not in ("none", "instance"):
            raise ValueError(f"norm={norm!r}: a content encoder has none or instance")
        normed = norm == "instance"
        self.layers = nn.Sequential(
            _layer(mels, width, stride=2, norm=normed),
            _layer(width, width, stride=2, norm=normed),
            _layer(width, width, norm=normed),
            nn.Conv1d(width, content_dim, 1),
            nn.GroupNorm(1, content_dim, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        c: Tensor = self.layers(x)
        return c


class SpeakerEncoder(nn.Module):
    """x (N, mels, frames) -> s (N, speaker_dim), from a mean over time."""

    def __init__(self, *, mels: int, width: int, speaker_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_layer(mels, width, stride=2), _layer(width, width, stride=2), _layer(width, width))
        self.head = nn.Linear(width, speaker_dim)

    def forward(self, x: Tensor) -> Tensor:
        s: Tensor = self.head(self.layers(x).mean(2))
        return s


class SpeechDecoder(nn.Module):
    """c (N, content_dim, frames / 4), s (N, speaker_dim) -> (N, mels, frames); every layer is told s."""

    def __init__(self, *, mels: int, width: int, content_dim: int, speaker_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(inputs + speaker_dim, width) for inputs in (content_dim, width))
        self.head = nn.Conv1d(width + speaker_dim, mels, KERNEL, padding=KERNEL // 2)

    def forward(self, c: Tensor, s: Tensor) -> Tensor:
        for layer in self.layers:
            c = layer(_told(c, s)).repeat_interleave(2, 2)
        x: Tensor = self.head(_told(c, s))
        return x


def _told(c: Tensor, s: Tensor) -> Tensor:
    return torch.cat([c, s[:, :, None].expand(-1, -1, c.shape[2])], dim=1)


def _perceptron(inputs: int, outputs: int, *, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(SLOPE),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.LeakyReLU(SLOPE),
        nn.Dropout(dropout),
        nn.Linear(width, outputs),
    )


class SpeakerClassifier(nn.Module):
    """c (N, content_dim, frames / 4) -> logits (N, speakers): two hidden layers on all of the code."""

    def __init__(self, *, content_dim: int, frames: int, speakers: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        steps = -(-frames // REDUCED)
        self.layers = _perceptron(content_dim * steps, speakers, width=width, dropout=dropout)

    def forward(self, c: Tensor) -> Tensor:
        logits: Tensor = self.layers(c.flatten(1))
        return logits


class PairDiscriminator(nn.Module):
    """c_i, c_j (N, content_dim, frames / 4) -> logits (N,) of their being one speaker's: two layers on both codes."""

    def __init__(self, *, content_dim: int, frames: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        steps = -(-frames // REDUCED)
        self.layers = _perceptron(2 * content_dim * steps, 1, width=width, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        logits: Tensor = self.layers(torch.cat([a.flatten(1), b.flatten(1)], dim=1)).squeeze(1)
        return logits
