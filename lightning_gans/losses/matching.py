"""Integral probability metrics that match statistics of D's features (McGAN, Mroueh et al. 2017, 1702.08398).

In place of logits, these objectives take features Phi(x) (N, m); they own D's parameters other than the weights of Phi.
dMu = E_p Phi - E_q Phi; dSigma = E_p Phi Phi^T - E_q Phi Phi^T, the second moments, not centred.

    mean        ||dMu||_q        = max <v, dMu> over ||v||_p <= 1, 1/p + 1/q = 1                   (section 3)
    covariance  ||[dSigma]_k||_* = max Tr U^T dSigma V over U, V with U^T U = V^T V = I_k           (section 4)

The primal forms learn v, or U and V, by D's gradient steps, each followed by `project()`, and are means over samples.
The dual forms compute them in closed form from the batch, so their loss is the norm itself, a function of the whole
batch; its gradient is taken with the maximiser held fixed (Danskin).
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.losses.constraints import onto_ball, onto_stiefel
from lightning_gans.settings import Count, Given

Norm = Literal[1, 2, "inf"]
Critic = Callable[[Tensor], Tensor]  # Phi (N, m) -> f (N,)

CONJUGATE: dict[Norm, Norm] = {1: "inf", 2: 2, "inf": 1}


class Matching(AdversarialLoss, nn.Module):
    """Integral probability metric E_p f - E_q f, f a critic on features Phi(x): D maximises it, G minimises it.

    features: number m of features. needs_real: f is computed from the batch, real and fake.
    """

    divergence = "ipm"
    boundary = None

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor | None) -> Critic:
        """Return the critic f, from features (N, m) of real and fake samples."""

    def project(self) -> None:
        """Project v, U and V onto their constraints, in place."""

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        with torch.autocast(on_real.device.type, enabled=False):
            f = self.critic(on_real, on_fake)
            return {"real": -f(on_real).mean(), "fake": f(on_fake).mean()}

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        with torch.autocast(on_fake.device.type, enabled=False):
            if on_real is None:
                return -self.critic(on_fake, None)(on_fake).mean()
            f = self.critic(on_real, on_fake)
            return f(on_real).mean() - f(on_fake).mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return -loss


# Means


def mean_difference(real: Tensor, fake: Tensor) -> Tensor:
    """Mean difference dMu (m,) of features (N, m) each."""
    return real.mean(0) - fake.mean(0)


def best_direction(difference: Tensor, q: Norm) -> Tensor:
    """Maximiser v (m,) in the dual unit ball, with <v, dMu> = ||dMu||_q."""
    if q == 1:
        return difference.sign()
    if q == 2:
        direction: Tensor = torch.nn.functional.normalize(difference, dim=0, eps=1e-30)
        return direction
    largest = difference.abs().argmax()
    return torch.zeros_like(difference).index_copy(0, largest[None], difference[largest].sign()[None])


class MeanMatching(Matching):
    """Mean matching IPM_mu,q in its primal form: f(x) = <v, Phi(x)>, v in the unit ball of l_p.

    Args:
        features: number m of features.
        q: norm in which means are matched.
    """

    def __init__(self, features: Given[int], *, q: Norm) -> None:
        super().__init__(features)
        self.p = CONJUGATE[_known(q)]
        self.v = nn.Parameter(torch.randn(features))
        self.project()

    @torch.no_grad()
    def project(self) -> None:
        self.v.copy_(onto_ball(self.v, self.p))

    def critic(self, real: Tensor, fake: Tensor | None) -> Critic:
        return lambda phi: phi @ self.v


class DualMeanMatching(Matching):
    """Mean matching IPM_mu,q in its dual form: a game on ||dMu||_q.

    Args:
        features: number m of features.
        q: norm in which means are matched.
    """

    needs_real = True

    def __init__(self, features: Given[int], *, q: Norm) -> None:
        super().__init__(features)
        self.q = _known(q)

    def critic(self, real: Tensor, fake: Tensor | None) -> Critic:
        assert fake is not None
        v = best_direction(mean_difference(real, fake).detach(), self.q)
        return lambda phi: phi @ v


def _known(q: Norm) -> Norm:
    if q not in CONJUGATE:
        raise ValueError(f"q={q!r}: means are matched in the norm of q = 1, 2 or 'inf'")
    return q


# Covariances


def covariance_difference(real: Tensor, fake: Tensor) -> Tensor:
    """Covariance difference dSigma (m, m) of features (N, m) each: means of the samples' outer products."""
    return real.T @ real / len(real) - fake.T @ fake / len(fake)


def best_frames(real: Tensor, fake: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Maximisers U, V (m, k), with Tr U^T dSigma V = sum of the k largest singular values of dSigma.

    dSigma = A^T S A for the 2 N samples A and signs S, so it is decomposed in the space that they span, which has
    min(m, 2 N) dimensions. If k is larger, fewer than k columns are returned, and the sum is still complete. dSigma is
    symmetric: its singular vectors are its eigenvectors, with inverted signs for negative eigenvalues.
    """
    samples = torch.cat([real / len(real) ** 0.5, fake / len(fake) ** 0.5])
    signs = torch.cat([torch.ones_like(real[:, 0]), -torch.ones_like(fake[:, 0])])
    basis, coordinates = torch.linalg.qr(samples.T)
    values, vectors = torch.linalg.eigh(coordinates * signs @ coordinates.T)
    largest = values.abs().topk(min(k, len(values))).indices
    u = basis @ vectors[:, largest]
    return u, u * values[largest].sign()


class CovarianceMatching(Matching):
    """Covariance matching IPM_Sigma, primal: f(x) = <U^T Phi(x), V^T Phi(x)>, U and V with k orthonormal columns.

    Args:
        features: number m of features.
        k: number of singular values of the difference of covariances.
    """

    def __init__(self, features: Given[int], *, k: Count) -> None:
        super().__init__(features)
        _fits(k, features)
        self.U, self.V = nn.Parameter(torch.randn(features, k)), nn.Parameter(torch.randn(features, k))
        self.project()

    @torch.no_grad()
    def project(self) -> None:
        self.U.copy_(onto_stiefel(self.U))
        self.V.copy_(onto_stiefel(self.V))

    def critic(self, real: Tensor, fake: Tensor | None) -> Critic:
        return lambda phi: ((phi @ self.U) * (phi @ self.V)).sum(1)


class DualCovarianceMatching(Matching):
    """Covariance matching IPM_Sigma in its dual form: a game on the Ky-Fan k-norm of dSigma.

    Args:
        features: number m of features.
        k: number of singular values of the difference of covariances.
    """

    needs_real = True

    def __init__(self, features: Given[int], *, k: Count) -> None:
        super().__init__(features)
        _fits(k, features)
        self.k = k

    def critic(self, real: Tensor, fake: Tensor | None) -> Critic:
        assert fake is not None
        u, v = best_frames(real.detach(), fake.detach(), self.k)
        return lambda phi: ((phi @ u) * (phi @ v)).sum(1)


def _fits(k: int, features: int) -> None:
    if not 1 <= k <= features:
        raise ValueError(f"k={k}: of D's {features} features there are 1 to {features} orthonormal directions")


# Both


class JointMatching(Matching):
    """Sum of two matchings on the same features: <v, dMu> + Tr U^T dSigma V, each in its own form (primal or dual).

    Args:
        features: number m of features.
        mean: matching of means, features -> Matching.
        covariance: matching of covariances, features -> Matching.
    """

    def __init__(
        self, features: Given[int], *, mean: Callable[[int], Matching], covariance: Callable[[int], Matching]
    ) -> None:
        super().__init__(features)
        self.mean, self.covariance = mean(features), covariance(features)
        self.needs_real = self.mean.needs_real or self.covariance.needs_real  # type: ignore[misc]

    def project(self) -> None:
        self.mean.project()
        self.covariance.project()

    def critic(self, real: Tensor, fake: Tensor | None) -> Critic:
        first, second = self.mean.critic(real, fake), self.covariance.critic(real, fake)
        return lambda phi: first(phi) + second(phi)
