"""Energy-based model, sampled by Langevin dynamics on the logits of its discriminator."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.models.generative import CHUNK, evaluating, norms
from lightning_gans.settings import Count, NonNegative, Positive, Shape


class EnergyModel(nn.Module):
    """Energy-based model p(x) ~ exp(-E(x)), E = -D, with Langevin sampling (Du & Mordatch 2019, 1903.08689, eq. 1).

    One step of a chain, in this order: x + N(0, noise^2); x - step_size * clip(dE/dx, +-clip); clipped to [low, high].
    With noise = sqrt(eps), step_size = eps / 2 and no clipping, this is unadjusted Langevin dynamics at temperature 1.
    The paper's steps are far larger than its noise allows, so they are close to plain gradient descent.

    Args:
        discriminator: samples (N, *shape) -> logits (N, 1), each of its own sample alone.
        shape: shape of a sample, without the batch.
        steps: steps of a chain that `sample` starts from uniform noise.
        step_size: step size of the descent.
        noise: standard deviation of the noise in each step, in the samples' own units (images: [-1, 1]).
        clip: largest absolute value of a gradient; None: no clipping.
        low: lower end of the box that chains stay in.
        high: upper end of the box that chains stay in.
    """

    role: ClassVar[str] = "energy"

    def __init__(
        self,
        *,
        discriminator: nn.Module,
        shape: Shape,
        steps: Count,
        step_size: Positive,
        noise: NonNegative,
        clip: Positive | None = None,
        low: float = -1.0,
        high: float = 1.0,
    ) -> None:
        super().__init__()
        if norms(discriminator):
            raise UserError(
                "An energy is a function of one sample, and batch norm makes it depend on the whole batch. Say "
                "network.discriminator.norm=none, layer, instance or spectral."
            )
        if not low < high:
            raise UserError(f"low={low} and high={high}: chains need a box, low below high.")
        self.discriminator = discriminator
        self.shape = tuple(shape)
        self.steps, self.step_size, self.noise, self.clip = steps, step_size, noise, clip
        self.low, self.high = low, high

    def energy(self, x: Tensor) -> Tensor:
        """Energy E(x) = -D(x): (N, *shape) -> (N,)."""
        energy: Tensor = -self.discriminator(x).flatten(1).sum(1)
        return energy

    def forward(self, x: Tensor) -> Tensor:
        return self.energy(x)

    def begin(self, uniform: Tensor) -> Tensor:
        """Map U(0, 1) to uniform initial states in the box."""
        return uniform * (self.high - self.low) + self.low

    def descend(self, x: Tensor, noise: Tensor) -> Tensor:
        """Take one Langevin step of each chain; detached from the step before and from D's parameters.

        Args:
            x: (N, *shape).
            noise: N(0, 1), of the same shape.
        """
        with torch.enable_grad():
            x = (x.detach() + self.noise * noise).requires_grad_()
            (gradient,) = torch.autograd.grad(self.energy(x).sum(), x)
        if self.clip is not None:
            gradient = gradient.clamp(-self.clip, self.clip)
        return (x.detach() - self.step_size * gradient).clamp_(self.low, self.high)

    def chain(self, x: Tensor, steps: int, noise: Callable[[], Tensor]) -> Tensor:
        """Ends of chains of `steps` steps from x (N, *shape), detached; `noise` returns N(0, 1) of that shape."""
        for _ in range(steps):
            x = self.descend(x, noise())
        return x

    def sample(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor:
        """Samples of global indices start .. start + n - 1: ends of chains from uniform noise, (n, *shape), float.

        Runs in eval mode. Equal (seed, index) give equal samples whatever n and start.
        """
        first, last = start // CHUNK, max(-(-(start + n) // CHUNK), start // CHUNK + 1)
        ends = [self.pictured(chunk, (self.steps,), seed=seed)[:, 0] for chunk in range(first, last)]
        return torch.cat(ends)[start - first * CHUNK :][:n]

    def inpaint(self, x: Tensor, known: Tensor, *, seed: int = 0, start: int = 0) -> Tensor:
        """Inpaint: samples whose known elements are given and whose other elements are drawn by chains (section 4.3).

        The known elements are fixed in every step; the others start as uniform noise. Runs in eval mode. Row i uses the
        noise of sample start + i of `seed`.

        Args:
            x: (N, *shape); elements where `known` is false are not read.
            known: bool, (N, *shape) or any shape that broadcasts to it.

        Returns:
            (N, *shape), float, equal to x where known.
        """
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.empty(()))
        known = known.to(like.device).expand(x.shape)
        ends, row = [], 0
        with evaluating(self):
            while row < len(x):
                chunk, first = divmod(start + row, CHUNK)
                part = slice(row, row + CHUNK - first)  # of x; a chunk's noise is always drawn as a whole
                draws, held, still = stream(seed, "chain", chunk), x[part].to(like), known[part]
                rows = slice(first, first + len(held))
                uniform = torch.rand(CHUNK, *self.shape, generator=draws)[rows]
                y = torch.where(still, held, self.begin(uniform).to(like))
                for _ in range(self.steps):
                    noise = torch.randn(CHUNK, *self.shape, generator=draws)[rows].to(like)
                    y = torch.where(still, held, self.descend(y, noise.masked_fill(still, 0)))
                ends.append(y)
                row += len(held)
        return torch.cat(ends)

    def evolution(self, n: int, frames: int, *, seed: int = 0) -> Tensor:
        """Chains of the first n samples at `frames` times, evenly spaced from noise to end: (n, frames, *shape)."""
        times = torch.linspace(0, self.steps, frames).round().int().tolist()
        chunks = range(-(-n // CHUNK))
        return torch.cat([self.pictured(chunk, times, seed=seed) for chunk in chunks])[:n]

    def pictured(self, chunk: int, times: Sequence[int], *, seed: int = 0) -> Tensor:
        """States of samples chunk * 64 .. chunk * 64 + 63 after `times` steps: (64, len(times), *shape)."""
        draws = stream(seed, "chain", chunk)
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.empty(()))
        seen: dict[int, Tensor] = {}
        with evaluating(self):
            x = self.begin(torch.rand(CHUNK, *self.shape, generator=draws)).to(like)
            for step in range(max(times) + 1):
                if step in times:
                    seen[step] = x
                if step < max(times):
                    x = self.descend(x, torch.randn(CHUNK, *self.shape, generator=draws).to(like))
        return torch.stack([seen[time] for time in times], 1)
