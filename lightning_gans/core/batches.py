"""Typed batches: NamedTuples that a data module yields and a variant names."""

from typing import Any, NamedTuple

from torch import Tensor

from lightning_gans.core.errors import UserError


class SampleBatch(NamedTuple):
    """Batch of samples of one distribution.

    x: images (N, C, H, W), float in [-1, 1]; or points (N, d), float, in the data's own units.
    label: (N,) int64 class indices, or None where the data has no labels.
    """

    x: Tensor
    label: Tensor | None = None


class ConditionedBatch(NamedTuple):
    """Batch of images with condition vectors: attributes, or embeddings of captions.

    x: (N, C, H, W), float in [-1, 1]. condition: (N, d), float, in the data's own units. label: (N,) int64, or None.
    """

    x: Tensor
    condition: Tensor
    label: Tensor | None = None


class UnpairedBatch(NamedTuple):
    """Batch of unpaired images of two domains: (N, C, H, W), float in [-1, 1]."""

    a: Tensor
    b: Tensor


class PairedBatch(NamedTuple):
    """Batch of pairs: inputs and the outputs that belong to them.

    a: inputs, (N, A, H, W), float in [-1, 1]. b: outputs, (N, B, H, W), each of the input in its place.
    """

    a: Tensor
    b: Tensor


class DomainBatch(NamedTuple):
    """Batch of domain adaptation: labelled source samples, unlabelled target samples.

    x: of the source, (N, C, H, W), float in [-1, 1]. label: (N,) int64. target: (N, C, H, W).
    """

    x: Tensor
    label: Tensor
    target: Tensor


class SemiSupervisedBatch(NamedTuple):
    """Semi-supervised batch: few labelled samples, seen over and over, and unlabelled ones.

    x: labelled, (N, C, H, W), float in [-1, 1]. label: (N,) int64. unlabelled: (M, C, H, W). second: another,
    independent draw of unlabelled samples, (M, C, H, W).
    """

    x: Tensor
    label: Tensor
    unlabelled: Tensor
    second: Tensor


class UtteranceBatch(NamedTuple):
    """Batch of utterances, each with one of the same speaker and one of another.

    x: (N, mels, frames) log-mel segments, float in [-1, 1]. label: (N,) int64, what is said, or None where that is not
    known. speaker: (N,) int64. partner: (N, mels, frames), of the same speaker, never the segment x itself. other:
    (N, mels, frames), of any other speaker.
    """

    x: Tensor
    label: Tensor | None
    speaker: Tensor
    partner: Tensor
    other: Tensor


class RetrievalBatch(NamedTuple):
    """Batch of queries with the relevance of M documents to each.

    query: what a network scores the documents by: (N,) int64 numbers of queries, or (N, M, d), the features of each
        document for its query.
    relevant: (N, M) bool, the positives that this split knows; p_true is uniform over them.
    candidate: (N, M) bool, the documents that may be drawn or ranked; all relevant ones are among them.
    number: (N,) int64, the row's own number: the query's, or with `positive` that of the query and these positives.
    positive: (N, P) int64, the positives that the row is about, filled up with -1; None: all of `relevant`.
    """

    query: Tensor
    relevant: Tensor
    candidate: Tensor
    number: Tensor
    positive: Tensor | None = None


def split_batch(batch: Any, parts: int) -> list[Any]:
    """Split a typed batch (a NamedTuple of tensors or None) into `parts` equal micro-batches, in order.

    Raises:
        UserError: its samples cannot be divided equally.
    """
    if parts == 1:
        return [batch]
    for column in batch:
        if column is not None and len(column) % parts:
            raise UserError(
                f"accumulate={parts}: a process's part of the batch, {len(column)} samples, cannot be divided equally "
                "by it. Choose data.batch_size as a multiple of accumulate times the number of processes."
            )
    columns = [[None] * parts if column is None else column.split(len(column) // parts) for column in batch]
    return [type(batch)(*row) for row in zip(*columns, strict=True)]
