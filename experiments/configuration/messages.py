"""Names of settings, and error messages about invalid ones."""

from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from lightning_gans.core.errors import UserError


def leaf_keys(config: DictConfig, *, targets: bool = False) -> Iterator[str]:
    """Yield the dotted names of the settings, without interpolations of others; `targets`: include `_target_` keys."""
    return (key for key, _ in leaves(config, targets=targets))


def leaves(config: DictConfig, *, targets: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield the settings as (dotted name, value); lists are values, interpolations are left out."""
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, Mapping)
    yield from _leaves(plain, "", targets)


def _leaves(node: Mapping[Any, Any], prefix: str, targets: bool) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, str) and "${" in value:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.", targets)
        elif targets or key not in ("_target_", "_partial_"):
            yield f"{prefix}{key}", value


def choices_of(known: Mapping[str, Any]) -> dict[str, str]:
    """Return Hydra's record of group -> choice, without nested groups."""
    return {group: str(choice) for group, choice in known.items() if "/" not in group and choice is not None}


def exists(config: DictConfig, key: str) -> bool:
    """Return True if a dotted key exists, whatever its value."""
    try:
        parent, _, last = key.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        return isinstance(node, DictConfig) and last in node
    except OmegaConfBaseException:
        return False


def refuse_sweep(override: Override) -> None:
    """Refuse an override with several values if one is needed."""
    if override.is_sweep_override():
        line = override.input_line
        raise UserError(
            f"{line} names several values: add -m to run a job for each, write [..] for a list, "
            f"or quote it twice, '{override.key_or_group}=\"...\"', for a text."
        )


def malformed(text: str) -> str:
    """Explain why an argument is not a valid override."""
    key, equals, value = text.partition("=")
    if not equals and not text.startswith("~"):
        return f"'{text}' is not a setting: write {key or 'key'}=VALUE."
    if not key.strip("+~"):
        return f"'{text}' is not a setting: the name before = is missing."
    return (
        f"{text} cannot be read: a value with any of = ( ) [ ] {{ }} , : # or a quote in it has to be quoted twice, "
        f"as in '{key}=\"{value}\"'."
    )


def dangling(error: InterpolationKeyError, choices: Mapping[str, str]) -> str:
    """Explain why an interpolation cannot be resolved."""
    key, needed = error.full_key or "a setting", _between(str(error), "Interpolation key '", "'")
    group, wanted = key.partition(".")[0], needed.partition(".")[0]
    pair = " and ".join(f"{name}={choices[name]}" for name in dict.fromkeys((group, wanted)) if name in choices)
    reason = f": {pair} do not fit each other" if " and " in pair else ""
    return f"{key} takes its value from {needed}, which is not there{reason}."


def reason(error: BaseException) -> str:
    """Return the first line of a library's error message, and of that of its cause."""
    lines = [str(cause).strip().partition("\n")[0] for cause in (error, error.__cause__) if cause is not None]
    text = "; ".join(dict.fromkeys(line.rstrip(".") for line in lines if line))
    return f"{text or type(error).__name__}."


def raise_mendable(error: BaseException) -> None:
    """Raise the UserError of one of our resolvers, if that caused `error`."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            raise cause
        cause = cause.__cause__ or cause.__context__


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
