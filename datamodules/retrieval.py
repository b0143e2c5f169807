"""Queries and documents: what all retrieval data share, and the digits as their own search engine."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

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

NONE = -1  # fills rows of document numbers up


class Judged:
    """Queries, the documents relevant to each, and those that it must not be given.

    Args:
        query: (Q,) int64 or (Q, M, d) float: what a network scores documents by.
        relevant, hidden: (Q, any) int64 document numbers, filled up with -1; a hidden document is not relevant.
        documents: M.
        numbers: (Q,) int64, of the queries.
    """

    labels = None

    def __init__(self, query: Tensor, relevant: Tensor, hidden: Tensor, *, documents: int, numbers: Tensor) -> None:
        self.query, self.relevant, self.hidden, self.numbers = query, relevant, hidden, numbers
        self.documents = documents

    def __len__(self) -> int:
        return len(self.query)

    def on(self, device: torch.device) -> "Judged":
        tensors = (x.to(device) for x in (self.query, self.relevant, self.hidden))
        return Judged(*tensors, documents=self.documents, numbers=self.numbers.to(device))

    def take(self, rows: Tensor) -> "Judged":
        tensors = (x[rows] for x in (self.query, self.relevant, self.hidden))
        return Judged(*tensors, documents=self.documents, numbers=self.numbers[rows])

    def batch(self, rows: Tensor) -> RetrievalBatch:
        """The queries at `rows`."""
        relevant, hidden = (dense(each[rows], self.documents) for each in (self.relevant, self.hidden))
        return RetrievalBatch(self.query[rows], relevant, ~hidden, self.numbers[rows])

    def at_most(self, n: int) -> "Judged":
        """n of the queries, chosen at random once and for all, in order; all of them where there are no more."""
        if n >= len(self):
            return self
        return self.take(torch.randperm(len(self), generator=stream("split"))[:n].sort().values)

    def batches(self, size: int) -> Iterator[RetrievalBatch]:
        """All queries on the CPU, `size` at a time."""
        return map(self.batch, torch.arange(len(self)).split(size))


def dense(numbers: Tensor, documents: int) -> Tensor:
    """(N, any) document numbers, filled up with -1 -> (N, documents) bool."""
    table = torch.zeros(len(numbers), documents + 1, dtype=torch.bool, device=numbers.device)
    return table.scatter_(1, torch.where(numbers < 0, documents, numbers), True)[:, :documents]


def filled(rows: Sequence[Sequence[int] | Tensor]) -> Tensor:
    """Rows of document numbers of any length -> (N, longest) int64."""
    return pad_sequence([torch.as_tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=NONE)


class Retrieval(DataModule):
    """Batches of queries. A subclass's `read` gives `Judged` splits.

    Attributes:
        popularity: (M,) how many training queries each document is relevant to; None where documents are not shared.
    """

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
    positives: Mapping[str, Mapping[int, Sequence[int]]], *, documents: int, never: Sequence[int] | Mapping[int, Any]
) -> dict[str, Judged]:
    """Splits of queries that are numbers: a query is ranked over all documents but those that earlier splits told of.

    Args:
        positives: of "train", "validation" and "test": query -> its relevant documents. They are disjoint.
        never: documents that no query is given; or by query.
    """
    splits: dict[str, Judged] = {}
    told: dict[int, list[int]] = {}
    for name, found in positives.items():
        asked = sorted(query for query, relevant in found.items() if len(relevant))
        if not asked:
            raise UserError(f"No query has a relevant document in the {name} part of these data.")
        kept = [list(never.get(q, ()) if isinstance(never, Mapping) else never) + told.get(q, []) for q in asked]
        numbers = torch.tensor(asked)
        relevant = filled([sorted(found[q]) for q in asked])
        splits[name] = Judged(numbers, relevant, filled(kept), documents=documents, numbers=numbers)
        for query in asked:
            told[query] = told.get(query, []) + [int(d) for d in found[query]]
    return splits


class DigitsRetrieval(Retrieval):
    """Each of scikit-learn's 1,797 digits asks for those like it: documents are all others, known by number alone.

    Relevant to an image are the `neighbours` images of its own class that are nearest to it in pixels. A few of these
    are training positives, as many are for validation, and the rest is held out for the test. Popular documents are
    hubs, near to many.

    Args:
        batch_size: queries in a global batch.
        positives: of each query in training, and as many in validation.
        neighbours: documents relevant to each query.
        queries, documents: images, the first so many.
    """

    def __init__(
        self,
        *,
        batch_size: int = 64,
        positives: int = 5,
        neighbours: int = 30,
        queries: int = 1797,
        documents: int = 1797,
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.positives = checks.whole("positives", positives, least=1)
        self.neighbours = checks.whole("neighbours", neighbours, least=3)
        if neighbours <= 2 * positives:
            raise UserError(
                f"data.neighbours={neighbours} leaves nothing for the test: data.positives={positives} of them are for "
                f"training and as many for validation. Say data.neighbours={2 * positives + 1} or more."
            )
        self.queries = checks.whole("queries", queries, least=1)
        self.documents = checks.whole("documents", documents, least=2)
        if max(queries, documents) > 1797:
            raise UserError(f"data.queries={queries}, data.documents={documents}: there are 1,797 digits.")
        self.sample_shape = (documents,)

    @property
    def fingerprint(self) -> str:
        text = f"digits_retrieval/1 {self.positives} {self.neighbours} {self.queries} {self.documents}"
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def document_images(self) -> Tensor:
        """(1797, 1, 8, 8), in [-1, 1]; queries and documents are the same images."""
        return torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1

    def read(self) -> dict[str, Judged]:  # type: ignore[override]
        x, label = self.document_images.flatten(1), torch.from_numpy(load_digits().target)
        distance = torch.cdist(x[: self.queries], x[: self.documents])
        same = label[: self.queries, None] == label[None, : self.documents]
        own = torch.arange(self.queries)[:, None] == torch.arange(self.documents)
        nearest = distance.masked_fill(~same | own, torch.inf).sort(dim=1, stable=True)
        positives: dict[str, dict[int, list[int]]] = {"train": {}, "validation": {}, "test": {}}
        for query in range(self.queries):
            there = nearest.indices[query][nearest.values[query].isfinite()][: self.neighbours]
            mixed = there[torch.randperm(len(there), generator=stream("digits_retrieval", query))].tolist()
            n = self.positives
            parts = mixed[:n], mixed[n : 2 * n], mixed[2 * n :]
            for name, part in zip(positives, parts, strict=True):
                positives[name][query] = part
        never = {query: [query] if query < self.documents else [] for query in range(self.queries)}
        return numbered_splits(positives, documents=self.documents, never=never)
