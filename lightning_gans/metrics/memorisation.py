"""Memorisation: generated images that are much nearer to one training image than to any other, in pixel space.

With d1 and d2 the Euclidean distances of a generated image to the nearest training image and to the second nearest one
that differs from it, the image counts as memorised if d1 < d2 / 3 (Yoon et al. 2023, "Diffusion Probabilistic Models
Generalize when They Fail to Memorize"). Held-out real images have d1 close to d2, a copy has d1 close to 0.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.estimate import Estimate, share

RATIO = 1 / 3  # ratio of d1 to d2 below which an image is memorised
NEAREST = 3  # training images found for each generated one

_CELLS = 2**22  # elements of training images, or of differences, in memory at a time (16 MiB in float32)
_SPARE = 5  # candidates of a part beyond the nearest: float32 products may confuse images at nearly equal distances
_SLACK = 1e-5  # of squared norms: a bound on the error of a squared distance in float32


class Memorised(NamedTuple):
    """Memorised images. estimate: their share; NaN with fewer than two distinct training images.

    nearest: (M, 3) int64, positions in the stream of the three nearest distinct training images, -1 for missing ones.
    distances: (M, 3) float64, Euclidean, in ascending order; infinite for missing ones.
    """

    estimate: Estimate
    nearest: Tensor
    distances: Tensor


def memorised(generated: Tensor, train: Iterable[Tensor]) -> Memorised:
    """Compute the share of memorised images among `generated` (M, ...), M > 0; non-finite images do not count.

    Training images that are equal in all pixels count as one, the first of them. Candidates are found by matrix
    products in float32, on the device of `generated`; their distances are differences in float64.

    Memory beyond the generated images: one copy of them, one batch of `train`, 2^22 elements (16 MiB) of training
    images and as many of differences in float64, and M distances for each image of a part. It does not grow with the
    training set.

    Args:
        train: batches (n, ...) of training images, in the value range of `generated`.
    """
    search = _Nearest(generated)
    for batch in train:
        for part in batch.flatten(1).split(max(_CELLS // search.x.shape[1], 1)):
            search.add(part)
    distances = search.squares.sqrt()
    first, second = distances[:, 0], distances[:, 1]
    copied = share(int((first < RATIO * second).sum()), len(first))
    known = bool((search.nearest[:, 1] >= 0).any()) or not bool(search.finite.any())
    return Memorised(copied if known else Estimate(float("nan"), float("nan")), search.nearest, distances)


class _Nearest:
    """Nearest distinct training images so far. Means are subtracted, since distances of large numbers are inexact.

    squares: (M, 3) squared distances; nearest: their positions, -1 for none; keys: digests of the images' contents.
    """

    def __init__(self, generated: Tensor) -> None:
        self.finite = generated.flatten(1).isfinite().all(1)
        x = generated.detach().flatten(1).float().masked_fill(~self.finite[:, None], 0)
        self.mean = x.mean(0)
        self.x = x - self.mean
        self.norms = self.x.square().sum(1)
        shape, device = (len(x), NEAREST), x.device
        self.squares = torch.full(shape, torch.inf, dtype=torch.float64, device=device)
        self.nearest, self.keys = (torch.full(shape, -1, dtype=torch.int64, device=device) for _ in range(2))
        self.seen = 0

    def add(self, part: Tensor) -> None:
        """Update the nearest images with part (n, d) of the training images."""
        places, keys = _distinct(part)
        rows = part[places].to(self.x).sub_(self.mean)
        places, keys = places.to(rows.device) + self.seen, keys.to(rows.device)
        self.seen += len(part)
        norms = rows.square().sum(1)
        approximate = torch.addmm(norms, self.x, rows.T, alpha=-2) + self.norms[:, None]
        candidates = approximate.topk(min(NEAREST + _SPARE, len(rows)), dim=1, largest=False)
        slack = _SLACK * (self.norms[:, None] + norms[candidates.indices])
        wanted = (candidates.values - slack <= self.squares[:, -1:]) & self.finite[:, None]
        squares = torch.full(wanted.shape, torch.inf, dtype=torch.float64, device=rows.device)
        chosen = wanted.nonzero()
        for pairs in chosen.split(max(_CELLS // rows.shape[1], 1)):
            of, candidate = pairs.T
            difference = self.x[of].double() - rows[candidates.indices[of, candidate]]
            squares[of, candidate] = difference.square_().sum(1)
        self._merge(squares, places[candidates.indices], keys[candidates.indices])

    def _merge(self, squares: Tensor, places: Tensor, keys: Tensor) -> None:
        """Keep the three nearest of the stored images and of new ones, none of which are equal."""
        squares, places, keys = (
            torch.cat(both, dim=1) for both in ((self.squares, squares), (self.nearest, places), (self.keys, keys))
        )
        new = keys[:, NEAREST:, None] == keys[:, None, :NEAREST]
        squares[:, NEAREST:][(new & (self.nearest >= 0)[:, None]).any(2)] = torch.inf
        order = squares.argsort(dim=1, stable=True)[:, :NEAREST]
        self.squares, self.keys = squares.gather(1, order), keys.gather(1, order)
        self.nearest = places.gather(1, order).masked_fill(self.squares.isinf(), -1)


def _distinct(part: Tensor) -> tuple[Tensor, Tensor]:
    """Positions in part (n, d) of the first of all equal rows, and a 64-bit digest of each."""
    digests: dict[int, int] = {}
    for place, row in enumerate(part.detach().cpu().contiguous().numpy()):
        digest = hashlib.blake2b(row.tobytes(), digest_size=8).digest()
        digests.setdefault(int.from_bytes(digest, signed=True), place)
    return torch.tensor(list(digests.values())), torch.tensor(list(digests))
