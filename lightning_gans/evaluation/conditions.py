"""Agreement of samples with the condition vectors that they were generated for."""

from math import nan
from typing import Any

import torch
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from lightning_gans.core.activity import activity
from lightning_gans.core.data import HasConditions, SplitName
from lightning_gans.core.protocols import SamplesByCondition
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.context import Context
from lightning_gans.evaluation.measures import flat, higher, lower, measure
from lightning_gans.evaluation.splits import held_out, read
from lightning_gans.metrics.estimate import Estimate, mean

TRAINED_ON = 2000  # training images of the regression
SIDE = 16  # side of its input images, in pixels
WRONG = 99  # number of wrong conditions per image (Xu et al. 2018)
REGULARISATION = 1e-2


class ConditionReader:
    """Regression from images to their standardised condition vectors.

    Kernel ridge regression with a Gaussian kernel on the pixels of at most 2,000 training images, reduced to 16x16
    if they are larger. The kernel's variance is the mean squared distance of two images.

    Args:
        x: training images (N, C, H, W).
        conditions: (N, d).
    """

    def __init__(self, x: Tensor, conditions: Tensor) -> None:
        std = conditions.std(0, correction=0)
        self.mean, self.std = conditions.mean(0), torch.where(std > 1e-6, std, torch.ones_like(std))
        pixels = _pixels(x)
        width = 2 * pixels.var(0, correction=0).sum().clamp(min=1e-12)
        self.regression = KernelRidge(alpha=REGULARISATION, kernel="rbf", gamma=float(1 / width))
        self.regression.fit(pixels.numpy(), self.standardised(conditions).double().numpy())

    def standardised(self, conditions: Tensor) -> Tensor:
        """Standardise conditions (N, d): mean 0 and standard deviation 1 over the training images."""
        return (conditions.cpu() - self.mean) / self.std

    def __call__(self, x: Tensor) -> Tensor:
        """Predict standardised conditions (N, d) of images (N, C, H, W)."""
        return torch.from_numpy(self.regression.predict(_pixels(x).numpy())).reshape(len(x), -1).float()


def _pixels(x: Tensor) -> Tensor:
    small = adaptive_avg_pool2d(x.float(), SIDE) if min(x.shape[2:]) > SIDE else x.float()
    return small.flatten(1).cpu().double()


@measure(
    lower("condition_error", "root mean squared error of condition vectors read from samples, in standard deviations"),
    higher("r_precision", "share of samples whose own condition is nearer to the one read from them than 99 others"),
    needs=SamplesByCondition,
)
class ConditionAgreement:
    """Agreement of conditions predicted from samples with those of held-out images that they were generated for.

    R-precision as in Xu et al. 2018 (1711.10485), with R = 1 of 100. The floor is that of the held-out images
    themselves, so it measures the regression.
    """

    def __init__(self) -> None:
        self.reader: ConditionReader | None = None
        self.data: HasConditions | None = None

    def prepare(self, model: nn.Module, data: object, context: Context) -> None:
        """Fit the regression to training images."""
        self.reader = None
        if not isinstance(model, SamplesByCondition) or not isinstance(data, HasConditions):
            return
        train = data.split("train").at_most(TRAINED_ON)
        with activity("fitting a regression of conditions"):
            self.reader = ConditionReader(torch.cat([batch.x for batch in read(train)]), train.conditions)
        self.data = data

    def facts(self) -> dict[str, Any]:
        return {}

    def floor(self, split: SplitName) -> dict[str, float]:
        """Score the held-out images in place of samples."""
        if self.data is None:
            return {}
        real = held_out(self.data, split)
        return flat(self._scores([batch.x for batch in read(real)], real.conditions))

    def __call__(self, model: SamplesByCondition, data: HasConditions, split: SplitName) -> dict[str, Estimate]:
        """Score one sample for the condition of each held-out image."""
        real = held_out(data, split)
        if self.reader is None or not len(real):
            return {}
        return self._scores([model.sample(len(real), condition=real.conditions)], real.conditions)

    def _scores(self, x: list[Tensor], conditions: Tensor) -> dict[str, Estimate]:
        if self.reader is None or not x:
            return {}
        images = torch.cat(x)
        if not images.isfinite().all():
            return {"condition_error": Estimate(nan, nan), "r_precision": Estimate(nan, nan)}
        found, true = self.reader(images), self.reader.standardised(conditions)
        squares = mean((found - true).square().double().mean(1))
        error = squares.value**0.5
        return {
            "condition_error": Estimate(error, squares.error / (2 * max(error, 1e-12))),
            "r_precision": mean(_first(found, true).double()),
        }


def _first(found: Tensor, true: Tensor) -> Tensor:
    """Hits (N,): the true condition is nearer to the predicted one than those of up to 99 other images.

    Others with the same condition are left out; ties are misses.
    """
    hits = []
    for row, (mine, own) in enumerate(zip(found, true, strict=True)):
        order = torch.randperm(len(true), generator=stream("r_precision", row))
        others = true[order[order != row][:WRONG]]
        others = others[(others != own).any(1)]
        hits.append(bool(((others - mine).norm(dim=1) > (own - mine).norm()).all()))
    return torch.tensor(hits)
