"""LETOR: queries that come with a list of documents, each described by numbers."""

import hashlib
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch

from datamodules import checks
from datamodules.base import SPLITS
from datamodules.findings import SHOWN
from datamodules.retrieval import Judged, Retrieval, filled
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count

FILES = {"train": ("train",), "validation": ("vali", "validation", "valid"), "test": ("test",)}


class Line(NamedTuple):
    """label: 1 or more is relevant; -1 in the semi-supervised sets, where nobody judged it."""

    label: int
    query: str
    features: list[float]


class Letor(Retrieval):
    """LETOR 4.0 (Qin and Liu 2013, 1306.2597): train.txt, vali.txt and test.txt of a fold, as of MQ2008-semi.

    A line is `label qid:10 1:0.1 2:0.3 ... #docid = GX000-00-0000000`; features that it leaves out are 0. Relevant is a
    label of 1 or more; all other documents of the query, judged or not, are candidates beside them. Queries without
    a relevant document are left out, in training as in evaluation. Splits are of different queries.

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
        self.left_out = 0  # queries without a relevant document

    popularity = None  # each query has documents of its own

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of each split."""
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

    @property
    def fingerprint(self) -> str:
        text = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files.values())
        return hashlib.sha256(f"letor/1 {self.features} {text}".encode()).hexdigest()

    def read(self) -> dict[str, Judged]:  # type: ignore[override]
        return {split: self._split(path) for split, path in self.files.items()}

    def notes(self) -> list[str]:
        asked = ", ".join(f"{len(self.split(split)):,} {SHOWN[split]}" for split in SPLITS)
        without = f"; {self.left_out:,} without a relevant document are left out" if self.left_out else ""
        return [f"{asked} queries{without}"]

    def _split(self, path: Path) -> Judged:
        lists: dict[str, list[Line]] = {}
        for line in self._lines(path):
            lists.setdefault(line.query, []).append(line)
        kept = [lines for lines in lists.values() if any(line.label > 0 for line in lines)]
        if not kept:
            raise UserError(f"{path}: none of its {len(lists)} queries has a document with a label of 1 or more.")
        self.left_out += len(lists) - len(kept)
        longest = max(map(len, kept))
        features = torch.zeros(len(kept), longest, self.features)
        for row, lines in zip(features, kept, strict=True):
            row[: len(lines)] = torch.tensor([line.features for line in lines])
        relevant = filled([[i for i, line in enumerate(lines) if line.label > 0] for lines in kept])
        hidden = filled([range(len(lines), longest) for lines in kept])
        return Judged(features, relevant, hidden, documents=longest, numbers=torch.arange(len(kept)))

    def _lines(self, path: Path) -> Iterator[Line]:
        with path.open(encoding="utf-8", errors="replace") as text:
            for number, line in enumerate(text, 1):
                if line.partition("#")[0].strip():
                    yield self._line(line, f"{path}, line {number}")

    def _line(self, text: str, where: str) -> Line:
        features = [0.0] * self.features
        try:
            label, query, *pairs = text.partition("#")[0].split()
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
            return Line(int(label), name, features)
        except ValueError:
            raise UserError(
                f"{where}: {text.strip()[:80]!r} is no judged document. A line is `label qid:10 1:0.1 2:0.3 ... "
                "#docid`: a whole label, the query, and finite features numbered from 1."
            ) from None
