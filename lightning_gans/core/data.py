"""Protocols of data modules and their splits, as used by evaluation, pictures and games."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol, Self, TypeVar, runtime_checkable

from torch import Tensor

from lightning_gans.core.batches import RetrievalBatch, SampleBatch

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

Batch = TypeVar("Batch", covariant=True)
AnySplit = TypeVar("AnySplit", covariant=True)


class Split(Protocol[Batch]):
    """Split of a data set: samples in a fixed order, without augmentation, the same for every seed."""

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,) int64."""

    def __len__(self) -> int: ...

    def at_most(self, n: int, /) -> Self:
        """Random subset of n samples, drawn once and for all; all of them if there are fewer."""
        ...

    def batches(self, size: int, /) -> Iterator[Batch]:
        """Batches of `size` samples, a smaller one last."""
        ...


class SampleSplit(Split[SampleBatch], Protocol):
    """Split of images or points, labelled or not."""

    def take(self, places: Tensor, /) -> Self:
        """Samples at `places` (n,) int64 of this split, in that order."""
        ...


class ConditionedSplit(SampleSplit, Protocol):
    """Split of images with their condition vectors, (N, d)."""

    @property
    def conditions(self) -> Tensor: ...


class SpeechSplit(SampleSplit, Protocol):
    """Split of log-mel segments with their speakers, (N,) int64."""

    @property
    def speakers(self) -> Tensor: ...


class Modes(Protocol):
    """Modes of a density. centres: (K, d); std: standard deviation of every mode, in every direction."""

    @property
    def centres(self) -> Tensor: ...

    @property
    def std(self) -> float: ...


class HasSplits(Protocol[AnySplit]):
    """Data with three disjoint splits."""

    def split(self, name: SplitName, /) -> AnySplit: ...


class Data(HasSplits[SampleSplit], Protocol):
    """Data module, as used by an evaluation.

    sample_shape: (C, H, W) or (d,). classes: names of the labels 0, 1, ..., or None without labels. fingerprint: sha256
    (hex) of content and preprocessing. modes: those of a planar density, or None. batch_size: over all processes.
    """

    @property
    def sample_shape(self) -> tuple[int, ...]: ...

    @property
    def classes(self) -> tuple[str, ...] | None: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def modes(self) -> Modes | None: ...

    @property
    def batch_size(self) -> int: ...

    def iteration_batches(self, start: int, stop: int, /, seed: int = 0, *, device: Any = "cpu") -> Iterator[Any]:
        """Training batches of iterations start .. stop - 1, the same for the same seed."""
        ...


@runtime_checkable
class HasParts(Protocol):
    """Data of several parts, each a data module: "a" and "b", or "source" and "target"."""

    @property
    def parts(self) -> Mapping[str, Data]: ...


@runtime_checkable
class HasDomains(Protocol):
    """Data of two image domains, "a" and "b", whose held-out images are compared with translations."""

    @property
    def domains(self) -> Mapping[str, Data]: ...


@runtime_checkable
class HasConditions(HasSplits[ConditionedSplit], Protocol):
    """Images with condition vectors: attributes or caption embeddings. condition_names: a name for each component."""

    @property
    def condition_names(self) -> tuple[str, ...]: ...


SpeechData = HasSplits[SpeechSplit]  # log-mel segments of several speakers


@runtime_checkable
class HasFresh(Protocol):
    """Synthetic speech data that can make utterances outside all splits, unused in training, selection and tests."""

    def fresh(self) -> SpeechSplit:
        """Return as many utterances as the training split has; the same ones at every call."""
        ...


RetrievalData = HasSplits[Split[RetrievalBatch]]  # queries with the documents that are relevant to each


@runtime_checkable
class RetrievalImages(HasSplits[Split[RetrievalBatch]], Protocol):
    """Retrieval data whose queries and documents are images, (N, C, H, W)."""

    @property
    def query_images(self) -> Tensor: ...

    @property
    def document_images(self) -> Tensor: ...


@runtime_checkable
class Playable(Protocol):
    """Speech data that turn spectrograms (N, mels, frames) into the contents of N wav files."""

    def wav(self, x: Tensor, /) -> list[bytes]: ...
