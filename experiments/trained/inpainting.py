"""Inpainting: an energy-based model samples the masked pixels of images given the other pixels."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained import images
from experiments.trained.inference import check_finite
from experiments.trained.loading import using
from experiments.trained.progress import shown
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from torch import Tensor

    from experiments.trained.sample_request import Request

PARTS = ("left", "right", "top", "bottom", "centre")  # parts of an image that a mask can cover


def mask(text: str | None) -> str | Path:
    """Parse mask=: the name of a part of the image, or a picture of the mask.

    Raises:
        UserError: the value is neither.
    """
    if text is None:
        raise UserError(f"inpaint= needs the part that is unknown: say mask={', '.join(PARTS)}, or FILE.png.")
    if text in PARTS:
        return text
    if not Path(text).is_file():
        hint = did_you_mean(f"mask={name}" for name in nearest(text, PARTS))
        raise UserError(
            f"mask={text}: say {', '.join(PARTS[:-1])} or {PARTS[-1]}, or the name of a picture whose white pixels "
            f"are masked.{hint}"
        )
    return Path(text)


def need(model: Any, run: Path) -> None:
    """Refuse a model that cannot inpaint.

    Raises:
        UserError: the model cannot; the message names the variant that can.
    """
    from lightning_gans.core.protocols import Inpaints

    if not isinstance(model, Inpaints):
        raise UserError(
            f"inpaint=: the {type(model).__name__} of run={run} does not sample one part of an image given the other. "
            "Name a run of variant=energy."
        )


def inpaint(request: "Request", model: Any, iteration: int | None) -> int:
    """Write each image with resampled masked pixels as a PNG; return 0.

    Raises:
        UserError: no image can be read, the mask is empty or covers everything, or the output folder is not empty.
    """
    from lightning_gans.reporting.images import save_png, to_picture, to_uint8

    assert request.inpaint is not None
    assert request.mask is not None
    assert request.out is not None
    start = time.monotonic()
    shape = images.checked("inpaint", tuple(model.shape), request.run)
    unknown = masked(request.mask, shape[1])
    given = images.Images("inpaint", request.inpaint)
    places = given.places(request.out)
    done = 0
    with using(request.run), shown("Inpainting", len(given.files)) as report:
        for paths, x in given.batches(shape):
            made = model.inpaint(x, ~unknown, seed=request.seed, start=done)
            check_finite(made)
            for path, image in zip(paths, to_uint8(made), strict=True):
                places[path].parent.mkdir(parents=True, exist_ok=True)
                save_png(to_picture(image), places[path])
            done += len(paths)
            report(done)
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    cli.tell(
        f"{given.told('inpainted')} (mask {request.mask}, seed {request.seed}) by {request.run}{of} in "
        f"{time.monotonic() - start:.1f} s:"
    )
    cli.tell(f"  out     {request.out}")
    given.tell_skipped()
    return 0


def masked(part: str | Path, size: int) -> "Tensor":
    """Return the mask (size, size) bool: a half, the middle half of both sides, or the white pixels of a file.

    Raises:
        UserError: a file cannot be read, or masks no pixel or all pixels.
    """
    import torch

    found = torch.zeros(size, size, dtype=torch.bool)
    half, quarter = size // 2, size // 4
    if part == "left":
        found[:, :half] = True
    elif part == "right":
        found[:, half:] = True
    elif part == "top":
        found[:half] = True
    elif part == "bottom":
        found[half:] = True
    elif part == "centre":
        found[quarter : size - quarter, quarter : size - quarter] = True
    else:
        found = _drawn(Path(part), size)
    if found.all() or not found.any():
        what = "every pixel" if found.all() else "no pixel"
        raise UserError(
            f"mask={part}: {what} of {size} x {size} is masked. White is what is sampled, black what is known."
        )
    return found


def _drawn(path: Path, size: int) -> "Tensor":
    try:
        return images.read(path, (1, size, size))[0] > 127
    except Exception as error:  # decoders may raise any exception on a damaged file
        raise UserError(f"mask={path} is not an image that can be read ({images.reason(error)}).") from error
