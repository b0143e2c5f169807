"""Comparison of two runs: every file, less clock times and paths."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

CLOCK = ("seconds", "iterations_per_second", "images_per_second")


def assert_same_run(found: Path, expected: Path) -> None:
    """Weights bit for bit, rows, scores and pictures."""
    names = _names(found), _names(expected)
    assert names[0] == names[1], f"only here: {names[0] - names[1]}; missing: {names[1] - names[0]}"
    for name in ("generator/weights.safetensors", "generator/model.yaml"):
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    for name in ("last.ckpt", "best.ckpt"):
        if (expected / "checkpoints" / name).is_file():
            _same_checkpoint(*(run / "checkpoints" / name for run in (found, expected)))
    for name in ("losses.csv", "metrics.csv"):
        if (expected / name).is_file():
            assert rows(found / name) == rows(expected / name), name
    assert _summary(found) == _summary(expected)
    for path in (expected / "samples").glob("*.png"):
        assert (found / "samples" / path.name).read_bytes() == path.read_bytes(), path.name


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table without its clock columns."""
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in CLOCK} for row in csv.DictReader(file)]


def _names(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


def _summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return {name: value for name, value in found.items() if name not in CLOCK}


def _same_checkpoint(found: Path, expected: Path) -> None:
    one, other = (torch.load(path, weights_only=True) for path in (found, expected))
    assert one["game"] == other["game"], expected.name
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, tensor in other["state_dict"].items():
        assert torch.equal(one["state_dict"][name], tensor), f"{expected.name}: {name}"
