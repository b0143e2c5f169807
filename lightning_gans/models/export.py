"""Export of a model: weights.safetensors, model.yaml and a model card. No pickle, no data, no Lightning."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from lightning_gans.core.digests import KEY, digest_of, matches
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.core.received import inside, load_yaml, printable
from lightning_gans.models.card import GRID, Report, write_card
from lightning_gans.models.spec import build
from lightning_gans.zoo import located

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.yaml"
# Allowances for a description beyond the size of its weights on disk; see `_check_numbers`.
FREE_NUMBER, FREE_PRODUCT, FREE_TENSORS = 1024, 2**22, 1024
DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64}

Shape = tuple[int, ...]


def save_generator(
    model: nn.Module,
    spec: Mapping[str, Any],
    folder: str | PathLike[str],
    *,
    about: Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> None:
    """Write `model`, built from `spec`, to `folder`: each file atomically, weights first, the card last.

    A process that is killed in between leaves the new weights beside the old description, which is of the same model,
    or a folder without an export. The weights contain their own digest.

    A picture samples.png of other weights is removed.

    Args:
        about: plain facts to store beside the description (iteration, data, classes ...).
        report: facts for the model card only (scores, command ...).
    """
    folder = Path(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if _spec(folder) != dict(spec):
        (folder / DESCRIPTION).unlink(missing_ok=True)  # never beside weights of another model
    (folder / GRID).unlink(missing_ok=True)
    write_atomically(folder / WEIGHTS, save(tensors, metadata={KEY: digest_of(tensors)}))
    text = yaml.safe_dump({"format": FORMAT, "model": dict(spec), "about": dict(about or {})}, sort_keys=False)
    write_atomically(folder / DESCRIPTION, text)
    write_card(folder, spec, about or {}, replace(report, grid=False) if report else None)


def _spec(folder: Path) -> Any:
    """Return the model that an exported folder describes, or None."""
    try:
        return load_yaml(folder / DESCRIPTION)["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_generator(path: str | PathLike[str], *, allow: Sequence[str] = ()) -> nn.Module:
    """Load the model of an exported folder, or of a run's folder, in eval mode; sample with `.sample(16, seed=0)`.

    Args:
        path: a folder with model.yaml and weights.safetensors, a run's folder that holds `generator/`, or a small
            generator that comes with the package: "zoo/digits", "zoo/ring", "zoo/encoder".
        allow: dotted names of packages, modules or classes outside lightning_gans that the file may name (code of yours
            that you trust).

    The folder may be untrusted: model.yaml can name only classes of `spec.exportable`, and no memory is allocated for
    sizes that the weights do not have.

    Raises:
        UserError: no export there, a name that is not allowed, weights that do not fit or are not finite, or a symbolic
            link out of the folder.
    """
    place = located(Path(path))
    folder = _folder(place)
    spec = described(folder).get("model")
    file = inside(folder / WEIGHTS, place)
    shapes = stored_shapes(file)
    size = sum(map(prod, shapes.values()))
    try:
        _check_numbers(spec, size)
        with torch.device("meta"), _at_most(len(shapes)), catch_warnings(action="ignore"):
            outline = build(spec, allow=allow)
    except ValueError as error:
        raise UserError(
            f"{folder / DESCRIPTION} {error}, and {file.name} holds {size:,} numbers: they are not of the same model, "
            "or one of them is damaged."
        ) from error
    if not isinstance(outline, nn.Module):
        raise UserError(f"{folder / DESCRIPTION} describes a {type(outline).__name__}, not a model.")
    check_shapes(outline, shapes, file)
    model: nn.Module = build(spec, allow=allow)
    load_weights(model, file)
    return model.eval()


def described(path: str | PathLike[str]) -> dict[str, Any]:
    """Read an export's model.yaml: `model`, the description, and `about`, facts beside it (a dictionary).

    Raises:
        UserError: no export there, or the file is not a description.
    """
    place = located(Path(path))
    file = inside(_folder(place) / DESCRIPTION, place)
    try:
        content = load_yaml(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is not a model description: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise UserError(f"{file} is not a model description: it has no dictionary `model`.")
    about = content.get("about")
    return content | {"about": about if isinstance(about, dict) else {}}


def _folder(path: Path) -> Path:
    folder = path / "generator" if (path / "generator" / DESCRIPTION).is_file() else path
    if not (folder / DESCRIPTION).is_file():
        raise UserError(
            f"{path} holds no exported generator (model.yaml and weights.safetensors). Name a run's folder, or its "
            "generator/ folder; a run exports at its first checkpoint."
        )
    return folder


def stored_shapes(file: Path) -> dict[str, Shape]:
    """Read the shape of each tensor from the header of a safetensors file; verifies the size of the file.

    Raises:
        UserError: it is not such a file.
    """
    if not file.is_file():
        raise UserError(f"{file} does not hold this model's weights: there is no such file.")
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{file} does not hold this model's weights: {error}") from error


def check_shapes(model: nn.Module, shapes: Mapping[str, Shape], source: Path) -> None:
    """Refuse tensors of other names or shapes than the model's, which may be on the meta device.

    Raises:
        UserError: names the first one.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name in [*wanted, *(name for name in shapes if name not in wanted)]:
        mine, theirs = wanted.get(name, "not there"), shapes.get(name, "not there")
        if mine != theirs:
            raise UserError(
                f"{source} does not hold this model's weights: {name} is {theirs}, and {mine} in the model."
            )


def check_finite(state: Mapping[str, Tensor], source: Path) -> None:
    """Refuse weights or buffers that are NaN or infinite.

    Raises:
        UserError: names the first one.
    """
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(
                f"{source} holds weights that are NaN or infinite ({name}), so its samples mean nothing. The file is "
                "damaged or the run diverged: take another checkpoint or run."
            )


def _check_numbers(spec: Any, size: int) -> None:
    """Limit what a description can make Python and torch allocate, by the size of its weights on disk.

    A network of width w, of d layers, or with codes of n components, has at least as many weights. Small numbers are
    exempt: weights shared over an image are fewer than its pixels.

    Raises:
        ValueError: a whole number, or the product of a list of them (a shape), is too large.
    """
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            numbers = [abs(n) for n in (value if isinstance(value, list) else [value]) if isinstance(n, int)]
            product = 1
            for number in numbers:
                product *= number
                if number > max(size, FREE_NUMBER) or product > max(size, FREE_PRODUCT):
                    raise ValueError(f"says {printable(key, 80)}={printable(value, 80)}")
            _check_numbers(value, size)
    elif isinstance(spec, list):
        for value in spec:
            _check_numbers(value, size)


@contextmanager
def _at_most(tensors: int) -> Iterator[None]:
    """Context: a model with far more parameters than `tensors` raises ValueError before it fills the memory."""
    left = FREE_TENSORS + 8 * tensors  # parametrised weights are registered more than once

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("describes more layers than it has weights")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def load_weights(model: nn.Module, file: Path) -> None:
    """Load a safetensors file into `model`: names and shapes exact, numbers finite; raises UserError."""
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            metadata = opened.metadata()
        if not matches(tensors, metadata):
            raise UserError(
                f"{file} is damaged: the digest in it is not that of its tensors. Restore it from a backup, or delete "
                "it and give the command of its run again, which exports the weights of its last checkpoint."
            )
        dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
        if not dtypes <= DTYPES:
            raise TypeError(f"they are {', '.join(sorted(map(str, dtypes)))}")
        if len(dtypes) == 1:
            model.to(dtypes.pop())
        model.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError, TypeError, KeyError) as error:
        raise UserError(f"{file} does not hold this model's weights: {error}") from error
    check_finite(tensors, file)
