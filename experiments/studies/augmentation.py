"""Study of generated training images: gain in classifier accuracy by share of labelled images and by generator."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, nan
from pathlib import Path
from textwrap import fill
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.studies.early import FOLDER
from experiments.studies.labelled_share import LabelledDigits
from experiments.studies.pages import config_of, finished, summary_of, table, write_page
from experiments.studies.record import asked, settings_of
from experiments.trained.loading import load_data
from lightning_gans import load_generator
from lightning_gans.core.activity import activity
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import cache_folder
from lightning_gans.core.protocols import SamplesByLabel
from lightning_gans.evaluation.synthetic import Labelled, accuracy, mixed
from lightning_gans.extractors.base import Extractor, extract
from lightning_gans.extractors.factories import classifier
from lightning_gans.extractors.training import Recipe, hold
from lightning_gans.metrics import estimate
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.scores import Reference, distribution_scores
from lightning_gans.models.export import described
from lightning_gans.reporting.images import image_grid, to_uint8

SHIPPED = "digits"
BUDGET = 800  # default iterations of the study
N = 1440  # generated images, in equal numbers per class
GOOD, BAD = "good", "bad"
REAL = "real alone"
ROWS = (REAL, f"real + {GOOD}", f"real + {BAD}", f"{GOOD} alone", f"{BAD} alone")
CLASSIFIERS = len(ROWS)


@dataclass(frozen=True)
class Scores:
    """Figures of one run: accuracies by the classifier's training data, FID and label accuracy by generator.

    tested: number of test images per accuracy.
    """

    accuracy: Mapping[str, float]
    fid: Mapping[str, float]
    label_accuracy: Mapping[str, float]
    labelled: int
    tested: int


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write augmentation.{md,png}.

    Raises:
        UserError: the runs do not belong to the study.
    """
    done = finished(run_dirs)
    for run_dir in done:
        if not (run_dir / FOLDER).is_dir() or "share" not in config_of(run_dir)["data"]:
            raise UserError(
                f"{run_dir} is no run of this study: it has no share of the labels, or no generator early in its "
                "training. Make one: python -m experiments.train -m experiment=study/augmentation seed=1"
            )
    found: dict[float, list[Scores]] = defaultdict(list)
    whole = _whole(config_of(done[0]))
    extractor = classifier(whole, cache_dir=cache_folder(), device=torch.device("cpu"))
    train = next(whole.split("train").batches(len(whole.split("train")))).x
    reference = Reference.of(*extract(extractor, [train]))
    with activity("classifiers", CLASSIFIERS * len(done)) as told:
        for number, run_dir in enumerate(done):
            scores = measured(run_dir, extractor, reference)
            found[float(config_of(run_dir)["data"]["share"])].append(scores)
            told(CLASSIFIERS * (number + 1))
    by_share = dict(sorted(found.items()))
    write_page(folder, "augmentation", _text(done, by_share), _figure(done, by_share))


def measured(run_dir: Path, extractor: Extractor, reference: Reference) -> Scores:
    """Return all figures of one run; its classifiers use the run's seed."""
    config = config_of(run_dir)
    data = load_data(config, allow=(f"{LabelledDigits.__module__}.{LabelledDigits.__qualname__}",))
    real, test, classes = hold(data.split("train"), Recipe()), data.split("test"), len(data.classes)
    labels = torch.arange(N) % classes
    sets: dict[str, Labelled] = {REAL: real}
    fid, label_accuracy = {}, {}
    for name, place in ((GOOD, run_dir), (BAD, run_dir / FOLDER)):
        x = generated(place, labels)
        synthetic = (to_uint8(x), labels)
        sets |= {f"real + {name}": mixed(real, synthetic), f"{name} alone": synthetic}
        seen = extract(extractor, [x])
        assert seen.probabilities is not None
        fid[name] = _value(distribution_scores(reference, *seen)["fid"])
        label_accuracy[name] = float((seen.probabilities.argmax(1).cpu() == labels).double().mean())
    accuracies = {row: accuracy(sets[row], test, classes=classes, seed=config["seed"]) for row in ROWS}
    return Scores(accuracies, fid, label_accuracy, len(real[0]), len(test))


def generated(place: Path, labels: Tensor) -> Tensor:
    """Generate one image for each label by the generator in a folder: (N, C, S, S) in [-1, 1]."""
    model: Any = load_generator(place)
    assert isinstance(model, SamplesByLabel)
    with torch.no_grad():
        return model.sample(len(labels), label=labels, seed=0).cpu()


def _whole(config: Mapping[str, Any]) -> LabelledDigits:
    """Return the run's data with all labelled images."""
    data = config["data"]
    return LabelledDigits(image_size=data["image_size"], channels=data["channels"])


def _value(score: float | Estimate) -> float:
    return score.value if isinstance(score, Estimate) else score


def over_seeds(accuracies: Sequence[float], tested: int) -> Estimate:
    """Return the mean accuracy over seeds, with the error due to seeds and test images."""
    seeds = estimate.mean(torch.tensor(accuracies, dtype=torch.float64))
    images = estimate.of_share(seeds.value, tested).error
    return Estimate(seeds.value, hypot(images, seeds.error if len(accuracies) > 1 else 0.0))


def gain(scores: Sequence[Scores], row: str) -> Estimate:
    """Return the mean gain in accuracy over real images alone, with the error due to seeds; NaN for one seed."""
    gains = [of_one.accuracy[row] - of_one.accuracy[REAL] for of_one in scores]
    found = estimate.mean(torch.tensor(gains, dtype=torch.float64))
    return found if len(gains) > 1 else Estimate(found.value, nan)


def _percent(found: Estimate, *, signed: bool = False) -> str:
    text = f"{100 * found.value:+.1f}" if signed else f"{100 * found.value:.1f}"
    return text if found.error != found.error else f"{text} ± {100 * found.error:.1f}"


def _text(run_dirs: Sequence[Path], by_share: Mapping[float, Sequence[Scores]]) -> str:
    configs = [config_of(run_dir) for run_dir in run_dirs]
    first = configs[0]
    said = asked([settings_of(config) for config in configs], shipped=SHIPPED, of_data=first["data"], iterations=BUDGET)
    early = described(run_dirs[0] / FOLDER)["about"]["iteration"]
    seconds = sum(summary_of(run_dir).seconds for run_dir in run_dirs)
    rows, generators = [], []
    for share, scores in by_share.items():
        cells = [_percent(over_seeds([one.accuracy[row] for one in scores], scores[0].tested)) for row in ROWS]
        gains = [_percent(gain(scores, f"real + {name}"), signed=True) for name in (GOOD, BAD)]
        rows.append([f"{share:.0%}", str(scores[0].labelled), str(len(scores)), *cells, *gains])
        for name in (GOOD, BAD):
            fid = estimate.mean(torch.tensor([one.fid[name] for one in scores], dtype=torch.float64))
            right = estimate.mean(torch.tensor([one.label_accuracy[name] for one in scores], dtype=torch.float64))
            after = first["iterations"] if name == GOOD else early
            generators.append([f"{share:.0%}", name, f"{after:,}", f"{fid.value:.2f}", f"{100 * right.value:.0f}"])
    head = ["labels", "images", "seeds", *ROWS, "gain, good", "gain, bad"]
    tested = next(iter(by_share.values()))[0].tested
    protocol = (
        f"Accuracy in per cent on the {tested:,} test digits, {first['data']['image_size']} px, of classifiers trained "
        f"on a share of the labelled digits, on this share and generated digits in equal parts, and on {N:,} generated "
        f"digits alone. The generator (`{first['names']['variant']}`, {first['iterations']:,} iterations of "
        f"{first['data']['batch_size']}) is trained only on the same share. The bad generator is the same generator "
        f"after {early:,} iterations. All classifiers are trained on equally many images, shifted at random. "
        "Each seed has its own share of the digits, its own generator and its own classifiers."
    )
    return f"""# Generated images as training data

    python -m experiments.train -m experiment=study/augmentation{said}

{fill(protocol, 120)}

![Accuracy by share of the labels, and generated digits](augmentation.png)

{table(head, rows)}
Standard errors of accuracies account for seeds and test images, those of gains only for seeds, since classifiers are
compared on the same test images.

{table(["labels", "generator", "iterations", "FID", "label accuracy"], generators)}
Generators are evaluated by the classifier trained on all labelled digits: FID on its features, {N:,} generated digits
against all training digits, and the share of generated digits (%) that it assigns to the class asked for. Means over
seeds. Training of the {len(run_dirs)} generators took {seconds:,.0f} s.
"""


def _figure(run_dirs: Sequence[Path], by_share: Mapping[float, Sequence[Scores]]) -> Figure:
    """Plot mean accuracy and standard error against the share (left), and digits of both generators (right)."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    grid = figure.add_gridspec(len(by_share), 4)
    axes = figure.add_subplot(grid[:, :2])
    shares = [100 * share for share in by_share]
    for row, style in zip(ROWS, ("k-", "C0-", "C1-", "C0:", "C1:"), strict=True):
        found = [over_seeds([one.accuracy[row] for one in scores], scores[0].tested) for scores in by_share.values()]
        values, errors = zip(*found, strict=True)
        axes.errorbar(shares, values, errors, fmt=style, marker="o", markersize=4, capsize=3, label=row)
    axes.set(xscale="log", xlabel="share of the labelled images", ylabel="accuracy on the test split")
    axes.set_xticks(shares, [f"{share:g} %" for share in shares], minor=False)
    axes.legend(fontsize=8)
    firsts = {float(config_of(run_dir)["data"]["share"]): run_dir for run_dir in reversed(run_dirs)}
    labels = torch.arange(30) % 10
    for place, share in enumerate(by_share):
        for column, (name, folder) in enumerate(((GOOD, firsts[share]), (BAD, firsts[share] / FOLDER)), 2):
            picture = figure.add_subplot(grid[place, column])
            picture.imshow(image_grid(generated(folder, labels), 10), cmap="gray", vmin=0, vmax=255)
            picture.set_title(f"{share:.0%} of the labels, {name}", fontsize=8)
            picture.axis("off")
    return figure
