"""Construction of objects from plain dictionaries: {"_target_": "package.module.Class", argument: value}."""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pkgutil import iter_modules
from typing import Any

from torch import nn

from lightning_gans.core import prior
from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Prior
from lightning_gans.core.received import is_allowed

PLACES = ("lightning_gans.networks.", "lightning_gans.models.", "lightning_gans.core.prior.")  # modules of `exportable`


@functools.cache
def exportable() -> Mapping[str, type]:
    """Classes that an untrusted description may name: the networks, models and priors of this package.

    Keys are dotted names, as defined in the modules of `lightning_gans.networks`, `lightning_gans.models` and
    `lightning_gans.core.prior`; networks also have the names that `lightning_gans.networks` exports. A name in a file
    is looked up here and never imported. Constructors of these classes take numbers, strings and one another, and read
    no files.
    """
    from lightning_gans import models, networks

    modules = [prior]
    for package in (networks, models):
        modules += [importlib.import_module(f"{package.__name__}.{m.name}") for m in iter_modules(package.__path__)]
    parts = {
        f"{module.__name__}.{name}": found
        for module in modules
        for name, found in vars(module).items()
        if _is_part(found, module.__name__) and not name.startswith("_")
    }
    exported = {f"{networks.__name__}.{name}": getattr(networks, name) for name in networks.__all__}
    return parts | {name: found for name, found in exported.items() if _is_part(found, found.__module__)}


def _is_part(found: object, module: str) -> bool:
    return inspect.isclass(found) and issubclass(found, nn.Module | Prior) and found.__module__ == module


def build(spec: Any, *, allow: Sequence[str] = (), trusted: bool = False) -> Any:
    """Build the object that `spec` describes; nested dictionaries with a `_target_` are built first.

    Args:
        allow: modules or packages outside the list (`exportable`) whose networks, models and priors may be named, e.g.
            "my_package.networks"; also dotted names of single classes. They are imported.
        trusted: the spec is the user's own: it may name any class or function, and `_partial_: true` leaves a call
            open.

    Raises:
        UserError: a name that is not allowed, cannot be imported or is not a class; arguments that do not fit, by name
            or (where the class raises ValueError; unless `trusted`, any error) by value.
    """
    if isinstance(spec, Mapping):
        values = {
            key: build(value, allow=allow, trusted=trusted)
            for key, value in spec.items()
            if key not in ("_target_", "_partial_")
        }
        if "_target_" not in spec:
            return values
        target = str(spec["_target_"])
        found = _imported(target) if trusted else _listed(target, allow)
        return _call(found, values, partial=bool(spec.get("_partial_")) and trusted, trusted=trusted)
    if isinstance(spec, list | tuple):
        return [build(value, allow=allow, trusted=trusted) for value in spec]
    return spec


def _listed(target: str, allow: Sequence[str]) -> Callable[..., Any]:
    """Return the class that an untrusted description names by `target`; of those in `allow`, nothing but networks."""
    known = exportable()
    if target in known:
        return known[target]
    module, _, _ = target.rpartition(".")
    if not is_allowed(target, allow):
        if target.startswith(PLACES):
            raise UserError(
                f"{target} is not a network, prior or model defined in {module}. Is the package installed and the name "
                "right?"
            )
        raise UserError(
            f"{target} is not among the classes an exported model may name ({', '.join((*PLACES, *allow))}). "
            f"If you trust this file and that package, pass allow=[{module + '.'!r}]."
        )
    found = _imported(target)
    if not _is_part(found, module):
        raise UserError(f"{target} is not a network, prior or model defined in {module}.")
    return found


def _imported(target: str) -> Callable[..., Any]:
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_ {target}: {error}. Is the package installed and the name right?") from error
    if not callable(found):
        raise UserError(f"_target_ {target} is a {type(found).__name__}, not a class or function.")
    return found  # type: ignore[no-any-return]


def _call(found: Callable[..., Any], values: dict[str, Any], *, partial: bool, trusted: bool) -> Any:
    name = f"_target_ {found.__module__}.{found.__qualname__}"
    try:
        signature = inspect.signature(found)
        signature.bind_partial(**values) if partial else signature.bind(**values)
    except TypeError as error:
        raise UserError(f"{name}: {error}.") from error
    if partial:
        return functools.partial(found, **values)
    try:
        return found(**values)
    except ValueError as error:
        raise UserError(f"{name}: {error}.") from error
    except UserError:
        raise
    except Exception as error:  # arguments of the wrong type fail anywhere
        if trusted:
            raise
        raise UserError(f"{name}: {type(error).__name__}: {error}.") from error
