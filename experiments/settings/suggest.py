"""The nearest of the names that there are."""

from collections.abc import Iterable
from difflib import SequenceMatcher

ALIKE = 0.6


def nearest(name: str, names: Iterable[str], *, most: int = 3) -> list[str]:
    """Up to `most` of `names` that `name` may have meant, the likeliest first."""
    scores = {other: _likeness(_bare(name), _bare(other)) for other in names}
    return _best(scores, most)


def nearest_keys(key: str, keys: Iterable[str], *, most: int = 3) -> list[str]:
    """Up to `most` of the dotted `keys` that `key` may have meant: the last word counts, its place a little."""
    place, _, last = key.rpartition(".")
    scores = {}
    for other in keys:
        other_place, _, other_last = other.rpartition(".")
        alike = _likeness(_bare(last), _bare(other_last))
        beside = 0.2 * _likeness(place, other_place) - 0.02 * abs(key.count(".") - other.count("."))
        scores[other] = alike + beside if alike >= ALIKE else 0.0
    return _best(scores, most)


def did_you_mean(names: Iterable[str]) -> str:
    """A sentence, or nothing where nothing is near."""
    names = list(names)
    return f" Did you mean {' or '.join(names)}?" if names else ""


def _best(scores: dict[str, float], most: int) -> list[str]:
    ranked = sorted((name for name in scores if scores[name] >= ALIKE), key=lambda name: (-scores[name], name))
    # What is far behind the best is noise.
    return [name for name in ranked if scores[name] >= scores[ranked[0]] - 0.15][:most]


def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
