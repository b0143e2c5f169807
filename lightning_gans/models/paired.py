"""Paired translation model: a generator of images from input images."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.models.generative import evaluating

CHUNK = 16  # images at a time, for which noise is drawn together


class PairedModel(nn.Module):
    """Paired translator b = G(a, z), z ~ U[0, 1): an output image for each input image.

    Args:
        generator: network (images (N, A, H, W), noise (N, generator.noise)) -> images (N, B, H, W), or without noise if
            it has no `noise`.
    """

    role: ClassVar[str] = "paired translation"

    def __init__(self, *, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    @property
    def channels(self) -> int:
        """Number of channels of the inputs."""
        return int(self.generator.channels)  # type: ignore[arg-type]

    @property
    def image_size(self) -> int | None:
        """Height and width of the images; None: any that `check` accepts."""
        size = getattr(self.generator, "image_size", None)
        return None if size is None else int(size)

    @property
    def noise(self) -> int:
        """Length of z."""
        return int(getattr(self.generator, "noise", 0))

    def forward(self, a: Tensor, z: Tensor) -> Tensor:
        """Generate outputs: (N, A, H, W), (N, noise) -> (N, B, H, W)."""
        b: Tensor = self.generator(a, z) if hasattr(self.generator, "noise") else self.generator(a)
        return b

    def check(self, height: int, width: int) -> None:
        """Refuse a size that the network does not support.

        Raises:
            UserError: names the supported sizes.
        """
        size = self.image_size
        if size is not None and (height, width) != (size, size):
            raise UserError(
                f"Images of {width}x{height} pixels do not go through this generator: it takes {size}x{size}."
            )
        multiple, least = (int(getattr(self.generator, key, 1)) for key in ("multiple", "least"))
        if height % multiple or width % multiple or min(height, width) < least:
            raise UserError(
                f"Images of {width}x{height} pixels do not go through this generator: width and height are multiples "
                f"of {multiple}, and {least} or more."
            )

    def generate(self, x: Tensor, *, seed: int = 0, start: int = 0) -> Tensor:
        """Generate outputs for images (N, A, H, W), float in [-1, 1], in eval mode: (N, B, H, W).

        Row i uses the noise of (seed, start + i) and does not depend on the other rows.

        Raises:
            UserError: a size that the network does not support.
        """
        self.check(*x.shape[2:])
        like = next((p for p in self.parameters() if p.is_floating_point()), x)
        with evaluating(self):
            return torch.cat(
                [
                    self(part.to(like), self._noise(len(part), seed, start + number * CHUNK).to(like))
                    for number, part in enumerate(x.split(CHUNK))
                ]
            )

    def _noise(self, n: int, seed: int, start: int) -> Tensor:
        chunks = range(start // CHUNK, -(-(start + n) // CHUNK))
        drawn = [torch.rand(CHUNK, self.noise, generator=stream(seed, "generate", chunk)) for chunk in chunks]
        return torch.cat(drawn)[start % CHUNK :][:n]
