"""Scoring of images by the energy of an energy-based model."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.trained import images
from experiments.trained.inference import check_finite
from experiments.trained.loading import using
from experiments.trained.progress import shown
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from experiments.trained.sample_request import Request

HEADER = ("path", "energy")


def need(model: Any, run: Path) -> None:
    """Refuse a model without an energy.

    Raises:
        UserError: the model has none; the message names the variant with one.
    """
    from lightning_gans.core.protocols import Descends

    if not isinstance(model, Descends):
        raise UserError(f"score=: the {type(model).__name__} of run={run} has no energy. Name a run of variant=energy.")


def score(request: "Request", model: Any, iteration: int | None) -> int:
    """Write the energy of each image, lowest first; return 0.

    Raises:
        UserError: no image can be read, or the file cannot be written.
    """
    from experiments.trained.sample_files import table
    from lightning_gans.models.generative import evaluating

    assert request.score is not None
    assert request.out is not None
    start = time.monotonic()
    shape = images.checked("score", tuple(model.shape), request.run)
    given = images.Images("score", request.score)
    rows: list[tuple[Path, float]] = []
    with using(request.run), shown("Scoring", len(given.files)) as report, evaluating(model):
        like = next(model.parameters())
        for paths, x in given.batches(shape):
            energy = model.energy(x.to(like))
            check_finite(energy)
            rows += zip(paths, energy.tolist(), strict=True)
            report(len(rows))
    rows.sort(key=lambda row: row[1])
    table(request.out, HEADER, rows)
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    cli.tell(f"{given.told('scored')} by {request.run}{of} in {time.monotonic() - start:.1f} s, lowest energy first:")
    for path, energy in [rows[0], rows[-1]] if len(rows) > 1 else rows:
        cli.tell(f"  {energy:>10.4g}  {path}")
    cli.tell(f"  out     {request.out}")
    given.tell_skipped()
    return 0
