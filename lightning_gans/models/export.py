"""A model on disk: weights.safetensors and model.yaml. No pickle, no data, no Lightning."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from lightning_gans.core.digests import KEY, digest_of, matches
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.models.spec import build

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.yaml"


def save_generator(
    model: nn.Module, spec: Mapping[str, Any], folder: str | PathLike[str], *, about: Mapping[str, Any] | None = None
) -> None:
    """Write `model`, which `spec` builds, to `folder`: each file whole or not at all, weights first.

    A process that is killed between the two leaves the new weights beside the old description, which is of the same
    model, or a folder without an export. The weights hold a digest of themselves.

    about: plain facts to keep beside it (iteration, data, metrics ...).
    """
    folder = Path(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if _spec(folder) != dict(spec):
        (folder / DESCRIPTION).unlink(missing_ok=True)  # weights of another model must never stand beside it
    write_atomically(folder / WEIGHTS, save(tensors, metadata={KEY: digest_of(tensors)}))
    text = yaml.safe_dump({"format": FORMAT, "model": dict(spec), "about": dict(about or {})}, sort_keys=False)
    write_atomically(folder / DESCRIPTION, text)


def _spec(folder: Path) -> Any:
    """The model that an exported folder describes, None where it describes none."""
    try:
        return yaml.safe_load((folder / DESCRIPTION).read_bytes())["model"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None


def load_generator(path: str | PathLike[str], *, allow: Sequence[str] = ()) -> nn.Module:
    """The model of an exported folder, or of a run's folder, in eval mode; sample with `.sample(16, seed=0)`.

    Args:
        path: a folder with model.yaml and weights.safetensors, or a run's folder that holds `generator/`.
        allow: prefixes of dotted names outside lightning_gans that the file may name (code of yours that you trust).

    Raises:
        UserError: no export there, a name that is not allowed, or weights that do not fit.
    """
    folder = Path(path)
    if (folder / "generator" / "model.yaml").is_file():
        folder /= "generator"
    if not (folder / "model.yaml").is_file():
        raise UserError(
            f"{path} holds no exported generator (model.yaml and weights.safetensors). Name a run's folder, or its "
            "generator/ folder; a run exports at its first checkpoint."
        )
    try:
        description = yaml.safe_load((folder / "model.yaml").read_text())
        spec = description["model"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{folder / 'model.yaml'} is not a model description: {error}.") from error
    model = build(spec, allow=allow)
    if not isinstance(model, nn.Module):
        raise UserError(f"{folder / 'model.yaml'} describes a {type(model).__name__}, not a model.")
    load_weights(model, folder / WEIGHTS)
    return model.eval()


def load_weights(model: nn.Module, file: Path) -> None:
    """Load a safetensors file into `model`, names and shapes exact; raises UserError."""
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            metadata = opened.metadata()
        if not matches(tensors, metadata):
            raise UserError(
                f"{file} is damaged: the digest in it is not that of its tensors. Restore it from a backup; the run "
                "that wrote it exports it again at its next checkpoint."
            )
        dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
        if len(dtypes) == 1:
            model.to(dtypes.pop())
        model.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{file} does not hold this model's weights: {error}") from error
