"""DCGAN's first and last convolutions, computed as matrix products where torch's own kernels are slow.

Parameters, their names and the function are those of the base classes; float sums differ in the last bits.
All have 4x4 kernels and no bias. Weights kept in torch.channels_last are used without a copy.
"""

from torch import Tensor, nn
from torch.nn.functional import fold, linear, unfold


class CodeToMap(nn.ConvTranspose2d):
    """Codes (N, inputs, 1, 1) -> maps (N, outputs, 4, 4): of one pixel, a transposed convolution is a linear map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 4, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight = self.weight.permute(0, 2, 3, 1)
        maps = (input.flatten(1) @ weight.flatten(1)).view(-1, *weight.shape[1:])
        return maps.permute(0, 3, 1, 2)


class MapToCode(nn.Conv2d):
    """Maps (N, inputs, 4, 4) -> codes (N, outputs, 1, 1)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 4, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight.permute(0, 2, 3, 1)
        return linear(input.permute(0, 2, 3, 1).flatten(1), weight.flatten(1))[:, :, None, None]


# CPUs have no fast kernel for a transposed convolution to a single channel, which is needed for a grey image and for
# D's gradient at one: it takes five times as long as the products below. There, fold and unfold treat the batch as the
# channels of one image, since they process a batch one by one.


class MapToImage(nn.ConvTranspose2d):
    """Maps (N, inputs, S, S) -> images (N, channels, 2 S, 2 S)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__(inputs, channels, 4, 2, 1, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if self.out_channels > 1 or input.device.type != "cpu":
            return super().forward(input)
        n, _, height, width = input.shape
        # one matrix product: with more dimensions, the order of sums depends on whether the weight requires gradients
        pixels = input.permute(0, 2, 3, 1).flatten(0, 2)
        patches = (pixels @ self.weight.flatten(1)).view(n, height * width, 16)
        patches = patches.transpose(1, 2).reshape(1, n * 16, height * width)
        return fold(patches, (2 * height, 2 * width), 4, stride=2, padding=1).view(n, 1, 2 * height, 2 * width)


class ImageToMap(nn.Conv2d):
    """Images (N, channels, S, S) -> maps (N, outputs, S / 2, S / 2)."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, 4, 2, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if self.in_channels > 1 or input.device.type != "cpu" or not input.requires_grad:
            return super().forward(input)
        n, _, height, width = input.shape
        patches = unfold(input.reshape(1, n, height, width), 4, stride=2, padding=1).view(n, 16, -1).transpose(1, 2)
        maps = linear(patches, self.weight.flatten(1)).view(n, height // 2, width // 2, -1)
        return maps.permute(0, 3, 1, 2)
