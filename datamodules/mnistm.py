"""MNIST-M: MNIST on the user's own photographs."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules import cache, checks
from datamodules.bad_files import Bad, BadFiles, OnBadFile
from datamodules.folder import Folder
from datamodules.images import ImageData
from datamodules.pixels import opened
from datamodules.sources import Source, Tensors
from datamodules.textured import blend
from datamodules.vision import Vision
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Channels, Count, ExistingFolder, MNISTImageSize, Natural

MOST = 500  # most photographs read for each split


class MNISTM(ImageData):
    """MNIST-M: MNIST's digits, each blended with a random patch of a photograph: |patch - digit|, per channel.

    As in Ganin et al. 2016 (1505.07818), section 5.2.4, who use photographs of BSDS500. The splits are MNIST's. Splits
    of the photographs are the folders train/, val/ and test/, or determined by a hash of each file's path, so that
    splits share no photograph. Patches are fixed and not rescaled, nor are the digits at `image_size` 28.

    Args:
        photos: directory of photographs, each at least `image_size` pixels high and wide.
        root: directory with MNIST's files.
        download: download with torchvision of files that are missing.
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels; 28 is MNIST's own.
        channels: 1 (grey) or 3 (RGB).
        on_bad_file: treatment of photographs that cannot be read: "skip" with one warning that names them, or an
            "error".
        holdout: validation images; 0 leaves validation empty and trains on all 60,000, None: 5,000.

    Raises:
        UserError: there are no photographs, or none is large enough.
    """

    native_sizes = (28,)

    def __init__(
        self,
        *,
        photos: ExistingFolder | None = None,
        root: str | Path,
        download: bool = True,
        batch_size: Count = 64,
        image_size: MNISTImageSize = 28,
        channels: Channels = 3,
        on_bad_file: OnBadFile = "skip",
        holdout: Natural | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels, holdout=holdout)
        self.photos = photos
        self.bad_files = BadFiles(on_bad_file, kind="photograph")
        self.digits = Vision(
            name="mnist",
            root=root,
            download=download,
            batch_size=batch_size,
            image_size=image_size,
            channels=channels,
            holdout=holdout,
        )

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.digits.classes

    @cached_property
    def files(self) -> Mapping[str, list[Path]]:
        """Return the photographs of each split."""
        if self.photos is None:
            raise UserError(
                "data.photos=null: MNIST-M is MNIST on patches of photographs. Say data.photos=DIR with a folder of "
                "some (the paper has BSDS500's)."
            )
        root = checks.folder("photos", self.photos)
        if not root.is_dir():
            raise UserError(f"data.photos={self.photos} is not a folder. Name one that holds photographs.")
        found = Folder(root=str(root), validation_share=0.15, test_share=0.15).files
        if lacking := [name for name, files in found.items() if not files]:
            raise UserError(
                f"data.photos={self.photos} holds {sum(map(len, found.values()))} photograph(s), which leaves none for "
                f"{', '.join(lacking)}: no photograph may be in two splits. Name a folder with more of them."
            )
        return {name: [root / file.path for file in files[:MOST]] for name, files in found.items()}

    @cached_property
    def fingerprint(self) -> str:
        content = hashlib.sha256()
        for name, files in self.files.items():
            for path in files:
                content.update(f"{name}\0{path.name}\0".encode(errors="surrogateescape") + path.read_bytes())
        return self.digest(self.digits.fingerprint, content.hexdigest(), patches="mnistm/1")

    def read(self) -> Mapping[str, Source]:
        _ = self.files  # reports problems of the photographs before MNIST is downloaded
        digits = {name: source for name, source in self.digits.read().items() if isinstance(source, Tensors)}

        def prepare() -> cache.Kept:
            bad: list[Bad] = []
            made = {
                name: blend(source.x, self._photographs(name, bad), "mnistm", name) for name, source in digits.items()
            }
            return made, {"bad": json.dumps(dict(bad))}

        blended, text = cache.kept(self.fingerprint, prepare)
        self.bad_files.report(Bad(*item) for item in json.loads(text.get("bad", "{}")).items())
        return {name: Tensors(blended[name], source.labels) for name, source in digits.items()}

    def _photographs(self, split: str, bad: list[Bad]) -> list[Tensor]:
        """Read the photographs as uint8 (3, H, W); unreadable ones are added to `bad`."""
        photographs = []
        for path in self.files[split]:
            try:
                with opened(path) as picture:
                    photo = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
            except (OSError, ValueError, SyntaxError) as error:
                bad.append(Bad(path.relative_to(checks.folder("photos", self.photos)).as_posix(), str(error)))
                continue
            if min(photo.shape[1:]) >= self.image_size:
                photographs.append(photo)
        if not photographs:
            self.bad_files.report(bad)
            raise UserError(
                f"data.photos={self.photos}: no photograph of the {split} split is {self.image_size} pixels high and "
                f"wide, the size of a patch{', and can be read' if bad else ''}. Name a folder with larger ones."
            )
        return photographs
