"""Translation model: a pair of translators between two image domains."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.protocols import DIRECTIONS, Direction
from lightning_gans.models.generative import evaluating

# Number of images translated at a time: those of 256 pixels take a gigabyte.
CHUNK = 16


class TranslationModel(nn.Module):
    """Translators between two domains of images, (N, A, H, W) and (N, B, H, W), in [-1, 1] on both sides.

    Args:
        a2b: network from domain A to B, images -> images.
        b2a: network from domain B to A, images -> images.
    """

    role: ClassVar[str] = "translation"

    def __init__(self, *, a2b: nn.Module, b2a: nn.Module) -> None:
        super().__init__()
        self.a2b = a2b
        self.b2a = b2a

    def channels(self, direction: Direction) -> int:
        """Number of channels of the input images in a direction."""
        return int(getattr(self, direction).channels)

    def check(self, height: int, width: int) -> None:
        """Refuse a size that the networks do not support.

        Raises:
            UserError: names the supported sizes.
        """
        multiple, least = (max(int(getattr(net, key)) for net in (self.a2b, self.b2a)) for key in ("multiple", "least"))
        if height % multiple or width % multiple or min(height, width) < least:
            raise UserError(
                f"Images of {width}x{height} pixels do not go through these translators: width and height are "
                f"multiples of {multiple}, and {least} or more."
            )

    def translate(self, x: Tensor, direction: Direction) -> Tensor:
        """Translate images (N, A, H, W) or (N, B, H, W), float in [-1, 1], to the other domain, in eval mode.

        Raises:
            UserError: a size that the networks do not support, or an unknown direction.
        """
        if direction not in DIRECTIONS:
            raise UserError(f"direction={direction}: say {' or '.join(DIRECTIONS)}.")
        self.check(*x.shape[2:])
        like = next((p for p in self.parameters() if p.is_floating_point()), x)
        translator = getattr(self, direction)
        with evaluating(self):
            return torch.cat([translator(part.to(like)) for part in x.split(CHUNK)])
