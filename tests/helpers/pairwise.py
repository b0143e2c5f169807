"""Pairwise coverage: a few combinations of choices in which every pair of choices occurs."""

from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

Row = TypeVar("Row", bound=Sequence[str])
Pair = tuple[tuple[int, str], ...]


def pairs_of(row: Sequence[str]) -> set[Pair]:
    """Every two choices of a row, each with its position."""
    return set(combinations(enumerate(row), 2))


def pairwise(rows: Sequence[Row]) -> list[Row]:
    """Rows that together hold every pair of choices that any of `rows` holds (greedy cover)."""
    pairs = {row: pairs_of(row) for row in rows}
    left: set[Pair] = set().union(*pairs.values())
    chosen: list[Row] = []
    while left:
        chosen.append(max(rows, key=lambda row: len(pairs[row] & left)))
        left -= pairs[chosen[-1]]
    return chosen
