"""What `experiments.sample` does with images and a run that translates: each becomes one of the other domain."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.trained.inference import check_finite
from lightning_gans.core.errors import UserError

# Nothing above imports torch: a slip of the pen is answered at once.
if TYPE_CHECKING:
    from PIL import Image

NAMED = 5  # images that a refusal names
TURNED = (5, 6, 7, 8)  # EXIF orientations that lay an image on its side
ORIENTATION = 0x0112


def need(model: Any, run: Path) -> None:
    """Refuse a model that does not translate.

    Raises:
        UserError: names the variant that does.
    """
    from lightning_gans.core.protocols import Translates

    if not isinstance(model, Translates):
        raise UserError(
            f"translate=: the {type(model).__name__} of run={run} cannot do that. Name a run of variant=cyclegan."
        )


def places(images: Path, out: Path) -> dict[Path, Path]:
    """Each image of a folder, to any depth, or a single one, and the PNG that its translation becomes.

    Names stay, and folders in folders; where only their endings tell two images apart, these stay as well.

    Raises:
        UserError: no images, or an `out` that is or holds anything else.
    """
    from datamodules.folder import SUFFIXES

    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file; name a folder for the PNGs.")
    if images.is_dir() and out.resolve().is_relative_to(images.resolve()):
        raise UserError(f"out={out} lies in translate={images}, among the images themselves. Name another folder.")
    root = images if images.is_dir() else images.parent
    found = sorted(images.rglob("*")) if images.is_dir() else [images]
    found = [path for path in found if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise UserError(f"translate={images} holds no images (png, jpg, ...).")
    names = [path.relative_to(root).with_suffix(".png") for path in found]
    count = Counter(names)
    names = [
        name if count[name] == 1 else name.with_name(f"{path.name}.png")
        for name, path in zip(names, found, strict=True)
    ]
    held = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()] if out.is_dir() else []
    others = [name for name in held if name not in set(names)]
    if others:
        raise UserError(
            f"out={out} holds {len(others):,} other file{'s' * (len(others) > 1)} ({others[0]} is the first): the "
            f"{len(names):,} translations would mix with them. Name an empty or a new folder."
        )
    return {path: out / name for path, name in zip(found, names, strict=True)}


def check_sizes(model: Any, paths: list[Path]) -> None:
    """Refuse images that the model does not take, before any is translated.

    Raises:
        UserError: names them, and the sizes that it takes.
    """
    refused, reason = [], ""
    for path in paths:
        with _opened(path) as picture:
            width, height = picture.size
            if picture.getexif().get(ORIENTATION) in TURNED:
                width, height = height, width
        try:
            model.check(height, width)
        except UserError as error:
            refused.append(path.name)
            reason = reason or str(error)
    if refused:
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        raise UserError(
            f"translate=: {len(refused):,} of {len(paths):,} images cannot be translated as they are: "
            f"{', '.join(refused[:NAMED])}{more}. {reason} Crop or resize them, or take them out; nothing was written."
        )


def translate(model: Any, images: dict[Path, Path], direction: Any) -> None:
    """Translate every image at its own size, one after the other, each file written whole.

    Raises:
        UserError: an image that cannot be read.
    """
    from datamodules.pixels import normalise, whole
    from lightning_gans.reporting.images import save_png, to_picture, to_uint8

    for path, place in images.items():
        with _opened(path) as picture:
            x = normalise(whole(picture, channels=model.channels)[None])
        translated = model.translate(x, direction)
        check_finite(translated)
        place.parent.mkdir(parents=True, exist_ok=True)
        save_png(to_picture(to_uint8(translated)[0]), place)


@contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    """The picture; what is wrong with it, while it is read, is a UserError that names it."""
    from datamodules.pixels import opened

    try:
        with opened(path) as picture:
            yield picture
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} is not an image that can be read ({error}).") from error
