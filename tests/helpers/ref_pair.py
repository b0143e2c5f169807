"""P = N(0, 1) and Q = N(0.5, 1.2^2) on the line: what D's loss comes to on them, by quadrature instead of samples."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from lightning_gans.losses.adversarial import AdversarialLoss, SeparableLoss

# Sums of smooth densities over such a grid are exact to rounding; nothing above 1e-12 lies outside it.
GRID = torch.linspace(-9, 9, 181, dtype=torch.float64)
STEP = (GRID[1] - GRID[0]).item()


def density(mean: float, std: float) -> Tensor:
    return torch.distributions.Normal(mean, std).log_prob(GRID).exp()


P, Q = density(0.0, 1.0), density(0.5, 1.2)
RATIO = P / Q
LOG_RATIO = RATIO.log()


def integral(values: Tensor) -> Tensor:
    return values.sum() * STEP


def discriminator_loss(loss: SeparableLoss, logits: Tensor) -> Tensor:
    """E_P real(D) + E_Q fake(D) of logits on the grid."""
    real, fake = torch.vmap(loss.real)(logits[:, None]), torch.vmap(loss.fake)(logits[:, None])
    return integral(P * real + Q * fake)


def paired_loss(loss: AdversarialLoss, logits: Tensor) -> Tensor:
    """E_P(x) E_Q(y) of a loss that compares D(x) with D(y), over every second point of the grid."""
    logits, p, q = logits[::2], P[::2] * 2 * STEP, Q[::2] * 2 * STEP
    on_real, on_fake = torch.meshgrid(logits, logits, indexing="ij")

    def pair(real: Tensor, fake: Tensor) -> Tensor:
        return torch.stack(list(loss.discriminator(real, fake).values())).sum()

    terms = torch.vmap(pair)(on_real.flatten(), on_fake.flatten())
    return (torch.outer(p, q).flatten() * terms).sum()


def perceptron(*widths: int) -> nn.Sequential:
    """Tanh layers on x / 2, float64, the same every time: x (n, 1) -> (n, 1)."""
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for inputs, outputs in pairwise((1, *widths)):
            layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        layers.append(nn.Linear((1, *widths)[-1], 1))
    return nn.Sequential(*layers).double()


def descend(network: nn.Module, objective: Callable[[Tensor], Tensor], *, steps: int = 100) -> list[float]:
    """Descend objective(logits on the grid) by quasi-Newton steps; every value on the way."""
    optimizer = torch.optim.LBFGS(
        network.parameters(), max_iter=steps, tolerance_change=0, history_size=20, line_search_fn="strong_wolfe"
    )
    seen: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = objective(network(GRID[:, None] / 2).squeeze(1))
        value.backward()  # type: ignore[no-untyped-call]
        seen.append(value.item())
        return value

    optimizer.step(closure)  # type: ignore[arg-type]
    return seen
