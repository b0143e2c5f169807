"""A process in which torch, safetensors, PyYAML and what these require can be imported, and no other package.

python tests/helpers/lean.py FOLDER: loads the generator of FOLDER and prints a digest of its samples.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Any

WANTED = ("torch", "safetensors", "PyYAML")


def required(names: tuple[str, ...] = WANTED) -> set[str]:
    """The distributions that pip installs for `names`, without extras."""
    found: set[str] = set()
    queue = [_plain(name) for name in names]
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:  # of another platform
            continue
        queue += [_plain(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in wanted if "extra ==" not in line]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def others() -> set[str]:
    """Importable names of every other installed package, and of this project's own that sampling does without."""
    known = required()
    homes = packages_distributions()
    found = {module for module, of in homes.items() if not {_plain(home) for home in of} & known}
    return (found | {"experiments", "datamodules"}) - {"lightning_gans"}


class Without:
    """A finder of modules to which `missing` are not installed."""

    def __init__(self, finder: Any, missing: set[str]) -> None:
        self.finder, self.missing = finder, missing

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in self.missing else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def digest(model: Any) -> str:
    """Digest of 70 samples, bit by bit."""
    import hashlib

    return hashlib.sha256(repr(model.sample(70, seed=5).double().flatten().tolist()).encode()).hexdigest()


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # torch's own, where there is none
    missing = others()
    sys.meta_path[:] = [Without(finder, missing) for finder in sys.meta_path]
    sys.path = [place for place in sys.path if not place.endswith("helpers")]
    from lightning_gans import load_generator

    print(digest(load_generator(sys.argv[1])))
    print(sorted(module for module in sys.modules if module.partition(".")[0] in missing))
