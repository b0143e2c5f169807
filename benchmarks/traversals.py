"""`python -m benchmarks.traversals RUN ...`: information of each number of a code about a generated digit's class.

Each of `--starts` random samples is moved along one axis of its code at a time, with all other axes fixed. The
classifier of FID predicts the class of each step. An axis is a number of the code, or a categorical code.

information  Mutual information of the position on the axis and the class, divided by log 10: 1 if the position
             determines one of ten equally frequent classes, 0 if it is independent of the class.
changes      The share of neighbouring steps with different classes.
moved        The mean absolute difference of neighbouring steps, images in [-1, 1].
"""

import math
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from datamodules import Digits
from experiments import cli
from experiments.jobs.runner import quiet_libraries
from lightning_gans import load_generator
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import cache_folder
from lightning_gans.core.prior import Axis, Categorical
from lightning_gans.extractors.classifier import fit_or_load
from lightning_gans.models.generative import GenerativeModel

STEPS = 10  # as many as classes


class Walk(NamedTuple):
    """Effect of an axis, means over samples; shares in [0, 1]."""

    information: float
    changes: float
    moved: float


def measured(images: Tensor, classes: Tensor, *, among: int) -> Walk:
    """Measure a walk: images (starts, steps, ...) along one axis and their classes (starts, steps), 0 .. among - 1."""
    steps = classes.shape[1]
    joint = torch.stack([torch.bincount(of_step, minlength=among) for of_step in classes.T]).double()
    joint /= joint.sum()
    independent = joint.sum(0) / steps  # the positions are equally frequent
    information = torch.xlogy(joint, joint).sum() - torch.xlogy(joint, independent.expand_as(joint)).sum()
    return Walk(
        information=max(information.item(), 0.0) / math.log(among),
        changes=(classes[:, 1:] != classes[:, :-1]).double().mean().item(),
        moved=(images[:, 1:] - images[:, :-1]).abs().double().mean().item(),
    )


def axes_of(model: Any) -> list[tuple[str, Axis]]:
    """Return the axes of a generator's code by name; for InfoGAN only the codes, without the noise."""
    if not isinstance(model, GenerativeModel) or model.conditional:
        raise UserError(f"{type(model).__name__} has no code to move along. Name a run of an unconditional generator.")
    noise = getattr(model, "noise", None)
    first = 0 if noise is None else noise.dim
    axes = [axis for axis in model.prior.axes(STEPS) if axis.first >= first]
    categorical = any(isinstance(code, Categorical) for code in getattr(model, "code_priors", ()))
    return [
        (
            f"category of {len(axis.values)}" if categorical and axis.values.shape[1] > 1 else f"number {axis.first}",
            axis,
        )
        for axis in axes
    ]


def walks(run: str, starts: int) -> dict[str, Walk]:
    """Return the measures of each axis of a run's exported generator."""
    model: Any = load_generator(run)
    named = axes_of(model)
    channels, image_size, _ = model.sample(1).shape[1:]
    data = Digits(image_size=image_size, channels=channels)
    classifier = fit_or_load(data, cache_folder(), name="digits")
    found = {}
    for name, axis in named:
        images = torch.cat([model.traversed([axis], start=start) for start in range(starts)])
        probabilities = classifier(images.flatten(0, 1)).probabilities
        assert probabilities is not None
        classes = probabilities.argmax(1).unflatten(0, images.shape[:2])
        found[name] = measured(images, classes, among=probabilities.shape[1])
    return found


def main(argv: Sequence[str]) -> int:
    parser = cli.Parser(prog="benchmarks.traversals", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="directories of runs on digits, as they are exported")
    parser.add_argument("--starts", type=int, default=64, help="samples that are moved (default %(default)s)")
    chosen = parser.parse_args(argv)
    quiet_libraries()
    for run in chosen.runs:
        print(f"{run}\n  {'axis':<16} information  changes  moved")
        for name, walk in walks(run, chosen.starts).items():
            print(f"  {name:<16} {walk.information:>11.2f}  {walk.changes:>7.2f}  {walk.moved:>5.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
