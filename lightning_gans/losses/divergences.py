"""Ten f-divergences as adversarial losses: f-GAN (Nowozin et al. 2016, 1606.00709), tables 1, 2 and 6.

For convex f, D_f(P || Q) = E_Q f(p / q) is bounded from below by E_P T - E_Q f*(T) for any critic T with values in the
domain of the conjugate f*, with equality at T = f'(p / q). T = g_f(V): the output activation g_f maps the logit V, any
number, into that domain. D ascends the bound. G ascends E_Q g_f(V), as in the paper's experiments (section 3.2): the
bound's own term, -E_Q f*(g_f(V)), gives G no gradient while D is confident.

Composites f*(g_f(v)) are written out, since they are simpler and more stable than their parts.
"""

from abc import abstractmethod
from collections.abc import Mapping
from math import expm1, log
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from lightning_gans.losses.adversarial import SeparableLoss
from lightning_gans.settings import Gt, Lt


class FDivergence(SeparableLoss):
    """Loss of an f-divergence: D minimises -E_p g_f(V(x)) + E_z f*(g_f(V(G(z)))), G -E_z g_f(V(G(z))).

    threshold: f'(1), the critic's value where p = q; `boundary` is its logit.
    """

    threshold: ClassVar[float] = 0.0

    @abstractmethod
    def f(self, u: Tensor) -> Tensor:
        """The generator function, at density ratios u > 0."""

    @abstractmethod
    def activation(self, v: Tensor) -> Tensor:
        """g_f: logits -> values of the critic, in the domain of f*."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """f*(t) = max_u u t - f(u), for t in its domain."""

    def composite(self, v: Tensor) -> Tensor:
        """f*(g_f(v))."""
        return self.conjugate(self.activation(v))

    def real(self, logits: Tensor) -> Tensor:
        return -self.activation(logits).mean()

    def fake(self, logits: Tensor) -> Tensor:
        return self.composite(logits).mean()

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        return -self.activation(on_fake).mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return -loss


class KL(FDivergence):
    """KL(P || Q), f(u) = u log u. D's loss grows as exp(V), so training needs a small learning rate."""

    divergence = "kl"
    threshold = 1.0
    boundary = 1.0

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u)

    def activation(self, v: Tensor) -> Tensor:
        return v

    def conjugate(self, t: Tensor) -> Tensor:
        return (t - 1).exp()


class ReverseKL(FDivergence):
    """KL(Q || P), f(u) = -log u."""

    divergence = "reverse_kl"
    threshold = -1.0

    def f(self, u: Tensor) -> Tensor:
        return -u.log()

    def activation(self, v: Tensor) -> Tensor:
        return -(-v).exp()

    def conjugate(self, t: Tensor) -> Tensor:
        return -1 - (-t).log()

    def composite(self, v: Tensor) -> Tensor:
        return v - 1


class Pearson(FDivergence):
    """Pearson's chi2, int (p - q)^2 / q, f(u) = (u - 1)^2."""

    divergence = "pearson"

    def f(self, u: Tensor) -> Tensor:
        return (u - 1).square()

    def activation(self, v: Tensor) -> Tensor:
        return v

    def conjugate(self, t: Tensor) -> Tensor:
        return t.square() / 4 + t


class Neyman(FDivergence):
    """Neyman's chi2, int (p - q)^2 / p, f(u) = (1 - u)^2 / u."""

    divergence = "neyman"

    def f(self, u: Tensor) -> Tensor:
        return (1 - u).square() / u

    def activation(self, v: Tensor) -> Tensor:
        return 1 - (-v).exp()

    def conjugate(self, t: Tensor) -> Tensor:
        return 2 - 2 * (1 - t).sqrt()

    def composite(self, v: Tensor) -> Tensor:
        return 2 - 2 * (-v / 2).exp()


class SquaredHellinger(FDivergence):
    """int (sqrt p - sqrt q)^2, f(u) = (sqrt u - 1)^2."""

    divergence = "squared_hellinger"

    def f(self, u: Tensor) -> Tensor:
        return (u.sqrt() - 1).square()

    def activation(self, v: Tensor) -> Tensor:
        return 1 - (-v).exp()

    def conjugate(self, t: Tensor) -> Tensor:
        return t / (1 - t)

    def composite(self, v: Tensor) -> Tensor:
        return v.exp() - 1


class Jeffrey(FDivergence):
    """KL(P || Q) + KL(Q || P), f(u) = (u - 1) log u.

    With W Lambert's function, w = W(e^(1 - t)) solves w + log w = 1 - t, and f*(t) = w + 1/w + t - 2 = 1/w - log w - 1.
    """

    divergence = "jeffrey"

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) * u.log()

    def activation(self, v: Tensor) -> Tensor:
        return v

    def conjugate(self, t: Tensor) -> Tensor:
        log_w: Tensor = _LogLambertW.apply(1 - t)
        return (-log_w).exp() - log_w - 1


class JensenShannon(FDivergence):
    """Twice the Jensen-Shannon divergence, f(u) = u log u - (u + 1) log((1 + u) / 2)."""

    divergence = "twice_js"

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u) - (u + 1) * ((1 + u) / 2).log()

    def activation(self, v: Tensor) -> Tensor:
        return log(2) - softplus(-v)

    def conjugate(self, t: Tensor) -> Tensor:
        return -(2 - t.exp()).log()

    def composite(self, v: Tensor) -> Tensor:
        return softplus(v) - log(2)


class WeightedJensenShannon(FDivergence):
    """pi KL(P || M) + (1 - pi) KL(Q || M) with M = pi P + (1 - pi) Q, for 0 < pi < 1.

    f(u) = pi u log u - (1 - pi + pi u) log(1 - pi + pi u). At pi = 1/2 it is the Jensen-Shannon divergence itself.

    Args:
        pi: weight of the data in the mixture.
    """

    divergence = "weighted_js"

    def __init__(self, *, pi: Annotated[float, Gt(0), Lt(1)] = 0.5) -> None:
        if not 0 < pi < 1:
            raise ValueError(f"pi={pi}: the weight of the data lies between 0 and 1, without them")
        self.pi = pi
        self.boundary = -log(expm1(-pi * log(pi)))  # g_f(0) is not 0 here

    def f(self, u: Tensor) -> Tensor:
        mixture = 1 - self.pi + self.pi * u
        return self.pi * torch.xlogy(u, u) - torch.xlogy(mixture, mixture)

    def activation(self, v: Tensor) -> Tensor:
        return -self.pi * log(self.pi) - softplus(-v)

    def conjugate(self, t: Tensor) -> Tensor:
        return (1 - self.pi) * ((1 - self.pi) / (1 - self.pi * (t / self.pi).exp())).log()

    def composite(self, v: Tensor) -> Tensor:
        return (1 - self.pi) * (log(1 - self.pi) - log_one_minus_sigmoid_power(v, 1 / self.pi))


class GANDivergence(FDivergence):
    """Goodfellow et al.'s value of the game, 2 JSD(P, Q) - 2 log 2, f(u) = u log u - (u + 1) log(u + 1).

    Its losses are those of `NonSaturating`.
    """

    divergence = "gan"
    threshold = -log(2)

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u) - (u + 1) * u.log1p()

    def activation(self, v: Tensor) -> Tensor:
        return -softplus(-v)

    def conjugate(self, t: Tensor) -> Tensor:
        return -(-t.expm1()).log()

    def composite(self, v: Tensor) -> Tensor:
        return softplus(v)


class TotalVariation(FDivergence):
    """1/2 int |p - q|, f(u) = |u - 1| / 2; f*(t) = t for |t| <= 1/2."""

    divergence = "total_variation"

    def f(self, u: Tensor) -> Tensor:
        return (u - 1).abs() / 2

    def activation(self, v: Tensor) -> Tensor:
        return v.tanh() / 2

    def conjugate(self, t: Tensor) -> Tensor:
        return t


class _LogLambertW(torch.autograd.Function):
    """s -> y = log W(e^s), the root of y + e^y = s, by Newton's method; dy/ds = 1 / (1 + e^y)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(s: Tensor) -> Tensor:
        # Both starts lie above the root of a convex function, so Newton's method decreases to it, ever faster.
        y = torch.where(s > 1, s.clamp(min=1).log(), s)
        for _ in range(6):
            exp_y = y.exp()
            y = y - (y + exp_y - s) / (1 + exp_y)
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y: Tensor = ctx.saved_tensors[0]
        return gradient / (1 + y.exp())


def log_one_minus_sigmoid_power(v: Tensor, k: float) -> Tensor:
    """log(1 - sigmoid(v)^k) for any v and k > 0."""
    # Beyond 40 it is log k - v to the last bit, while 1 - sigmoid underflows in float32.
    a = k * softplus(-v.clamp(max=40))  # sigmoid(v)^k = e^-a
    near, far = a.clamp(max=log(2)), a.clamp(min=log(2))
    return torch.where(a < log(2), (-(-near).expm1()).log(), (-(-far).exp()).log1p()) - relu(v - 40)


DIVERGENCES: Mapping[str, type[FDivergence]] = {
    "kl": KL,
    "reverse_kl": ReverseKL,
    "pearson": Pearson,
    "neyman": Neyman,
    "squared_hellinger": SquaredHellinger,
    "jeffrey": Jeffrey,
    "js": JensenShannon,
    "weighted_js": WeightedJensenShannon,
    "gan": GANDivergence,
    "total_variation": TotalVariation,
}
