"""Measurements of `experiments.evaluate`: a run on its own data, or two sets of images."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from experiments.runs.resume import flatten
from experiments.trained.evaluation_request import EXTRACTORS, GROUP, Request, SetsRequest
from experiments.trained.loading import (
    check_targets,
    chosen,
    config_of,
    extractors,
    load_data,
    load_model,
    using,
    with_data,
)
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from lightning_gans.evaluation.sets.comparison import Comparison
    from lightning_gans.evaluation.sets.images import ImageSet, ModelSamples


@dataclass(frozen=True)
class Found:
    """Measured scores of a run: means over draws, and standard deviations of scores that differ between draws.

    floor: scores of real samples in place of the model's. facts: extractor, sample count, reference.
    notes: warnings, one per line.
    """

    scores: Mapping[str, float]
    deviations: Mapping[str, float]
    floor: Mapping[str, float]
    facts: Mapping[str, Any]
    iteration: int | None
    notes: tuple[str, ...] = ()


def extractor(request: Request, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the `metrics` group: the run's own, or the chosen one.

    Raises:
        UserError: the run has none, or its extractor is foreign code.
    """
    import yaml

    if request.metrics is not None:
        group: dict[str, Any] = yaml.safe_load((GROUP / f"{request.metrics}.yaml").read_text())
        return group | dict(request.options)
    metrics = config.get("metrics")
    if not metrics:
        raise UserError(
            f"run={request.run} was trained with metrics=none. Say by what it is to be measured: "
            f"metrics={', '.join(EXTRACTORS)}."
        )
    check_targets(metrics, extractors(), allow=request.allow, what="is measured by")
    if "_target_" not in metrics:
        raise UserError(f"run={request.run}: its metrics name no extractor. Say metrics={', '.join(EXTRACTORS)}.")
    return dict(metrics)


def measure(request: Request, config: Mapping[str, Any], metrics: Mapping[str, Any]) -> Found:
    """Measure the run's model on its data.

    Raises:
        UserError: several draws are requested of a model that does not sample, or model or data cannot be loaded.
    """
    import torch

    from lightning_gans.evaluation.scoring import make_scoring

    data = load_data(config, allow=request.allow, chosen=chosen(request.data))
    model, iteration = load_model(request.run, request.which, allow=request.allow)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).to(memory_format=torch.channels_last)  # as in training
    _check_shape(request, model, data)
    scoring = make_scoring(metrics, samples=request.samples or _samples(config, request.split), also=request.measures)
    with warnings.catch_warnings(record=True) as caught:
        scoring.prepare(model, data, device)
        found = _found(request, scoring, model, data, iteration)
    return replace(found, notes=tuple(dict.fromkeys(str(warning.message) for warning in caught)))


def _check_shape(request: Request, model: Any, data: Any) -> None:
    """Refuse settings under which the shape of the data differs from that of the model's samples."""
    import torch

    from lightning_gans.core.protocols import Samples

    given = [key for key in ("data.image_size", "data.channels") if key in request.data]
    if not given or not isinstance(model, Samples):
        return
    with torch.no_grad(), using(request.run):
        own = tuple(model.sample(1, seed=0).shape[1:])
    if own != tuple(data.sample_shape):
        shapes = ["x".join(map(str, shape)) for shape in (own, data.sample_shape)]
        said = " ".join(f"{key}={request.data[key]}" for key in given)
        raise UserError(
            f"{said}: run={request.run} makes samples of shape {shapes[0]}, and the data then have {shapes[1]}. Leave "
            f"{' and '.join(given)} out."
        )


def _found(request: Request, scoring: Any, model: Any, data: Any, iteration: int | None) -> Found:
    import torch

    if request.draws > 1 and scoring.quality is None:
        raise UserError(f"draws={request.draws}: this run's model is not measured by samples. Leave draws out.")
    with torch.no_grad(), using(request.run):
        scores = scoring(model, data, request.split).scores
        again = [scoring.drawn_again(model, request.split, draw) for draw in range(1, request.draws)]
    drawn = {name: [scores[name], *(other[name] for other in again)] for name in (again[0] if again else ())}
    return Found(
        scores=scores | {name: fmean(values) for name, values in drawn.items()},
        deviations={name: stdev(values) for name, values in drawn.items()},
        floor=scoring.floor(request.split),
        facts=scoring.facts(request.split),
        iteration=iteration,
    )


def _samples(config: Mapping[str, Any], split: str) -> int | None:
    """Return the number of samples in a run's own scores on a split; None for as many as real ones."""
    settings = dict(flatten(config))
    names = ("test_samples", "samples") if split == "test" else ("samples",)
    for key in (f"callbacks.evaluation.{name}" for name in names):
        samples = settings.get(key)
        if samples is not None and (not isinstance(samples, int) or samples < 2):
            raise UserError(f"{key}={samples} in the run's settings is no number. Say samples=10000.")
        if samples is not None:
            return samples
    return None


def compare_sets(request: SetsRequest) -> "Comparison":
    """Measure one set of images against another.

    Raises:
        UserError: a set cannot be read, or the sets cannot be compared.
    """
    from lightning_gans.evaluation import score

    generated: Any = request.generated.text
    if request.generated.kind == "run":
        generated = _samples_of(request, "generated")
    reference: Any = None if request.reference is None else request.reference.text
    if request.reference is None:
        reference = _data_of_run(request)
    elif request.reference.kind == "run":
        reference = _samples_of(request, "reference")
    return score(
        generated,
        reference,
        metrics=request.metrics,
        protocol=None if request.protocol is None else request.protocol.name,
        samples=request.samples,
        data_dir=request.data_dir,
        data=request.data,
        options=request.options,
        statistics=request.statistics,
    )


def _samples_of(request: SetsRequest, key: str) -> "ModelSamples":
    """Return the samples of a run that is given as one of the sets."""
    import torch

    from lightning_gans.evaluation.sets.images import ModelSamples
    from lightning_gans.evaluation.sets.opening import DEFAULT

    facts = request.generated if key == "generated" else request.reference
    assert facts is not None
    assert facts.place is not None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with using(facts.place):
        model, iteration = load_model(facts.place, request.which, allow=request.allow)
        model.to(device).to(memory_format=torch.channels_last)
        name = f"{facts.text} ({request.which})"
        return ModelSamples(model, DEFAULT, text=name, place=str(facts.place), iteration=iteration)


def _data_of_run(request: SetsRequest) -> "ImageSet":
    """Return the real images of a run's data: the protocol's split, with nothing held out for validation."""
    from datamodules.image_sets.facts import SetFacts
    from datamodules.image_sets.opening import DataSetImages
    from datamodules.images import ImageData

    assert request.protocol is not None
    assert request.generated.place is not None
    run = request.generated.place
    config = with_data(config_of(run), request.typed, run)
    data = load_data(config, allow=request.allow, chosen=chosen(request.typed))
    if not isinstance(data, ImageData):
        raise UserError(
            f"protocol={request.protocol.name} measures images, and run={run} was trained on {type(data).__name__}. "
            "Leave protocol out."
        )
    if data.holdout != 0:
        data = load_data(
            {**config, "data": {**config["data"], "holdout": 0}}, allow=request.allow, chosen=chosen(request.typed)
        )
    name = str(getattr(data, "name", None) or type(data).__name__.lower())
    facts = SetFacts("reference", f"{name}:{request.protocol.split}", "data", name=name, split=request.protocol.split)
    return DataSetImages(facts, data)


@contextmanager
def displayed_activities() -> Iterator[None]:
    """Show activities: a bar on a terminal, elsewhere lines on stderr for slow ones, so that errors stand out."""
    from rich.console import Console

    from lightning_gans.callbacks.progress import Progress
    from lightning_gans.core.activity import Report, displayed

    progress = Progress(console=Console(stderr=True))

    def display(text: str, total: float | None) -> AbstractContextManager[Report]:
        # An activity without a total would be shown immediately.
        return progress.task(text, total if total is not None or progress.console.is_terminal else 1.0)

    try:
        with displayed(display):
            yield
    finally:
        progress.close()


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Replace non-finite numbers by None for JSON."""
    return {name: value if isfinite(value) else None for name, value in values.items()}


def as_dict(request: Request, found: Found, seconds: float) -> dict[str, Any]:
    """Return the scores of a run and their protocol, for JSON."""
    from datetime import UTC, datetime

    from lightning_gans.evaluation.sets.comparison import command, versions

    numbers = {"scores": found.scores, "deviations": found.deviations, "floor": found.floor}
    about = {"run": str(request.run), "which": request.which, "split": request.split, "draws": request.draws}
    when = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(seconds, 1)}
    facts = {"iteration": found.iteration} | dict(found.facts) | {"versions": versions(), "command": command()} | when
    notes = {"notes": list(found.notes)}
    return {title: finite(values) for title, values in numbers.items()} | about | facts | notes


def lines(request: Request, found: Found) -> Iterator[str]:
    """Yield the scores of a run as lines of a table."""
    from lightning_gans.evaluation.sets.comparison import table
    from lightning_gans.metrics.names import ERROR

    of = f", iteration {found.iteration:,}" if found.iteration is not None else ""
    yield f"{request.run} ({request.which}{of}) on {request.split}"
    if found.facts:
        times = f"{request.draws} x " if request.draws > 1 else ""
        yield (
            f"features: {found.facts['extractor']}; {times}{found.facts['samples']:,} samples against "
            f"{found.facts['reference']}"
        )
    over_draws = {f"{name}{ERROR}": value for name, value in found.deviations.items() if not name.endswith(ERROR)}
    yield from table({**found.scores, **over_draws}, found.floor, found.facts.get("floor_samples"))
    for note in found.notes:
        yield f"note: {note}"


__all__ = ["Found", "as_dict", "compare_sets", "displayed_activities", "extractor", "lines", "measure"]
