"""Generative model: a generator and its prior, from which samples are drawn."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lightning_gans.core.prior import Axis, Prior
from lightning_gans.core.rng import stream

# Samples are generated in chunks of this size, by global index, so that a sample does not depend on its batch.
CHUNK = 64
CALIBRATION_CHUNKS = 16
TOGETHER = 512  # codes of paths decoded at a time

Path = Literal["spherical", "linear"]
PATHS: tuple[Path, ...] = ("spherical", "linear")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Context: `model` is in eval mode without gradients; its mode is restored afterwards."""
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        model.train(was_training)


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Context: no dropout, no noise, no gradients in `network`; norms use the statistics of the batch.

    The mode is restored afterwards.
    """
    with evaluating(network):
        for norm in norms(network):
            norm.train()
        yield


@contextmanager
def reestimating(network: nn.Module) -> Iterator[None]:
    """Context: batch norms re-estimate their statistics, as plain means over the batches passed through `network`.

    All other layers are in eval mode, as when the statistics are used. All modes are restored afterwards.
    """
    momenta = [norm.momentum for norm in norms(network)]
    try:
        with undisturbed(network):
            for norm in norms(network):
                norm.reset_running_stats()
                norm.momentum = None
            yield
    finally:
        for norm, momentum in zip(norms(network), momenta, strict=True):
            norm.momentum = momentum


BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


def norms(network: nn.Module) -> list[BatchNorm]:
    """Batch-norm layers of a network."""
    return [module for module in network.modules() if isinstance(module, BatchNorm)]


def reestimate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Re-estimate the batch-norm statistics of `network` for its current weights, from batches of its inputs."""
    with reestimating(network):
        for batch in batches:
            network(batch)


class GenerativeModel(nn.Module):
    """Generator x = G(z), z ~ p(z), with noise keyed by (seed, chunk) and drawn on the CPU, equal on every device.

    Args:
        generator: network, z (N, prior.dim) -> samples (N, ...).
        prior: distribution of latent codes.
    """

    role: ClassVar[str | None] = None  # the task that it is made for; None: any that needs only samples
    conditional: ClassVar[bool] = False  # its networks receive the class

    def __init__(self, *, generator: nn.Module, prior: Prior) -> None:
        super().__init__()
        self.generator = generator
        self.prior = prior

    def forward(self, z: Tensor) -> Tensor:
        """Generate samples: (N, prior.dim) -> (N, *sample_shape)."""
        x: Tensor = self.generator(z)
        return x

    def codes(self, chunk: int, *, seed: int = 0, truncation: float | None = None) -> Tensor:
        """Latent codes of samples chunk * 64 ... chunk * 64 + 63, (64, prior.dim), on the model's device.

        truncation: threshold beyond which components of a normal code are resampled; see `Prior.truncated`.
        """
        z = self.prior.sample(CHUNK, stream(seed, "sample", chunk))
        if truncation is not None:
            z = self.prior.truncated(z, truncation, stream(seed, "truncation", chunk))
        like = next((t for t in (*self.parameters(), *self.buffers()) if t.is_floating_point()), z)
        return z.to(like)

    def sample(self, n: int, *, seed: int = 0, start: int = 0, truncation: float | None = None) -> Tensor:
        """Samples of global indices start .. start + n - 1: (n, *sample_shape), float; images in [-1, 1].

        Runs in eval mode. Equal (seed, index, truncation) give equal samples whatever n and start.

        Args:
            truncation: components of a normal code beyond +-truncation are resampled (Brock et al. 2018); codes
                within it are unchanged.

        Raises:
            UserError: the prior cannot be truncated.
        """
        first, last = start // CHUNK, -(-(start + n) // CHUNK)
        with evaluating(self):
            made = [
                self(self.codes(chunk, seed=seed, truncation=truncation))
                for chunk in range(first, max(last, first + 1))
            ]
        return torch.cat(made)[start - first * CHUNK :][:n]

    def interpolate(
        self, rows: int, steps: int, *, seed: int = 0, path: Path = "spherical", truncation: float | None = None
    ) -> Tensor:
        """Interpolate: samples along paths between codes 2 i and 2 i + 1 in row i: (rows, steps, *sample_shape).

        Args:
            path: "spherical": direction along a great circle, norm along a line; or "linear": a straight line, which
                between Gaussian codes passes through norms that the generator never saw in training.
            truncation: truncation of the codes at the ends, as in `sample`.
        """
        with evaluating(self):
            z = self.paths(rows, steps, seed=seed, path=path, truncation=truncation).flatten(0, 1)
            x = torch.cat([self(part) for part in z.split(TOGETHER)])
        rows_of: Tensor = x.unflatten(0, (rows, steps))
        return rows_of

    def traversed(self, axes: Sequence[Axis], *, seed: int = 0, start: int = 0) -> Tensor:
        """Latent traversal of sample `start` of `seed` along each axis: (len(axes), steps, *sample_shape)."""
        with evaluating(self):
            z = self.codes(start // CHUNK, seed=seed)[start % CHUNK]
            rows = []
            for first, values in axes:
                moved = z.repeat(len(values), 1)
                moved[:, first : first + values.shape[1]] = values.to(z)
                rows.append(self(moved))
        return torch.stack(rows)

    def paths(
        self, rows: int, steps: int, *, seed: int = 0, path: Path = "spherical", truncation: float | None = None
    ) -> Tensor:
        """Latent codes along the paths of `interpolate`, (rows, steps, prior.dim).

        Raises:
            ValueError: an unknown path.
        """
        if path not in PATHS:
            raise ValueError(f"path={path}: {' or '.join(PATHS)}")
        chunks = [self.codes(chunk, seed=seed, truncation=truncation) for chunk in range(-(-2 * rows // CHUNK))]
        a, b = torch.cat(chunks)[: 2 * rows].unflatten(0, (rows, 2)).unbind(1)
        if path == "linear":
            return torch.lerp(a[:, None], b[:, None], torch.linspace(0, 1, steps).to(a)[None, :, None])
        cosine = nn.functional.cosine_similarity(a, b).clamp(-1 + 1e-6, 1 - 1e-6)
        angle = cosine.arccos()[:, None, None]
        t = torch.linspace(0, 1, steps).to(a)[None, :, None]
        from_norm, to_norm = (code.norm(dim=1)[:, None, None] for code in (a, b))
        norm = torch.lerp(from_norm, to_norm, t)
        direction = ((1 - t) * angle).sin() * a[:, None] / from_norm + (t * angle).sin() * b[:, None] / to_norm
        z: Tensor = norm * direction / angle.sin()
        return z

    def calibrate(self) -> None:
        """Re-estimate the generator's batch-norm statistics for its current weights, from 1,024 fixed codes."""
        reestimate(self.generator, (self.codes(chunk, seed=-1) for chunk in range(CALIBRATION_CHUNKS)))
