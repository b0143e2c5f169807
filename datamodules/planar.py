"""Planar data: densities on the plane and the line, with exact sampling and known modes."""

import hashlib
import inspect
import json
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from datamodules import checks
from datamodules.base import DataModule, Modes, SplitName
from datamodules.sources import Source, Tensors
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.settings import Among, Count, NonNegative, Positive

VERSION = 1  # part of every fingerprint: increment if a density here changes its samples

SIZES: dict[SplitName, int] = {"train": 100_000, "validation": 10_000, "test": 10_000}


class Planar(DataModule):
    """Planar density with 100,000 training, 10,000 validation and 10,000 test points, fixed for all seeds.

    Subclasses define `draw`; all their hyperparameters are attributes of the same name.

    Args:
        batch_size: global batch.
        dimension: d of the points (N, d); only the density's own fits, it is there for networks to refer to.
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[str] = "points"

    def __init__(self, *, batch_size: int, dimension: int, own_dimension: int = 2) -> None:
        super().__init__(batch_size=batch_size)
        if dimension != own_dimension:
            raise UserError(
                f"data.dimension={dimension!r} does not fit {type(self).__name__}: its points have {own_dimension}. "
                f"Say data.dimension={own_dimension}."
            )
        self.dimension = own_dimension
        self.sample_shape = (own_dimension,)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Draw n independent samples: points (n, d) float32, labels (n,) int64 or None."""
        raise NotImplementedError

    def read(self) -> Mapping[str, Source]:
        density = type(self).__name__
        return {name: Tensors(*self.draw(size, stream("planar", density, name))) for name, size in SIZES.items()}

    @property
    def fingerprint(self) -> str:
        chosen = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        chosen = {"density": type(self).__name__, "version": VERSION, **chosen}
        del chosen["batch_size"]
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


class Mixture(Planar):
    """Gaussian mixture: equally likely Gaussians, each a mode and a class.

    Args:
        centres: (K, d).
        std: of each, in every direction; 0 makes them point masses, which have no `modes` to score.
    """

    def __init__(self, *, batch_size: int, dimension: int, centres: Tensor, std: float) -> None:
        super().__init__(batch_size=batch_size, dimension=dimension, own_dimension=centres.shape[1])
        self.centres, self.std = centres, std
        self.modes = Modes(centres, std) if std > 0 else None

    @property
    def classes(self) -> tuple[str, ...]:
        centres = self.centres.double().round(decimals=6) + 0.0  # no -0, and no 6e-17 for the cosine of a right angle
        return tuple(f"({', '.join(f'{value:.3g}' for value in centre)})" for centre in centres.tolist())

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        label = torch.randint(len(self.centres), (n,), generator=generator)
        noise = torch.randn(n, self.dimension, generator=generator)
        return self.centres[label] + self.std * noise, label

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the natural log of the density at (N, d) as (N,); std must be above 0."""
        count, dimension = self.centres.shape
        squares = torch.cdist(x, self.centres.to(x), compute_mode="donot_use_mm_for_euclid_dist").square()
        scale = math.log(count) + dimension * math.log(self.std * math.sqrt(2 * math.pi))
        return torch.logsumexp(-squares / (2 * self.std**2), dim=1) - scale


class Ring(Mixture):
    """Ring of eight Gaussians (Lin et al. 2018, PacGAN, 1712.04086, section 4.1: radius 1, std 0.01).

    Args:
        batch_size: global batch size, of all processes together.
        dimension: numbers of a point, for networks to refer to; a density has one that fits.
        radius: radius of the circle.
        std: standard deviation of each Gaussian.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        dimension: Annotated[int, Among(2)] = 2,
        radius: Positive = 1.0,
        std: Positive = 0.01,
    ) -> None:
        self.radius = checks.number("radius", radius, above=0)
        angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
        centres = self.radius * torch.stack([angle.cos(), angle.sin()], dim=1).float()
        std = checks.number("std", std, above=0)
        super().__init__(batch_size=batch_size, dimension=dimension, centres=centres, std=std)


class Grid(Mixture):
    """Grid of 25 Gaussians, centres at -4, -2, 0, 2, 4 (PacGAN, 1712.04086, section 4.1: std 0.05).

    Args:
        batch_size: global batch size, of all processes together.
        dimension: numbers of a point, for networks to refer to; a density has one that fits.
        std: standard deviation of each Gaussian.
    """

    def __init__(
        self, *, batch_size: Count = 64, dimension: Annotated[int, Among(2)] = 2, std: Positive = 0.05
    ) -> None:
        axis = torch.arange(-4.0, 5.0, 2.0)
        std = checks.number("std", std, above=0)
        super().__init__(batch_size=batch_size, dimension=dimension, centres=torch.cartesian_prod(axis, axis), std=std)


class TwoPoints(Mixture):
    """Two point masses at (-1, 0) and (1, 0); f-divergences from any generator with a density are maximal.

    Args:
        batch_size: global batch size, of all processes together.
        dimension: numbers of a point, for networks to refer to; a density has one that fits.
        std: standard deviation; above 0 the points are Gaussians, with `modes` to score.
    """

    def __init__(
        self, *, batch_size: Count = 64, dimension: Annotated[int, Among(2)] = 2, std: NonNegative = 0.0
    ) -> None:
        centres = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        std = checks.number("std", std, least=0)
        super().__init__(batch_size=batch_size, dimension=dimension, centres=centres, std=std)


class RefPair(Planar):
    """Reference density P = N(0, 1) on the line; its divergences from the fixed generator Q = N(0.5, 1.2^2) are known.

    Args:
        batch_size: global batch size, of all processes together.
        dimension: numbers of a point, for networks to refer to; a density has one that fits.
    """

    def __init__(self, *, batch_size: Count = 64, dimension: Annotated[int, Among(1)] = 1) -> None:
        super().__init__(batch_size=batch_size, dimension=dimension, own_dimension=1)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, None]:
        return torch.randn(n, 1, generator=generator), None

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the natural log of the density at (N, 1) as (N,)."""
        return -0.5 * x.squeeze(1).square() - 0.5 * math.log(2 * math.pi)


class Spiral(Planar):
    """Spiral of two interleaved Archimedean arms, 1.5 turns, out to radius 1; the label is the arm.

    Args:
        batch_size: global batch size, of all processes together.
        dimension: numbers of a point, for networks to refer to; a density has one that fits.
        std: standard deviation of Gaussian noise around the arms.
    """

    def __init__(
        self, *, batch_size: Count = 64, dimension: Annotated[int, Among(2)] = 2, std: NonNegative = 0.02
    ) -> None:
        super().__init__(batch_size=batch_size, dimension=dimension)
        self.std = checks.number("std", std, least=0)

    @property
    def classes(self) -> tuple[str, ...]:
        return ("first arm", "second arm")

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        arm = torch.randint(2, (n,), generator=generator)
        radius = torch.rand(n, generator=generator).sqrt()  # nearly uniform along the arm
        angle = 3 * math.pi * radius + math.pi * arm
        points = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        return points + self.std * torch.randn(n, 2, generator=generator), arm


class SwissRoll(Planar):
    """Swiss roll, a rolled sheet seen from its edge (Gulrajani et al. 2017, 1704.00028, figure 1); without modes.

    t = 1.5 pi (1 + 2 u), u ~ U(0, 1); (t cos t, t sin t) / 7.5 plus noise.

    Args:
        batch_size: global batch size, of all processes together.
        dimension: numbers of a point, for networks to refer to; a density has one that fits.
        std: standard deviation of Gaussian noise, after scaling.
    """

    def __init__(
        self, *, batch_size: Count = 64, dimension: Annotated[int, Among(2)] = 2, std: NonNegative = 0.033
    ) -> None:
        super().__init__(batch_size=batch_size, dimension=dimension)
        self.std = checks.number("std", std, least=0)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, None]:
        t = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=generator))
        points = t[:, None] * torch.stack([t.cos(), t.sin()], dim=1) / 7.5
        return points + self.std * torch.randn(n, 2, generator=generator), None
