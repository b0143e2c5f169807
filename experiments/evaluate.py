"""Measure a run again: other weights, another split, more samples, another extractor.

usage: python -m experiments.evaluate run=DIR [which=last|best] [split=test|validation] [samples=N] [draws=1]
                                      [metrics=NAME] [metrics.weights=FILE] [measures=NAME,NAME] [data_dir=DIR]
                                      [data.root=DIR ...] [out=FILE.json] [allow=PACKAGE.]

  run       a run's folder (running, finished or killed)
  which     last: the newest export (generator/); best: checkpoints/best.ckpt
  split     whose real samples stand beside the generated ones, and are reconstructed, classified, ranked (test)
  samples   how many are generated (as in training); FID falls with their number, so compare like with like
  draws     how many times they are generated, each time others (1); mean and standard deviation are told
  metrics   classifier, inception, pixels, planar or own in the place of what the run was trained with; for inception
            metrics.weights names a file of its weights, where they cannot be downloaded
  measures  measures of your own beside the usual ones: my_metrics.sharpness, or my_metrics for all of a file
            (docs/ADDING_A_METRIC.md); a run's own are not imported unless they are named here
  data_dir  where the data sets lie, if not where they lay in training
  data.     any setting of the run's data: data.root=DIR for a folder that has moved, data.batch_size=256
  out       a file for the figures and what they are of
  allow     names outside lightning_gans and datamodules that the run may use (code that you trust)
            Without it, a run's folder from a stranger is safe to measure: docs/SECURITY.md.

Where nothing else is chosen, the figures are those that the run's own summary has of its test split.

  python -m experiments.evaluate run=runs/acgan-digits-0 which=best samples=10000
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, cast

from experiments import cli
from experiments.runs.report import figure
from experiments.runs.resume import flatten
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained.arguments import DATA, allowed, data_settings, names, pairs, run_folder, whole
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
from lightning_gans.core.files import write_atomically
from lightning_gans.metrics.names import METRICS

# Nothing above, and nothing that `parse` does, imports torch: a slip of the pen is answered at once.

if TYPE_CHECKING:
    from lightning_gans.core.data import SplitName

KEYS = (
    "run",
    "which",
    "split",
    "samples",
    "draws",
    "metrics",
    "metrics.weights",
    "measures",
    "data_dir",
    "out",
    "allow",
)
GROUP = Path(__file__).parent / "conf" / "metrics"
EXTRACTORS = sorted({file.stem for file in GROUP.glob("*.yaml")} - {"none"})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, checked as far as that goes without loading anything."""

    run: Path
    which: str
    split: "SplitName"
    samples: int | None
    draws: int
    metrics: str | None
    weights: Path | None
    measures: tuple[str, ...]
    data: Mapping[str, str]
    out: Path | None
    allow: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Request:
    """key=value arguments -> a request.

    Raises:
        UserError: an unknown key, a value out of range, a run without what is asked of it, a file that is not there.
    """
    given = pairs(arguments, KEYS, prefixes=(DATA,))
    which = _one_of("which", given.get("which", "last"), ("last", "best"))
    metrics = _one_of("metrics", given["metrics"], EXTRACTORS) if "metrics" in given else None
    weights, out = (Path(given[key]) if key in given else None for key in ("metrics.weights", "out"))
    if weights is not None and metrics != "inception":
        raise UserError(f"metrics.weights={weights} goes with metrics=inception, whose weights they are.")
    if weights is not None and not weights.is_file():
        raise UserError(f"metrics.weights={weights}: there is no such file.")
    data = data_settings(given)
    if out is not None and (out.suffix != ".json" or out.is_dir()):
        raise UserError(f"out={out}: a .json file is written; say out={out.with_suffix('.json')}.")
    return Request(
        run=run_folder(given, which),
        which=which,
        split=cast("SplitName", _one_of("split", given.get("split", "test"), ("test", "validation"))),
        samples=whole("samples", given["samples"], least=2) if "samples" in given else None,
        draws=whole("draws", given.get("draws", "1"), least=1),
        metrics=metrics,
        weights=weights,
        measures=names(given, "measures"),
        data=data,
        out=out,
        allow=allowed(given),
    )


def _one_of(key: str, value: str, values: Sequence[str]) -> str:
    if value not in values:
        hint = did_you_mean(f"{key}={name}" for name in nearest(value, values))
        raise UserError(f"{key}={value}: it is {', '.join(values[:-1])} or {values[-1]}.{hint}")
    return value


def main(argv: Sequence[str]) -> int:
    """Measure a run; 0, or an error that `cli.run` puts into words."""
    if {"--help", "-h", "help"} & set(argv):
        print(__doc__.strip())
        return 0
    request = parse(argv)
    config = config_of(request.run)
    metrics = extractor(request, config)
    began = time.monotonic()
    found = measure(request, with_data(config, request.data, request.run), metrics)
    if not found.scores:
        raise UserError(f"run={request.run}: nothing that is measured applies to its model under this extractor.")
    if request.out is not None:
        write_atomically(request.out, json.dumps(as_dict(request, found), indent=2) + "\n")
    for line in lines(request, found):
        cli.tell(line)
    if config.get("measures") and not request.measures:
        cli.tell(
            f"The run has measures of its own, {config['measures']}: measures= takes their names and imports them."
        )
    cli.tell(f"measured in {time.monotonic() - began:.0f} s" + (f": {request.out}" if request.out else ""))
    return 0


def extractor(request: Request, config: Mapping[str, Any]) -> dict[str, Any]:
    """The `metrics` group: the run's own, or the chosen one.

    Raises:
        UserError: the run has none, or one of code that is not ours.
    """
    import yaml

    if request.metrics is not None:
        chosen: dict[str, Any] = yaml.safe_load((GROUP / f"{request.metrics}.yaml").read_text())
        return chosen | ({"weights": str(request.weights)} if request.weights else {})
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


@dataclass(frozen=True)
class Found:
    """What was measured: means over draws and, of what differs between them, standard deviations.

    floor: what real samples score in the place of the model's. facts: extractor, sample count, reference.
    """

    scores: Mapping[str, float]
    deviations: Mapping[str, float]
    floor: Mapping[str, float]
    facts: Mapping[str, Any]
    iteration: int | None


def measure(request: Request, config: Mapping[str, Any], metrics: Mapping[str, Any]) -> Found:
    """Scores of the run's model on its data.

    Raises:
        UserError: several draws of what is not drawn, or a model or data that cannot be loaded.
    """
    import torch

    from experiments.jobs.runner import quiet_libraries
    from lightning_gans.evaluation.scoring import make_scoring

    quiet_libraries()
    data = load_data(config, allow=request.allow, chosen=chosen(request.data))
    model, iteration = load_model(request.run, request.which, allow=request.allow)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).to(memory_format=torch.channels_last)  # as in training
    scoring = make_scoring(metrics, samples=request.samples or _samples(config), task=task, also=request.measures)
    scoring.prepare(model, data, device)
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


def _samples(config: Mapping[str, Any]) -> int | None:
    """How many samples the run was measured by; None for as many as there are real ones."""
    samples = dict(flatten(config)).get("callbacks.evaluation.samples")
    if samples is not None and (not isinstance(samples, int) or samples < 2):
        raise UserError(
            f"callbacks.evaluation.samples={samples} in the run's settings is no number. Say samples=10000."
        )
    return samples


@contextmanager
def task(title: str) -> Iterator[Any]:
    """A bar on a terminal, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task(title, total=1.0)
        yield lambda share: progress.update(bar, completed=share)


def as_dict(request: Request, found: Found) -> dict[str, Any]:
    """What was found, for programs; numbers that are not finite become None."""
    numbers = {"scores": found.scores, "deviations": found.deviations, "floor": found.floor}
    plain = {
        title: {name: value if isfinite(value) else None for name, value in values.items()}
        for title, values in numbers.items()
    }
    about = {"run": str(request.run), "which": request.which, "split": request.split, "draws": request.draws}
    return plain | about | {"iteration": found.iteration} | dict(found.facts)


def lines(request: Request, found: Found) -> Iterator[str]:
    """What was found, for people."""
    of = f", iteration {found.iteration:,}" if found.iteration is not None else ""
    yield f"{request.run} ({request.which}{of}) on {request.split}"
    if found.facts:
        times = f"{request.draws} x " if request.draws > 1 else ""
        yield (
            f"features: {found.facts['extractor']}; {times}{found.facts['samples']:,} samples against "
            f"{found.facts['reference']}"
        )
    rows = [["", "value", "+-" if found.deviations else "", "real samples" if found.floor else ""]]
    for name in found.scores:
        value = found.scores[name]
        figures = (figure(numbers.get(name)) for numbers in ({name: value}, found.deviations, found.floor))
        rows.append([f"{name} {_direction(name)}".strip(), *figures])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        columns = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True) if width]
        yield "  ".join([name.ljust(widths[0]), *columns]).rstrip()


def _direction(name: str) -> str:
    if name not in METRICS:
        return ""
    return "(low)" if METRICS[name].better == "lower" else "(high)"


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
