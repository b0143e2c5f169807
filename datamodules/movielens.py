"""MovieLens: users as queries, the films they liked as relevant documents."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from annotated_types import Gt, Lt

from datamodules import checks
from datamodules.retrieval import Judged, Retrieval, numbered_splits
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.settings import Count, NonNegative


class Rating(NamedTuple):
    """rating: stars; None in a plain list, where what is listed is liked."""

    user: int
    item: int
    rating: float | None


class MovieLens(Retrieval):
    """Users, and the items that they rated with `threshold` stars or more.

    Read from `root`, or its folder ml-100k: `<fold>.base` and `<fold>.test`; or else one file that ends in train.txt
    and one that ends in test.txt; or else u.data, a part of which is then held out, user by user. A line is `user item
    [rating [time]]`, separated by blanks or tabs; without a rating the item is liked. Numbers are the files' own.

    A user is ranked over all items that occur in the files but those that were positives before: in training, and for
    the test also in validation, which is drawn from the training file.

    Args:
        batch_size: users in a global batch, of all processes together.
        root: directory of the files.
        fold: one of the set's own splits: u1 ... u5, ua or ub.
        threshold: stars from which on an item is relevant.
        validation_share: share of each user's training positives that is held out for validation.
        test_share: share of each user's positives that is held out for the test, where the files are not split.
        queries: bound of the queries' numbers.
        documents: bound of the documents' numbers.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 16,
        root: str | Path = "data",
        fold: str = "u1",
        threshold: NonNegative = 4.0,
        validation_share: Annotated[float, Gt(0), Lt(1)] = 0.1,
        test_share: Annotated[float, Gt(0), Lt(1)] = 0.2,
        queries: Count = 944,
        documents: Count = 1683,
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.root = checks.folder("root", root)
        self.fold = fold
        self.threshold = checks.number("threshold", threshold, least=0)
        self.shares = {"validation": validation_share, "test": test_share}
        for name, share in self.shares.items():
            if not 0 < checks.number(f"{name}_share", share, above=0) < 1:
                raise UserError(f"data.{name}_share={share} does not fit: it is a number between 0 and 1.")
        self.queries = checks.whole("queries", queries, least=1)
        self.documents = checks.whole("documents", documents, least=2)
        self.sample_shape = (documents,)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """(train, test), or one file of all ratings."""
        folders = [self.root / name for name in ("", "ml-100k", "movielens")]
        for folder in folders:
            pair = folder / f"{self.fold}.base", folder / f"{self.fold}.test"
            if all(path.is_file() for path in pair):
                return pair
            found = [sorted(folder.glob(f"*{name}.txt")) for name in ("train", "test")]
            if all(len(paths) == 1 for paths in found):
                return found[0][0], found[1][0]
            if (folder / "u.data").is_file():
                return (folder / "u.data",)
        raise UserError(
            f"data.root={self.root}: no ratings there. It holds {self.fold}.base and {self.fold}.test, or one file "
            "each that ends in train.txt and test.txt, or u.data, as MovieLens-100K does (files.grouplens.org/datasets/"
            "movielens/ml-100k.zip). Say data_dir=DIR."
        )

    @property
    def fingerprint(self) -> str:
        text = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files)
        settings = f"movielens/1 {self.threshold} {self.shares} {self.queries} {self.documents}"
        return hashlib.sha256(f"{text} {settings}".encode()).hexdigest()

    def read(self) -> dict[str, Judged]:  # type: ignore[override]
        files = [list(self._ratings(path)) for path in self.files]
        liked = [self._liked(ratings) for ratings in files]
        if len(liked) == 2:
            rest, test = liked
            test = {
                user: [item for item in items if item not in set(rest.get(user, ()))] for user, items in test.items()
            }
        else:
            rest, test = self._part(liked[0], "test")
        train, validation = self._part(rest, "validation")
        occurring = {rating.item for rating in chain.from_iterable(files)}
        never = sorted(set(range(self.documents)) - occurring)
        positives = {"train": train, "validation": validation, "test": test}
        return numbered_splits(positives, documents=self.documents, never=never)

    def _liked(self, ratings: Sequence[Rating]) -> dict[int, list[int]]:
        liked: dict[int, dict[int, None]] = {}  # a list may say a thing twice
        for user, item, rating in ratings:
            if rating is None or rating >= self.threshold:
                liked.setdefault(user, {})[item] = None
        return {user: list(items) for user, items in sorted(liked.items())}

    def _part(
        self, positives: Mapping[int, Sequence[int]], name: str
    ) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Each user's positives in two: (the rest, of which there is at least one, the share of `name`)."""
        rest, part = {}, {}
        for user, items in positives.items():
            order = torch.randperm(len(items), generator=stream("movielens", name, user)).tolist()
            count = min(round(len(items) * self.shares[name]), len(items) - 1)
            part[user], rest[user] = [items[i] for i in order[:count]], [items[i] for i in order[count:]]
        return rest, part

    def _ratings(self, path: Path) -> Iterator[Rating]:
        with path.open(encoding="utf-8", errors="replace") as text:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield self._rating(line, f"{path}, line {number}")

    def _rating(self, line: str, where: str) -> Rating:
        parts = line.split()
        try:
            user, item = int(parts[0]), int(parts[1])
            rating = float(parts[2]) if len(parts) > 2 else None
            if len(parts) > 4 or rating != rating:
                raise ValueError
        except (ValueError, IndexError):
            raise UserError(
                f"{where}: {line.strip()[:80]!r} is no rating. A line is `user item`, `user item rating` or `user item "
                "rating time`, numbers separated by blanks or tabs."
            ) from None
        for name, value, most, word in (
            ("queries", user, self.queries, "user"),
            ("documents", item, self.documents, "item"),
        ):
            if not 0 <= value < most:
                raise UserError(
                    f"{where}: {word} {value} is not among the numbers 0 ... {most - 1} that data.{name}={most} makes "
                    f"room for. Say data.{name}={value + 1} or more."
                    if value >= most
                    else f"{where}: {word} {value} is below 0. Numbers of users and items are 0 or more."
                )
        return Rating(user, item, rating)
