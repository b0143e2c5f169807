"""Images that a trained model is shown one after the other: those that cannot be read are skipped, and named."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.trained.translation import Skipped, in_words
from lightning_gans.core.errors import UserError

# Nothing above imports torch: a slip of the pen is answered at once.
if TYPE_CHECKING:
    from torch import Tensor

TOGETHER = 64  # images that are held, and shown to a model, at a time


class Images:
    """Image files in a fixed order.

    Args:
        key: the task that they are given to, as in classify=DIR.
        path: an image, or a folder of images at any depth; hidden files are left out.

    Attributes:
        files: the files, by path.
        skipped: those that could not be read, once `batches` has come to them.

    Raises:
        UserError: no images.
    """

    def __init__(self, key: str, path: Path) -> None:
        from datamodules.survey import search

        self.key, self.path = key, path
        self.files = [path / file.path for file in search(path)] if path.is_dir() else [path]
        self.skipped: list[Skipped] = []
        if not self.files:
            raise UserError(f"{key}={path} holds no images (png, jpg, ...).")

    def batches(self, shape: Sequence[int]) -> Iterator[tuple[list[Path], "Tensor"]]:
        """The files that can be read, and their images as training images of `shape` (C, S, S): float in [-1, 1].

        Raises:
            UserError: none can be read.
        """
        for start in range(0, len(self.files), TOGETHER):
            named, images = [], []
            for path in self.files[start : start + TOGETHER]:
                try:
                    images.append(_read(path, shape))
                except Exception as error:  # decoders raise nearly anything on a damaged file
                    reason = str(error).partition("\n")[0] or type(error).__name__
                    self.skipped.append(Skipped(path, f"{path} is not an image that can be read ({reason})."))
                else:
                    named.append(path)
            if images:
                yield named, _normalised(images)
        if len(self.skipped) == len(self.files):
            raise UserError(f"{self.key}=: none of {len(self.files):,} images could be read. {in_words(self.skipped)}")

    def told(self, done: str) -> str:
        """How many images were read, and what was `done` to them."""
        n = len(self.files) - len(self.skipped)
        return f"{n:,} image{'s' * (n > 1)} of {self.path} {done}"

    def tell_skipped(self) -> None:
        """Print which files were skipped, if any."""
        if self.skipped:
            cli.tell(f"{len(self.skipped):,} of {len(self.files):,} skipped: {in_words(self.skipped)}")


def _read(path: Path, shape: Sequence[int]) -> "Tensor":
    from datamodules.pixels import opened, square

    with opened(path) as picture:
        return square(picture, size=shape[1], channels=shape[0])


def _normalised(images: "Sequence[Tensor]") -> "Tensor":
    import torch

    from datamodules.pixels import normalise

    return normalise(torch.stack(list(images)))


def shape_of(key: str, model: Any, run: Path) -> tuple[int, ...]:
    """The shape (C, S, S) of the images that a model takes.

    Raises:
        UserError: it takes points, or its description does not say.
    """
    from lightning_gans.core.protocols import Samples

    found = tuple(model.sample(1).shape[1:]) if isinstance(model, Samples) else _described(run)
    if len(found) != 3 or found[1] != found[2]:
        raise UserError(
            f"{key}= takes images, and the model of run={run} takes samples of shape {found}. Call the model from "
            f'Python: lightning_gans.load_generator("{run}").'
        )
    return found


def _described(run: Path) -> tuple[int, ...]:
    from lightning_gans.models.export import described

    model = described(run)["model"]
    network = model.get("network")
    size = network.get("image_size") if isinstance(network, dict) else None
    return (int(model["channels"]), int(size), int(size)) if size is not None and "channels" in model else ()
