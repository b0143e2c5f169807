"""Measure a run again: other weights, another split, more samples, another extractor.

usage: python -m experiments.evaluate run=DIR [which=last|best] [split=test|validation] [samples=N] [metrics=NAME]
                                      [weights=FILE] [data_dir=DIR] [out=FILE.json] [allow=PACKAGE.]

  run       a run's folder (running, finished or killed)
  which     last: the newest export (generator/); best: checkpoints/best.ckpt
  split     whose real samples stand beside the generated ones, and are reconstructed, classified, ranked (test)
  samples   how many are generated (as in training); FID falls with their number, so compare like with like
  metrics   classifier, inception, planar or own in the place of what the run was trained with
  weights   for metrics=inception: a file of its weights, where they cannot be downloaded
  data_dir  where the data sets lie, if not where they lay in training
  out       a file for the figures and what they are of
  allow     names outside lightning_gans and datamodules that the run may use (code that you trust)

Where nothing else is chosen, the figures are those that the run's own summary has of its test split.

  python -m experiments.evaluate run=runs/dcgan-digits-0 which=best samples=10000
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import cli
from experiments.arguments import pairs, run_folder, whole
from experiments.report import figure
from experiments.suggest import did_you_mean, nearest
from experiments.trained import check_targets, config_of, load_data, load_model
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.metrics.names import METRICS

# Nothing above, and nothing that `parse` does, imports torch: a slip of the pen is answered at once.

KEYS = ("run", "which", "split", "samples", "metrics", "weights", "data_dir", "out", "allow")
EXTRACTORS = ("classifier", "inception", "planar", "own")
GROUP = Path(__file__).parent / "conf" / "metrics"
Scores = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, checked as far as that goes without loading anything."""

    run: Path
    which: str
    split: str
    samples: int | None
    metrics: str | None
    weights: Path | None
    data_dir: Path | None
    out: Path | None
    allow: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Request:
    """key=value arguments -> a request.

    Raises:
        UserError: an unknown key, a value out of range, a run without what is asked of it, a file that is not there.
    """
    given = pairs(arguments, KEYS)
    which = _one_of("which", given.get("which", "last"), ("last", "best"))
    metrics = _one_of("metrics", given["metrics"], EXTRACTORS) if "metrics" in given else None
    weights, data_dir, out = (Path(given[key]) if key in given else None for key in ("weights", "data_dir", "out"))
    if weights is not None and metrics != "inception":
        raise UserError(f"weights={weights} goes with metrics=inception, whose weights they are.")
    if weights is not None and not weights.is_file():
        raise UserError(f"weights={weights}: there is no such file.")
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(f"data_dir={data_dir}: there is no such folder.")
    if out is not None and (out.suffix != ".json" or out.is_dir()):
        raise UserError(f"out={out}: a .json file is written; say out={out.with_suffix('.json')}.")
    return Request(
        run=run_folder(given, which),
        which=which,
        split=_one_of("split", given.get("split", "test"), ("test", "validation")),
        samples=whole("samples", given["samples"], least=2) if "samples" in given else None,
        metrics=metrics,
        weights=weights,
        data_dir=data_dir,
        out=out,
        allow=tuple(name.strip() for name in given.get("allow", "").split(",") if name.strip()),
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
    scores, floor, facts = measure(request, moved(config, request.data_dir), metrics)
    if not scores:
        raise UserError(f"run={request.run}: nothing that is measured applies to its model under this extractor.")
    about = {"run": str(request.run), "which": request.which, "split": request.split, **facts}
    if request.out is not None:
        found = {"scores": dict(scores), "floor": dict(floor), **about}
        write_atomically(request.out, json.dumps(found, indent=2, allow_nan=False) + "\n")
    print("\n".join(lines(scores, floor, about)))
    print(f"measured in {time.monotonic() - began:.0f} s" + (f": {request.out}" if request.out else ""))
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
    if not config["metrics"]:
        raise UserError(
            f"run={request.run} was trained with metrics=none. Say by what it is to be measured: "
            f"metrics={', '.join(EXTRACTORS)}."
        )
    check_targets(
        config["metrics"], ("lightning_gans.extractors.factories.",), allow=request.allow, what="is measured by"
    )
    return dict(config["metrics"])


def moved(config: Mapping[str, Any], data_dir: Path | None) -> Mapping[str, Any]:
    """The settings with their data under `data_dir`; None: where they lay."""
    before = config.get("data_dir")
    if data_dir is None:
        return config
    data = dict(config["data"])
    places = [key for key in ("data_dir", "root") if key in data and data[key] in (before, None)]
    if not places:
        raise UserError(f"data_dir={data_dir}: this run's data do not lie in a data_dir. Leave it out.")
    return {**config, "data": data | {key: str(data_dir) for key in places}}


def measure(
    request: Request, config: Mapping[str, Any], metrics: Mapping[str, Any]
) -> tuple[Scores, Scores, dict[str, Any]]:
    """Scores of the run's model, those of real samples in its place, and what they are of."""
    import torch

    from experiments.runner import quiet_libraries
    from experiments.scoring import make_scoring

    quiet_libraries()
    data = load_data(config, allow=request.allow)
    model, iteration = load_model(request.run, request.which, allow=request.allow)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device, memory_format=torch.channels_last)  # as in training
    samples = request.samples or config["callbacks"]["evaluation"]["samples"]
    scoring = make_scoring(metrics, samples=samples, task=task)
    scoring.prepare(model, data, device)
    with torch.no_grad():
        scores = scoring(model, data, request.split).scores
    return scores, scoring.floor(request.split), {"iteration": iteration, **scoring.facts(request.split)}


@contextmanager
def task(title: str) -> Iterator[Any]:
    """A bar on a terminal, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task(title, total=1.0)
        yield lambda share: progress.update(bar, completed=share)


def lines(scores: Scores, floor: Scores, about: Mapping[str, Any]) -> Iterator[str]:
    """What was found, for people."""
    of = f", iteration {about['iteration']:,}" if about.get("iteration") is not None else ""
    yield f"{about['run']} ({about['which']}{of}) on {about['split']}"
    if about.get("extractor"):
        yield f"features: {about['extractor']}; {about['samples']:,} samples against {about['reference']}"
    names = [f"{name} {_direction(name)}".strip() for name in scores]
    values = [figure(value) for value in scores.values()]
    wide, broad = max(map(len, names)), max(map(len, [*values, "value"]))
    yield f"{'':{wide}}  {'value':>{broad}}" + ("  real samples" if floor else "")
    for name, label, value in zip(scores, names, values, strict=True):
        real = f"  {figure(floor[name]):>12}" if name in floor else ""
        yield f"{label:{wide}}  {value:>{broad}}{real}"


def _direction(name: str) -> str:
    if name not in METRICS:
        return ""
    return "(low)" if METRICS[name].direction == "min" else "(high)"


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
