"""Paired images: inputs and corresponding outputs."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import max_pool2d

from datamodules import checks, pixels
from datamodules.bad_files import Bad, OnBadFile
from datamodules.digits import Digits
from datamodules.folder import Files, Folder
from datamodules.images import ImageData
from datamodules.pixels import square
from datamodules.sources import Picture, Pictures, Raw, Source, Split, Tensors
from datamodules.survey import ImageFile, SplitName, by_split, opened
from datamodules.textured import EDGES, photographs, strip
from lightning_gans.core.batches import PairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.settings import (
    Among,
    Channels,
    Count,
    ExistingFolder,
    Fraction,
    ImageSize,
    Natural,
    TranslatedImageSize,
)

SIDES = ("a", "b")


class PairedData(ImageData):
    """Inputs a and outputs b, concatenated in the channels of one image, so that both are cropped and mirrored alike.

    Subclasses read sources of uint8 (N, A + B, S, S), whose shape is `sample_shape`. `parts["a"]` and `parts["b"]` are
    the two sides in the same order; `split` returns the outputs.

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
        self.sample_shape = (input_channels + channels, self.image_size, self.image_size)

    @cached_property
    def parts(self) -> Mapping[str, ImageData]:
        return {side: _Side(self, side) for side in SIDES}

    def columns(self, side: str) -> slice:
        """Return the channels of a side."""
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
        return {name: _Columns(source, columns) for name, source in self.whole.sources.items()}


class _Columns:
    """A subset of the channels of a source."""

    def __init__(self, source: Source, columns: slice) -> None:
        self.source, self.columns, self.labels = source, columns, source.labels

    def __len__(self) -> int:
        return len(self.source)

    @property
    def device(self) -> torch.device:
        return self.source.device

    def on(self, device: torch.device) -> "_Columns":
        return _Columns(self.source.on(device), self.columns)

    def batches(self, indices: Iterable[Tensor], device: torch.device) -> Iterator[Raw]:
        for x, label in self.source.batches(indices, device):
            yield x[:, self.columns], label


class _DigitPairs(PairedData):
    """Pairs whose outputs are the digits, and whose inputs are derived from them."""

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
        """Derive inputs from grey digits uint8 (N, 1, S, S), in the same shape."""
        raise NotImplementedError

    def read(self) -> Mapping[str, Source]:
        sources: dict[str, Source] = {}
        for name, source in self.digits.sources.items():
            assert isinstance(source, Tensors)
            sources[name] = Tensors(torch.cat([self.inputs(source.x[:, :1]), source.x], 1), source.labels)
        return sources


class DigitsEdges(_DigitPairs):
    """Pairs from the outline of a digit to the digit.

    The outline consists of the pixels within one of the edge of the region brighter than mid-grey, white on black.

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
    """Pairs from the left half of a digit to the digit; the right half of the input is mid-grey.

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
    """Pairs from a grey patch to its colours: patches of scikit-learn's two photographs, 2,000 / 200 / 200.

    Splits use disjoint parts of the photographs: the first 60 %, the next 20 % and the last 20 % of their width.
    Patches are squares of 64 pixels, resized.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: of the outputs: 3 (RGB).
        horizontal_flip: random mirroring of half of the training pairs, in every iteration.
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


Direction = Literal["a2b", "b2a"]


class Paired(PairedData, Folder):
    """Pairs of image files below `root`, to any depth.

    The pairs are either files in folders A/ and B/ whose paths are equal except for that folder and the suffix
    (A/train/7.jpg and B/train/7.png, or train/A/7.jpg and train/B/7.png). Without such folders, each picture is a pair:
    the left half is A and the right half B, as in the authors' sets (facades, edges2shoes). Splits, class folders and
    the conversion to squares are those of `Folder`.

    Args:
        root: directory of the images.
        direction: "a2b": inputs are A and outputs B; "b2a": the other way.
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        input_channels: of the inputs: 1 (grey) or 3 (RGB); files are converted.
        channels: of the outputs: 1 (grey) or 3 (RGB).
        load_size: height and width in pixels to which files are resized, `image_size` or more; from these a square of
            `image_size` is cropped for training, the same of both sides, at a random place in every iteration (286 for
            256 in the paper). Held-out images are resized to `image_size`. None: no random crop.
        horizontal_flip: random mirroring of half of the training pairs, in every iteration.
        validation_share: share of the training pairs that is held out for validation, where there is no such directory;
            approximate, as a hash divides.
        test_share: share of the training pairs that is held out for the test, where there is no such directory.
        workers: processes that decode files if the pixels are not held in memory.
        on_bad_file: treatment of pairs of which a file is unreadable: "skip" with one warning that names them, or an
            "error".

    Raises:
        UserError: no such folder, or no readable pair in it.
    """

    def __init__(
        self,
        *,
        root: ExistingFolder,
        direction: Direction = "a2b",
        batch_size: Count = 4,
        image_size: TranslatedImageSize = 128,
        input_channels: Channels = 3,
        channels: Channels = 3,
        load_size: Count | None = None,
        horizontal_flip: bool = True,
        validation_share: Fraction = 0.1,
        test_share: Fraction = 0.1,
        workers: Natural = 2,
        on_bad_file: OnBadFile = "skip",
    ) -> None:
        super().__init__(
            root=root,
            batch_size=batch_size,
            image_size=image_size,
            input_channels=input_channels,
            channels=channels,
            load_size=load_size,
            horizontal_flip=horizontal_flip,
            validation_share=validation_share,
            test_share=test_share,
            workers=workers,
            on_bad_file=on_bad_file,
        )
        self.direction = checks.one_of("direction", direction, ("a2b", "b2a"))
        self._partners: dict[str, ImageFile] = {}  # partner of each file in A/, by path
        self.alone: list[str] = []  # paths of files without a partner

    def _found(self) -> list[ImageFile]:
        found = super()._found()
        sides: dict[str, dict[str, ImageFile]] = {side: {} for side in SIDES}
        for file in found:
            side, key = _side_of(file.path)
            if side is not None:
                sides[side][key] = file
        a, b = sides["a"], sides["b"]
        if not a and not b:
            return found
        self._partners = {a[key].path: b[key] for key in a if key in b}
        self.alone = sorted(file.path for key, file in [*a.items(), *b.items()] if not (key in a and key in b))
        if not self._partners:
            example = next(iter((a or b).values())).path
            raise UserError(
                f"data.root={self.root} has folders A/ or B/ and no pair in them: a pair is two files of equal paths "
                f"but for that folder and the ending, and {example} has no partner."
            )
        return [file for key, file in a.items() if key in b]

    def _by_split(self, found: Sequence[ImageFile]) -> dict[SplitName, list[ImageFile]]:
        """Group files by split, ignoring the folder of a side, which may precede or follow that of a split."""
        own = {_side_of(file.path)[1] if self._partners else file.path: file.path for file in found}
        renamed = [file._replace(path=key, inner=key) for key, file in zip(own, found, strict=True)]
        return {
            split: [file._replace(path=own[file.path]) for file in files]
            for split, files in by_split(renamed, self.tops).items()
        }

    def _pictures(self, paths: Sequence[str], labels: Tensor | None) -> Pictures:
        partners = [self._partners[path].path for path in paths] if self._partners else None
        return _PairFiles(
            self.root,
            paths,
            labels,
            partners=partners,
            size=self.stored_size,
            channels=(self.input_channels, self.channels),
            reverse=self.direction == "b2a",
        )

    @property
    def fingerprint(self) -> str:
        own = self._content([(path, partner) for path, partner in sorted(self._partners.items())])
        return self.digest(super().fingerprint, own, direction=self.direction, input_channels=self.input_channels)

    def notes(self) -> list[str]:
        lines = super().notes()
        if self.alone:
            more = f" and {len(self.alone) - 1:,} more" if len(self.alone) > 1 else ""
            lines.append(f"files without a partner in the other folder are left out: {self.alone[0]}{more}")
        return lines


def _side_of(path: str) -> tuple[str | None, str]:
    """Return the side of a path (by its folder A or B), and the path without that folder and the suffix."""
    folders = list(PurePosixPath(path).parts[:-1])
    places = [place for place, folder in enumerate(folders[:2]) if folder.lower() in SIDES]
    if not places:
        return None, path
    side = folders.pop(places[0]).lower()
    return side, "/".join([*folders, PurePosixPath(path).stem])


class _PairFiles(Files):
    """Pairs of image files, or pictures that contain both halves of a pair.

    Args:
        partners: path of the other file of each pair; None: pictures with two halves.
        channels: channels of inputs and outputs.
        reverse: True if inputs are B.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        labels: Tensor | None,
        *,
        partners: Sequence[str] | None,
        size: int,
        channels: tuple[int, int],
        reverse: bool,
    ) -> None:
        super().__init__(root, paths, labels, size=size, channels=channels[1])
        self.partners, self.both, self.reverse = partners, channels, reverse

    def read(self, index: int) -> Picture | Bad:
        name = self.paths[index]
        try:
            with warnings.catch_warnings(action="ignore"), self.open(index) as first:
                if self.partners is None:
                    pictures = _halves(first)
                else:
                    first.load()  # so that its errors are not attributed to its partner
                    name = self.partners[index]
                    pictures = [first, opened(self.root / name)]
                order = reversed(pictures) if self.reverse else pictures
                sides = [
                    square(picture, size=self.size, channels=channels)
                    for picture, channels in zip(order, self.both, strict=True)
                ]
            return Picture(torch.cat(sides), None)
        except UnidentifiedImageError:
            return Bad(name, "of no known image format")
        except Exception as error:  # decoders may raise any exception on a damaged file
            return Bad(name, f"{type(error).__name__}: {error}")


def _halves(picture: Image.Image) -> list[Image.Image]:
    """Return the left and the right half of a picture, turned upright."""
    picture = ImageOps.exif_transpose(picture)
    width, height = picture.size
    if width < 2 or width < 1.5 * height:
        raise ValueError(f"{width}x{height} pixels are no two squares side by side")
    return [picture.crop((0, 0, width // 2, height)), picture.crop((width - width // 2, 0, width, height))]
