"""A process in which torch, safetensors, PyYAML and what these require can be imported, and no other package.

python tests/helpers/lean.py FOLDER: loads the generator of FOLDER and prints a digest of its samples.
"""

import re
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

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


class Refuse(MetaPathFinder):
    """As if all other packages were not installed."""

    def __init__(self) -> None:
        known = required()
        self.refused = {
            module
            for module, homes in packages_distributions().items()
            if not {_plain(home) for home in homes} & known and module != "lightning_gans"
        } | {"experiments", "datamodules", "numpy"}
        self.asked: set[str] = set()

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name.partition(".")[0] in self.refused:
            self.asked.add(name.partition(".")[0])
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def digest(model) -> str:  # type: ignore[no-untyped-def]
    """Of 70 samples, bit by bit."""
    import hashlib

    return hashlib.sha256(repr(model.sample(70, seed=5).double().flatten().tolist()).encode()).hexdigest()


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # torch's own, where there is none
    refuse = Refuse()
    sys.meta_path.insert(0, refuse)
    sys.path = [place for place in sys.path if not place.endswith("helpers")]
    from lightning_gans import load_generator

    print(digest(load_generator(sys.argv[1])))
    print(sorted(module for module in sys.modules if module.partition(".")[0] in refuse.refused))
