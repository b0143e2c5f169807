"""Registries of objects: a decorator adds them when their module is imported; dotted names find them."""

import importlib
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from lightning_gans.core.errors import UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Functions and classes of one kind, in the order of registration.

    Args:
        kind: the noun in messages, "measure".
        package: the package whose modules hold the shipped ones.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._found: dict[str, T] = {}

    def add(self, target: Any) -> Any:
        """Register a function or class; a decorator."""
        self._found[f"{target.__module__}.{target.__qualname__}"] = target
        return target

    def shipped(self) -> list[T]:
        """Return all registered objects of `package`, by module; imports its modules."""
        package = importlib.import_module(self.package)
        names = [f"{self.package}.{module.name}" for module in iter_modules(package.__path__)]
        for name in names:
            importlib.import_module(name)
        return [target for name in names for target in self._of(name).values()]

    def named(self, name: str) -> list[T]:
        """Return the object with the dotted name `name`, or all of the module `name`; imports the module.

        For names from the user's own command line or configuration only, since importing a module runs it.

        Raises:
            UserError: the module cannot be imported, or registers nothing of that name.
        """
        module = self._imported(name)
        found = self._of(module)
        if module == name and found:
            return list(found.values())
        if name not in found:
            known = (
                f"It registers {', '.join(found)}." if found else f"It registers none: decorate it with @{self.kind}."
            )
            raise UserError(f"{name}: {module} registers no such {self.kind}. {known}")
        return [found[name]]

    def _of(self, module: str) -> dict[str, T]:
        return {name: target for name, target in self._found.items() if target.__module__ == module}

    def _imported(self, name: str) -> str:
        """Return the name of the module that `name` is, or is in, and import it."""
        home = name.rpartition(".")[0]
        for module in filter(None, (name, home)):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                    raise UserError(f"{name}: its import fails: {error}.") from error
            except (ImportError, SyntaxError) as error:
                raise UserError(f"{name}: its import fails: {error}.") from error
            else:
                return module
        raise UserError(
            f"{name}: there is no module {home or name}. A module is looked for in the working directory and among "
            "installed packages."
        )
