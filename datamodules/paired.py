"""Images in pairs: an input and the output that belongs to it."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from datamodules import checks, pixels
from datamodules.digits import Digits
from datamodules.images import ImageData
from datamodules.sources import Source, Split, Tensors
from datamodules.survey import SplitName
from datamodules.textured import EDGES, photographs, strip
from lightning_gans.core.batches import PairedBatch
from lightning_gans.core.rng import stream
from lightning_gans.settings import Among, Channels, Count, ImageSize

SIDES = ("a", "b")


class PairedData(ImageData):
    """Inputs a and outputs b, side by side in the channels of one image: what is cropped or mirrored, both are.

    A subclass reads sources of uint8 (N, A + B, S, S). `parts["a"]` and `parts["b"]` are the two sides, in one order;
    `split` gives the outputs.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: of the outputs; those of the inputs are `input_channels`.
    """

    batch: ClassVar[type] = PairedBatch
    contents: ClassVar[str] = "images"

    def __init__(self, *, input_channels: int, channels: int, **settings: Any) -> None:
        super().__init__(channels=channels, **settings)
        self.input_channels = checks.channels(input_channels)

    @cached_property
    def parts(self) -> Mapping[str, ImageData]:
        return {side: _Side(self, side) for side in SIDES}

    def columns(self, side: str) -> slice:
        """The channels of a side."""
        return slice(0, self.input_channels) if side == "a" else slice(self.input_channels, None)

    def split(self, name: SplitName) -> Split:
        return self.parts["b"].split(name)

    def _batches(self, *arguments: Any) -> Iterator[Any]:
        for batch in super()._batches(*arguments):
            yield PairedBatch(*(batch.x[:, self.columns(side)] for side in SIDES))


class _Side(ImageData):
    """The inputs or the outputs of pairs."""

    def __init__(self, whole: PairedData, side: str) -> None:
        channels = whole.input_channels if side == "a" else whole.channels
        super().__init__(batch_size=whole.batch_size, image_size=whole.image_size, channels=channels)
        self.whole, self.side = whole, side

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.whole.classes

    @property
    def fingerprint(self) -> str:
        return self.digest(self.whole.fingerprint, side=self.side)

    def read(self) -> Mapping[str, Source]:
        columns = self.whole.columns(self.side)
        sources: dict[str, Source] = {}
        for name, source in self.whole.sources.items():
            assert isinstance(source, Tensors)
            sources[name] = Tensors(source.x[:, columns], source.labels)
        return sources


class _DigitPairs(PairedData):
    """The digits as outputs, and inputs made of them."""

    version: ClassVar[str]

    def __init__(self, *, batch_size: int, image_size: int, channels: int) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels, input_channels=1)
        self.digits = Digits(batch_size=batch_size, image_size=image_size, channels=channels)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.digits.classes

    @property
    def fingerprint(self) -> str:
        return self.digest(self.digits.fingerprint, pairs=self.version)

    def inputs(self, digits: Tensor) -> Tensor:
        """Grey digits uint8 (N, 1, S, S) -> inputs of the same shape."""
        raise NotImplementedError

    def read(self) -> Mapping[str, Source]:
        sources: dict[str, Source] = {}
        for name, source in self.digits.sources.items():
            assert isinstance(source, Tensors)
            sources[name] = Tensors(torch.cat([self.inputs(source.x[:, :1]), source.x], 1), source.labels)
        return sources


class DigitsEdges(_DigitPairs):
    """From the outline of a digit to the digit.

    The outline: pixels that lie within one of the edge of what is brighter than mid-grey, white on black.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: of the outputs: 1 (grey) or 3 (RGB).
    """

    version = "edges/1"

    def __init__(self, *, batch_size: Count = 8, image_size: ImageSize = 32, channels: Channels = 1) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels)

    def inputs(self, digits: Tensor) -> Tensor:
        inside = (digits > 127).float()
        outline = max_pool2d(inside, 3, 1, 1) - inside
        return (outline * 255).to(torch.uint8)


class DigitsHalves(_DigitPairs):
    """From the left half of a digit to the digit: the right half of the input is mid-grey.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: of the outputs: 1 (grey) or 3 (RGB).
    """

    version = "halves/1"

    def __init__(self, *, batch_size: Count = 8, image_size: ImageSize = 32, channels: Channels = 1) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels)

    def inputs(self, digits: Tensor) -> Tensor:
        halves = digits.clone()
        halves[..., digits.shape[-1] // 2 :] = 128
        return halves


class PhotosGrey(PairedData):
    """From a grey patch to its colours: patches of scikit-learn's two photographs, 2,000 / 200 / 200.

    Patches of a split come from a part of the photographs that no other split sees: the first 60 %, the next 20 % and
    the last 20 % of their width. They are squares of 64 pixels, resized.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: of the outputs: 3 (RGB).
        horizontal_flip: mirroring of half of the training pairs, drawn anew in every iteration.
    """

    counts: ClassVar[Mapping[str, int]] = {"train": 2000, "validation": 200, "test": 200}
    patch: ClassVar[int] = 64

    def __init__(
        self,
        *,
        batch_size: Count = 8,
        image_size: ImageSize = 32,
        channels: Annotated[int, Among(3)] = 3,
        horizontal_flip: bool = True,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            image_size=image_size,
            channels=channels,
            input_channels=1,
            horizontal_flip=horizontal_flip,
        )

    @property
    def fingerprint(self) -> str:
        content = hashlib.sha256(b"".join(photo.numpy().tobytes() for photo in photographs())).hexdigest()
        return self.digest(content, pairs="grey/1")

    def read(self) -> Mapping[str, Source]:
        return {name: Tensors(self._pairs(name, n)) for name, n in self.counts.items()}

    def _pairs(self, split: str, n: int) -> Tensor:
        strips = [strip(photo, *EDGES[split]) for photo in photographs()]
        draws = torch.rand(n, 3, generator=stream("patches", "grey", split))
        patches = torch.empty(n, 3, self.patch, self.patch, dtype=torch.uint8)
        for row, (which, down, right) in enumerate(draws.tolist()):
            photo = strips[int(which * len(strips))]
            top, left = (
                int(u * (side - self.patch + 1)) for u, side in zip((down, right), photo.shape[1:], strict=True)
            )
            patches[row] = photo[:, top : top + self.patch, left : left + self.patch]
        colours = pixels.fit(patches, size=self.image_size, channels=3)
        return torch.cat([pixels.fit(colours, size=self.image_size, channels=1), colours], 1)
