"""Voice conversion model: a content encoder, a speaker encoder and a decoder."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.models.generative import CHUNK, evaluating


class ConvertingModel(nn.Module):
    """Voice conversion x = Dec(c, s), c = E_c(x) the content, s = E_s(x) the speaker.

    Args:
        content_encoder: samples (N, ...) -> c (N, ...).
        speaker_encoder: samples (N, ...) -> s (N, d).
        decoder: c, s -> samples.
    """

    role: ClassVar[str] = "conversion"

    def __init__(self, *, content_encoder: nn.Module, speaker_encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.content_encoder, self.speaker_encoder, self.decoder = content_encoder, speaker_encoder, decoder

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Decode E_c(x) with E_s(like), with gradients, in the current mode: both (N, ...) -> (N, ...)."""
        converted: Tensor = self.decoder(self.content_encoder(x), self.speaker_encoder(like))
        return converted

    def content(self, x: Tensor) -> Tensor:
        """Encode the content of samples (N, ...), in eval mode, flat: (N, d)."""
        return self._in_chunks(self.content_encoder, x).flatten(1)

    def speaker(self, x: Tensor) -> Tensor:
        """Encode the speakers of samples (N, ...), in eval mode: (N, d)."""
        return self._in_chunks(self.speaker_encoder, x)

    def convert(self, x: Tensor, like: Tensor) -> Tensor:
        """Convert x to the voices of the speakers of `like`, in eval mode: both (N, ...) -> (N, ...)."""
        return self._in_chunks(self, x, like)

    def _in_chunks(self, function: Any, *samples: Tensor) -> Tensor:
        weight = next(self.parameters())
        parts = zip(*(x.split(CHUNK) for x in samples), strict=True)
        with evaluating(self):
            return torch.cat([function(*(part.to(weight) for part in chunk)) for chunk in parts])
