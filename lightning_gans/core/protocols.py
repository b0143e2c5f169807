"""What callbacks may ask of a model, and a game of what it is given: what it can do, never what it is."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Samples(Protocol):
    """Generates. `sample` gives the samples of global indices start .. start + n - 1; equal seeds, equal samples."""

    def sample(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByLabel(Protocol):
    """Generates samples of a class, 0 .. classes - 1, or n of them.

    Without a label it draws them: `labels` says which, (n,) int64.
    """

    classes: int

    def sample(
        self, n: int, *, label: int | Sequence[int] | Tensor | None = None, seed: int = 0, start: int = 0
    ) -> Tensor: ...

    def labels(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Interpolates(Protocol):
    """Has a latent space: rows of samples along straight or great-circle paths, (rows, steps, *sample_shape)."""

    def interpolate(self, rows: int, steps: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class Calibrates(Protocol):
    """Holds batch statistics that can be re-estimated for its present weights."""

    def calibrate(self) -> None: ...


class Augment(Protocol):
    """A differentiable change of D's inputs: samples (N, ...), `numbers` uniform numbers each -> samples (N, ...)."""

    numbers: int

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor: ...
