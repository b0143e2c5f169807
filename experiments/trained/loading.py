"""Loading of a run's model and data from its folder, which may be untrusted.

Classes and functions have to be in three lists of this project (`data_modules`, `extractors`,
`models.spec.exportable`); any other name in a file requires `allow=`. See docs/SECURITY.md.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs import directory as runs
from experiments.settings.spec import Spec
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained.arguments import DATA
from lightning_gans.core.checkpoints import DamagedCheckpoint, load
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import inside, is_allowed

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from torch import nn


def data_modules() -> frozenset[str]:
    """Return the data modules that a received configuration may name: catalogue and `datamodules.__all__`."""
    import datamodules
    from datamodules.catalogue import CATALOGUE

    exported = {name for name in datamodules.__all__ if name not in ("DataModule", "Modes")}
    return frozenset(f"datamodules.{name}" for name in exported | {entry.module for entry in CATALOGUE.values()})


def extractors() -> frozenset[str]:
    """Return the dotted names of extractors that a received configuration may name: those of `factories.__all__`."""
    from lightning_gans.extractors import factories

    return frozenset(f"{factories.__name__}.{name}" for name in factories.__all__)


def load_model(
    run: Path, which: str, *, allow: Sequence[str] = (), watched: bool = True
) -> tuple["nn.Module", int | None]:
    """Load the newest export of a run ("last") or its best checkpoint ("best"), and the iteration if known.

    The networks raise an error if their outputs are not finite.

    Args:
        watched: False to disable that check; torch.export does not support hooks that read values.

    Raises:
        UserError: files cannot be read, or have other content.
    """
    from lightning_gans import load_generator
    from lightning_gans.models.export import described

    model = load_generator(run, allow=allow)
    if which == "last":
        iteration = described(run)["about"].get("iteration")
    else:
        iteration = _load_best(model, run)
    if watched:
        _watch(model, run)
    return model, iteration if isinstance(iteration, int) and not isinstance(iteration, bool) else None


def _load_best(model: "nn.Module", run: Path) -> Any:
    """Load checkpoints/best.ckpt into the model of a run; return its iteration."""
    from lightning_gans.models.export import check_finite, check_shapes

    path = inside(run / "checkpoints" / "best.ckpt", run)
    try:
        checkpoint = load(path)
        # Checkpoints are written right after Game.evaluated_model has copied the average (or, without one, the newest
        # weights) to ema.model and re-estimated its batch-norm statistics, so ema.model is the evaluated model.
        prefix = "ema.model."
        state = {key.removeprefix(prefix): t for key, t in checkpoint["state_dict"].items() if key.startswith(prefix)}
        check_shapes(model, {name: tuple(tensor.shape) for name, tensor in state.items()}, path)
        check_finite(state, path)
        model.load_state_dict(state)
        return checkpoint["game"]["iteration"]
    except DamagedCheckpoint as error:
        reason = error.why
    except UserError as error:
        raise UserError(f"{error} Try which=last.") from error
    except Exception as error:  # a file that is not a checkpoint may fail anywhere
        reason = str(error).strip().split("\n")[0]
    raise UserError(f"{path} is not a checkpoint of this run's model ({reason}). Try which=last.")


def config_of(run: Path) -> Mapping[str, Any]:
    """Return a run's settings; `data` is a dictionary, and `metrics` a dictionary or None.

    Raises:
        UserError: there are none, as in an export by itself, or they are not the settings of a run.
    """
    config = runs.read_config(run)
    if config is None:
        raise UserError(f"run={run} has no {runs.CONFIG}, which says what data it was trained on.")
    if not isinstance(config.get("data"), Mapping) or not isinstance(config.get("metrics") or {}, Mapping):
        raise UserError(f"{run / runs.CONFIG} holds no settings of a run: `data` and `metrics` are dictionaries there.")
    from experiments.settings import places  # imports datamodules, which sampling does not need

    return places.found(config, run)


def with_data(config: Mapping[str, Any], given: Mapping[str, str], run: Path) -> dict[str, Any]:
    """Return a run's settings with new values for its data: data.root=DIR, data.batch_size=32, data_dir=DIR.

    Args:
        given: key -> text of the command line; keys other than data settings are ignored.

    Raises:
        UserError: an unknown data setting, an invalid value, or a missing folder.
    """
    from experiments.settings import places

    data = config["data"]
    arguments = places.arguments(data)
    changed: dict[str, Any] = {}
    if (data_dir := given.get("data_dir")) is not None:
        before = config.get("data_dir")
        follow = [name for name in ("data_dir", "root") if name in data and data[name] in (before, None)]
        if not follow:
            names = [f"data.{key}=DIR" for key in ("root", "photos") if key in arguments]
            say = f"say {' or '.join(names)}" if names else "leave it out"
            raise UserError(f"data_dir={data_dir}: this run's data do not lie in a data_dir; {say}.")
        changed = {f"data.{name}": data_dir for name in follow} | {"data_dir": data_dir}
    for key, text in given.items():
        name = key.removeprefix(DATA)
        if not key.startswith(DATA):
            continue
        if name not in arguments:
            hint = did_you_mean(f"{DATA}{other}" for other in nearest(name, arguments))
            listed = f" Its settings: {', '.join(arguments)}." if arguments and not hint else ""
            raise UserError(
                f"{key}: the data of run={run}, {data.get('_target_')}, have no such setting.{hint}{listed}"
            )
        changed[key] = typed(key, text, arguments[name].spec)
    found = places.replaced(config, changed)
    places.check_of_run(found, run)
    return found


def typed(key: str, text: str, spec: Spec) -> Any:
    """Convert a text to the value of a setting.

    Raises:
        UserError: no conversion is valid.
    """
    import yaml

    values: list[Any] = [None] if text in ("null", "~") else [text]  # a path may look like a number
    with suppress(yaml.YAMLError):
        values.append(yaml.safe_load(text))
    with suppress(ValueError):
        values.append(float(text))  # 1e-3, which YAML 1.1 reads as text
    for value in values:
        if spec.problem(value) is None:
            return value
    raise UserError(f"{key}={text} {spec.problem(values[min(1, len(values) - 1)])}; allowed: {spec.allowed()}.")


def chosen(given: Mapping[str, str]) -> list[str]:
    """Return the data folders given by the user."""
    return [value for key, value in given.items() if key in ("data_dir", "data.data_dir", "data.root")]


def load_data(config: Mapping[str, Any], *, allow: Sequence[str] = (), chosen: Sequence[str] = ()) -> Any:
    """Instantiate the data module of a run's settings.

    Args:
        allow: dotted names of code outside this project that the settings may use.
        chosen: data folders given by the user. Missing data sets are downloaded only to these, because any other folder
            comes from the possibly untrusted settings.

    Raises:
        UserError: the settings name code that is neither ours nor among `allow`, or describe no data.
    """
    from lightning_gans.models.spec import build

    settings = dict(config["data"])
    check_targets(settings, data_modules(), allow=allow, what="was trained on")
    place = settings.get("root", settings.get("data_dir"))
    if settings.get("download") and str(place) not in chosen:
        settings["download"] = False
    if isinstance(workers := settings.get("workers"), int):
        settings["workers"] = min(workers, os.cpu_count() or 1)
    try:
        data = build(settings, trusted=True)
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise UserError(f"The data of this run cannot be made ({type(error).__name__}: {error}).") from error
    if not callable(getattr(data, "split", None)):
        raise UserError("The settings of this run describe no data: data._target_ names no data module.")
    return data


def check_targets(settings: Any, known: Collection[str], *, allow: Sequence[str], what: str) -> None:
    """Refuse settings that name anything but the classes and functions `known`, or code among `allow`.

    Full names are compared. A known name is an attribute of an imported module of this project, so it refers to the
    listed object, and nothing is imported by a name from a file.

    Raises:
        UserError: another name is used; the message says how to allow it.
    """
    for target in targets(settings):
        if target not in known and not is_allowed(target, allow):
            raise UserError(f"This run {what} {target}. If you trust that code, say allow={target}.")


def targets(settings: Any) -> Iterator[str]:
    """Yield every `_target_` in settings, at any depth."""
    if isinstance(settings, Mapping):
        if "_target_" in settings:
            yield str(settings["_target_"])
        for value in settings.values():
            yield from targets(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from targets(value)


@contextmanager
def using(run: Path) -> Iterator[None]:
    """Convert errors of the run's model (incompatible parts, too little memory) to UserErrors within the context."""
    try:
        yield
    except (RuntimeError, IndexError, KeyError, TypeError, ValueError, AttributeError, MemoryError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(
            f"The model of run={run} cannot be used: {reason.rstrip('.')}. Its description and its weights do not fit "
            "each other or this machine; HYDRA_FULL_ERROR=1 shows where."
        ) from error


def _watch(model: "nn.Module", run: Path) -> None:
    """Add hooks to a model's networks that raise a UserError if an output is not finite."""
    import torch

    def check(name: str) -> Any:
        def hook(module: "nn.Module", inputs: Any, outputs: Any) -> None:
            for output in outputs if isinstance(outputs, tuple | list) else (outputs,):
                if isinstance(output, torch.Tensor) and output.is_floating_point() and not output.isfinite().all():
                    raise UserError(
                        f"The model of run={run} gives numbers that are NaN or infinite ({name}), so there is nothing "
                        "to write. Its weights or its inputs are damaged: take another checkpoint, run or input."
                    )

        return hook

    for name, network in model.named_children():
        network.register_forward_hook(check(name))
        for inner, part in network.named_children():
            part.register_forward_hook(check(f"{name}.{inner}"))
