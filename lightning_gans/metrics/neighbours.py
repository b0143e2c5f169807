"""Precision and recall, density and coverage of a set of generated samples, from nearest neighbours of features.

Improved precision and recall: Kynkaanniemi et al. 2019 (1904.06991). Density and coverage: Naeem et al. 2020
(2002.09797). Each set is estimated by balls around its samples. With real features x_1 ... x_N, generated features
y_1 ... y_M, Euclidean distances, and r_k(x_i) the distance of x_i to its k-th nearest neighbour among the other x's
(r_k(y_j) likewise among the other y's):

    precision = 1/M   sum_j 1[exists i: |y_j - x_i| <= r_k(x_i)]   share of generated samples near a real one
    recall    = 1/N   sum_i 1[exists j: |x_i - y_j| <= r_k(y_j)]   share of real samples near a generated one
    density   = 1/kM  sum_j sum_i 1[|y_j - x_i| < r_k(x_i)]        real balls that hold a generated sample, over k
    coverage  = 1/N   sum_i 1[exists j: |y_j - x_i| < r_k(x_i)]    share of real balls that hold a generated sample

The balls of precision and recall are closed and those of density and coverage open, as in the authors' code. A sample
is never its own neighbour; a copy of it in the same set is one, at distance 0. Precision, recall and coverage lie in
[0, 1]; density is 0 or more. For equal distributions E[density] = 1 and E[coverage] is about 1 - (1 + M/N)^-k: figures
compare with each other at equal N, M and k alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_CELLS = 2**22  # distances held at a time (32 MB), or one row of them


class NeighbourMeasures(NamedTuple):
    """precision, recall, coverage: shares in [0, 1]. density: 0 or more."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_radii(x: Tensor, *, k: int = 5) -> Tensor:
    """Distance of each row of x (N, d) to its k-th nearest other row: (N,) float64, on the CPU.

    Equal rows are at distance 0 of each other. Rows that are not finite have a radius of NaN, and are no neighbours.

    Raises:
        ValueError: k is not between 1 and N - 1.
    """
    if x.dim() != 2 or not 1 <= k < len(x):
        raise ValueError(f"k={k} neighbours need features (N, d) with N > k >= 1; these are {tuple(x.shape)}.")
    exact = _exact(x)
    radii = []
    for first, distances in _distances(exact, exact):
        rows = torch.arange(len(distances))
        distances[rows, first + rows] = torch.inf  # not its own neighbour, whatever copies of it there are
        radii.append(distances.kthvalue(k, dim=1).values)
    radius = torch.cat(radii)
    return radius.masked_fill(~radius.isfinite(), torch.nan)


def neighbour_measures(real: Tensor, generated: Tensor, *, k: int = 5) -> NeighbourMeasures:
    """Precision, recall, density and coverage of `generated` (M, d) against `real` (N, d); see the module's equations.

    Distances are differences in float64, a few rows at a time: equal rows are at distance 0 exactly, and memory grows
    with N + M, not with N M. A generated sample that is not finite lies in no ball: it counts against precision and
    density.

    Args:
        k: neighbours that a ball's radius spans; 5 in Naeem et al., 3 in Kynkaanniemi et al.

    Raises:
        ValueError: k is not smaller than both sets, or the sets differ in d.
    """
    if real.dim() != 2 or generated.dim() != 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"Both sets need features (N, d) of one d; given {tuple(real.shape)} and {tuple(generated.shape)}."
        )
    real_radii, generated_radii = neighbour_radii(real, k=k), neighbour_radii(generated, k=k)
    held = torch.zeros(len(real), dtype=torch.bool)  # real balls that hold a generated sample
    recalled = torch.zeros(len(real), dtype=torch.bool)
    precise = balls = 0
    for first, distances in _distances(_exact(generated), _exact(real)):
        inside = distances < real_radii
        balls += int(inside.sum())
        held |= inside.any(0)
        precise += int((distances <= real_radii).any(1).sum())
        recalled |= (distances <= generated_radii[first : first + len(distances), None]).any(0)
    return NeighbourMeasures(
        precision=precise / len(generated),
        recall=recalled.double().mean().item(),
        density=balls / (k * len(generated)),
        coverage=held.double().mean().item(),
    )


def _exact(features: Tensor) -> Tensor:
    """Features in float64 on the CPU, rows that are not finite as NaN: comparisons with their distances are false."""
    exact = features.detach().cpu().double()
    return exact.masked_fill(~exact.isfinite().all(1, keepdim=True), torch.nan)


def _distances(a: Tensor, b: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Rows of the matrix of distances between a (n, d) and b (m, d), with the number of the first of them."""
    rows = max(_CELLS // len(b), 1)
    for first in range(0, len(a), rows):
        # Without the matrix product form, equal rows are at distance 0 exactly.
        yield first, torch.cdist(a[first : first + rows], b, compute_mode="donot_use_mm_for_euclid_dist")
