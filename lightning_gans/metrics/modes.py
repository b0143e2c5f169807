"""Mode coverage of planar mixtures (VEEGAN: Srivastava et al. 2017, 1705.07761; PacGAN: Lin et al. 2018, 1712.04086).

The histogram is that of the code beside the PacGAN paper: high-quality samples only.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.estimate import share


class ModeCoverage(NamedTuple):
    """Mode coverage. modes: captured modes. high_quality: share in [0, 1]. reverse_kl: nats, 0 to log K.

    high_quality_error, reverse_kl_error: standard errors (binomial; delta method).
    """

    modes: int
    high_quality: float
    reverse_kl: float
    high_quality_error: float = float("nan")
    reverse_kl_error: float = float("nan")


def mode_coverage(points: Tensor, centres: Tensor, std: float) -> ModeCoverage:
    """Mode coverage of points (N, d): a mixture of equal Gaussians, `centres` (K, d) and standard deviation `std`.

    A sample has high quality within 3 std of its nearest centre. A mode is captured if it is the nearest centre of at
    least one such sample. reverse_kl is KL(histogram of those samples over modes || uniform). Empty modes add nothing
    (0 log 0 = 0), so its maximum is log K, which is also its value without high-quality samples. NaN and infinite
    points count as samples of low quality.

    In two dimensions a perfect sampler has high_quality 1 - exp(-4.5) = .9889 and reverse_kl near (K - 1) / 2N.

    Raises:
        ValueError: no points, or points and centres of different dimension.
    """
    if points.dim() != 2 or centres.dim() != 2 or points.shape[1] != centres.shape[1] or len(points) == 0:
        raise ValueError(
            f"Points are (N, d) with N > 0 and centres (K, d); given {tuple(points.shape)} and {tuple(centres.shape)}."
        )
    exact = points.detach().cpu().double()
    exact = exact[exact.isfinite().all(1)]
    # Direct differences: cdist's matrix product form loses digits far from the origin.
    distances = (exact[:, None] - centres.detach().cpu().double()).square().sum(2).sqrt()
    distance, nearest = distances.min(1)
    counts = torch.bincount(nearest[distance <= 3 * std], minlength=len(centres)).double()
    total = counts.sum().item()
    high_quality = share(int(total), len(points))
    if not total:
        return ModeCoverage(0, 0.0, math.log(len(centres)), high_quality.error)
    shares = counts / total
    reverse_kl = torch.xlogy(shares, shares * len(centres)).sum().item()
    logs = shares[shares > 0].log()
    variance = ((shares[shares > 0] * logs.square()).sum() - (shares[shares > 0] * logs).sum().square()).item()
    return ModeCoverage(
        modes=len(logs),
        high_quality=high_quality.value,
        reverse_kl=max(reverse_kl, 0.0),
        high_quality_error=high_quality.error,
        reverse_kl_error=math.sqrt(max(variance, 0.0) / total),
    )
