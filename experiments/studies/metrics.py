"""Study of the sensitivity of metrics: degraded real digits take the place of generated images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import hypot
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from datamodules import Digits
from experiments.studies.pages import table, write_page
from lightning_gans.core.activity import activity
from lightning_gans.core.files import cache_folder
from lightning_gans.core.rng import stream
from lightning_gans.extractors.base import Extractor, extract
from lightning_gans.extractors.factories import classifier
from lightning_gans.metrics.diversity import evenness
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.memorisation import memorised
from lightning_gans.metrics.names import METRICS, is_better
from lightning_gans.metrics.scores import Reference, distribution_scores

N, DRAWS = 180, 5  # images per set, and sets drawn of each kind
SEEN = 4.0  # standard deviations from undegraded digits at which a metric detects a failure

TITLES = {
    "fid": "FID",
    "kid": "KID",
    "is": "IS",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "evenness": "evenness",
    "memorised": "memorised",
}


@dataclass(frozen=True)
class Halves:
    """Images (N, 1, S, S) in [-1, 1] and labels (N,): `known` is the reference, `other` replaces generated images."""

    known: Tensor
    known_labels: Tensor
    other: Tensor
    other_labels: Tensor


Makes = Callable[[Halves, float, torch.Generator], Tensor]  # (images, level of a failure, random generator) -> images


class Failure(NamedTuple):
    """A kind of degradation. levels: strengths in increasing order; told: the level shown in the table."""

    axis: str
    levels: Sequence[float]
    told: float
    makes: Makes
    name: str


def _blurred(digits: Halves, sigma: float, draws: torch.Generator) -> Tensor:
    x = _drawn(digits.other, N, draws)
    return gaussian_blur(x, [2 * round(3 * sigma) + 1] * 2, [sigma, sigma]) if sigma else x


def _noisy(digits: Halves, deviation: float, draws: torch.Generator) -> Tensor:
    x = _drawn(digits.other, N, draws)
    return (x + deviation * torch.randn(x.shape, generator=draws)).clamp(-1, 1)


def _without_classes(digits: Halves, dropped: float, draws: torch.Generator) -> Tensor:
    kept = torch.randperm(10, generator=draws)[int(dropped) :]
    return _drawn(digits.other[torch.isin(digits.other_labels, kept)], N, draws)


def _copied(digits: Halves, a_class: float, draws: torch.Generator) -> Tensor:
    """Return `a_class` distinct images of each class, repeated to the full number of images."""
    return _of_each_class(digits.other, digits.other_labels, int(a_class), draws).repeat(
        N // 10 // int(a_class), 1, 1, 1
    )


def _memorised(digits: Halves, share: float, draws: torch.Generator) -> Tensor:
    copies = round(share * N)
    x = torch.cat([_drawn(digits.known, copies, draws), _drawn(digits.other, N - copies, draws)])
    return (x + 0.02 * torch.randn(x.shape, generator=draws)).clamp(-1, 1)


def _fewer(digits: Halves, n: float, draws: torch.Generator) -> Tensor:
    return _drawn(digits.other, int(n), draws)


FAILURES = (
    Failure("blur: sigma in pixels", (0, 0.5, 1, 2, 3), 2, _blurred, "blur of 2 pixels"),
    Failure("noise: deviation", (0, 0.1, 0.2, 0.4, 0.8), 0.4, _noisy, "noise of deviation 0.4"),
    Failure("classes dropped", (0, 1, 2, 4, 7), 2, _without_classes, "two classes dropped"),
    Failure("distinct images a class", (18, 9, 6, 3, 1), 1, _copied, "one image a class, 18 times"),
    Failure("share of training images", (0, 0.25, 0.5, 0.75, 1), 0.5, _memorised, "half of them training images"),
    Failure("images in the set", (700, 500, 360, 180, 90), 90, _fewer, "90 images in the place of 180"),
)


def _ten_digits(digits: Halves, draws: torch.Generator) -> Tensor:
    return _of_each_class(digits.known, digits.known_labels, 1, draws).repeat(18, 1, 1, 1)


def _thirty_digits(digits: Halves, draws: torch.Generator) -> Tensor:
    return _of_each_class(digits.other, digits.other_labels, 3, draws).repeat(6, 1, 1, 1)


def _one_class(digits: Halves, draws: torch.Generator) -> Tensor:
    chosen = int(torch.randint(10, (), generator=draws))
    most = digits.other[digits.other_labels == chosen]
    rows = torch.randint(len(most), (N - 18,), generator=draws)
    rest = digits.other_labels != chosen
    return torch.cat([most[rows], _of_each_class(digits.other[rest], digits.other_labels[rest], 2, draws)])


COLLAPSED: Mapping[str, Callable[[Halves, torch.Generator], Tensor]] = {
    "(a) ten training digits, one a class, 18 times each": _ten_digits,
    "(b) three images a class, 6 times each": _thirty_digits,
    "(c) 162 of one class, two of each other": _one_class,
}

Values = Mapping[str, Sequence[float]]  # metric -> a value for each draw


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write metrics.{md,png}. The study needs no runs, only the digits and the classifier."""
    assert not run_dirs
    digits = halves()
    data = Digits()
    extractor = classifier(data, cache_dir=cache_folder(), device=torch.device("cpu"))
    reference = Reference.of(*extract(extractor, [digits.known]))
    jobs = [(failure.axis, partial(failure.makes, digits, level)) for failure in FAILURES for level in failure.levels]
    jobs += [(name, partial(make, digits)) for name, make in COLLAPSED.items()]
    found: list[Values] = []
    with activity("degraded digits", len(jobs)) as told:
        for name, make in jobs:
            draws = [stream("study of metrics", name, draw) for draw in range(DRAWS)]
            sets = [scores(make(draw), digits, reference, extractor) for draw in draws]
            found.append({metric: [one[metric] for one in sets] for metric in TITLES})
            told(len(found))
    left = iter(found)
    curves = {failure: [next(left) for _ in failure.levels] for failure in FAILURES}
    collapsed = dict(zip(COLLAPSED, left, strict=True))
    write_page(folder, "metrics", page(curves, collapsed, extractor.name), drawn(curves))


def halves() -> Halves:
    """Split the training digits of each class into two halves, with a fixed seed."""
    batch = next(Digits().split("train").batches(10_000))
    assert batch.label is not None
    order = torch.randperm(len(batch.x), generator=stream("study of metrics", "halves"))
    order = order[batch.label[order].argsort(stable=True)]  # by class, in random order within each
    known, other = order[::2], order[1::2]
    return Halves(batch.x[known], batch.label[known], batch.x[other], batch.label[other])


def scores(x: Tensor, digits: Halves, reference: Reference, extractor: Extractor) -> dict[str, float]:
    """Compute all metrics of images (n, 1, S, S), without standard errors."""
    seen = extract(extractor, [x])
    assert seen.probabilities is not None
    found = dict(distribution_scores(reference, *seen))
    found |= {"evenness": evenness(seen.probabilities), "memorised": memorised(x, [digits.known]).estimate}
    return {name: value.value if isinstance(value := found[name], Estimate) else value for name in TITLES}


def _drawn(x: Tensor, n: int, draws: torch.Generator) -> Tensor:
    return x[torch.randperm(len(x), generator=draws)[:n]]


def _of_each_class(x: Tensor, labels: Tensor, n: int, draws: torch.Generator) -> Tensor:
    return torch.cat([_drawn(x[labels == label], n, draws) for label in labels.unique()])


def drawn(curves: Mapping[Failure, Sequence[Values]]) -> Figure:
    """Plot a panel for each metric (row) and failure (column); error bars are standard deviations over draws."""
    figure = Figure(figsize=(13, 15), layout="constrained")
    panels = figure.subplots(len(TITLES), len(curves), sharey="row", sharex="col", squeeze=False)
    for column, (failure, values) in enumerate(curves.items()):
        places = range(len(failure.levels))
        for row, (metric, title) in enumerate(TITLES.items()):
            panel = panels[row, column]
            means, deviations = zip(*(_spread(level[metric]) for level in values), strict=True)
            (real, deviation) = _spread(_undegraded(curves)[metric])
            panel.axhspan(real - 2 * deviation, real + 2 * deviation, color="0.88")
            panel.errorbar(places, means, deviations, marker="o", markersize=3, linewidth=1, capsize=2)
            panel.tick_params(labelsize=7)
            panel.spines[["top", "right"]].set_visible(False)
            if not column:
                panel.set_ylabel(title, fontsize=9)
        panels[-1, column].set_xticks(places, [f"{level:g}" for level in failure.levels])
        panels[-1, column].set_xlabel(failure.axis, fontsize=8)
        panels[0, column].set_title(failure.axis.partition(":")[0], fontsize=9)
    return figure


def _undegraded(curves: Mapping[Failure, Sequence[Values]]) -> Values:
    return curves[FAILURES[0]][0]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return fmean(values), stdev(values)


def _cell(metric: str, values: Sequence[float], real: Sequence[float]) -> str:
    """Format the mean over draws; bold if far worse than that of undegraded digits, italic if far better."""
    (mean, deviation), (of_real, deviation_of_real) = _spread(values), _spread(real)
    text = f"{mean:.3f}" if abs(mean) < 10 else f"{mean:.1f}"
    if not abs(mean - of_real) > SEEN * max(hypot(deviation, deviation_of_real), 1e-9):
        return text
    return f"*{text}*" if is_better(METRICS[metric].better, mean, of_real) else f"**{text}**"


def page(curves: Mapping[Failure, Sequence[Values]], collapsed: Mapping[str, Values], extractor: str) -> str:
    real = _undegraded(curves)
    sets = {failure.name: values[failure.levels.index(failure.told)] for failure, values in curves.items()}
    sets.update(collapsed)
    rows = [["undegraded", *(f"{fmean(real[metric]):.3f}" for metric in TITLES)]]
    rows.append(["deviation", *(f"{stdev(real[metric]):.3f}" for metric in TITLES)])
    rows += [
        [name, *(_cell(metric, values[metric], real[metric]) for metric in TITLES)] for name, values in sets.items()
    ]
    return f"""# Sensitivity of the metrics

    python -m experiments.train experiment=study/metrics

Nothing is trained. The digits of the training split are divided into two halves, class by class. One half is the
reference; sets of {N} images of the other half stand in for generated digits and are degraded in known ways. Features
are those of {extractor}. Each point is the mean of {DRAWS} sets, with their standard deviation as a
bar; the grey band spans two standard deviations around undegraded digits.

![Nine metrics under six failures](metrics.png)

Bold: worse than undegraded digits by more than {SEEN:g} standard deviations over sets; italic: better by as much.

{table(["", *TITLES.values()], rows)}{TEXT}"""


TEXT = """
* **Blur and noise** lower precision, recall, density and coverage, and raise FID and KID. Evenness detects only
  strong blur and noise, and `memorised` neither. A blur of one pixel or noise of standard deviation 0.1 hardly changes
  any metric.
* **Dropped classes** are detected by evenness and IS, recall and coverage, and FID and KID, but not by precision and
  density, since all images look real.
* **Copies within the classes** are hardly detected by FID and KID, and not at all by IS. The IS of ten images, each
  repeated 18 times, equals that of real digits; three images per class, each repeated 6 times, differ from real digits
  in neither FID nor KID. Recall and coverage detect both. Recall is 0 as soon as every image occurs four times, since
  the third neighbour is then at distance 0. Coverage falls gradually.
* **Memorised training images** are detected only by `memorised`.
* **One dominant class** is detected by evenness, IS, FID, KID and coverage. Recall improves: if a class has two images,
  the third neighbour of each is of another class, so its neighbourhood holds many real images.
* **The number of images** changes FID and IS of undegraded digits: compare sets of equal size.

No single metric detects every failure. FID or KID, coverage and `memorised` together detect every one in the table.
"""
