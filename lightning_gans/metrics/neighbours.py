"""Precision and recall, density and coverage of a set of generated samples, from nearest neighbours of features.

Improved precision and recall: Kynkaanniemi et al. 2019 (1904.06991), k = 3. Density and coverage: Naeem et al. 2020
(2002.09797), k = 5. Each set is estimated by balls around its samples. With real features x_1 ... x_N, generated
features y_1 ... y_M, Euclidean distances, and r_k(x_i) the distance of x_i to its k-th nearest neighbour among the
other x's (r_k(y_j) likewise among the other y's):

    precision = 1/M   sum_j 1[exists i: |y_j - x_i| <= r_k(x_i)]   share of generated samples near a real one
    recall    = 1/N   sum_i 1[exists j: |x_i - y_j| <= r_k(y_j)]   share of real samples near a generated one
    density   = 1/kM  sum_j sum_i 1[|y_j - x_i| < r_k(x_i)]        real balls that hold a generated sample, over k
    coverage  = 1/N   sum_i 1[exists j: |y_j - x_i| < r_k(x_i)]    share of real balls that hold a generated sample

The balls of precision and recall are closed and those of density and coverage open, as in the authors' code; distances
that agree to 1e-9 count as equal. A sample is never its own neighbour, but a copy of it in the same set is one, at
distance 0. Precision, recall and coverage are in [0, 1]; density is 0 or more. For equal distributions E[density] = 1
and E[coverage] is about 1 - (1 + M/N)^-k, so values are comparable only at equal N, M and k.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.distances import pairs_within, radii
from lightning_gans.metrics.estimate import Estimate, mean, share
from lightning_gans.metrics.order import canonical_order, checked

_TIE = 1e-9  # relative difference up to which distances are equal
_GROUPS = 20  # groups of the jackknife


class NeighbourMeasures(NamedTuple):
    """Precision, recall and coverage, shares in [0, 1], and density, 0 or more, each with its standard error."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


@dataclass(frozen=True, eq=False)
class Manifold:
    """Manifold: a set of features with the balls of their k-th nearest neighbours.

    features: (N, d).
    k: numbers of neighbours within the radii, for precision and recall, and for density and coverage.
    radii: (2, N) float64, for each k.
    """

    features: Tensor
    k: tuple[int, int]
    radii: Tensor

    @classmethod
    def of(cls, features: Tensor, *, k: tuple[int, int] = (3, 5)) -> "Manifold":
        """Compute the manifold of features (N, d).

        Raises:
            ValueError: not (N, d), rows that are not finite, or no more samples than neighbours.
        """
        return cls(features.detach().cpu(), k, _radii(features, k))


def neighbour_radii(x: Tensor, *, k: int = 5) -> Tensor:
    """Nearest-neighbour radii: distance of each row of x (N, d) to its k-th nearest other row: (N,) float64.

    Equal rows have distance 0.

    Raises:
        ValueError: not (N, d), rows that are not finite, or k is not between 1 and N - 1.
    """
    return _radii(x, (k,))[0]


def neighbour_measures(real: Manifold | Tensor, generated: Tensor, *, k: tuple[int, int] = (3, 5)) -> NeighbourMeasures:
    """Precision, recall, density and coverage of `generated` (M, d) against `real` (N, d); see the module's equations.

    Errors are over draws of the generated samples, with the real ones fixed: binomial for precision, of a mean for
    density, and for recall and coverage a jackknife over 20 groups of generated samples with constant radii. The latter
    is too large rather than too small (Efron & Stein 1981): by up to a half, and up to twice for values near 1.

    Distances come from matrix products in float32. Where their error could change a comparison, the distance is
    computed again as a difference in float64, so that results are those of the direct computation. Memory grows
    with N + M, not with N M.

    Args:
        k: numbers of neighbours, for precision and recall, and for density and coverage; a manifold has its own.

    Raises:
        ValueError: the sets differ in d, hold rows that are not finite, or have no more samples than neighbours.
    """
    manifold = real if isinstance(real, Manifold) else Manifold.of(real, k=k)
    features, k = manifold.features, manifold.k
    checked(generated)
    if features.shape[1] != generated.shape[1]:
        raise ValueError(
            f"Both sets need features (N, d) of one d; given {tuple(features.shape)} and {tuple(generated.shape)}."
        )
    n, m = len(features), len(generated)
    groups = min(_GROUPS, m)
    generated = generated.detach().cpu()[canonical_order(generated)]
    own = _radii(generated, k[:1])[0]
    near, wide = manifold.radii
    precise = torch.zeros(m, dtype=torch.bool)
    balls = torch.zeros(m, dtype=torch.int64)
    recalled = torch.zeros(groups, n, dtype=torch.bool)  # by a sample of each group
    covered = torch.zeros(groups, n, dtype=torch.bool)
    without_rim = torch.where(wide > 0, wide * (1 - _TIE), -torch.inf)  # an open ball of radius 0 is empty
    limits = near[None] * (1 + _TIE), own[:, None] * (1 + _TIE), without_rim[None]
    for rows, (in_closed, holds, in_open) in pairs_within(generated, features, limits):
        precise[rows] = in_closed.any(1)
        balls[rows] = in_open.sum(1)
        # Rows are in a random order, so that every groups-th one is a group.
        for g in range(groups):
            part = slice((g - rows.start) % groups, None, groups)
            recalled[g] |= holds[part].any(0)
            covered[g] |= in_open[part].any(0)
    return NeighbourMeasures(
        precision=share(int(precise.sum()), m),
        recall=_jackknifed(recalled),
        density=mean(balls.double() / k[1]),
        coverage=_jackknifed(covered),
    )


def _radii(x: Tensor, k: Sequence[int]) -> Tensor:
    """Radii (len(k), N), float64."""
    if x.dim() != 2 or not 1 <= min(k) <= max(k) < len(x):
        wrong = next((one for one in k if not 1 <= one < len(x)), k[0])
        raise ValueError(f"k={wrong} neighbours need features (N, d) with N > k >= 1; these are {tuple(x.shape)}.")
    return radii(checked(x).detach().cpu(), k)


def _jackknifed(held: Tensor) -> Estimate:
    """Share of columns with a True in any row of held (groups, N); the error is from leaving out one row at a time."""
    groups, counts = len(held), held.sum(0)
    value = (counts > 0).double().mean().item()
    without = torch.stack([((counts - row.long()) > 0).double().mean() for row in held])
    spread = (without - without.mean()).square().sum().item()
    return Estimate(value, sqrt(spread * (groups - 1) / groups))
