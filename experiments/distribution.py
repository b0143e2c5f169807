"""Version and requirements of the distribution `lightning-gans`, read without importing its requirements.

The setup.cfg of a source tree takes precedence over pip's metadata, which go out of date in an editable install.
"""

from collections.abc import Iterator
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

NAME = "lightning-gans"
ROOT = Path(__file__).parents[1]
UNKNOWN = "unknown"  # for a copy of the packages without setup.cfg and metadata


def version() -> str:
    """Return the version, "unknown" for packages that were copied by hand."""
    if (source := _source()) is not None:
        return source["metadata"]["version"]
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return UNKNOWN


def requirements() -> dict[str, list[Requirement]]:
    """Return the required packages under "", and those of each extra under its name."""
    if (source := _source()) is not None:
        texts = {"": source["options"]["install_requires"], **source["options.extras_require"]}
        return {extra: [*_parsed(text.splitlines())] for extra, text in texts.items()}
    try:
        found = metadata.metadata(NAME)
    except metadata.PackageNotFoundError:
        return {"": []}
    lines = metadata.requires(NAME) or []
    core = [*_parsed(lines)]
    return {
        "": [one for one in core if one.marker is None or one.marker.evaluate({"extra": ""})],
        **{
            extra: [one for one in core if one.marker is not None and one.marker.evaluate({"extra": extra})]
            for extra in found.get_all("Provides-Extra") or []
        },
    }


def tested() -> dict[str, str]:
    """Return the exact versions in constraints.txt by name of the package; empty outside a source tree."""
    file = ROOT / "constraints.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if _source() is not None and file.is_file() else []
    pins = [one for one in _parsed(lines) if one.marker is None or one.marker.evaluate()]
    return {one.name: next(iter(one.specifier)).version for one in pins if one.specifier}


def _source() -> ConfigParser | None:
    """Return the setup.cfg beside the packages if it is that of this distribution."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser if parser.get("metadata", "name", fallback=None) == NAME else None


def _parsed(lines: list[str]) -> Iterator[Requirement]:
    """Yield the requirements in lines of text; comments, and extras that name other extras, are left out."""
    for line in lines:
        text = line.partition("#")[0].strip()
        if text and (one := Requirement(text)).name != NAME:
            yield one
