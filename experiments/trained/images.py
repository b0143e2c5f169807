"""Input images of a trained model, read in batches; unreadable images are skipped and listed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments import cli
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from torch import Tensor

NAMED = 5  # images listed in a message
TOGETHER = 64  # images per batch


class Skipped(NamedTuple):
    """An image that was skipped."""

    path: Path
    reason: str


def in_words(skipped: Sequence[Skipped]) -> str:
    """Describe the first skipped images with their reasons in one line."""
    more = f" And {len(skipped) - NAMED:,} more." if len(skipped) > NAMED else ""
    return " ".join(one.reason for one in skipped[:NAMED]) + more


def places(key: str, path: Path, files: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Map each file of `path` to its output PNG in the folder `out`.

    File names and subfolders are kept; the suffix too, if two images differ only in it.

    Args:
        key: the task, as in translate=DIR.

    Raises:
        UserError: `out` is a file, lies among the images, or holds anything else.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file; name a folder for the PNGs.")
    if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
        raise UserError(f"out={out} lies in {key}={path}, among the images themselves. Name another folder.")
    root = path if path.is_dir() else path.parent
    names = [file.relative_to(root).with_suffix(".png") for file in files]
    count = Counter(names)
    found = {
        file: out / (name if count[name] == 1 else name.with_name(f"{file.name}.png"))
        for file, name in zip(files, names, strict=True)
    }
    held = [file for file in sorted(out.rglob("*")) if file.is_file()] if out.is_dir() else []
    if others := [file for file in held if file not in set(found.values())]:
        raise UserError(
            f"out={out} holds {len(others):,} other file{'s' * (len(others) > 1)} ({others[0].relative_to(out)} is the "
            f"first): the {len(found):,} images would mix with them. Name an empty or a new folder."
        )
    return found


class Images:
    """Image files in a fixed order.

    Args:
        key: the task, as in classify=DIR.
        path: an image, or a folder of images at any depth; hidden files are left out.

    Attributes:
        files: the files, by path.
        skipped: unreadable files found so far by `batches`.

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
        """Yield readable files with their images, in the form of training images of `shape` (C, S, S), in [-1, 1].

        Raises:
            UserError: no file can be read.
        """
        for start in range(0, len(self.files), TOGETHER):
            named, images = [], []
            for path in self.files[start : start + TOGETHER]:
                try:
                    images.append(read(path, shape))
                except Exception as error:  # decoders raise nearly anything on a damaged file
                    why = f"{path} is not an image that can be read ({reason(error)})."
                    self.skipped.append(Skipped(path, why))
                else:
                    named.append(path)
            if images:
                yield named, _normalised(images)
        if len(self.skipped) == len(self.files):
            raise UserError(f"{self.key}=: none of {len(self.files):,} images could be read. {in_words(self.skipped)}")

    def places(self, out: Path) -> dict[Path, Path]:
        """Map each file to its output PNG in the folder `out`, as the function `places` does."""
        return places(self.key, self.path, self.files, out)

    def told(self, done: str) -> str:
        """Return a sentence with the number of images read and what was `done` to them."""
        n = len(self.files) - len(self.skipped)
        return f"{n:,} image{'s' * (n > 1)} of {self.path} {done}"

    def tell_skipped(self) -> None:
        """Print which files were skipped, if any."""
        if self.skipped:
            cli.tell(f"{len(self.skipped):,} of {len(self.files):,} skipped: {in_words(self.skipped)}")


def read(path: Path, shape: Sequence[int]) -> "Tensor":
    """Read an image in the form of training images of `shape` (C, S, S): uint8. Decoders may raise any exception."""
    from datamodules.pixels import opened, square

    with opened(path) as picture:
        return square(picture, size=shape[1], channels=shape[0])


def reason(error: Exception) -> str:
    """Return the message of a decoder's error in one line."""
    return str(error).partition("\n")[0] or type(error).__name__


def _normalised(images: "Sequence[Tensor]") -> "Tensor":
    import torch

    from datamodules.pixels import normalise

    return normalise(torch.stack(list(images)))


def shape_of(key: str, model: Any, run: Path) -> tuple[int, ...]:
    """Return the shape (C, S, S) of a model's input images.

    Raises:
        UserError: the model takes points, or its description lacks the shape.
    """
    from lightning_gans.core.protocols import Samples

    return checked(key, tuple(model.sample(1).shape[1:]) if isinstance(model, Samples) else _described(run), run)


def checked(key: str, found: tuple[int, ...], run: Path) -> tuple[int, ...]:
    """Return a model's input shape if it is (C, S, S).

    Raises:
        UserError: it is another shape.
    """
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
