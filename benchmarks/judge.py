"""`python -m benchmarks.judge RUN ...`: an independent judge of generated digits, beside held-out real digits.

FID, by which a run chooses its best checkpoint, falls below its floor where samples are narrower than real digits. This
judge asks two questions apart, of as many samples as there are held-out real digits (360, validation and test):

sharp      The share of samples that are clearly one digit: a support vector machine of real training digits, on 8x8
           pixels, is surer than 0.9 of its class, and the nearest training digit is no farther than training digits are
           from each other (the 0.95 quantile of their distances to their nearest neighbours, on 8x8 pixels).
precision, recall, coverage
           Of the samples against the training digits, k=5, on the features of the classifier that FID is computed on
           (`lightning_gans.metrics.neighbours`).
pixel recall
           The same recall on 8x8 pixels instead of features.
native     Pixel recall against the digits as scikit-learn has them, 8x8. Resizing them to 32 pixels and back smooths
           them, so held-out digits of 32 pixels have less of this recall as well: no figure of samples' variety.

A run's samples are those of its exported generator, rounded to 256 levels as files hold them, and its figures are means
over several sets of them: a figure of one set scatters by 0.01 to 0.02. Images of any size become 8x8 by averages over
blocks, training and held-out digits of the run's size as well. The runs of one group (all settings but the seed) make
one row, of means and standard deviations over the runs. FID / floor is of the test split, from summary.json; so are the
seconds, which are wall time, evaluations included.
"""

import statistics
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import avg_pool2d

from datamodules import Digits
from experiments import cli
from experiments.jobs.runner import quiet_libraries
from experiments.runs import directory as runs
from lightning_gans import load_generator
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import cache_folder
from lightning_gans.core.protocols import Samples
from lightning_gans.extractors.classifier import fit_or_load
from lightning_gans.metrics.neighbours import Manifold, neighbour_measures, neighbour_radii

FID = "fid_classifier"  # key in a summary: digits are measured by their own classifier
NATIVE = 8  # pixels of scikit-learn's digits
SURE = 0.9
K = 5  # neighbours within a radius
REAL_SHARE = 0.95  # quantile of neighbour distances of training digits, the limit for sharp samples


class Verdict(NamedTuple):
    """The judge's figures, shares in [0, 1]."""

    sharp: float
    precision: float
    recall: float
    coverage: float
    pixel_recall: float
    native_recall: float


class Judge:
    """Judge of images (N, channels, image_size, image_size) in [-1, 1], fitted to training digits.

    held_out: (360, channels, image_size, image_size), the digits of validation and test.
    """

    def __init__(self, *, image_size: int, channels: int) -> None:
        data = Digits(image_size=image_size, channels=channels)
        train, labels = _images(data, "train")
        self.held_out = torch.cat([_images(data, "validation")[0], _images(data, "test")[0]])
        self.features = fit_or_load(data, cache_folder(), name="digits")
        self.pixels = pixels(train)
        native = pixels(_images(Digits(image_size=NATIVE), "train")[0])
        sets = self.features(train).features, self.pixels, native
        self.known, self.drawn, self.native = (Manifold.of(features, k=(K, K)) for features in sets)
        # One against the rest, because its margins measure confidence, unlike votes of pairs. Platt scaling by
        # cross-validation.
        self.machine = CalibratedClassifierCV(OneVsRestClassifier(SVC(C=10)), ensemble=False)
        self.machine.fit(self.pixels.numpy(), labels.numpy())
        self.near = neighbour_radii(self.pixels, k=1).quantile(REAL_SHARE)

    def __call__(self, x: Tensor) -> Verdict:
        """Return the verdict on images x (N, channels, image_size, image_size), N > 5."""
        x = ((x + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
        measured = neighbour_measures(self.known, self.features(x).features)
        return Verdict(
            sharp=self.sharp(x).double().mean().item(),
            precision=measured.precision.value,
            recall=measured.recall.value,
            coverage=measured.coverage.value,
            pixel_recall=neighbour_measures(self.drawn, pixels(x)).recall.value,
            native_recall=neighbour_measures(self.native, pixels(x)).recall.value,
        )

    @cached_property
    def real(self) -> Verdict:
        """Return the verdict on the held-out digits."""
        return self(self.held_out)

    def sharp(self, x: Tensor) -> Tensor:
        """Return (N,) bool, True for images that are clearly one digit and near a training digit."""
        probabilities = torch.from_numpy(self.machine.predict_proba(pixels(x).numpy()))
        distance = torch.cdist(pixels(x).double(), self.pixels.double()).amin(1)
        return (probabilities.amax(1) > SURE) & (distance <= self.near)


def pixels(x: Tensor) -> Tensor:
    """Convert images (N, C, S, S), S a multiple of 8, to grey 8x8 pixels: (N, 64)."""
    return avg_pool2d(x.mean(1, keepdim=True), x.shape[-1] // NATIVE).flatten(1)


def _images(data: Digits, split: Any) -> tuple[Tensor, Tensor]:
    part = data.split(split)
    (batch,) = part.batches(len(part))
    assert batch.label is not None
    return batch.x, batch.label


judge_for = cache(Judge)


class Row(NamedTuple):
    """A run's line of the table, or a part of it.

    group: common name of the runs in a line.
    relative_fid: test FID over its floor, None if not measured.
    image_size, real: image size of the run, and the verdict on held-out digits of that size.
    """

    group: str
    seconds: float | None
    relative_fid: float | None
    verdict: Verdict
    image_size: int
    real: Verdict


def judged(run: Path, *, draws: int = 1) -> Row:
    """Return the row of one run; its verdict is the mean over `draws` sets of samples, with seeds 0, 1, ...

    Raises:
        UserError: there is no exported generator, or it does not generate digits.
    """
    model = load_generator(run)
    config, summary = runs.read_config(run) or {}, runs.read_summary(run)
    data = config.get("data") or {}
    if data.get("_target_") != "datamodules.Digits" or not isinstance(model, Samples):
        raise UserError(
            f"{run}: the judge knows digits alone. Name a run of data=digits whose model generates samples."
        )
    judge = judge_for(image_size=data["image_size"], channels=data["channels"])
    test = (summary.all.get("test") if summary else None) or {}
    verdicts = [judge(model.sample(len(judge.held_out), seed=seed)) for seed in range(draws)]
    last, floor = (test.get(name) or {} for name in ("last", "floor"))
    return Row(
        group=f"{config.get('group', run.name)}, {summary.iterations if summary else 0:,} iterations",
        seconds=summary.seconds if summary else None,
        relative_fid=last[FID] / floor[FID] if last.get(FID) and floor.get(FID) else None,
        verdict=Verdict(*map(statistics.fmean, zip(*verdicts, strict=True))),
        image_size=data["image_size"],
        real=judge.real,
    )


HEADER = ("run", "seconds", "FID / floor", "sharp", "precision", "recall", "coverage", "pixel recall", "native")


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table: held-out real digits, then a line for each group of runs."""
    lines = [HEADER, ("---",) * len(HEADER)]
    for size, real in {row.image_size: row.real for row in rows}.items():
        lines.append((f"held-out real digits, {size} px", "", "1", *(f"{value:.2f}" for value in real)))
    for group in dict.fromkeys(row.group for row in rows):
        of_group = [row for row in rows if row.group == group]
        lines.append(
            (
                f"{group} ({len(of_group)})",
                _spread([row.seconds for row in of_group], digits=0),
                _spread([row.relative_fid for row in of_group], digits=2),
                *(_spread(values, digits=2) for values in zip(*(row.verdict for row in of_group), strict=True)),
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(found: Sequence[float | None], *, digits: int) -> str:
    values = [value for value in found if value is not None]
    if not values:
        return ""
    deviation = f" +- {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{deviation}"


def main(argv: Sequence[str]) -> int:
    parser = cli.Parser(prog="benchmarks.judge", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs, also as run=DIR")
    parser.add_argument("--draws", type=int, default=8, help="sets of samples of each run (default %(default)s)")
    chosen = parser.parse_args(argv)
    quiet_libraries()
    if chosen.draws < 1:
        raise UserError(f"--draws {chosen.draws}: at least one set of samples is judged.")
    print(table([judged(Path(run.removeprefix("run=")), draws=chosen.draws) for run in chosen.runs]))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
