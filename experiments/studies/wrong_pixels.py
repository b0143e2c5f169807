"""Images with wrong pixels (one isolated, or six along the edge of a stroke), and their discriminator logits."""

import csv
import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

from lightning_gans.core.data import SampleSplit
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.core.interruption import stopping
from lightning_gans.core.protocols import Discriminates, Samples
from lightning_gans.core.received import read_text

INK = 0.0  # threshold of a stroke's pixels
MOST = 1000  # most held-out images that are altered
FILE = "wrong_pixels.csv"
_BYTES = 2**20  # largest size of the file


def digits_of(split: SampleSplit) -> Tensor:
    """Return the first held-out images, at most 1,000: (N, 1, H, W) in [-1, 1].

    Raises:
        UserError: the samples are not images of one channel.
    """
    x = next(split.at_most(MOST).batches(MOST)).x.cpu()
    if x.dim() != 4 or x.shape[1] != 1:
        shape = "x".join(map(str, x.shape[1:]))
        raise UserError(f"This study changes pixels of grey images, and these samples are {shape}. Say data=digits.")
    return x


def isolated(x: Tensor) -> Tensor:
    """Add one wrong pixel: set the pixel with the largest clearance to 1.

    The clearance is the chessboard distance to the nearest pixel of ink or to the outside of the image. Of several
    pixels with the largest clearance, the first in reading order is taken.

    Args:
        x: images (N, 1, H, W) in [-1, 1], ink above 0.
    """
    changed = x.clone()
    for image in changed[:, 0]:
        background = F.pad(image <= INK, (1, 1, 1, 1), value=False).numpy()
        clearance = torch.from_numpy(distance_transform_cdt(background, metric="chessboard"))[1:-1, 1:-1]
        image.view(-1)[clearance.flatten().argmax()] = 1.0
    return changed


def moved_edge(x: Tensor, along: int, across: int) -> Tensor:
    """Add wrong pixels that continue a stroke: move a piece of its edge outwards by one pixel.

    The pixels of an `along` x `across` rectangle take the values of their neighbours on one side, all of them brighter.
    The rectangle and side with the largest sum of differences are chosen; the first one in case of a tie.

    Args:
        x: images (N, 1, H, W) in [-1, 1].
        along: pixels along the edge.
        across: pixels across it.

    Raises:
        ValueError: an image has no such rectangle.
    """
    changed, most, size = x.clone(), x.new_zeros(len(x)), (along, across)
    for turns in range(4):  # the side is the left one of the turned image
        turned = x.rot90(turns, (2, 3))
        gain = F.pad((turned[..., :-1] - turned[..., 1:]).clamp(min=0), (1, 0))
        least = -F.max_pool2d(-gain, size, 1)
        total = F.avg_pool2d(gain, size, 1) * (least > 0)
        found, place = total.flatten(1).max(1)
        top, left = place[:, None] // total.shape[3], place[:, None] % total.shape[3]
        rows, columns = torch.arange(x.shape[2]), torch.arange(x.shape[3])
        vertical, horizontal = (rows >= top) & (rows < top + along), (columns >= left) & (columns < left + across)
        inside = (vertical[:, :, None] & horizontal[:, None, :])[:, None]
        better = found > most
        changed[better] = (turned + gain * inside).rot90(-turns, (2, 3))[better]
        most = torch.maximum(most, found)
    if not bool((most > 0).all()):
        raise ValueError(f"an image has no edge of {along} x {across} pixels")
    return changed


COPIES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "one": isolated,
    "line": partial(moved_edge, along=6, across=1),
    "block": partial(moved_edge, along=3, across=2),
}
COLUMNS = ("real", *COPIES, "generated")


class WrongPixels(pl.Callback):
    """Callback that writes wrong_pixels.csv at the end of a run: D's logits on held-out images, copies and samples.

    Each row holds D's logits on a held-out image, on its three altered copies, and on a generated image.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Refuse unsuitable data and games before training starts."""
        x = digits_of(_data(trainer).split("test"))[:1].to(pl_module.device)
        if not isinstance(pl_module, Discriminates) or pl_module.logits(x) is None:
            raise UserError(
                f"This study asks D for a logit of each image alone, and D of {type(pl_module).__name__} gives none. "
                "Choose variant=dcgan, vanilla, lsgan, wgan_gp or another game without labels."
            )

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.iteration < pl_module.iterations or stopping():
            return
        model = pl_module.evaluated_model()  # on every rank, so that ranks stay in sync
        if not trainer.is_global_zero:
            return
        assert isinstance(model, Samples)
        x = digits_of(_data(trainer).split("test"))
        kinds = [x, *(copy(x) for copy in COPIES.values()), model.sample(len(x), seed=0)]
        logits = [pl_module.logits(kind.to(pl_module.device)).double().tolist() for kind in kinds]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([f"{logit:.7g}" for logit in row] for row in zip(*logits, strict=True))
        write_atomically(Path(trainer.default_root_dir) / FILE, text.getvalue())


def logits_of(run_dir: Path) -> Mapping[str, Tensor]:
    """Read the logits of a run by column, (N,) float64.

    Raises:
        UserError: the run did not write them.
    """
    path = run_dir / FILE
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, _BYTES), newline="")))
        found = {name: torch.tensor([float(row[name]) for row in rows], dtype=torch.float64) for name in COLUMNS}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} cannot be read as the logits of this study ({error}). A run has them if its command says "
            "experiment=study/pixel_error."
        ) from error
    return found


def _data(trainer: pl.Trainer) -> Any:
    return trainer.datamodule  # type: ignore[attr-defined]
