"""Objects from plain dictionaries: {"_target_": "package.module.Class", argument: value or such a dictionary}."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
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
        trusted: the spec is the user's own, and may name any class.

    Raises:
        UserError: a name that is not allowed, cannot be imported or is not a class; arguments that do not fit.
    """
    if isinstance(spec, Mapping):
        values = {key: build(value, allow=allow, trusted=trusted) for key, value in spec.items() if key != "_target_"}
        return _construct(spec["_target_"], values, allow, trusted) if "_target_" in spec else values
    if isinstance(spec, list | tuple):
        return [build(value, allow=allow, trusted=trusted) for value in spec]
    return spec


def _construct(target: Any, values: dict[str, Any], allow: Sequence[str], trusted: bool) -> Any:
    target = str(target)
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
    try:
        inspect.signature(found).bind(**values)
    except TypeError as error:
        raise UserError(f"_target_ {target}: {error}.") from error
    return found(**values)
