"""Small labelled images that need no data module: scikit-learn's digits at their own 8 x 8 pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from lightning_gans.core.batches import SampleBatch


@dataclass
class FakeSplit:
    x: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, size: int) -> Iterator[SampleBatch]:
        for start in range(0, len(self.x), size):
            rows = slice(start, start + size)
            yield SampleBatch(self.x[rows], None if self.labels is None else self.labels[rows])


@dataclass
class FakeData:
    """1,437 training and 360 validation digits, in the order of a fixed permutation."""

    name: str = "digits"
    fingerprint: str = "fake-digits"
    sample_shape: tuple[int, ...] = (1, 8, 8)
    classes: tuple[str, ...] | None = tuple("0123456789")
    splits: dict[str, FakeSplit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        digits = load_digits()
        order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
        x = (torch.from_numpy(digits.images).float()[order, None] / 16 * 255).round() / 127.5 - 1
        labels = torch.from_numpy(digits.target).long()[order]
        self.splits = {
            "train": FakeSplit(x[:1437], labels[:1437]),
            "validation": FakeSplit(x[1437:], labels[1437:]),
        }

    def split(self, name: str) -> FakeSplit:
        return self.splits[name]
