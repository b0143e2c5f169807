"""The argument condition= of `experiments.sample`: condition vectors by named numbers, or from a file."""

from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from experiments.trained.sample_request import Request


def of(request: "Request", model: Any) -> Any:
    """Return a condition vector for each requested sample, (n, d); None if no condition was given.

    If some training conditions have all the values given by name, the conditions are drawn from those. Otherwise the
    values replace those of training conditions drawn at random.

    Raises:
        UserError: the model is unconditional, has no number of this name or another length, or a file cannot be read.
    """
    from lightning_gans.core.protocols import SamplesByCondition
    from lightning_gans.models import class_names
    from lightning_gans.models.export import described

    text = request.condition
    if text is None:
        return None
    if not isinstance(model, SamplesByCondition):
        raise UserError(
            f"condition={text}: the generator of run={request.run} is told no condition vector. Leave condition out, "
            "or name a run of variant=gan_cls."
        )
    from datamodules.condition_files import SUFFIXES  # sampling needs the data package only for conditions

    if Path(text).suffix.lower() in SUFFIXES:
        return _of_file(text, model.condition_dim, request.n)
    names = class_names.received(described(request.run)["about"], model.condition_dim, class_names.CONDITIONS)
    names = names or tuple(f"c{number}" for number in range(model.condition_dim))
    given: dict[int, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in names:
            hint = did_you_mean(f"{found}={value}" for found in nearest(name, names))
            raise UserError(
                f"condition={text}: the conditions of run={request.run} have no number {name}.{hint} They are "
                f"{class_names.listed(names)}."
            )
        given[names.index(name)] = _number(text, part, value)
    return _completed(given, model, request)


def _completed(given: dict[int, float], model: Any, request: "Request") -> Any:
    conditions = model.conditions(request.n, seed=request.seed)
    bank = model.bank
    for place, value in given.items():
        having = bank[(bank[:, place] - value).abs() < 1e-6]
        bank = having if len(having) else bank
    if len(bank) < len(model.bank):
        conditions = bank[[row % len(bank) for row in range(request.n)]]
    for place, value in given.items():
        conditions[:, place] = value
    return conditions


def _of_file(text: str, dim: int, n: int) -> Any:
    import torch

    from datamodules.condition_files import ConditionFile

    vectors = torch.from_numpy(ConditionFile.read(text, key="condition").vectors)
    if vectors.shape[1] != dim:
        raise UserError(
            f"condition={text}: its conditions have {vectors.shape[1]} numbers, and the model's have {dim}."
        )
    return vectors[[row % len(vectors) for row in range(n)]]


def _number(text: str, part: str, value: str) -> float:
    with suppress(ValueError):
        if isfinite(found := float(value)):
            return found
    raise UserError(f"condition={text}: {part} gives no number. Say NAME=NUMBER, with commas between several of them.")
