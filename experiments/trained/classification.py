"""Classification: the class of each image, by a trained classifier."""

import time
from collections import Counter
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

HEADER = ("path", "class", "probability")
LISTED = 20  # classes whose counts are printed


def need(model: Any, run: Path) -> None:
    """Refuse a model without a classifier.

    Raises:
        UserError: the model has none; the message lists variants with one.
    """
    from lightning_gans.core.protocols import Classifies

    if not isinstance(model, Classifies):
        raise UserError(
            f"classify=: the {type(model).__name__} of run={run} has no classifier. Name a run of variant=triplegan, "
            "dann or dann_alternating. (The classifier of acgan is part of its discriminator, which is not exported.)"
        )


def classify(request: "Request", model: Any, iteration: int | None) -> int:
    """Write the likeliest class of each image and its probability, and print the class counts; return 0.

    Raises:
        UserError: no image can be read, or the file cannot be written.
    """
    from experiments.trained.sample_files import table

    assert request.classify is not None
    assert request.out is not None
    start = time.monotonic()
    names = class_names_of(model, request.run)
    with using(request.run):
        shape = images.shape_of("classify", model, request.run)
    given = images.Images("classify", request.classify)
    rows: list[tuple[Path, str, float]] = []
    count: Counter[int] = Counter()
    with using(request.run), shown("Classifying", len(given.files)) as report:
        for paths, x in given.batches(shape):
            probability = model.classify(x)
            check_finite(probability)
            best = probability.max(1)
            numbers = best.indices.tolist()
            count.update(numbers)
            rows += zip(paths, [names[number] for number in numbers], best.values.tolist(), strict=True)
            report(len(rows))
    table(request.out, HEADER, rows)
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    cli.tell(f"{given.told('classified')} by {request.run}{of} in {time.monotonic() - start:.1f} s:")
    ordered = sorted(count.items(), key=lambda found: (-found[1], found[0]))
    for number, n in ordered[:LISTED]:
        cli.tell(f"  {n:>6,}  of class {names[number]}")
    if len(ordered) > LISTED:
        cli.tell(f"  {sum(n for _, n in ordered[LISTED:]):>6,}  of {len(ordered) - LISTED:,} other classes")
    cli.tell(f"  out     {request.out}")
    given.tell_skipped()
    return 0


def class_names_of(model: Any, run: Path) -> tuple[str, ...]:
    """Return the names of a model's classes, or their numbers if no names are recorded."""
    from lightning_gans.models import class_names
    from lightning_gans.models.export import described

    names = class_names.received(described(run)["about"], model.classes)
    return names or tuple(map(str, range(model.classes)))
