"""Euclidean distances, compared exactly at the speed of float32 matrix products, in bounded memory.

For rows a, b of norms |a|, |b| the square of their distance is |a|^2 + |b|^2 - 2 <a, b>. In float32, with rounding unit
u, this is off by at most (c + 20) u (|a|^2 + |b|^2): c u for the sum of d products, the rest for rounding the rows
themselves and the last two sums. In the worst case c = d; for rounding errors that behave like independent ones,
c = 8 d^(1/2) except with a probability of 10^-13 (Higham & Mary 2019, SIAM J. Sci. Comput. 41(5)). Pairs for which an
error of this size could change the result are computed again as differences in float64.
"""

from collections.abc import Iterator, Sequence
from math import sqrt

import torch
from torch import Tensor

from lightning_gans.metrics.linalg import product

_CELLS = 2**21  # squared distances in memory at a time (8 MB in float32), or one row of them
_NUMBERS = 2**17  # elements of the differences in memory at a time (1 MB in float64, fits the cache)
_ROWS = 256  # rows centred at a time
_UNIT = 2.0**-24
_TINY = 1e-30  # far above the smallest float32, where products lose digits


def pairs_within(a: Tensor, b: Tensor, limits: Sequence[Tensor]) -> Iterator[tuple[slice, list[Tensor]]]:
    """Find the pairs of rows of a (n, d) and b (m, d) within each limit of distance.

    Float64 distances are compared with limits (n, 1) or (1, m), float64. A limit of 0 selects equal rows only, a limit
    of -inf none.

    Returns:
        rows of a, and (rows, m) bool for each limit; block by block.
    """
    screen = _Screen(a, b)
    for rows, squares, errors in screen.blocks():
        inside, doubtful = [], torch.zeros_like(squares, dtype=torch.bool)
        for limit in limits:
            bound = screen.square(limit if len(limit) == 1 else limit[rows])
            inside.append(squares <= bound)
            doubtful |= (squares - bound).abs_() <= errors + bound * (4 * _UNIT)
        i, j = doubtful.nonzero(as_tuple=True)
        exact = _distances(a[rows], b, i, j)
        for limit, found in zip(limits, inside, strict=True):
            own = limit[0][j] if len(limit) == 1 else limit[rows][i, 0]
            found[i, j] = exact <= own
        yield rows, inside


def radii(x: Tensor, k: Sequence[int]) -> Tensor:
    """Distances (len(k), N), float64, of each row of x (N, d) to its k-th nearest other row, for each k < N."""
    most = max(k)
    screen = _Screen(x, x)
    found = torch.empty(len(k), len(x), dtype=torch.float64)
    for rows, squares, errors in screen.blocks():
        own = torch.arange(rows.start, rows.stop)
        squares[own - rows.start, own] = torch.inf  # not its own neighbour, even if there are copies of it
        nearest = squares.topk(min(most + 1, len(x) - 1), dim=1, largest=False).indices
        i = torch.arange(len(nearest)).repeat_interleave(nearest.shape[1])
        exact = _distances(x[rows], x, i, nearest.flatten()).reshape(nearest.shape)
        bound = exact.kthvalue(most, dim=1, keepdim=True).values
        # Rows that might be nearer than the k-th of these; strictly nearer, or else nothing changes.
        upper = screen.square(bound)
        doubtful = (squares - errors - upper * (4 * _UNIT) < upper) & (bound > 0)
        doubtful.scatter_(1, nearest, torch.zeros_like(nearest, dtype=torch.bool))
        more, j = doubtful.nonzero(as_tuple=True)
        i, exact = torch.cat([i, more]), torch.cat([exact.flatten(), _distances(x[rows], x, more, j)])
        order = exact.argsort(stable=True)
        order = order[i[order].argsort(stable=True)]  # by row, and within a row by distance
        first = torch.searchsorted(i[order], torch.arange(len(nearest)))
        for place, one in enumerate(k):
            found[place, rows] = exact[order][first + one - 1]
    return found


class _Screen:
    """Squared distances of rows of a and b in float32, and bounds of their errors, both in units of `scale`^2.

    Rows are centred at the mean of b, since a large common offset would leave no digits to the distances, and scaled so
    that no square overflows.
    """

    def __init__(self, a: Tensor, b: Tensor) -> None:
        center, dim = b.mean(0, dtype=torch.float64), b.shape[1]

        def parts(x: Tensor) -> Iterator[Tensor]:
            return (part.double() - center for part in x.split(_ROWS))

        self.scale = max(part.abs().max().item() for x in (a, b) for part in parts(x)) or 1.0
        self.a = torch.cat([part.div_(self.scale).float() for part in parts(a)])
        self.b = self.a if b is a else torch.cat([part.div_(self.scale).float() for part in parts(b)])
        self.a_norms, self.b_norms = self.a.square().sum(1), self.b.square().sum(1)
        self.unit = (min(dim, 8 * sqrt(dim)) + 20) * _UNIT

    def square(self, distances: Tensor) -> Tensor:
        """Squares of distances (float64) in units of `scale`^2; keeps their sign."""
        scaled = distances / self.scale
        return (scaled * scaled.abs()).float()

    def blocks(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        count = max(_CELLS // len(self.b), 1)
        for first in range(0, len(self.a), count):
            rows = slice(first, min(first + count, len(self.a)))
            norms = self.a_norms[rows, None] + self.b_norms
            squares = product(self.a[rows], self.b.T).mul_(-2).add_(norms)
            yield rows, squares, norms.mul_(self.unit).add_(_TINY)


def _distances(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Return the distance between row i of a and row j of b for each pair (i, j): (P,) float64."""
    count = max(_NUMBERS // a.shape[1], 1)
    parts = zip(i.split(count), j.split(count), strict=True)
    return torch.cat([torch.linalg.vector_norm(a[rows].double() - b[others].double(), dim=1) for rows, others in parts])
