"""Gradient penalties, added to the discriminator's loss.

All are means over samples of a function of each sample's own gradient, so they do not fit batch norm in D, where a
sample's logit depends on the others. A sample is the input of one logit of D: with packing, a whole pack. Norms and
means are in float32. Under autocast, D's forward and backward passes are in its precision, except for samples with few
elements (`AVERAGING`).

R1, R2 and R1R2 are taken at the samples of D's loss, so they need no forward pass of their own
(`of_norms(squared_norms(logits, x))`); called with a discriminator, they run one.

R1, R2 and R1R2 can be taken in every k-th step of D only, with k times the weight: lazy regularisation (Karras et al.
2020, 1912.04958, section 3.1; k = 16 there). The game reads the `every` of a penalty.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import reduce
from operator import add
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from lightning_gans.losses.precision import exact
from lightning_gans.settings import Count, NonNegative

Uniform = Callable[[int], Tensor]  # k -> (N, k) numbers from U(0, 1), a new row for each sample


class Penalty(Protocol):
    """Penalty term on D near real (N, ...) and fake (N, ...) samples: scalar, mean over samples."""

    def __call__(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, uniform: Uniform
    ) -> Tensor: ...


# Number of elements of a sample above which rounding errors of bf16 average out in the norm of its gradient: the mean
# of the squared norms is then within 1 % of float32 in every step. For points of the plane it is up to 9 % off.
AVERAGING = 64


def needs_float32(x: Tensor) -> bool:
    """Return True if autocast is on and D's gradient at samples x (N, ...) must be taken in float32."""
    return torch.is_autocast_enabled(x.device.type) and x.shape[1:].numel() < AVERAGING


def squared_norms(logits: Tensor, x: Tensor) -> Tensor:
    """||grad_x D(x)||^2 of each sample, (N, ...) -> (N,), in float32 and differentiable; logits: D(x)."""
    with torch.autocast(x.device.type, enabled=False):
        # Summing first keeps the samples' gradients apart: each logit depends on its own sample only.
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return exact(gradient).square().flatten(1).sum(1)


def squared_gradient_norm(discriminator: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """||grad_x D(x)||^2 of each sample, (N,), with a forward pass of D on x."""
    with torch.autocast(x.device.type, enabled=False) if needs_float32(x) else nullcontext():
        x = exact(x.detach()).requires_grad_()
        return squared_norms(discriminator(x), x)


def distance_from_one(squared_norm: Tensor) -> Tensor:
    """Squared distance from one, (||g|| - 1)^2, of each ||g||^2; the square root is taken slightly above 0."""
    return ((squared_norm + 1e-12).sqrt() - 1).square()


class SamplePenalty:
    """Penalty at real or generated samples: weight times the sum of E ||grad D||^2 over each kind in `on`."""

    lipschitz: ClassVar[bool] = True
    on: ClassVar[tuple[Literal["real", "fake"], ...]]

    def __init__(self, *, gamma: NonNegative, every: Count = 1) -> None:
        if every < 1:
            raise ValueError(f"every={every}: a penalty is taken in every step of D (1), or in every k-th")
        self.gamma, self.every = gamma, every

    @property
    def weight(self) -> float:
        """Weight of E ||grad D||^2 in the steps that take the penalty."""
        return self.gamma / 2 * self.every

    def of_norms(self, squared: Sequence[Tensor]) -> Tensor:
        """Penalty for squared gradient norms (N,) at the samples of each kind in `on`."""
        return self.weight * reduce(add, (norms.mean() for norms in squared))

    def __call__(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, uniform: Uniform
    ) -> Tensor:
        samples = {"real": real, "fake": fake}
        return self.of_norms([squared_gradient_norm(discriminator, samples[name]) for name in self.on])


class R1(SamplePenalty):
    """R1 penalty: gamma / 2 E_p ||grad D(x)||^2 on real samples (Mescheder et al. 2018, 1801.04406, eq. 9).

    Args:
        gamma: weight gamma of the penalty.
        every: steps k of D for one penalty, which then weighs k times as much.
    """

    on = ("real",)


class R2(SamplePenalty):
    """R2 penalty: gamma / 2 E_q ||grad D(x)||^2 on fake samples (Mescheder et al. 2018, 1801.04406, eq. 10).

    Args:
        gamma: weight gamma of the penalty.
        every: steps k of D for one penalty, which then weighs k times as much.
    """

    on = ("fake",)


class R1R2(SamplePenalty):
    """R1 and R2 with one gamma, as in R3GAN (Huang et al. 2025, 2501.05441, section 2.2).

    Args:
        gamma: weight gamma of the penalty.
        every: steps k of D for one penalty, which then weighs k times as much.
    """

    on = ("real", "fake")


class GradientPenalty:
    """Gradient penalty of WGAN-GP (Gulrajani et al. 2017, 1704.00028, eq. 3): weight E (||grad D(x')|| - 1)^2.

    x' = eps x + (1 - eps) G(z), one eps ~ U(0, 1) for each sample.

    Args:
        weight: weight lambda of the penalty.
        one_sided: one-sided penalty: gradient norms below 1 cost nothing.
    """

    lipschitz: ClassVar[bool] = True

    def __init__(self, *, weight: NonNegative, one_sided: bool = False) -> None:
        self.weight, self.one_sided = weight, one_sided

    def __call__(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, uniform: Uniform
    ) -> Tensor:
        epsilon = uniform(1).to(real.dtype).view(-1, *[1] * (real.dim() - 1))
        squared = squared_gradient_norm(discriminator, epsilon * real + (1 - epsilon) * fake)
        if self.one_sided:
            squared = squared.clamp(min=1)
        return self.weight * distance_from_one(squared).mean()


class DRAGAN:
    """DRAGAN penalty at perturbed real samples (Kodali et al. 2017, 1705.07215, eq. 4): weight E (||grad D|| - 1)^2.

    x' = x + alpha std / 2 u, near real samples only: std is that of the whole batch, u ~ U(0, 1) for each element,
    alpha ~ U(0, 1) for each sample. With several processes, each uses the std of its own part.

    Args:
        weight: weight lambda of the penalty.
    """

    lipschitz: ClassVar[bool] = True
    over = "per_rank"  # the batch's std is not a mean over samples

    def __init__(self, *, weight: NonNegative) -> None:
        self.weight = weight

    def perturbed(self, real: Tensor, uniform: Uniform) -> Tensor:
        """Perturbed samples (N, ...) in the box [x, x + std / 2]."""
        draws = uniform(1 + real[0].numel()).to(real.dtype)
        alpha, u = draws[:, :1], draws[:, 1:]
        return real + (real.std(correction=0) / 2 * alpha * u).view(real.shape)

    def __call__(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, uniform: Uniform
    ) -> Tensor:
        squared = squared_gradient_norm(discriminator, self.perturbed(real, uniform))
        return self.weight * distance_from_one(squared).mean()
