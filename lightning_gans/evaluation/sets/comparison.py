"""Result of a comparison of two sets: scores, their errors and the protocol, as lines and as a record."""

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from typing import Any

from lightning_gans.metrics.names import ERROR, METRICS, SPREAD

PACKAGES = ("torch", "torchvision", "torchmetrics", "torch-fidelity", "lightning-gans")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores of one set of images against another; printing it shows a table.

    Attributes:
        scores: scores by metric; the standard error of `fid` is `fid_se`.
        floor: scores of real held-out images in place of the generated ones; empty if the reference has none.
        facts: the protocol: both sets, extractor, counts, seeds, versions, command, time.
        notes: findings and warnings, one per line.
    """

    scores: Mapping[str, float]
    floor: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __getitem__(self, metric: str) -> float:
        return self.scores[metric]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Lines of a table of the scores, and of their protocol."""
        generated, reference, extractor = (self.facts[key] for key in ("generated", "reference", "extractor"))
        yield f"generated  {_described(generated)}"
        yield f"reference  {_described(reference)}"
        yield f"features   {extractor['name']}" + (
            f"; protocol {self.facts['protocol']}" * bool(self.facts["protocol"])
        )
        yield ""
        yield from table(self.scores, self.floor, self.facts.get("floor_samples"))
        for note in self.notes:
            yield f"note: {note}"

    def record(self) -> dict[str, Any]:
        """Record of scores and protocol for a JSON file; numbers that are not finite are None."""
        numbers = {"scores": self.scores, "floor": self.floor}
        plain = {
            title: {name: value if isfinite(value) else None for name, value in values.items()}
            for title, values in numbers.items()
        }
        return {**plain, **self.facts, "notes": list(self.notes)}


def table(scores: Mapping[str, float], floor: Mapping[str, float], count: int | None = None) -> Iterator[str]:
    """Yield a line per metric: value, standard error, and the floor: value and deviation of `count` real samples."""
    real = "real samples" if count is None else f"{count:,} real"
    rows = [["", "value", "+-", *([real, "+-"] if floor else [])]]
    for name in scores:
        if name.endswith((ERROR, SPREAD)):
            continue
        found = [scores[name], scores.get(f"{name}{ERROR}")]
        found += [floor.get(name), floor.get(f"{name}{ERROR}")] if floor else []
        rows.append([f"{name} {_direction(name)}".strip(), *map(_figure, found)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        columns = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([name.ljust(widths[0]), *columns]).rstrip()


def _direction(name: str) -> str:
    if name not in METRICS:
        return ""
    return "(low)" if METRICS[name].better == "lower" else "(high)"


def _figure(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4g}"


def _described(images: Mapping[str, Any]) -> str:
    if images["images"] is None:
        return f"{images['name']}: statistics of an unknown number of images"
    channels, height, width = images["size"]
    of = f" of {images['of']:,}" if images.get("of") else ""
    return f"{images['name']}: {images['images']:,}{of} images, {width}x{height} {'grey' if channels == 1 else 'RGB'}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that scores depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command() -> str:
    """Return the command line of this process, as it was typed."""
    import shlex

    return shlex.join(["python", *sys.orig_argv[1:]])
