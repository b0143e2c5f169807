"""A model on disk: weights.safetensors and model.yaml. No pickle, no data, no Lightning."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.models.spec import build

FORMAT = 1


def save_generator(
    model: nn.Module, spec: Mapping[str, Any], folder: str | PathLike[str], *, about: Mapping[str, Any] | None = None
) -> None:
    """Write `model`, which `spec` builds, to `folder`; each file whole or not at all.

    about: plain facts to keep beside it (iteration, data, metrics ...).
    """
    folder = Path(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / "weights.safetensors", save(tensors))
    text = yaml.safe_dump({"format": FORMAT, "model": dict(spec), "about": dict(about or {})}, sort_keys=False)
    write_atomically(folder / "model.yaml", text)


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
    load_weights(model, folder / "weights.safetensors")
    return model.eval()


def load_weights(model: nn.Module, file: Path) -> None:
    """Load a safetensors file into `model`, names and shapes exact; raises UserError."""
    try:
        tensors = load_file(file)
        dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
        if len(dtypes) == 1:
            model.to(dtypes.pop())
        model.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{file} does not hold this model's weights: {error}") from error
