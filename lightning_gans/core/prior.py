"""Latent distributions (priors) p(z) of a generator's codes.

A prior draws (n, dim) float codes with a given generator, on that generator's device. Mixed codes, as in InfoGAN, are
concatenations; `Mixed.split` separates them.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count, Positive


class Axis(NamedTuple):
    """Axis of a latent traversal: values (steps, width) for the components first .. first + width - 1 of a code."""

    first: int
    values: Tensor


def _each_from(low: float, high: float, steps: int, dim: int) -> list[Axis]:
    return [Axis(i, torch.linspace(low, high, steps)[:, None]) for i in range(dim)]


class Prior(ABC):
    """Prior: a distribution over latent codes z of `dim` numbers."""

    dim: int

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Sample n independent codes: (n, dim), float, on the generator's device."""

    def truncated(self, z: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
        """Truncate codes (N, dim): normal components beyond +-threshold are resampled.

        The truncation trick of BigGAN (Brock et al. 2018, 1809.11096): fidelity rises, diversity falls.

        Raises:
            UserError: the prior has no tails to truncate.
        """
        raise UserError(
            f"truncation={threshold:g} resamples the numbers of a normal code that are far from 0, and this model's "
            f"prior is {type(self).__name__}, which has none. Leave truncation out, or take a model with "
            "prior=lightning_gans.core.prior.Normal."
        )

    @abstractmethod
    def axes(self, steps: int) -> list["Axis"]:
        """Axes of a latent traversal, which together cover all components of a code, with about `steps` steps each."""


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise UserError(f"{name}={value}: a prior needs at least 1.")
    return value


def check_truncation(threshold: float) -> None:
    """Refuse a threshold that is not positive and finite.

    Raises:
        UserError: names the range.
    """
    if not 0 < threshold < math.inf:
        raise UserError(f"truncation={threshold:g}: must be above 0; 2 resamples 5 % of a code, 0.7 half.")


class Normal(Prior):
    """Normal prior z ~ N(0, I).

    Args:
        dim: length of a code.
    """

    def __init__(self, *, dim: Count) -> None:
        self.dim = _positive("dim", dim)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dim, generator=generator, device=generator.device)

    def truncated(self, z: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
        check_truncation(threshold)
        # By the inverse distribution function: one draw, equivalent to rejection sampling, at constant cost.
        u = torch.rand(z.shape, generator=generator, device=generator.device, dtype=torch.float64).mul_(2).sub_(1)
        again = 2**0.5 * torch.erfinv(u * math.erf(threshold / 2**0.5))
        return torch.where(z.abs() > threshold, again.clamp(-threshold, threshold).to(z), z)

    def axes(self, steps: int) -> list[Axis]:
        return _each_from(-2.0, 2.0, steps, self.dim)


class Uniform(Prior):
    """Uniform prior z ~ U(-bound, bound); bound = sqrt(3) gives unit variance (Goodfellow et al. 2014, code).

    Args:
        dim: length of a code.
        bound: largest absolute value of U(-bound, bound).
    """

    def __init__(self, *, dim: Count, bound: Positive = 3**0.5) -> None:
        self.dim = _positive("dim", dim)
        self.bound = bound

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, self.dim, generator=generator, device=generator.device).mul_(2).sub_(1).mul_(self.bound)

    def axes(self, steps: int) -> list[Axis]:
        return _each_from(-self.bound, self.bound, steps, self.dim)


class Categorical(Prior):
    """Categorical prior: one-hot codes, uniform over `dim` categories.

    Args:
        dim: length of a code, the number of categories.
    """

    def __init__(self, *, dim: Count) -> None:
        self.dim = _positive("dim", dim)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        index = torch.randint(self.dim, (n,), generator=generator, device=generator.device)
        return one_hot(index, self.dim).to(torch.get_default_dtype())

    def axes(self, steps: int) -> list[Axis]:
        """One axis: the categories in order, repeated if there are more steps."""
        return [Axis(0, one_hot(torch.arange(steps) % self.dim, self.dim).to(torch.get_default_dtype()))]


class Mixed(Prior):
    """Mixed prior: independent parts, concatenated, as (z, c) of InfoGAN: (n, sum of the parts' dims).

    Args:
        parts: priors whose codes are joined, in this order.
    """

    def __init__(self, *, parts: Sequence[Prior]) -> None:
        if not parts:
            raise UserError("A mixed prior needs at least one part.")
        self.parts = tuple(parts)
        self.dim = sum(part.dim for part in self.parts)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.cat([part.sample(n, generator) for part in self.parts], dim=1)

    def truncated(self, z: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
        """Truncate the normal parts; the other parts are unchanged."""
        if not any(isinstance(part, Normal) for part in self.parts):
            return super().truncated(z, threshold, generator)
        parts = zip(self.parts, self.split(z), strict=True)
        return torch.cat(
            [part.truncated(x, threshold, generator) if isinstance(part, Normal) else x for part, x in parts], dim=1
        )

    def axes(self, steps: int) -> list[Axis]:
        first, axes = 0, []
        for part in self.parts:
            axes += [Axis(first + axis.first, axis.values) for axis in part.axes(steps)]
            first += part.dim
        return axes

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """Split codes (N, dim) into those of the parts, (N, part.dim), in order."""
        parts: tuple[Tensor, ...] = z.split([part.dim for part in self.parts], dim=1)
        return parts
