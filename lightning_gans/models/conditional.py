"""Conditional generative model: a class-conditional generator and its prior."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.prior import Prior
from lightning_gans.core.rng import stream
from lightning_gans.models.generative import (
    CALIBRATION_CHUNKS,
    CHUNK,
    TOGETHER,
    GenerativeModel,
    Path,
    evaluating,
    reestimating,
)
from lightning_gans.settings import Count

Label = int | Sequence[int] | Tensor


class ToldModel(GenerativeModel):
    """Conditional generator x = G(z, y), z ~ p(z), with a y for each sample: a class, or a condition vector.

    A y that is not given is drawn at random. Code and drawn y of a sample depend on (seed, index) only, and a given y
    changes no code. A subclass defines how y is drawn (`_drawn`) and which values are valid (`_checked`).
    """

    def forward(self, z: Tensor, told: Tensor) -> Tensor:  # type: ignore[override]  # y in addition to the code
        """Generate samples: (N, prior.dim), (N, ...) -> (N, *sample_shape)."""
        x: Tensor = self.generator(z, told)
        return x

    def _drawn(self, n: int, *, seed: int, start: int) -> Tensor:
        """Draw the ys of samples start .. start + n - 1, (n, ...)."""
        raise NotImplementedError

    def _checked(self, told: Any, n: int) -> Tensor:
        """Return the given ys, one for all or n of them, as (n, ...); raises ValueError if they are invalid."""
        raise NotImplementedError

    def _sampled(self, n: int, told: Any, *, seed: int, start: int, truncation: float | None) -> Tensor:
        """Samples start .. start + n - 1, each generated together with the 63 others of its chunk."""
        first = start // CHUNK
        before = start - first * CHUNK
        whole = max(-(-(before + n) // CHUNK), 1) * CHUNK
        drawn = self._drawn(whole, seed=seed, start=first * CHUNK)
        if told is not None:
            drawn[before : before + n] = self._checked(told, n)
        with evaluating(self):
            made = [self._chunk(first + i, part, seed, truncation) for i, part in enumerate(drawn.split(CHUNK))]
        return torch.cat(made)[before:][:n]

    def _chunk(self, chunk: int, told: Tensor, seed: int, truncation: float | None = None) -> Tensor:
        z = self.codes(chunk, seed=seed, truncation=truncation)
        x: Tensor = self(z, told.to(z.device))
        return x

    def _along(self, rows: int, steps: int, told: Any, *, seed: int, path: Path, truncation: float | None) -> Tensor:
        """Samples along paths between codes, with one y in each row: (rows, steps, *sample_shape)."""
        own = self._drawn(2 * rows, seed=seed, start=0)[::2] if told is None else self._checked(told, rows)
        with evaluating(self):
            z = self.paths(rows, steps, seed=seed, path=path, truncation=truncation).flatten(0, 1)
            each = own.to(z.device).repeat_interleave(steps, 0)
            x = torch.cat([self(*part) for part in zip(z.split(TOGETHER), each.split(TOGETHER), strict=True)])
        rows_of: Tensor = x.unflatten(0, (rows, steps))
        return rows_of

    def calibrate(self) -> None:
        """Re-estimate G's batch-norm statistics for its current weights, from 1,024 fixed codes with their ys."""
        with reestimating(self.generator):
            for chunk in range(CALIBRATION_CHUNKS):
                self._chunk(chunk, self._drawn(CHUNK, seed=-1, start=chunk * CHUNK), -1)


class ConditionalGenerativeModel(ToldModel):
    """Conditional generator x = G(z, y), z ~ p(z), y one of `classes` (Mirza & Osindero 2014, 1411.1784).

    Labels that are not given are drawn uniformly. Code and drawn label of a sample depend on (seed, index) only, and a
    given label changes no code.

    Args:
        generator: z (N, prior.dim), y (N,) int64 -> samples (N, ...).
        prior: distribution of latent codes.
        classes: number of classes in the data.
    """

    conditional: ClassVar[bool] = True

    def __init__(self, *, generator: nn.Module, prior: Prior, classes: Count) -> None:
        super().__init__(generator=generator, prior=prior)
        if classes < 1:
            raise ValueError(f"classes={classes}: a conditional model has at least 1")
        self.classes = classes

    def labels(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor:
        """Return the labels that `sample` draws for indices start .. start + n - 1: (n,) int64, on the CPU."""
        first, last = start // CHUNK, -(-(start + n) // CHUNK)
        drawn = [
            torch.randint(self.classes, (CHUNK,), generator=stream(seed, "label", chunk))
            for chunk in range(first, max(last, first + 1))
        ]
        return torch.cat(drawn)[start - first * CHUNK :][:n]

    def sample(
        self,
        n: int,
        *,
        label: Label | None = None,
        seed: int = 0,
        start: int = 0,
        truncation: float | None = None,
    ) -> Tensor:
        """Samples of global indices start .. start + n - 1: (n, *sample_shape), float; images in [-1, 1].

        Runs in eval mode. Equal (seed, index, label, truncation) give equal samples whatever n and start.

        Args:
            label: one class for all, or n of them; None draws them, see `labels`.
            truncation: components of a normal code beyond +-truncation are resampled, as in `GenerativeModel.sample`.

        Raises:
            ValueError: an unknown class, or a number of labels other than n.
            UserError: the prior cannot be truncated.
        """
        return self._sampled(n, label, seed=seed, start=start, truncation=truncation)

    def interpolate(
        self,
        rows: int,
        steps: int,
        *,
        label: Label | None = None,
        seed: int = 0,
        path: Path = "spherical",
        truncation: float | None = None,
    ) -> Tensor:
        """Samples along paths between codes 2 i and 2 i + 1 in row i, of one class: (rows, steps, *sample_shape).

        Args:
            label: one class for all rows, or one for each; None: that of sample 2 i.
            path: "spherical" or "linear", as in `GenerativeModel.interpolate`.
            truncation: truncation of the codes at the ends, as in `sample`.
        """
        return self._along(rows, steps, label, seed=seed, path=path, truncation=truncation)

    def _drawn(self, n: int, *, seed: int, start: int) -> Tensor:
        return self.labels(n, seed=seed, start=start)

    def _checked(self, told: Label, n: int) -> Tensor:
        labels = torch.as_tensor(told).cpu()
        if labels.is_floating_point() or labels.dtype == torch.bool or labels.shape not in ((), (n,)):
            raise ValueError(
                f"label: a class from 0 to {self.classes - 1}, or {n} of them as whole numbers; this is "
                f"{labels.dtype} of shape {tuple(labels.shape)}."
            )
        for value in labels[(labels < 0) | (labels >= self.classes)].flatten()[:1].tolist():
            raise ValueError(f"label={value}: this model's classes are 0 to {self.classes - 1}.")
        return labels.long().expand(n)
