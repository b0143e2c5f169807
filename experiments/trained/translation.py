"""Translation of images to the other domain (CycleGAN, pix2pix), for `experiments.sample`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.trained.images import Skipped, in_words
from experiments.trained.images import places as of_files
from experiments.trained.inference import check_finite
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

MULTIPLES = tuple(2**power for power in range(9))  # in pixels, to which images are padded


def need(model: Any, run: Path, *, direction: str | None, seed: int) -> None:
    """Refuse a model that cannot translate, or not with this direction and seed.

    Raises:
        UserError: the message lists variants that can, or the valid directions.
    """
    from lightning_gans.core.protocols import GeneratesFromImages, Translates

    if isinstance(model, GeneratesFromImages):
        if direction is not None:
            raise UserError(
                f"direction={direction}: the {type(model).__name__} of run={run} goes one way. Leave direction out."
            )
    elif not isinstance(model, Translates):
        raise UserError(
            f"translate=: the {type(model).__name__} of run={run} cannot do that. Name a run of variant=cyclegan or "
            "pix2pix."
        )
    elif direction is None:
        raise UserError(f"translate=: run={run} translates both ways. Say direction=a2b, or b2a.")
    elif seed:
        raise UserError(f"seed={seed}: the {type(model).__name__} of run={run} has no noise. Leave seed={seed} out.")


def places(images: Path, out: Path) -> dict[Path, Path]:
    """Map a single image, or each image of a folder at any depth, to the PNG of its translation.

    Raises:
        UserError: there are no images, or `out` is a file or contains other files.
    """
    from datamodules.folder import SUFFIXES

    found = sorted(images.rglob("*")) if images.is_dir() else [images]
    found = [path for path in found if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise UserError(f"translate={images} holds no images (png, jpg, ...).")
    return of_files("translate", images, found, out)


def translate(model: Any, images: dict[Path, Path], direction: Any, *, seed: int = 0) -> list[Skipped]:
    """Translate images one by one, write each file atomically, and return the skipped ones.

    An image keeps its size: if the networks do not accept it, the image is padded by reflection to an accepted size and
    cropped afterwards. A network of a single size receives the resized centre square, as in training.

    Args:
        seed: seed of the noise, for models with noise; image i has the noise of (seed, i).

    Raises:
        UserError: no image could be translated, or the model's outputs are not finite.
    """
    from lightning_gans.reporting.images import save_png, to_picture, to_uint8

    skipped = []
    for number, (path, place) in enumerate(images.items()):
        try:
            with _opened(path) as picture:
                translated = _translated(model, picture, direction, seed, number)
        except UserError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        check_finite(translated)
        place.parent.mkdir(parents=True, exist_ok=True)
        save_png(to_picture(to_uint8(translated)[0]), place)
    if len(skipped) == len(images):
        raise UserError(f"translate=: none of {len(images):,} images could be translated. {in_words(skipped)}")
    return skipped


def _translated(model: Any, picture: "Image.Image", direction: Any, seed: int, number: int) -> "Tensor":
    """Translate a picture to (1, C, H, W)."""
    from datamodules.pixels import normalise, square, whole
    from lightning_gans.core.protocols import GeneratesFromImages

    one_way = isinstance(model, GeneratesFromImages)
    channels = model.channels if one_way else model.channels(direction)

    def run(x: "Tensor") -> "Tensor":
        made: Tensor = model.generate(x, seed=seed, start=number) if one_way else model.translate(x, direction)
        return made

    if one_way and model.image_size is not None:
        return run(normalise(square(picture, size=model.image_size, channels=channels)[None]))
    x = normalise(whole(picture, channels=channels)[None])
    height, width = (int(n) for n in x.shape[2:])
    size = padded_size(model, height, width)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return run(reflected(x, *size))[:, :, top : top + height, left : left + width]


def padded_size(model: Any, height: int, width: int) -> tuple[int, int]:
    """Return the smallest size for an image that the model accepts, among multiples of 1, 2, 4 and so on.

    Raises:
        UserError: the model accepts none of them; the message gives the accepted sizes.
    """
    refused: UserError | None = None
    for multiple in MULTIPLES:
        size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
        try:
            model.check(*size)
        except UserError as error:
            refused = refused or error
        else:
            return size
    assert refused is not None
    raise refused


def reflected(x: "Tensor", height: int, width: int) -> "Tensor":
    """Pad images (N, C, h, w) by reflection on all sides to (N, C, height, width).

    Margins may be wider than the image, which is then mirrored repeatedly.
    """
    rows, columns = _mirrored(int(x.shape[2]), height), _mirrored(int(x.shape[3]), width)
    return x[:, :, rows][:, :, :, columns]


def _mirrored(n: int, size: int) -> list[int]:
    """Return `size` indices with 0 .. n - 1 in the middle, mirrored at both ends."""
    start, period = (size - n) // 2, max(2 * (n - 1), 1)
    places = ((i - start) % period for i in range(size))
    return [min(place, period - place) if n > 1 else 0 for place in places]


@contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    """Open a picture; errors while it is read become UserErrors with its name."""
    from datamodules.pixels import opened

    try:
        with opened(path) as picture:
            yield picture
    except UserError:
        raise
    except Exception as error:  # decoders may raise any exception on a damaged file
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{path} is not an image that can be read ({reason}).") from error
