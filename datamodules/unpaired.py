"""Unpaired images of two domains."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Gt, Le
from torch import Tensor

from datamodules import checks
from datamodules.bad_files import OnBadFile
from datamodules.composite import Composite
from datamodules.digits import Digits
from datamodules.folder import TOPS, Folder, ImageFile
from datamodules.images import FileSettings, ImageData, ImageShape
from datamodules.named import image_data
from datamodules.sources import Source, Tensors
from datamodules.textured import EDGES, DigitsTextured, blend, photographs, strip
from lightning_gans.core.batches import UnpairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Channels, Count, ExistingFolder, ImageSize, Share, TranslatedImageSize

DOMAINS = ("a", "b")


class _Pair(Composite):
    """Images of domains A and B of one size, in independent orders.

    sample_shape: sample shape of A. channels_b: channels of B.
    domains: the whole data of each domain, the reference in the evaluation; equal to `parts` unless these are halves.
    """

    batch: ClassVar[type] = UnpairedBatch
    contents: ClassVar[str] = "images"

    def __init__(
        self, *, batch_size: int, image_size: int, channels: int, horizontal_flip: bool, channels_b: int | None = None
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.image_size = checks.image_size(image_size)
        self.channels = checks.channels(channels)
        self.channels_b = self.channels if channels_b is None else checks.channels(channels_b)
        self.horizontal_flip = checks.boolean("horizontal_flip", horizontal_flip)
        self.sample_shape = (channels, image_size, image_size)

    def shape(self, domain: str) -> ImageShape:
        """Return the shape of a domain's images."""
        channels = self.channels if domain == "a" else self.channels_b
        return ImageShape(batch_size=self.batch_size, image_size=self.image_size, channels=channels)

    def make(self) -> Mapping[str, ImageData]:
        """Create the parts "a" and "b"."""
        raise NotImplementedError

    @cached_property
    def parts(self) -> Mapping[str, ImageData]:
        made = self.make()
        for part in made.values():
            part.horizontal_flip = self.horizontal_flip
        return made

    @property
    def domains(self) -> Mapping[str, ImageData]:
        return self.parts

    def join(self, batches: Mapping[str, Any]) -> UnpairedBatch:
        return UnpairedBatch(batches["a"].x, batches["b"].x)


class Unpaired(_Pair):
    """Unpaired images: two folders or sets of images, or one folder with trainA, trainB, testA and testB.

    Args:
        a: domain A: a directory, or the name of a set of images (as `mnist`); None where `root` is given.
        b: domain B: a directory, or the name of a set of images; None where `root` is given.
        root: directory with trainA/ and trainB/, instead of a and b. Of valA/, valB/, testA/ and testB/ what is missing
            is taken from train by a hash of each path.
        data_dir: directory of the files of real sets, also for downloads.
        batch_size: global batch size of each domain, of all processes together.
        image_size: height and width in pixels.
        channels: channels of A, 1 (grey) or 3 (RGB); images are converted.
        channels_b: channels of B; None: as many as A.
        load_size: height and width in pixels to which files are resized, `image_size` or more; from these a square of
            `image_size` is cropped for training, at a random place in every iteration and for each domain (286 for 256
            in the paper). Held-out images are resized to `image_size`. For folders; None: no random crop.
        horizontal_flip: random mirroring of half of the training images, in every iteration.
        black: value that becomes black in grey files of 16 or 32 bits and of floats, where `white` is given.
        white: value that becomes white in such files; None: the full range, as in `Folder`.
        on_bad_file: treatment of unreadable files: "skip" with one warning that names them, or an "error".

    Raises:
        UserError: a domain is missing, or has no images.
    """

    def __init__(
        self,
        *,
        a: str | None = None,
        b: str | None = None,
        root: ExistingFolder | None = None,
        data_dir: str | Path = "data",
        batch_size: Count = 1,
        image_size: TranslatedImageSize = 128,
        channels: Channels = 3,
        channels_b: Channels | None = None,
        load_size: Count | None = None,
        horizontal_flip: bool = True,
        black: float = 0.0,
        white: float | None = None,
        on_bad_file: OnBadFile = "skip",
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            image_size=image_size,
            channels=channels,
            horizontal_flip=horizontal_flip,
            channels_b=channels_b,
        )
        if root is None and (a is None or b is None):
            missing = [f"data.{key}" for key, value in (("a", a), ("b", b)) if value is None]
            lacking = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'}"
            raise UserError(
                f"data=unpaired needs images of two domains, and {lacking} not given. Say data.a= and data.b=, each "
                "a folder of images or the name of a set (mnist, usps, ...); or data.root=DIR with trainA/ and trainB/ "
                "in it; or data=digits_unpaired, which needs none."
            )
        if root is not None and (a is not None or b is not None):
            raise UserError(
                f"data.root={root} holds both domains, trainA/ and trainB/, and data.a={a}, data.b={b} name them "
                "apart. Keep the one or the others."
            )
        self.a, self.b, self.data_dir = a, b, data_dir
        checks.levels(black, white)
        checks.one_of("on_bad_file", on_bad_file, ("skip", "error"))
        self.load_size = None if load_size is None else checks.whole("load_size", load_size, least=image_size)
        self.file_settings = FileSettings(black=black, white=white, on_bad_file=on_bad_file)
        self.root = None if root is None else checks.folder("root", root)

    @property
    def classes(self) -> None:
        """Return None: the domains may have classes of their own, but share none."""
        return None

    def make(self) -> Mapping[str, ImageData]:
        if self.root is not None:
            return {
                domain: DomainFolder(
                    root=str(self.root),
                    domain=domain,
                    load_size=self.load_size,
                    **self.shape(domain),
                    **self.file_settings,
                )
                for domain in DOMAINS
            }
        return {
            domain: image_data(
                str(getattr(self, domain)),
                key=domain,
                data_dir=self.data_dir,
                files=self.file_settings,
                load_size=self.load_size,
                **self.shape(domain),
            )
            for domain in DOMAINS
        }

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        if self.root is None and self.parts["a"].fingerprint == self.parts["b"].fingerprint:
            raise UserError(
                f"data.a={self.a} and data.b={self.b} are the same images: there is nothing to translate. Name another "
                "domain."
            )


class DomainFolder(Folder):
    """Images of one domain in a folder with both domains: trainA/, valA/, testA/, or the same with B."""

    def __init__(self, *, root: str, domain: str, **settings: Any) -> None:
        super().__init__(root=root, **settings)
        self.domain = domain
        self.tops = {f"{top}{separator}{domain}": split for top, split in TOPS.items() for separator in ("", "_")}

    def _found(self) -> list[ImageFile]:
        found = [file for file in super()._found() if file.path.partition("/")[0].lower() in self.tops]
        if not any(self.tops[file.path.partition("/")[0].lower()] == "train" for file in found):
            letter = self.domain.upper()
            there = sorted(path.name for path in Path(self.root).iterdir() if path.is_dir())
            raise UserError(
                f"data.root={self.root} has no images in a folder train{letter}; it holds "
                f"{', '.join(there[:8]) or 'no folders'}. Its layout is trainA/, trainB/, testA/ and testB/; two "
                "folders of other names are data.a= and data.b=."
            )
        return found


class DigitsUnpaired(_Pair):
    """Unpaired digits. A: digits as RGB; B: digits blended with patches of photographs. No digit is in both.

    `Digits` and `DigitsTextured` contain the same digits in the same splits. A and B take alternate training digits, so
    that no image of A is the translation of an image of B. Held-out digits are the same in both domains.

    Args:
        batch_size: global batch size of each domain, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
        brightness: share of the photographs' own brightness. At 1, B is `DigitsTextured`, whose digits are lighter than
            what they lie on where that is dark, darker where it is light, and hardly there between; well below 0.5 they
            are lighter everywhere.
        contrast: contrast of B about mid-grey; 1 leaves it as it is.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 8,
        image_size: ImageSize = 16,
        channels: Channels = 3,
        brightness: Share = 1.0,
        contrast: Annotated[float, Le(1), Gt(0)] = 1.0,
    ) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels, horizontal_flip=False)
        self.brightness = checks.number("brightness", brightness, least=0)
        self.contrast = checks.number("contrast", contrast, above=0)
        for key, value in (("brightness", brightness), ("contrast", contrast)):
            if value > 1:
                raise UserError(f"data.{key}={value}: a share of what it is in the photographs, at most 1.")

    @cached_property
    def domains(self) -> Mapping[str, ImageData]:
        shape = self.shape("b")
        b = DigitsTextured(**shape)
        if self.brightness < 1 or self.contrast < 1:
            b = _Faded(self.brightness, self.contrast, **shape)
        return {"a": Digits(**self.shape("a")), "b": b}

    def make(self) -> Mapping[str, ImageData]:
        return {domain: _Half(whole, first) for first, (domain, whole) in enumerate(self.domains.items())}

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.domains["a"].classes


class _Faded(DigitsTextured):
    """DigitsTextured on darker photographs, with reduced contrast."""

    def __init__(self, brightness: float, contrast: float, *, batch_size: int, image_size: int, channels: int) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels)
        self.brightness, self.contrast = brightness, contrast

    @property
    def fingerprint(self) -> str:
        return self.digest(super().fingerprint, brightness=self.brightness, contrast=self.contrast)

    def _blended(self, digits: Tensor, split: str) -> Tensor:
        strips = (strip(photo, *EDGES[split]).float() * self.brightness for photo in photographs())
        blended = blend(digits, [darker.round().to(torch.uint8) for darker in strips], "textured", split)
        return (127.5 + (blended.float() - 127.5) * self.contrast).round().to(torch.uint8)


class _Half(ImageData):
    """Every other training image of a data module, starting at index `first`; the other splits are complete."""

    def __init__(self, whole: ImageData, first: int) -> None:
        super().__init__(batch_size=whole.batch_size, image_size=whole.image_size, channels=whole.channels)
        self.whole, self.half = whole, first

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.whole.classes

    @property
    def fingerprint(self) -> str:
        return self.digest(self.whole.fingerprint, half=self.half)

    def read(self) -> Mapping[str, Source]:
        train = self.whole.sources["train"]
        assert isinstance(train, Tensors)
        return {**self.whole.sources, "train": train.take(torch.arange(self.half, len(train), 2))}
