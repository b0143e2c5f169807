"""MovieLens: users are queries, and films they liked are relevant documents."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from datamodules import checks
from datamodules.base import SPLITS
from datamodules.findings import SHOWN
from datamodules.retrieval import Judged, Retrieval, dense, numbered_splits
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.settings import Count, NonNegative

# Subfolders of `root` that are searched after it.
FOLDERS = (
    "",
    "ml-100k",
    "ml-1m",
    "ml-10m",
    "ml-10M100K",
    "ml-20m",
    "ml-25m",
    "ml-32m",
    "ml-latest-small",
    "ml-latest",
    "movielens",
)
COMPARED = 5000  # most documents for which pairwise similarities are computed
WHOLE = ("u.data", "ratings.dat", "ratings.csv")  # files of all ratings
SEPARATORS = {".dat": "::", ".csv": ","}  # by suffix; otherwise blanks


class Rating(NamedTuple):
    """A rating of an item by a user. rating: stars; None in a list without ratings, whose items are all liked."""

    user: int
    item: int
    rating: float | None


class MovieLens(Retrieval):
    """Users, and the items that they rated with `threshold` stars or more.

    Read from `root`, or from a subfolder with the name of a release (ml-100k, ml-1m, ml-latest-small, ...). The first
    format found in a folder is read:

    - MovieLens-100K's `<fold>.base` and `<fold>.test`
    - a file that ends in train.txt and one that ends in test.txt
    - MovieLens-100K's u.data
    - ratings.dat of MovieLens-1M and -10M: `user::item::rating::time`
    - ratings.csv of MovieLens-20M, -25M, -32M and the latest ones: `userId,movieId,rating,timestamp` below a header

    Lines of the other files are `user item [rating [time]]`, separated by blanks or tabs; an item without a rating is
    liked. If there is a single file, a part of each user's items is held out. Numbers of users and items are the files'
    own; those of ratings.csv, which skip most numbers, are renumbered from 0 in order.

    A user's candidates are all items in the files except earlier positives: those of training and, for the test, also
    those of validation, which is drawn from the training file.

    Args:
        batch_size: users in a global batch, of all processes together.
        root: directory of the files, or the one that holds it.
        fold: one of the set's own splits: u1 ... u5, ua or ub.
        threshold: least number of stars of a relevant item.
        validation_share: share of each user's training positives that is held out for validation.
        test_share: share of each user's positives that is held out for the test, where the files are not split.
        queries: bound of the queries' features.
        documents: bound of the documents' features.
        per_row: number of positives in a row of the training stream "positives" (variant.stream=positives), whose
            epoch has each positive once.
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
        per_row: Count = 8,
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
        self.per_row = checks.whole("per_row", per_row, least=1)
        self.sample_shape = (documents,)

    @property
    def seen(self) -> Tensor | None:
        """Return the training positives (queries, documents) bool; None if there are too many documents to compare."""
        if self.documents > COMPARED:
            return None
        train: Any = self.sources["train"]  # Judged
        table = torch.zeros(self.queries, self.documents, dtype=torch.bool)
        table[train.numbers] = dense(train.relevant, self.documents)
        return table

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Return the files (train, test), or a single file with all ratings."""
        for folder in (self.root / name for name in FOLDERS):
            pair = folder / f"{self.fold}.base", folder / f"{self.fold}.test"
            if all(path.is_file() for path in pair):
                return pair
            found = [sorted(folder.glob(f"*{name}.txt")) for name in ("train", "test")]
            if all(len(paths) == 1 for paths in found):
                return found[0][0], found[1][0]
            for name in WHOLE:
                if (folder / name).is_file():
                    return (folder / name,)
        raise UserError(
            f"data.root={self.root}: no ratings there, nor in a folder of it named as a release ("
            f"{', '.join(FOLDERS[1:])}). It holds {self.fold}.base and {self.fold}.test, or one file each that ends in "
            "train.txt and test.txt, or u.data, as MovieLens-100K does (files.grouplens.org/datasets/movielens/"
            "ml-100k.zip); or ratings.dat (1M, 10M); or ratings.csv (20M and later). Say data_dir=DIR."
        )

    @property
    def fingerprint(self) -> str:
        text = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files)
        settings = f"movielens/1 {self.threshold} {self.shares} {self.queries} {self.documents}"
        return hashlib.sha256(f"{text} {settings}".encode()).hexdigest()

    def read(self) -> dict[str, Judged]:  # type: ignore[override]
        files = [self._ratings(path) for path in self.files]
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
        splits = numbered_splits(positives, documents=self.documents, never=never)
        return splits | {"positives": splits["train"].by_positives(self.per_row)}

    def _liked(self, ratings: Sequence[Rating]) -> dict[int, list[int]]:
        liked: dict[int, dict[int, None]] = {}  # a list may contain duplicates
        for user, item, rating in ratings:
            if rating is None or rating >= self.threshold:
                liked.setdefault(user, {})[item] = None
        return {user: list(items) for user, items in sorted(liked.items())}

    def _part(
        self, positives: Mapping[int, Sequence[int]], name: str
    ) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Split each user's positives into (the rest, with at least one item; the share held out for `name`)."""
        rest, part = {}, {}
        for user, items in positives.items():
            order = torch.randperm(len(items), generator=stream("movielens", name, user)).tolist()
            count = min(round(len(items) * self.shares[name]), len(items) - 1)
            part[user], rest[user] = [items[i] for i in order[:count]], [items[i] for i in order[count:]]
        return rest, part

    def _ratings(self, path: Path) -> list[Rating]:
        with path.open(encoding="utf-8", errors="replace") as text:
            lines = enumerate(text, 1)
            header = next(lines, (1, ""))[1] if path.suffix == ".csv" else ""
            if path.suffix == ".csv" and not header.lower().lstrip("\ufeff").startswith("userid,movieid,rating"):
                raise UserError(
                    f"{path}, line 1: {header.strip()[:80]!r} is not MovieLens' header. It is "
                    "userId,movieId,rating,timestamp."
                )
            ratings = [_rating(line, path, number) for number, line in lines if line.strip()]
        if path.suffix == ".csv":
            ratings = _renumbered(ratings)
        self._check_numbers(ratings, path)
        return ratings

    def _check_numbers(self, ratings: Sequence[Rating], path: Path) -> None:
        """Refuse numbers beyond the bounds in the settings; the message gives sufficient bounds."""
        bounds = {"queries": self.queries, "documents": self.documents}
        found = {
            "queries": max((rating.user for rating in ratings), default=0) + 1,
            "documents": max((rating.item for rating in ratings), default=0) + 1,
        }
        if beyond := [name for name, least in found.items() if least > bounds[name]]:
            words = {"queries": "users", "documents": "items"}
            told = " and ".join(f"{words[name]} up to {found[name] - 1}" for name in beyond)
            room = " and ".join(f"data.{name}={bounds[name]}" for name in beyond)
            say = " ".join(f"data.{name}={found[name]}" for name in beyond)
            raise UserError(f"{path} has {told}, and {room} makes room for smaller numbers alone. Say {say} or more.")

    def notes(self) -> list[str]:
        liked = self.popularity
        assert liked is not None
        asked = ", ".join(f"{len(self.split(split)):,} {SHOWN[split]}" for split in SPLITS)
        read = " and ".join(path.name for path in self.files)
        return [f"{read}: {asked} users, {int(liked.count_nonzero()):,} items that are liked in training"]


def _rating(line: str, path: Path, number: int) -> Rating:
    """Parse a line of a file."""
    separator = SEPARATORS.get(path.suffix)
    parts = line.strip().split(separator)
    where = f"{path}, line {number}"
    try:
        user, item = int(parts[0]), int(parts[1])
        rating = float(parts[2]) if len(parts) > 2 else None
        if len(parts) > 4 or rating != rating:
            raise ValueError
    except (ValueError, IndexError):
        form = separator.join(("user", "item", "rating", "time")) if separator else "user item rating time"
        raise UserError(
            f"{where}: {line.strip()[:80]!r} is no rating. A line is `{form}`, numbers separated by "
            f"{separator or 'blanks or tabs'}; the time may be left out, and the rating with it."
        ) from None
    for word, value in (("user", user), ("item", item)):
        if value < 0:
            raise UserError(f"{where}: {word} {value} is below 0. Numbers of users and items are 0 or more.")
    return Rating(user, item, rating)


def _renumbered(ratings: Sequence[Rating]) -> list[Rating]:
    """Renumber users and items from 0, in the order of their numbers."""
    users = {user: place for place, user in enumerate(sorted({rating.user for rating in ratings}))}
    items = {item: place for place, item in enumerate(sorted({rating.item for rating in ratings}))}
    return [Rating(users[user], items[item], rating) for user, item, rating in ratings]
