"""Sample grids of a run as small embedded images of an HTML page."""

import base64
import io
import re
from pathlib import Path
from typing import NamedTuple

from lightning_gans.core.received import FOLDERS

KINDS = ("iteration", "reconstructions", "conversions", "translations-a2b", "translations-b2a", "outputs")
MOST_FRAMES = 8  # most grids of a run
SIDE = 384  # longer side in pixels
MOST_PIXELS = 2**25  # of a file to open
MOST_BYTES = 2**25


class Frame(NamedTuple):
    """A sample grid as a data URI, and its iteration."""

    iteration: int
    image: str


def frames(run_dir: Path, most: int = MOST_FRAMES) -> tuple[list[Frame], int]:
    """Return at most `most` evenly spread grids of a run, including the first and last, and the total number."""
    files = grids(run_dir)
    count = len(files)
    chosen = files if count <= most else [files[round(i * (count - 1) / (most - 1))] for i in range(most)]
    found = ((iteration, _image(path)) for iteration, path in chosen)
    return [Frame(iteration, image) for iteration, image in found if image is not None], count


def grids(run_dir: Path) -> list[tuple[int, Path]]:
    """Return (iteration, file) pairs for the first kind of grid that the run has."""
    folder = run_dir / FOLDERS[-1]
    for kind in KINDS:
        names = ((re.fullmatch(rf"{kind}-([0-9]{{1,12}})", path.stem), path) for path in folder.glob(f"{kind}-*.png"))
        found = sorted((int(match[1]), path) for match, path in names if match and path.is_file())
        if found:
            return found
    return []


def _image(path: Path) -> str | None:
    """Re-encode a picture so that only its pixels are kept; None if it cannot be read."""
    from PIL import Image

    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            drawn = image.convert("RGB" if image.mode not in ("L", "1") else "L")
        if max(drawn.size) > SIDE:
            drawn.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        data = io.BytesIO()
        drawn.save(data, "WEBP", quality=80, method=2)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
