"""Instantiation of callbacks, loggers and the profiler from nodes with a `_target_`, a class of any package."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import profilers
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import Profiler

from experiments.settings.given import OWN, callback_problems, logger_problems
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError
from lightning_gans.core.profiler import Unprofiled
from lightning_gans.models.spec import build

PROFILERS = {"simple": "SimpleProfiler", "advanced": "AdvancedProfiler", "pytorch": "PyTorchProfiler"}
REPORT = "profile"  # fit-profile.txt in the run's directory


def make_callbacks(settings: Mapping[str, Any]) -> list[pl.Callback]:
    """Instantiate the callbacks under `callbacks.*` that have a `_target_`, in the order of the configuration.

    Raises:
        UserError: a node has no `_target_`, cannot be instantiated, or is not a callback.
    """
    _refuse(callback_problems(settings))
    nodes = {f"callbacks.{name}": node for name, node in settings.items() if name not in OWN and node is not None}
    return [make(place, node, pl.Callback) for place, node in nodes.items()]


def make_loggers(settings: Mapping[str, Any] | None) -> list[Logger]:
    """Instantiate the loggers under `logger.*`, each with its own name.

    Raises:
        UserError: as `make_callbacks`.
    """
    _refuse(logger_problems(settings))
    return [make(f"logger.{name}", node, Logger) for name, node in (settings or {}).items() if node is not None]


def make_profiler(setting: Any, run_dir: Path) -> Profiler:
    """Instantiate the profiler of `trainer.profiler`: a name, a node with a `_target_`, or null for none.

    Its report is `fit-profile.txt` in the run's directory, unless the node sets another file.

    Raises:
        UserError: an unknown name, or as `make_callbacks`.
    """
    if setting is None:
        return Unprofiled()
    if isinstance(setting, str):
        if setting not in PROFILERS:
            hint = did_you_mean(f"trainer.profiler={name}" for name in nearest(setting, PROFILERS))
            raise UserError(
                f"trainer.profiler={setting}: there is no such profiler.{hint} Say {', '.join(PROFILERS)}, or "
                "trainer.profiler={_target_: package.Class}."
            )
        setting = {"_target_": f"{profilers.__name__}.{PROFILERS[setting]}"}
    if not isinstance(setting, Mapping) or "_target_" not in setting:
        raise UserError("trainer.profiler has no _target_: say trainer.profiler={_target_: package.Class}.")
    profiler: Profiler = make("trainer.profiler", setting, Profiler)
    profiler.dirpath = profiler.dirpath or run_dir
    profiler.filename = profiler.filename or REPORT
    return profiler


def make(place: str, node: Any, kind: type) -> Any:
    """Instantiate the object described by the node at a dotted place, and check its type.

    Raises:
        UserError: the class cannot be imported, refuses its arguments, or is not a subclass of `kind`.
    """
    try:
        found = build(node, trusted=True)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    except Exception as error:  # any exception of the class's constructor
        reason = str(error).strip().partition("\n")[0] or "no reason given"
        raise UserError(f"{place}: {node['_target_']} cannot be made ({type(error).__name__}: {reason}).") from error
    if not isinstance(found, kind):
        raise UserError(
            f"{place}._target_={node['_target_']} gives a {type(found).__name__}, which is no {kind.__name__} of "
            "pytorch_lightning."
        )
    return found


def _refuse(problems: Iterator[tuple[str, str]]) -> None:
    texts = [text for _, text in problems]
    if texts:
        raise UserError(" ".join(texts))
