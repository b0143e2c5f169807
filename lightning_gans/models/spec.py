"""Objects from plain dictionaries: {"_target_": "package.module.Class", argument: value or such a dictionary}."""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Prior

# A file that someone sent may name networks, priors and models of ours, and nothing else that Python can import.
ALLOWED = ("lightning_gans.networks.", "lightning_gans.models.", "lightning_gans.core.prior.")


def build(spec: Any, *, allow: Sequence[str] = (), trusted: bool = False) -> Any:
    """The object that `spec` describes; nested dictionaries with a `_target_` are built first.

    Args:
        allow: further prefixes of dotted names that may be named, e.g. "my_package.networks.".
        trusted: the spec is the user's own: it may name any class or function, and `_partial_: true` leaves a call
            open.

    Raises:
        UserError: a name that is not allowed, cannot be imported or is not a class; arguments that do not fit, by name
            or (where the class raises ValueError) by value.
    """
    if isinstance(spec, Mapping):
        values = {
            key: build(value, allow=allow, trusted=trusted)
            for key, value in spec.items()
            if key not in ("_target_", "_partial_")
        }
        if "_target_" not in spec:
            return values
        found = _find(str(spec["_target_"]), allow, trusted)
        partial = bool(spec.get("_partial_")) and trusted
        return _call(found, values, partial=partial)
    if isinstance(spec, list | tuple):
        return [build(value, allow=allow, trusted=trusted) for value in spec]
    return spec


def _find(target: str, allow: Sequence[str], trusted: bool) -> Callable[..., Any]:
    if not trusted and not target.startswith((*ALLOWED, *allow)):
        raise UserError(
            f"{target} is not among the classes an exported model may name ({', '.join((*ALLOWED, *allow))}). "
            f"If you trust this file and that package, pass allow=[{target.rpartition('.')[0] + '.'!r}]."
        )
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_ {target}: {error}. Is the package installed and the name right?") from error
    if not trusted and not (
        inspect.isclass(found) and issubclass(found, nn.Module | Prior) and found.__module__ == module
    ):
        raise UserError(f"{target} is not a network, prior or model defined in {module}.")
    if not callable(found):
        raise UserError(f"_target_ {target} is a {type(found).__name__}, not a class or function.")
    return found  # type: ignore[no-any-return]


def _call(found: Callable[..., Any], values: dict[str, Any], *, partial: bool) -> Any:
    signature = inspect.signature(found)
    try:
        signature.bind_partial(**values) if partial else signature.bind(**values)
    except TypeError as error:
        raise UserError(f"_target_ {found.__module__}.{found.__qualname__}: {error}.") from error
    if partial:
        return functools.partial(found, **values)
    try:
        return found(**values)
    except ValueError as error:
        raise UserError(f"_target_ {found.__module__}.{found.__qualname__}: {error}.") from error
