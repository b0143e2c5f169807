"""Checks of Python and of the installed packages, including an import of torch."""

import platform
import sys

from experiments import distribution
from experiments.doctor.finding import Finding, hint, installed, problem

PYTHON = (3, 11)
SHOWN = ("torch", "pytorch-lightning", "hydra-core", "wandb")


def python() -> Finding:
    """Compare the version of Python with the oldest one that is supported."""
    number = platform.python_version()
    if sys.version_info < PYTHON:
        oldest = ".".join(map(str, PYTHON))
        return problem("Python", number, f"Install Python {oldest} or newer, and make a new environment with it.")
    return Finding("Python", f"{number}, {sys.prefix}")


def packages() -> Finding:
    """Compare the required packages with their oldest supported versions, and with the tested ones."""
    required, tested = distribution.requirements()[""], distribution.tested()
    if not required:
        return hint("packages", "unknown requirements: lightning-gans is not installed", "Install it: pip install .")
    there = {one.name: installed(one.name) for one in required}
    unfit = [one for one in required if not one.specifier.contains(there[one.name] or "0", prereleases=True)]
    if unfit:
        wrong = ", ".join(f"{one.name} {there[one.name] or 'is missing'}" for one in unfit)
        line = " ".join(f"'{one}'" for one in unfit)
        return problem("packages", wrong, f"Install versions that fit: pip install {line}")
    others = [name for name, found in there.items() if name in tested and tested[name] != str(found).partition("+")[0]]
    if others:
        wrong = ", ".join(f"{name} {there[name]} (tested: {tested[name]})" for name in others)
        return hint("packages", wrong, "If a run fails, install the tested ones: pip install -c constraints.txt -e .")
    return Finding("packages", ", ".join(f"{name} {there[name]}" for name in SHOWN if name in there))


def torch() -> Finding | None:
    """Import torch; return None on success."""
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: a shared library fails to load
        return problem("torch", f"cannot be imported: {error}", "Install it again: pip install --force-reinstall torch")
    return None


def extras() -> Finding:
    """List the extras whose packages are installed, and the command that installs the others."""
    found = {
        extra: all(installed(one.name) for one in needed)
        for extra, needed in distribution.requirements().items()
        if extra not in ("", "dev")
    }
    there = ", ".join(extra for extra, complete in found.items() if complete) or "none"
    missing = ",".join(extra for extra, complete in found.items() if not complete)
    return Finding(
        "extras", there, f"To add the others: pip install '{distribution.NAME}[{missing}]'" if missing else ""
    )
