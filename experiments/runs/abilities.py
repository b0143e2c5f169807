"""Commands available for a run's model, by the protocols that its class satisfies. Imports no torch."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from experiments.runs.directory import EXPORT, read_config
from experiments.settings.declarations import satisfies, target
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import load_yaml

DESCRIPTION = "model.yaml"
PROTOCOLS = "lightning_gans.core.protocols"

# protocol -> purpose and arguments of `experiments.sample`; of SAMPLE, the first that fits is used.
SAMPLE = {
    "Translates": ("translate with it", "translate=FOLDER out=translated direction=a2b"),
    "GeneratesFromImages": ("translate with it", "translate=FOLDER out=translated"),
    "Samples": ("sample from it", "n=64 grid=samples.png"),
    "Classifies": ("classify images with it", "classify=FOLDER"),
    "Ranks": ("rank documents with it", "rank=QUERIES n=10"),
    "Converts": ("convert recordings with it", "convert=FILE.wav speaker=NAME out=converted.wav"),
}
ALSO = {"Reconstructs": ("reconstruct images with it", "reconstruct=FOLDER grid=pairs.png")}


def commands(run_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield (purpose, command) for each ability of a run's exported model; nothing without an export.

    A model whose class has no readable source is assumed to sample.
    """
    model = _model(run_dir)
    if model is None:
        return
    run = shlex.quote(f"run={run_dir}")
    able = {name: satisfies(model, f"{PROTOCOLS}.{name}") for name in (*SAMPLE, *ALSO)}
    if None in able.values():
        able = {name: name == "Samples" for name in able}
    first = next((told for name, told in SAMPLE.items() if able[name]), None)
    pictured = any((run_dir / "samples").glob("reconstructions-*.png"))  # the samples are images, not points
    also = (told for name, told in ALSO.items() if able[name] and pictured)
    for purpose, told in filter(None, [first, *also]):
        yield purpose, f"python -m experiments.sample {run} {told}"
    if first is None:
        yield "measure it again", f"python -m experiments.evaluate {run}{_metrics(run_dir)}"


def _model(run_dir: Path) -> str | None:
    """Return the dotted name of the exported model's class; None without an export, "" if it is not recorded."""
    if not (run_dir / EXPORT).is_dir():
        return None
    try:
        content = load_yaml(run_dir / EXPORT / DESCRIPTION)
    except (OSError, ValueError):
        return ""
    return target(content.get("model")) if isinstance(content, dict) else ""


def _metrics(run_dir: Path) -> str:
    """Return the argument metrics=own of `evaluate` if a run was trained without an extractor; else empty."""
    try:
        config = read_config(run_dir)
    except UserError:
        config = None
    return "" if config is None or config.get("metrics") else " metrics=own"
