"""Conditioned model: a generator conditional on a vector, and its prior."""

from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.core.prior import Prior
from lightning_gans.core.rng import stream
from lightning_gans.models.conditional import ToldModel
from lightning_gans.models.generative import CHUNK, Path, evaluating
from lightning_gans.settings import Count

MOST_AXES = 32  # components of a condition that a traversal varies


class ConditionedModel(ToldModel):
    """Conditioned generator x = G(z, c), z ~ p(z), c attributes or a caption (Reed et al. 2016, 1605.05396).

    Conditions are in the data's own units. The networks receive them standardised by the means and standard deviations
    of the training conditions. Conditions that are not given are drawn from `bank`, training conditions stored with the
    model. Code and drawn condition of a sample depend on (seed, index) only.

    Args:
        generator: z (N, prior.dim), c (N, condition_dim), standardised -> samples (N, ...).
        prior: distribution of latent codes.
        condition_dim: numbers of a condition vector.
        bank_size: training conditions that are kept with the weights.
    """

    bank: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, *, generator: nn.Module, prior: Prior, condition_dim: Count, bank_size: Count = 1024) -> None:
        super().__init__(generator=generator, prior=prior)
        for name, value in (("condition_dim", condition_dim), ("bank_size", bank_size)):
            if value < 1:
                raise ValueError(f"{name}={value}: at least 1")
        self.condition_dim, self.bank_size = condition_dim, bank_size
        self.register_buffer("bank", torch.zeros(bank_size, condition_dim))
        self.register_buffer("mean", torch.zeros(condition_dim))
        self.register_buffer("std", torch.ones(condition_dim))

    @torch.no_grad()
    def fit_conditions(self, conditions: Tensor) -> None:
        """Set means, standard deviations and the bank from training conditions (M, condition_dim), M at least 1."""
        conditions = conditions.to(self.bank)
        chosen = torch.randperm(len(conditions), generator=stream("conditions"))
        self.bank.copy_(conditions[chosen.repeat(-(-self.bank_size // len(chosen)))[: self.bank_size]])
        std = conditions.std(0, correction=0)
        self.mean.copy_(conditions.mean(0))
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def standardised(self, condition: Tensor) -> Tensor:
        """Standardise conditions (N, condition_dim): mean 0 and standard deviation 1 over the training set."""
        return (condition.to(self.mean) - self.mean) / self.std

    def forward(self, z: Tensor, told: Tensor) -> Tensor:  # type: ignore[override]  # and a condition
        """Generate samples: (N, prior.dim), conditions (N, condition_dim) in the data's units -> (N, *sample_shape)."""
        return super().forward(z, self.standardised(told))

    def drawn(self, uniform: Tensor) -> Tensor:
        """Select conditions of the bank, one for each of `uniform` (N,) in [0, 1): (N, condition_dim)."""
        rows = (uniform * self.bank_size).long().clamp(max=self.bank_size - 1)
        return self.bank[rows.to(self.bank.device)]

    def conditions(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor:
        """Return the conditions that `sample` draws for indices start .. start + n - 1: (n, condition_dim)."""
        first, last = start // CHUNK, -(-(start + n) // CHUNK)
        uniform = [
            torch.rand(CHUNK, generator=stream(seed, "condition", chunk))
            for chunk in range(first, max(last, first + 1))
        ]
        return self.drawn(torch.cat(uniform)[start - first * CHUNK :][:n])

    def sample(
        self,
        n: int,
        *,
        condition: Any = None,
        seed: int = 0,
        start: int = 0,
        truncation: float | None = None,
    ) -> Tensor:
        """Samples of global indices start .. start + n - 1: (n, *sample_shape), float; images in [-1, 1].

        Runs in eval mode. Equal (seed, index, condition, truncation) give equal samples whatever n and start.

        Args:
            condition: (condition_dim,), one for all, or (n, condition_dim), in the data's units; None draws them from
                the bank, see `conditions`.
            truncation: components of a normal code beyond +-truncation are resampled, as in `GenerativeModel.sample`.

        Raises:
            ValueError: conditions of another shape, or not finite.
            UserError: the prior cannot be truncated.
        """
        return self._sampled(n, condition, seed=seed, start=start, truncation=truncation)

    def interpolate(
        self,
        rows: int,
        steps: int,
        *,
        condition: Any = None,
        seed: int = 0,
        path: Path = "spherical",
        truncation: float | None = None,
    ) -> Tensor:
        """Samples along paths between codes 2 i and 2 i + 1 in row i, of one condition: (rows, steps, *sample_shape).

        Args:
            condition: one for all rows, or one for each; None: that of sample 2 i.
            path: "spherical" or "linear", as in `GenerativeModel.interpolate`.
            truncation: truncation of the codes at the ends, as in `sample`.
        """
        return self._along(rows, steps, condition, seed=seed, path=path, truncation=truncation)

    def _drawn(self, n: int, *, seed: int, start: int) -> Tensor:
        return self.conditions(n, seed=seed, start=start)

    def traverse(self, steps: int, *, seed: int = 0, start: int = 0) -> Tensor:
        """Condition traversal of sample `start` of `seed`, one component at a time: (axes, steps, *shape).

        A component goes from its smallest to its largest value in the bank; the code and the other components are
        fixed. The axes are the first 32 components that vary.
        """
        low, high = self.bank.amin(0), self.bank.amax(0)
        axes = (high > low).nonzero()[:MOST_AXES, 0].tolist()
        with evaluating(self):
            z = self.codes(start // CHUNK, seed=seed)[start % CHUNK]
            own = self.conditions(1, seed=seed, start=start)[0]
            rows = []
            for axis in axes:
                moved = own.repeat(steps, 1)
                moved[:, axis] = torch.linspace(float(low[axis]), float(high[axis]), steps).to(moved)
                rows.append(self(z.repeat(steps, 1), moved))
        return torch.stack(rows)

    def _checked(self, told: Any, n: int) -> Tensor:
        given = torch.as_tensor(told, dtype=torch.float32).to(self.bank)
        if given.shape not in ((self.condition_dim,), (n, self.condition_dim)) or not bool(given.isfinite().all()):
            raise ValueError(
                f"condition: {self.condition_dim} finite numbers, or {n} rows of them; this is of shape "
                f"{tuple(given.shape)}."
            )
        return given.expand(n, -1)
