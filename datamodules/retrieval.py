"""Retrieval data (queries and documents): base class, and retrieval among digits."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from datamodules import checks
from datamodules.base import DataModule, SplitName
from datamodules.order import Order
from lightning_gans.core.batches import RetrievalBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.settings import Count, NonNegative

DIGITS = 1797
NONE = -1  # padding of rows of document numbers


class Judged:
    """Queries with their relevant documents, and hidden documents that are not candidates.

    Args:
        query: (Q,) int64 or (Q, M, d) float: the network's input.
        relevant, hidden: (Q, any) int64 document numbers, padded with -1; a hidden document is not relevant.
        documents: number of documents M.
        numbers: (Q,) int64 numbers of the queries.
        positive: (Q, P) int64, a subset of the relevant documents, padded with -1; None: all of them.
    """

    labels = None

    def __init__(
        self,
        query: Tensor,
        relevant: Tensor,
        hidden: Tensor,
        *,
        documents: int,
        numbers: Tensor,
        positive: Tensor | None = None,
    ) -> None:
        self.query, self.relevant, self.hidden, self.numbers = query, relevant, hidden, numbers
        self.documents, self.positive = documents, positive

    def __len__(self) -> int:
        return len(self.query)

    def on(self, device: torch.device) -> "Judged":
        tensors = (x.to(device) for x in (self.query, self.relevant, self.hidden))
        positive = None if self.positive is None else self.positive.to(device)
        return Judged(*tensors, documents=self.documents, numbers=self.numbers.to(device), positive=positive)

    def described(self, features: Tensor) -> "Judged":
        """Return the same queries with the features (all queries, M, d) of their documents instead of numbers."""
        x = features[self.numbers]
        return Judged(x, self.relevant, self.hidden, documents=self.documents, numbers=self.numbers)

    def take(self, rows: Tensor) -> "Judged":
        tensors = (x[rows] for x in (self.query, self.relevant, self.hidden))
        return Judged(*tensors, documents=self.documents, numbers=self.numbers[rows])

    def by_positives(self, size: int) -> "Judged":
        """Split the relevant documents of each query into rows of at most `size` documents.

        A query's documents are shuffled with a fixed seed before the split; rows get new numbers.
        """
        rows: list[Tensor] = []
        place: list[int] = []
        for i, documents in enumerate(self.relevant):
            known = documents[documents >= 0]
            order = torch.randperm(len(known), generator=stream("positives", int(self.numbers[i])))
            cut = known[order].split(size)
            rows += cut
            place += [i] * len(cut)
        at = torch.tensor(place)
        tensors = (x[at] for x in (self.query, self.relevant, self.hidden))
        numbers = torch.arange(len(at))
        return Judged(*tensors, documents=self.documents, numbers=numbers, positive=filled(rows))

    def batch(self, rows: Tensor) -> RetrievalBatch:
        """Return the queries at `rows`."""
        relevant, hidden = (dense(each[rows], self.documents) for each in (self.relevant, self.hidden))
        positive = None if self.positive is None else self.positive[rows]
        return RetrievalBatch(self.query[rows], relevant, ~hidden, self.numbers[rows], positive)

    def at_most(self, n: int) -> "Judged":
        """Return a fixed random subset of n queries, in order; all queries if there are no more."""
        if n >= len(self):
            return self
        return self.take(torch.randperm(len(self), generator=stream("split"))[:n].sort().values)

    def batches(self, size: int) -> Iterator[RetrievalBatch]:
        """Yield all queries on the CPU, `size` at a time."""
        return map(self.batch, torch.arange(len(self)).split(size))


def dense(numbers: Tensor, documents: int) -> Tensor:
    """Convert document numbers (N, any), padded with -1, to a mask (N, documents) bool."""
    table = torch.zeros(len(numbers), documents + 1, dtype=torch.bool, device=numbers.device)
    return table.scatter_(1, torch.where(numbers < 0, documents, numbers), True)[:, :documents]


def filled(rows: Sequence[Sequence[int] | Tensor]) -> Tensor:
    """Pad rows of document numbers of any length to (N, longest) int64."""
    return pad_sequence([torch.as_tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=NONE)


class Retrieval(DataModule):
    """Retrieval data: batches of queries. The `read` of subclasses returns `Judged` splits.

    Attributes:
        popularity: (M,) number of training queries for which each document is relevant; None without shared documents.
    """

    batch: ClassVar[type] = RetrievalBatch
    described: ClassVar[bool] = False

    @property
    def popularity(self) -> Tensor | None:
        train: Any = self.sources["train"]
        return dense(train.relevant, train.documents).sum(0).float()

    def split(self, name: SplitName) -> Any:
        return self.sources[checks.one_of("split", name, ("train", "validation", "test"))]

    def _batches(
        self, start: int, stop: int, seed: int, rank: int, world: int, device: torch.device, stream: str
    ) -> Iterator[Any]:
        if (stream, device) not in self._resident:
            self._resident[stream, device] = self.sources[stream].on(device)
        source: Any = self._resident[stream, device]
        order = Order(len(source), batch=self.batch_size, seed=seed, rank=rank, world=world, device=device)
        return (source.batch(order.indices(iteration)) for iteration in range(start, stop))


def numbered_splits(
    positives: Mapping[str, Mapping[int, Sequence[int]]], *, documents: int, never: Sequence[int]
) -> dict[str, Judged]:
    """Create splits of numbered queries; candidates are all documents except positives of earlier splits.

    The training split excludes queries for which all documents are relevant, because they have no negative.

    Args:
        positives: for each of "train", "validation" and "test": query -> its relevant documents. They are disjoint.
        never: documents that are no query's candidates.
    """
    splits: dict[str, Judged] = {}
    told: dict[int, list[int]] = {}
    for name, found in positives.items():
        asked = sorted(query for query, relevant in found.items() if len(relevant))
        if not asked:
            raise UserError(f"No query has a relevant document in the {name} part of these data.")
        if name == "train":
            asked = [query for query in asked if len({*never, *found[query]}) < documents]
            if not asked:
                raise UserError(
                    "No training query has a negative: all documents are relevant to each of them. Give data with "
                    "documents that are not relevant to every query."
                )
        kept = [[*never, *told.get(query, ())] for query in asked]
        numbers = torch.tensor(asked)
        relevant = filled([sorted(found[q]) for q in asked])
        splits[name] = Judged(numbers, relevant, filled(kept), documents=documents, numbers=numbers)
        for query in asked:
            told[query] = [*told.get(query, ()), *found[query]]
    return splits


class DigitsRetrieval(Retrieval):
    """Digit retrieval: noisy digits query digits of their class, by features of pixel differences.

    `queries` and `documents` are disjoint fixed draws from scikit-learn's 1,797 digits, each with its own fixed noise.
    A few documents of a query's class are known in training; the others of its class are held out, half for validation
    and half for the test. In training they are unjudged candidates.

    Args:
        batch_size: queries in a global batch, of all processes together.
        positives: relevant documents of each query in training.
        queries: number of digits that serve as queries.
        documents: number of digits that serve as documents.
        noise: standard deviation of noise on the pixels, white being 1 and black 0.
        features: numbers of a pair: 64, the absolute differences of all pixels, or 16, of means of 2 x 2 pixels.
    """

    described: ClassVar[bool] = True

    def __init__(
        self,
        *,
        batch_size: Count = 8,
        positives: Count = 5,
        queries: Count = 100,
        documents: Count = 600,
        noise: NonNegative = 0.4,
        features: Literal[16, 64] = 64,
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.positives = checks.whole("positives", positives, least=1)
        self.queries = checks.whole("queries", queries, least=1)
        self.documents = checks.whole("documents", documents, least=2)
        self.noise = checks.number("noise", noise, least=0)
        self.features: int = checks.one_of("features", features, (64, 16))
        if queries + documents > DIGITS:
            raise UserError(
                f"data.queries={queries} and data.documents={documents} are {queries + documents:,} digits, and there "
                f"are 1,797. Say data.documents={max(2, DIGITS - queries)} or fewer."
            )
        self.sample_shape = (features,)

    @property
    def fingerprint(self) -> str:
        text = f"{self.positives} {self.queries} {self.documents} {self.noise} {self.features}"
        return hashlib.sha256(f"digits_retrieval/1 {text}".encode()).hexdigest()

    @cached_property
    def _order(self) -> Tensor:
        return torch.randperm(DIGITS, generator=stream("digits_retrieval", "order"))[: self.queries + self.documents]

    @cached_property
    def _images(self) -> Tensor:
        clean = torch.from_numpy(load_digits().images).float()[:, None] / 16
        drawn: Tensor = torch.randn(clean.shape, generator=stream("digits_retrieval", "noise"))
        return (clean + self.noise * drawn)[self._order]

    @property
    def query_images(self) -> Tensor:
        """Return the queries as images (queries, 1, 8, 8), in [-1, 1] except for the noise."""
        return self._images[: self.queries] * 2 - 1

    @property
    def document_images(self) -> Tensor:
        """Return the documents as images (documents, 1, 8, 8)."""
        return self._images[self.queries :] * 2 - 1

    def read(self) -> dict[str, Judged]:  # type: ignore[override]
        label = torch.from_numpy(load_digits().target)[self._order]
        positives: dict[str, dict[int, list[int]]] = {"train": {}, "validation": {}, "test": {}}
        for query in range(self.queries):
            same = (label[self.queries :] == label[query]).nonzero().squeeze(1)
            mixed = same[torch.randperm(len(same), generator=stream("digits_retrieval", query))].tolist()
            n, half = self.positives, (self.positives + len(mixed)) // 2
            for name, part in zip(positives, (mixed[:n], mixed[n:half], mixed[half:]), strict=True):
                positives[name][query] = part
        x = self._images if self.features == 64 else torch.nn.functional.avg_pool2d(self._images, 2)
        queries, documents = x.flatten(1).split([self.queries, self.documents])
        pairs = (queries[:, None] - documents).abs()
        splits = numbered_splits(positives, documents=self.documents, never=())
        return {name: split.described(pairs) for name, split in splits.items()}
