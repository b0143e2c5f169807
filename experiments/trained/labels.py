"""Row labels of a table: the settings that differ between runs, shortened to a width. Imports no heavy packages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.cells import cell_len

from experiments.runs.directory import UNNAMED_GROUPS, as_token, clean, short_key
from experiments.runs.resume import flatten, is_free
from experiments.settings.spec import plain
from lightning_gans.core.received import printable

LONGEST = 150  # characters shown of a value
FIRST = ("variant", "data", "iterations")
BATCH_SIZE = "data.batch_size"
ALWAYS_SHARED = (*FIRST[:2], "recipe", "iterations", BATCH_SIZE)  # always shown as shared, even if not chosen
LEADING = ("data", "network", "objective", "penalty")  # groups whose values the variant refers to
SELF_EVIDENT = ("none", "own", "null", "recipe", "auto", "default", "true", "false")  # values shown with their key


@dataclass(frozen=True)
class Setting:
    """A choice of a group (`objective=hinge`) or the value of a setting (`G.optimizer.lr=0.003`).

    key: the group, or the dotted key. name: the short form of the key. named: True if it is always shown, because it is
    part of the run's name (it differs from the recipe) or the recipe adds it to the variant (a penalty, clipping).
    """

    key: str
    name: str
    value: str
    named: bool = False
    choice: bool = False

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True)
class Labels:
    """Settings shared by all rows and, for each row, the settings in which it differs from others."""

    shared: tuple[Setting, ...]
    parts: tuple[tuple[Setting, ...], ...]

    def names(self, index: int, *, leave: Sequence[str] = ()) -> tuple[str, str, str]:
        """Return the name of a row in three forms: full, choices without their group, and without the recipe's values.

        leave: keys shown elsewhere, to be left out.
        """
        parts = [part for part in self.parts[index] if part.key not in leave]
        named = [part for part in parts if part.named or part.key in FIRST] or parts
        return " ".join(map(str, parts)), " ".join(map(self._bare, parts)), " ".join(map(self._bare, named))

    def _bare(self, part: Setting) -> str:
        others = {other.key for parts in self.parts for other in parts if other.value == part.value}
        return part.value if part.choice and len(others) == 1 and part.value not in SELF_EVIDENT else str(part)


@dataclass
class _Known:
    """The settings of a run by key; `named` are those in its name."""

    settings: dict[str, Setting] = field(default_factory=dict)

    def value(self, key: str) -> str:
        return self.settings[key].value if key in self.settings else "null"

    def named(self, key: str) -> bool:
        return key in self.settings and self.settings[key].named


def labels(configs: Sequence[Mapping[str, Any]], extras: Sequence[Mapping[str, str]] | None = None) -> Labels:
    """Find the settings that distinguish runs.

    A choice or value implied by another one (the networks of a variant) is not repeated. A setting that differs from
    the recipe is always shown, and so are a recipe's additions to its variant.

    Args:
        extras: further facts of each run, for runs with equal settings.
    """
    known = [_Known({setting.key: setting for setting in _settings(config)}) for config in configs]
    for one, extra in zip(known, extras or [], strict=False):
        one.settings |= {key: Setting(key, key, value) for key, value in extra.items()}
    order = _order(known)
    named = {key for key in order if any(one.named(key) for one in known)}
    names = _names(known)
    shown: list[list[str]] = [[] for _ in known]
    groups = [list(range(len(known)))]
    for key in order:
        values = [one.value(key) for one in known]
        if len(set(values)) == 1:
            continue
        apart = {index for group in groups if len({values[index] for index in group}) > 1 for index in group}
        for index, one in enumerate(known):
            # A row without the setting differs from rows that have it.
            if one.named(key) or (index in apart and key in one.settings):
                shown[index].append(key)
        if apart or key in named:
            groups = [part for group in groups for part in _split(group, values)]
    shared = [
        key for key in order if (key in named or key in ALWAYS_SHARED) and all(key in one.settings for one in known)
    ]
    return Labels(
        tuple(_shown(known[0], key, names) for key in shared if len({one.value(key) for one in known}) == 1),
        tuple(tuple(_shown(one, key, names) for key in keys) for one, keys in zip(known, shown, strict=True)),
    )


def _split(group: Sequence[int], values: Sequence[str]) -> Iterator[list[int]]:
    for value in dict.fromkeys(values[index] for index in group):
        yield [index for index in group if values[index] == value]


def _shown(known: _Known, key: str, names: Mapping[str, str]) -> Setting:
    found = known.settings.get(key, Setting(key, key, "null"))
    return replace(found, name="batch_size" if key == BATCH_SIZE else names.get(key, key))


def _names(known: Sequence[_Known]) -> dict[str, str]:
    """Return short names: those in the runs' names, or else the shortest unique suffix of the key."""
    every = {key: setting for one in known for key, setting in one.settings.items()}
    every |= {key: setting for one in known for key, setting in one.settings.items() if setting.named}
    taken = [setting.key for setting in every.values() if not setting.choice]
    found = {
        key: setting.name if setting.named or setting.choice else short_key(key, taken)
        for key, setting in every.items()
    }
    repeated = {name for name in found.values() if list(found.values()).count(name) > 1}
    return {key: key if name in repeated else name for key, name in found.items()}


def _order(known: Sequence[_Known]) -> list[str]:
    """Order all keys: first those that determine others, then manual changes."""
    settings = {key: setting for one in known for key, setting in one.settings.items()}
    named = {key for one in known for key, setting in one.settings.items() if setting.named}

    def rank(key: str) -> tuple[int, int]:
        if key in FIRST:
            return 0, FIRST.index(key)
        if key == "recipe":
            return 3, 0
        return (1 if settings[key].choice else 2 if key in named else 4), 0

    return sorted(settings, key=rank)


def _settings(config: Mapping[str, Any]) -> Iterator[Setting]:
    about = config.get("names")
    about = about if isinstance(about, Mapping) else {}
    choices = about.get("choices")
    choices = choices if isinstance(choices, Mapping) else {}
    tokens, extras = _tokens(about), about.get("extras")
    extras = {str(key) for key in extras} if isinstance(extras, list) else set()
    for group, choice in {key: about[key] for key in FIRST[:2] if key in about}.items():
        yield Setting(group, group, _text(choice), choice=True)
    for group, choice in choices.items():
        if group not in UNNAMED_GROUPS:
            chosen = _choice(str(group), str(choice), tokens)
            yield replace(chosen, named=chosen.named or group in extras)
    values = [*_first_of_name([*_values(config, tokens)])]
    keys = [setting.key for setting in values]
    for setting in values:
        if setting.key in extras and not setting.named:
            setting = replace(setting, name=short_key(setting.key, keys), named=True)
        yield setting


def _first_of_name(found: Sequence[Setting]) -> Iterator[Setting]:
    """Yield settings; of several that may be one token of a run's name (image_size8), only the one others refer to."""
    first: dict[tuple[str, str], Setting] = {}
    for setting in sorted((one for one in found if one.named), key=lambda one: _follows(one.key)):
        first.setdefault((setting.name, setting.value), setting)
    leading = {setting.key for setting in first.values()}
    for setting in found:
        yield setting if setting.key in leading else replace(setting, name=setting.key, named=False)


def _follows(key: str) -> tuple[int, int]:
    """Return a rank that is higher for settings whose value is taken from others."""
    top = key.partition(".")[0]
    return LEADING.index(top) if top in LEADING else len(LEADING), key.count(".")


def _values(config: Mapping[str, Any], tokens: str) -> Iterator[Setting]:
    seed = config.get("seed")
    for key, value in flatten(config):
        # Settings derived from the seed differ with it.
        follows = key.rpartition(".")[2] == "seed" and value == seed
        own = key == "data.root" and f"-root_{clean(as_token(value))}-" in tokens
        if not follows and (own or not is_free(key)):
            name = _name_in(tokens, key, value)
            yield Setting(_text(key), _text(name or key), _text(plain(value)), named=name is not None)


def _tokens(about: Mapping[str, Any]) -> str:
    """Return the end of a run's name, with the differences from the recipe: -hinge-G.optimizer.lr0.003-."""
    group, start = str(about.get("group")), f"{clean(str(about.get('variant')))}-{clean(str(about.get('data')))}-"
    return f"-{group.removeprefix(start)}-" if group.startswith(start) else ""


def _choice(group: str, choice: str, tokens: str) -> Setting:
    short, _, place = group.partition("@")
    name = ".".join(place.split(".")[-2:]) if place else short
    written = (f"{name}{choice}",) if place else (choice.rpartition("/")[2], f"{short}_{choice}")
    named = any(f"-{clean(token)}-" in tokens for token in written)
    return Setting(_text(group), _text(name), _text(choice), named=named, choice=True)


def _name_in(tokens: str, key: str, value: Any) -> str | None:
    """Return the suffix of `key` with which a run's name states this value, or None."""
    if not tokens or isinstance(value, Mapping) or (isinstance(value, list) and any(map(_is_nested, value))):
        return None
    if key == "data.root":
        return "root" if f"-root_{clean(as_token(value))}-" in tokens else None
    parts, text = key.split("."), as_token(value)
    if parts[-1] == "_target_":
        parts, text = parts[:-1], text.rpartition(".")[2]
    text = clean(text)
    if f"{text}-" not in tokens:
        return None
    endings = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
    return next((ending for ending in endings if f"-{clean(ending)}{text}-" in tokens), None)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _text(value: object) -> str:
    return printable(value, LONGEST)


# Widths


def fitted(forms: Sequence[Sequence[str]], width: int, dots: str = "…") -> list[str]:
    """Fit names into `width` cells: use the first of `forms` that fits, else the last one cut in the middle.

    Names that differ in the first form also differ in the result.
    """
    apart = len(set(forms[0]))
    forms = [form for form in forms if len(set(form)) == apart]
    for form in forms:
        if max(map(cell_len, form), default=0) <= width:
            return list(form)
    return _cut(forms[-1], width, dots)


def _cut(names: Sequence[str], width: int, dots: str) -> list[str]:
    distinct = list(dict.fromkeys(names))
    room = max(width - cell_len(dots), 0)
    for head in sorted(range(room + 1), key=lambda head: abs(head - room // 2)):
        found = [_without_middle(name, head, width, dots) for name in distinct]
        if len(set(found)) == len(distinct):
            break
    else:  # they differ only in the middle
        found = [
            _without_middle(f"{name} {number}", room - len(str(number)) - 1, width, dots)
            if cell_len(name) > width
            else name
            for number, name in enumerate(distinct, 1)
        ]
    return [dict(zip(distinct, found, strict=True))[name] for name in names]


def _without_middle(name: str, head: int, width: int, dots: str) -> str:
    if cell_len(name) <= width:
        return name
    start = _fitting(name, max(head, 0))
    end = _fitting(reversed(name), max(width - cell_len(start) - cell_len(dots), 0))[::-1]
    return f"{start}{dots}{end}"


def _fitting(text: Iterable[str], width: int) -> str:
    kept = ""
    for character in text:
        if cell_len(kept + character) > width:
            break
        kept += character
    return kept
