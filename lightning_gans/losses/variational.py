"""Terms of variational bounds."""

from torch import Tensor


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log variance)) || N(0, I)) in nats: (N, d), (N, d) -> (N,).

    Kingma & Welling 2013 (1312.6114), appendix B.
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
