"""Extractor: the protocol of feature extractors, and forward passes that do not depend on the batch."""

from collections.abc import Callable, Iterator
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
    """Samples -> features, the same ones whatever batch a sample comes in.

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


@torch.no_grad()
def in_chunks(forward: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor, device: torch.device) -> list[Tensor]:
    """`forward` over x (N, ...), N > 0, in chunks of 64 on `device`, the last one padded with zeros.

    Kernels choose their order of summation by the shape they are given: with one shape, a sample's result is the same
    to the last bit in every batch. Neither autocast nor the run's trainer.precision reaches it.
    """
    parts: list[tuple[Tensor, ...]] = []
    with torch.autocast(device.type, enabled=False), _exact():
        for rows in x.detach().split(CHUNK):
            chunk = rows.to(device, torch.float32)
            if len(chunk) < CHUNK:
                chunk = torch.cat([chunk, chunk.new_zeros(CHUNK - len(chunk), *chunk.shape[1:])])
            parts.append(tuple(part[: len(rows)].float().to(x.device) for part in forward(chunk)))
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
