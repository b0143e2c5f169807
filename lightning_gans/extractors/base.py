"""Extractor: the protocol of feature extractors, and forward passes that do not depend on the batch."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

CHUNK = 64  # samples in every forward pass

Progress = Callable[[float], None]  # called with the share done, 0 to 1


class Features(NamedTuple):
    """features: (N, d) float32. probabilities: (N, K) float32, or None where the extractor does not classify."""

    features: Tensor
    probabilities: Tensor | None


class Extractor(Protocol):
    """Samples -> features, the same ones to about 1e-6 whatever batch a sample comes in; see `extract`.

    An extractor is no nn.Module: held as an attribute of one it is in no checkpoint, no parameter count and no
    compilation. Its network is always in evaluation mode and in float32.

    Attributes:
        name: what a report calls it, "classifier(digits)".
        fingerprint: of everything that its features depend on; names cached statistics.
        feature_dim: d.
        classes: K, or None where it does not classify.
        suffix: what ends the names of metrics of its features: "" for Inception's, which papers report, "_NAME" for any
            other's.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def feature_dim(self) -> int: ...

    @property
    def classes(self) -> int | None: ...

    @property
    def suffix(self) -> str: ...

    def __call__(self, x: Tensor) -> Features:
        """x: images (N, C, H, W), float in [-1, 1], or points (N, d), N > 0. Results are on the device of x."""
        ...


def extract(extractor: Extractor, batches: Iterable[Tensor], total: int | None = None) -> Features:
    """Features of all samples of a stream of batches (n, ...) of any sizes, computed in chunks of 64.

    The chunks, and so the features to the last bit, do not depend on the sizes of the batches.

    Args:
        batches: samples; empty ones are passed over.
        total: read no more samples than this.

    Returns:
        features on the device of the samples.

    Raises:
        ValueError: no samples.
    """
    parts = [extractor(chunk) for chunk in chunks(batches, total)]
    if not parts:
        raise ValueError("Features need samples, and there are none.")
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Features(
        torch.cat([part.features for part in parts]),
        torch.cat(probabilities) if len(probabilities) == len(parts) else None,
    )


def chunks(batches: Iterable[Tensor], total: int | None = None) -> Iterator[Tensor]:
    """The samples of batches (n, ...) in chunks of 64, the last one with the rest; no more than `total` samples."""
    waiting: list[Tensor] = []
    count, left = 0, total
    for batch in batches:
        rows = batch if left is None else batch[:left]
        if left is not None:
            left -= len(rows)
        waiting.append(rows)
        count += len(rows)
        if count >= CHUNK:
            *whole, rest = torch.cat(waiting).split(CHUNK)
            if len(rest) == CHUNK:
                whole, rest = [*whole, rest], rest[:0]
            yield from whole
            waiting, count = [rest], len(rest)
        if left == 0:
            break
    if count:
        yield torch.cat(waiting)


@torch.no_grad()
def in_chunks(forward: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor, device: torch.device) -> list[Tensor]:
    """`forward` over x (N, ...), N > 0, in chunks of 64 on `device`, the last one with the rest.

    Kernels choose their order of summation by the shape they are given: a sample's results in chunks of other sizes
    agree to about 1e-6. `extract` gives the same chunks, and so the same bits, for batches of any size. Neither
    autocast nor the run's trainer.precision reaches `forward`.
    """
    parts: list[tuple[Tensor, ...]] = []
    with torch.autocast(device.type, enabled=False), _exact():
        for rows in x.detach().split(CHUNK):
            parts.append(tuple(part.float().to(x.device) for part in forward(rows.to(device, torch.float32))))
    return [torch.cat(column) for column in zip(*parts, strict=True)]


@contextmanager
def _exact() -> Iterator[None]:
    """Float32 sums in float32 (no TF32, no bfloat16) and no kernels chosen by the clock; restored afterwards."""
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    products: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, mkldnn.matmul, mkldnn.conv)
    precisions = [product.fp32_precision for product in products]
    choices = cudnn.benchmark, cudnn.deterministic
    try:
        for product in products:
            product.fp32_precision = "ieee"
        cudnn.benchmark, cudnn.deterministic = False, True
        yield
    finally:
        for product, precision in zip(products, precisions, strict=True):
            product.fp32_precision = precision
        cudnn.benchmark, cudnn.deterministic = choices
