"""LETOR: queries, each with a list of documents described by features."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from datamodules import checks
from datamodules.base import SPLITS
from datamodules.findings import SHOWN
from datamodules.retrieval import Judged, Retrieval, filled
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count

FILES = {"train": ("train",), "validation": ("vali", "validation", "valid"), "test": ("test",)}
POOL = "Large_norm.txt"
DOCUMENT = re.compile(r"docid\s*=\s*(\S+)")


class Line(NamedTuple):
    """A document of a query.

    label: relevant if 1 or more; -1 in the semi-supervised sets if it was not judged. document: its docid, or "".
    """

    label: int
    query: str
    features: Tensor
    document: str


class Query(NamedTuple):
    """A query's documents (n, features), with indices of relevant documents and of hidden ones."""

    documents: Tensor
    relevant: Sequence[int]
    hidden: Sequence[int] = ()


class Letor(Retrieval):
    """LETOR 4.0 (Qin and Liu 2013, 1306.2597): train.txt, vali.txt and test.txt of a fold, as of MQ2008-semi.

    A line is `label qid:10 1:0.1 2:0.3 ... #docid = GX000-00-0000000`; missing features are 0. Documents with a label
    of 1 or more are relevant; all other documents of the query, judged or not, are further candidates. Queries without
    a relevant document are left out everywhere, and queries with relevant documents only are left out of training,
    because they have no negative. Splits have different queries.

    If Large_norm.txt exists next to the three files, a query is ranked over all of its documents there, with their
    features there, in training and evaluation; the other files only determine the relevant ones. Relevant documents of
    train.txt are no candidates in evaluation. The code of IRGAN (geek-ai/irgan) does the same.

    Args:
        batch_size: queries in a global batch, of all processes together.
        root: directory of the three files, or one that holds it under `fold`.
        fold: name of that directory, one of the set's own splits.
        features: numbers that describe a document.
    """

    described: ClassVar[bool] = True

    def __init__(
        self, *, batch_size: Count = 8, root: str | Path = "data", fold: str = "Fold1", features: Count = 46
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.root = checks.folder("root", root)
        self.fold = fold
        self.features = checks.whole("features", features, least=1)
        self.sample_shape = (features,)
        self.left_out = Counter[str]()  # number of queries, by reason

    popularity = None  # documents are not shared between queries

    @cached_property
    def files(self) -> dict[str, Path]:
        """Return the file of each split."""
        for folder in (self.root, *(self.root / name / self.fold for name in ("", "MQ2008-semi", "MQ2008", "letor"))):
            named = {
                split: [path for name in names if (path := folder / f"{name}.txt").is_file()]
                for split, names in FILES.items()
            }
            if all(named.values()):
                return {split: paths[0] for split, paths in named.items()}
        raise UserError(
            f"data.root={self.root}: no train.txt, vali.txt and test.txt there, nor in its folder {self.fold}, which "
            "is how a fold of LETOR's MQ2008 comes. Say data_dir=DIR, and data.fold=Fold2 for another one."
        )

    @cached_property
    def pool(self) -> Path | None:
        """Return the file with all documents of all queries, if the fold has one."""
        path = self.files["train"].with_name(POOL)
        return path if path.is_file() else None

    @property
    def fingerprint(self) -> str:
        paths = [*self.files.values(), *([self.pool] if self.pool else [])]
        text = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
        return hashlib.sha256(f"letor/2 {self.features} {text}".encode()).hexdigest()

    def read(self) -> dict[str, Judged]:  # type: ignore[override]
        self.left_out.clear()
        lists = {split: self._lists(path) for split, path in self.files.items()}
        if self.pool:
            queries = self._pooled(self.pool, lists)
        else:
            queries = {split: [_own(lines) for lines in found.values()] for split, found in lists.items()}
        return {split: self._split(split, found) for split, found in queries.items()}

    def notes(self) -> list[str]:
        asked = ", ".join(f"{len(self.split(split)):,} {SHOWN[split]}" for split in SPLITS)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items())
        pool = f"; documents of {POOL}" if self.pool else ""
        return [f"{asked} queries{reasons and f'; left out: {reasons}'}{pool}"]

    def _split(self, split: str, queries: Sequence[Query]) -> Judged:
        kept = [query for query in queries if query.relevant]
        self._leave_out(len(queries) - len(kept), "without a relevant document")
        if not kept:
            raise UserError(
                f"{self.files[split]}: none of its {len(queries)} queries has a document with a label of 1 or more."
            )
        if split == "train":
            judged, kept = kept, [query for query in kept if len(query.relevant) < len(query.documents)]
            self._leave_out(len(judged) - len(kept), "in training with relevant documents alone")
            if not kept:
                raise UserError(
                    f"{self.files[split]}: no query has a document that is not relevant beside its relevant ones. Add "
                    "documents with a label of 0, or of -1 where nobody judged them."
                )
        longest = max(len(query.documents) for query in kept)
        features = torch.zeros(len(kept), longest, self.features)
        for row, query in zip(features, kept, strict=True):
            row[: len(query.documents)] = query.documents
        relevant = filled([query.relevant for query in kept])
        hidden = filled([[*query.hidden, *range(len(query.documents), longest)] for query in kept])
        return Judged(features, relevant, hidden, documents=longest, numbers=torch.arange(len(kept)))

    def _leave_out(self, count: int, reason: str) -> None:
        if count:
            self.left_out[reason] += count

    def _lists(self, path: Path) -> dict[str, list[Line]]:
        lists: dict[str, list[Line]] = {}
        for line in self._lines(path):
            lists.setdefault(line.query, []).append(line)
        return lists

    def _pooled(self, path: Path, lists: Mapping[str, Mapping[str, Sequence[Line]]]) -> dict[str, list[Query]]:
        """Return each split's queries with their documents from the pool, judged by the split's own file."""
        relevant = {
            split: {query: {line.document for line in lines if line.label > 0} for query, lines in found.items()}
            for split, found in lists.items()
        }
        asked = {query for found in relevant.values() for query, documents in found.items() if documents}
        pool: dict[str, dict[str, Tensor]] = {query: {} for query in asked}
        for line in self._lines(path, of=asked):
            pool[line.query][line.document] = line.features
        for split, found in relevant.items():
            for query, documents in found.items():
                if lost := sorted(documents - pool.get(query, {}).keys()):
                    raise UserError(
                        f"{self.files[split]}: the relevant document {lost[0]} of query {query} is not in {path}, "
                        f"which holds all documents of a query. Take the {POOL} of the same set; or move it out of "
                        "that folder, and each query is ranked over the documents of its own list."
                    )
        train = relevant["train"]
        return {
            split: [
                _judged(pool.get(query, {}), documents, known=train.get(query, set()) if split != "train" else set())
                for query, documents in found.items()
            ]
            for split, found in relevant.items()
        }

    def _lines(self, path: Path, *, of: Set[str] | None = None) -> Iterator[Line]:
        """Yield all lines of a file, or those of the given queries."""
        with path.open(encoding="utf-8", errors="replace") as text:
            for number, line in enumerate(text, 1):
                words = line.partition("#")[0].split(maxsplit=2)
                known = len(words) > 1 and words[1].startswith("qid:")  # other lines are refused below
                if words and (of is None or not known or words[1].removeprefix("qid:") in of):
                    yield self._line(line, f"{path}, line {number}")

    def _line(self, text: str, where: str) -> Line:
        features = [0.0] * self.features
        described, _, comment = text.partition("#")
        try:
            label, query, *pairs = described.split()
            key, _, name = query.partition(":")
            if key != "qid" or not name:
                raise ValueError
            for pair in pairs:
                index, _, value = pair.partition(":")
                if int(index) < 1 or not math.isfinite(float(value)):
                    raise ValueError
                if int(index) > self.features:
                    raise UserError(
                        f"{where}: feature {index} is beyond data.features={self.features}. Say data.features={index} "
                        "or more."
                    )
                features[int(index) - 1] = float(value)
            judged = int(label)
        except ValueError:
            raise UserError(
                f"{where}: {text.strip()[:80]!r} is no judged document. A line is `label qid:10 1:0.1 2:0.3 ... "
                "#docid`: a whole label, the query, and finite features numbered from 1."
            ) from None
        named = DOCUMENT.search(comment)
        if self.pool and not named:
            raise UserError(
                f"{where}: {text.strip()[-80:]!r} does not name its document. Where {POOL} is read, all lines end in "
                f"`#docid = GX000-00-0000000`; move {self.pool} out of that folder to do without."
            )
        return Line(judged, name, torch.tensor(features), named[1] if named else "")


def _own(lines: Sequence[Line]) -> Query:
    """Return a query with the documents of its list."""
    return Query(torch.stack([line.features for line in lines]), [i for i, line in enumerate(lines) if line.label > 0])


def _judged(pool: Mapping[str, Tensor], relevant: Set[str], *, known: Set[str]) -> Query:
    """Return a query with its documents from the pool; documents known to be relevant before are hidden."""
    if not relevant:
        return Query(torch.empty(0, 0), ())
    found = {document: i for i, document in enumerate(pool)}
    return Query(
        torch.stack(list(pool.values())),
        [found[document] for document in sorted(relevant - known)],
        [found[document] for document in sorted(known)],
    )
