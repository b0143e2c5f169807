"""What callbacks may ask of a model, and a game of what it is given: what it can do, never what it is."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


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


class OffersFeatures(Protocol):
    """A discriminator whose logits are linear in its features: samples (N, ...) -> `features` (N, feature_dim)."""

    feature_dim: int

    @property
    def features(self) -> nn.Module: ...


class Augment(Protocol):
    """A differentiable change of D's inputs: samples (N, ...), `numbers` uniform numbers each -> samples (N, ...)."""

    numbers: int

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor: ...


@runtime_checkable
class Adapts(Augment, Protocol):
    """An augmentation that follows D: it is shown D's margins on real samples, and adjusted after each of D's steps.

    p: () in [0, 1], how often it is applied; in the checkpoint, and alike on all ranks.
    """

    p: Tensor

    def observe(self, margins: Tensor) -> None: ...

    def adapt(self, average: Callable[[Tensor], Tensor], *, images: int) -> None: ...
