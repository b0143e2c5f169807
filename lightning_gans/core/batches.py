"""Typed batches: NamedTuples that data modules yield. Every variant declares the type that it trains on."""

from typing import Any, NamedTuple

from torch import Tensor

from lightning_gans.core.errors import UserError


class SampleBatch(NamedTuple):
    """Batch of samples of one distribution.

    x: images (N, C, H, W), float in [-1, 1]; or points (N, d), float, in the data's own units.
    label: (N,) int64 class indices, or None if the data has no labels.
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
    """Batch of aligned pairs: input images and their target outputs.

    a: inputs, (N, A, H, W), float in [-1, 1]. b: outputs, (N, B, H, W), float in [-1, 1]; b[i] belongs to a[i].
    """

    a: Tensor
    b: Tensor


class DomainBatch(NamedTuple):
    """Domain adaptation batch: labelled source samples and unlabelled target samples.

    x: source samples, (N, C, H, W), float in [-1, 1]. label: (N,) int64. target: target samples, (N, C, H, W).
    """

    x: Tensor
    label: Tensor
    target: Tensor


class SemiSupervisedBatch(NamedTuple):
    """Semi-supervised batch: a few labelled samples, which recur often, and unlabelled samples.

    x: labelled, (N, C, H, W), float in [-1, 1]. label: (N,) int64. unlabelled: (M, C, H, W). second: another,
    independent draw of unlabelled samples, (M, C, H, W).
    """

    x: Tensor
    label: Tensor
    unlabelled: Tensor
    second: Tensor


class UtteranceBatch(NamedTuple):
    """Batch of utterances, each with another one of the same speaker and one of a different speaker.

    x: (N, mels, frames) log-mel segments, float in [-1, 1]. label: (N,) int64, the spoken content, or None if unknown.
    speaker: (N,) int64. partner: (N, mels, frames), other segments of the same speakers, never x itself. other:
    (N, mels, frames), segments of different speakers.
    """

    x: Tensor
    label: Tensor | None
    speaker: Tensor
    partner: Tensor
    other: Tensor


class RetrievalBatch(NamedTuple):
    """Batch of queries with the relevance of M documents to each.

    query: input of the scoring network: (N,) int64 query numbers, or (N, M, d), the features of each query-document
        pair.
    relevant: (N, M) bool, the positives known to this split; p_true is uniform over them.
    candidate: (N, M) bool, the documents that may be drawn or ranked; all relevant ones are among them.
    number: (N,) int64, the row's own number: the query's, or with `positive` that of the query and these positives.
    positive: (N, P) int64, the positives that the row covers, padded with -1; None: all of `relevant`.
    """

    query: Tensor
    relevant: Tensor
    candidate: Tensor
    number: Tensor
    positive: Tensor | None = None


def split_batch(batch: Any, parts: int) -> list[Any]:
    """Split a typed batch (a NamedTuple of tensors or None) into `parts` equal micro-batches, in order.

    Raises:
        UserError: the number of samples is not divisible by `parts`.
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
