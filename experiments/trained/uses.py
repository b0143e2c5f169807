"""Tasks of `experiments.sample` other than sampling, by name."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.trained import classification, conversion, inference, inpainting, paths, ranking, scoring, translation
from experiments.trained.images import in_words
from experiments.trained.loading import using
from experiments.trained.progress import shown
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from experiments.trained.sample_request import Request


def need(request: "Request", model: Any) -> None:
    """Refuse a task that the model does not support.

    Raises:
        UserError: the model does not; the message lists models that do.
    """
    from lightning_gans.core.protocols import Samples, Traverses

    run = request.run
    if request.task == "translate":
        translation.need(model, run, direction=request.direction, seed=request.seed)
    elif request.task in NEEDS:
        NEEDS[request.task](model, run)
    elif not isinstance(model, Samples):
        raise UserError(f"The {type(model).__name__} of run={run} has nothing to sample: {_instead(model)}")
    elif request.task == "traverse" and isinstance(model, Traverses):
        return
    elif request.task in ("path", "traverse") or request.truncation is not None:
        number = f"truncation={request.truncation:g}" if request.truncation is not None else "traverse="
        what = number if request.path is None else f"path={request.path}"
        paths.need(what, model, run)
    elif request.task not in ("sample", "onnx"):
        inference.need(request.task, model, run)


def _instead(model: object) -> str:
    """Return a sentence with the tasks of a model that cannot sample."""
    from lightning_gans.core.protocols import Classifies, Converts, GeneratesFromImages, Ranks, Translates

    if isinstance(model, Translates | GeneratesFromImages):
        direction = " direction=a2b, or b2a" if isinstance(model, Translates) else ""
        return f"say translate=FOLDER out=FOLDER{direction}."
    if isinstance(model, Classifies):
        return "say classify=FOLDER, or name a run of a generator."
    if isinstance(model, Ranks):
        return "say rank=QUERIES, or name a run of a generator."
    if isinstance(model, Converts):
        return "say convert=FILE.wav speaker=NAME out=FILE.wav, or name a run of a generator."
    return (
        "name a run of a generator. What this one does is in its run's samples/, and lightning_gans.load_generator "
        "loads it."
    )


def translate(request: "Request", model: Any, iteration: int | None) -> int:
    """Translate a folder of images; return 0 if any was translated.

    Raises:
        UserError: no image could be translated, or the output folder is not empty.
    """
    assert request.translate is not None
    assert request.out is not None
    start = time.monotonic()
    images = translation.places(request.translate, request.out)
    with using(request.run), shown("Translating"):
        skipped = translation.translate(model, images, request.direction, seed=request.seed)
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    done = len(images) - len(skipped)
    cli.tell(
        f"{done:,} image{'s' * (done > 1)} of {request.translate} translated {request.direction or 'a2b'} by "
        f"{request.run}{of} in {time.monotonic() - start:.1f} s:"
    )
    cli.tell(f"  out     {request.out}")
    if skipped:
        cli.tell(f"{len(skipped):,} of {len(images):,} skipped: {in_words(skipped)}")
    return 0


def export(request: "Request", model: Any, iteration: int | None) -> int:
    """Export the model to ONNX; return 0.

    Raises:
        UserError: the model has no codes, or torch cannot export it.
    """
    from lightning_gans.models.onnx_export import export_onnx

    assert request.onnx is not None
    with using(request.run), shown("Exporting"):
        written = export_onnx(model, request.onnx)
    cli.tell(f"The networks of {request.run} as ONNX, for any n:")
    for path, shapes in written.items():
        *inputs, output = (f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items())
        cli.tell(f"  {path}  {', '.join(inputs)} -> {output}")
    return 0


# task -> function that refuses models without it
NEEDS: dict[str, Callable[[Any, Any], None]] = {
    "classify": classification.need,
    "rank": ranking.need,
    "score": scoring.need,
    "inpaint": inpainting.need,
    "convert": conversion.need,
}

# task -> function that performs and reports it: (request, model, iteration of the weights) -> exit code
USES: dict[str, Callable[["Request", Any, int | None], int]] = {
    "translate": translate,
    "onnx": export,
    "classify": classification.classify,
    "rank": ranking.rank,
    "score": scoring.score,
    "inpaint": inpainting.inpaint,
    "convert": conversion.convert,
}
