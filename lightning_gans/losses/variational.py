"""KL divergence of a Gaussian posterior to the standard normal (Kingma & Welling 2013, 1312.6114)."""

from torch import Tensor


def kl_of_dimensions(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each dimension of a code, in nats: both (N, d) -> (N, d).

    Appendix B: (mean^2 + variance - log variance - 1) / 2.
    """
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) in nats: both (N, d) -> (N,)."""
    return kl_of_dimensions(mean, log_variance).sum(1)


def with_free_bits(kl: Tensor, free: float) -> Tensor:
    """KL divergence with free bits, in nats: the first `free` nats of each dimension cost nothing; (N, d) -> ().

    Sum over d of max(free, mean over the batch) (Kingma et al. 2016, 1606.04934, eq. 16, each dimension its own group).
    A dimension below `free` has no gradient. A function of the whole batch.
    """
    return kl.mean(0).clamp(min=free).sum()
