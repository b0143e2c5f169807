"""What a run left behind, for the commands that take one: its model and its data. Both may have been sent by others."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import runs
from lightning_gans.core.checkpoints import DamagedCheckpoint, load
from lightning_gans.core.errors import UserError

# Nothing above imports torch: a slip of the pen is answered at once.
if TYPE_CHECKING:
    from torch import nn


def load_model(run: Path, which: str, *, allow: Sequence[str] = ()) -> tuple["nn.Module", int | None]:
    """The newest export of a run ("last") or its best checkpoint ("best"), and the iteration where that is known.

    Raises:
        UserError: files that cannot be read, or that hold something else.
    """
    import yaml

    from lightning_gans import load_generator

    model = load_generator(run, allow=allow)
    if which == "last":
        folder = run / "generator" if (run / "generator" / "model.yaml").is_file() else run
        iteration = (yaml.safe_load((folder / "model.yaml").read_text()).get("about") or {}).get("iteration")
        return model, iteration if isinstance(iteration, int) else None
    path = run / "checkpoints" / "best.ckpt"
    try:
        checkpoint = load(path)
        # Checkpoints are written right after Game.evaluated_model has read the average (or, without one, the newest
        # weights) into ema.model and re-estimated its batch-norm statistics: it lies there as it was evaluated.
        prefix = "ema.model."
        state = {key.removeprefix(prefix): t for key, t in checkpoint["state_dict"].items() if key.startswith(prefix)}
        model.load_state_dict(state)
        return model, int(checkpoint["game"]["iteration"])
    except (DamagedCheckpoint, RuntimeError, KeyError, TypeError, AttributeError) as error:
        reason = error.why if isinstance(error, DamagedCheckpoint) else str(error).strip().split("\n")[0]
        raise UserError(f"{path} is not a checkpoint of this run's model ({reason}). Try which=last.") from error


def config_of(run: Path) -> Mapping[str, Any]:
    """A run's settings.

    Raises:
        UserError: it has none, as an export alone has not.
    """
    config = runs.read_config(run)
    if config is None:
        raise UserError(f"run={run} has no {runs.CONFIG}, which says what data it was trained on.")
    return config


def load_data(config: Mapping[str, Any], *, allow: Sequence[str] = ()) -> Any:
    """The data that a run's settings describe.

    Raises:
        UserError: they name code that is neither ours nor among `allow`.
    """
    from lightning_gans.models.spec import build

    check_targets(config["data"], ("datamodules.",), allow=allow, what="was trained on")
    return build(config["data"], trusted=True)


def check_targets(settings: Any, places: Sequence[str], *, allow: Sequence[str], what: str) -> None:
    """Refuse settings that name anything but public classes and functions of `places`, or what begins as `allow`.

    Raises:
        UserError: says how to allow it.
    """
    for target in targets(settings):
        place, _, _ = target.rpartition(".")
        if f"{place}." not in places and not target.startswith(tuple(allow)):
            raise UserError(f"This run {what} {target}. If you trust that code, say allow={target}.")


def targets(settings: Any) -> Iterator[str]:
    """Every `_target_` in settings, however deep."""
    if isinstance(settings, Mapping):
        if "_target_" in settings:
            yield str(settings["_target_"])
        for value in settings.values():
            yield from targets(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from targets(value)
