"""Extractor: the protocol of feature extractors, and forward passes that do not depend on the batch."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

CHUNK = 64  # samples per forward pass

Progress = Callable[[float], None]  # called with the share done, 0 to 1


class Features(NamedTuple):
    """Features of samples. features: (N, d) float32. probabilities: (N, K) float32, or None without a classifier."""

    features: Tensor
    probabilities: Tensor | None


class Extractor(Protocol):
    """Feature extractor: samples -> features, equal to about 1e-6 for any batch that a sample is in; see `extract`.

    An extractor is no nn.Module, so as an attribute of a module it is in no checkpoint, parameter count or compilation.
    Its network is always in eval mode and in float32.

    Attributes:
        name: name in reports, "classifier(digits)".
        fingerprint: digest of everything that its features depend on; names cached statistics.
        feature_dim: d.
        classes: K, or None if it does not classify.
        suffix: suffix in the names of its feature-based metrics: "" for Inception's, as in papers, "_NAME" for any
            other.
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
        """Extract from images (N, C, H, W), float in [-1, 1], or points (N, d), N > 0; results are on its device."""
        ...


def extract(extractor: Extractor, batches: Iterable[Tensor], total: int | None = None) -> Features:
    """Extract features of all samples of a stream of batches (n, ...) of any sizes, computed in chunks of 64.

    The chunks, and so the features to the last bit, do not depend on the sizes of the batches.

    Args:
        batches: samples; empty batches are skipped.
        total: largest number of samples to read.

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
    """Yield the samples of batches (n, ...) in chunks of 64, the last one with the rest; at most `total` samples."""
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
    """Run `forward` over x (N, ...), N > 0, in chunks of 64 on `device`, the last one with the rest.

    Kernels choose their order of summation by the shape of the input, so a sample's results in chunks of other sizes
    agree only to about 1e-6. `extract` makes the same chunks, and so the same bits, for batches of any size. Neither
    autocast nor the run's trainer.precision affects `forward`.
    """
    parts: list[tuple[Tensor, ...]] = []
    with torch.autocast(device.type, enabled=False), _exact():
        for rows in x.detach().split(CHUNK):
            parts.append(tuple(part.float().to(x.device) for part in forward(rows.to(device, torch.float32))))
    return [torch.cat(column) for column in zip(*parts, strict=True)]


@contextmanager
def _exact() -> Iterator[None]:
    """Context: float32 sums in float32 (no TF32, no bfloat16), no kernels chosen by benchmark; restored afterwards."""
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
