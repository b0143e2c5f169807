"""ONNX export of generators and encoders, for programs without torch. Needs the extra `onnx`."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.extras import need
from lightning_gans.core.files import atomic
from lightning_gans.core.protocols import Encodes, SamplesByCondition, SamplesByLabel, SamplesFromCodes
from lightning_gans.models.generative import evaluating

TOLERANCE = 1e-4  # largest difference between the file and torch, relative to the largest output
CHECKED = (1, 2, 5)  # batch sizes that are compared


class _Function(nn.Module):
    """Module whose forward pass is one method of a model."""

    def __init__(self, model: nn.Module, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def export_onnx(model: Any, path: Path) -> dict[Path, dict[str, tuple[Any, ...]]]:
    """Write G as an ONNX file: `z` (n, prior.dim) -> `x`; also `label` (n,) int64 or `condition` (n, d).

    n is dynamic. A model with an encoder has a second file, NAME-encoder.onnx: `x` -> `z`, as `model.encode`. If
    onnxruntime is installed, each file is compared with torch before it is moved to its place.

    Returns:
        The files that were written, each with its inputs and outputs: name -> shape.

    Raises:
        UserError: the model has no codes, the packages are missing, torch cannot export it, or the outputs of the file
            differ.
    """
    able: object = model
    if not isinstance(able, SamplesFromCodes):
        raise UserError(
            f"onnx=: {type(model).__name__} is no function of a code, and only generators z -> x are exported. Take a "
            "run of a variant with a generator, as variant=dcgan."
        )
    need("onnx")
    with evaluating(model):
        z = model.codes(0, seed=0)
        inputs = {"z": z}
        if isinstance(able, SamplesByLabel):
            inputs["label"] = model.labels(len(z)).to(z.device)
        if isinstance(able, SamplesByCondition):
            inputs["condition"] = model.conditions(len(z)).to(z.device)
        x = model(*inputs.values())
        written = {path: _write(model, model, inputs, "x", x, path)}
        if isinstance(able, Encodes):
            place = path.with_name(f"{path.stem}-encoder{path.suffix}")
            written[place] = _write(model, model.code, {"x": x}, "z", model.code(x), place)
    return written


def _write(
    model: nn.Module,
    function: Callable[..., Tensor],
    inputs: dict[str, Tensor],
    name: str,
    expected: Tensor,
    path: Path,
) -> dict[str, tuple[Any, ...]]:
    """Write one function of a model and compare it with torch."""
    batch = torch.export.Dim("n")
    try:
        with _quiet():
            program = torch.onnx.export(
                _Function(model, function).eval(),
                tuple(tensor[:2] for tensor in inputs.values()),
                dynamo=True,
                verbose=False,
                input_names=list(inputs),
                output_names=[name],
                dynamic_shapes=((*({0: batch} for _ in inputs),),),
            )
    except Exception as error:  # torch.export and its decompositions raise nearly anything
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise UserError(
            f"onnx={path}: torch cannot export {type(model).__name__} ({type(error).__name__}: {reason})."
        ) from error
    assert program is not None
    _forget_places(program.model)
    with atomic(path) as temporary:
        program.save(temporary, external_data=False)
        _compare(temporary, path, inputs, expected)
    shapes = {key: ("n", *tensor.shape[1:]) for key, tensor in {**inputs, name: expected}.items()}
    return shapes


@contextmanager
def _quiet() -> Iterator[None]:
    """Context: torch neither emits warnings about its own code nor prints graphs that it could not trace."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)


def _forget_places(model: Any) -> None:
    """Remove the stack traces that torch stores in each node, which contain paths of this machine."""
    for part in (model, model.graph, *model.graph, *model.functions.values()):
        part.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    for node in model.graph:
        for output in node.outputs:
            output.metadata_props.clear()


def _compare(file: Path, path: Path, inputs: dict[str, Tensor], expected: Tensor) -> None:
    """Run a file with onnxruntime, if that is installed, on batches of several sizes.

    Raises:
        UserError: its outputs differ from torch's.
    """
    if find_spec("onnxruntime") is None:
        return
    import onnxruntime

    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    for n in CHECKED:
        (found,) = session.run(None, {key: tensor[:n].cpu().numpy() for key, tensor in inputs.items()})
        difference = (torch.from_numpy(found) - expected[:n].cpu()).abs().max().item()
        if not difference <= TOLERANCE * max(1.0, expected.abs().max().item()):
            raise UserError(
                f"onnx={path} was not written: its outputs differ from torch's by {difference:.2g}, more than "
                f"{TOLERANCE:g}."
            )
