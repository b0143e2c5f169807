"""What config files may compute."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from datamodules.catalogue import CATALOGUE
from lightning_gans.core.errors import UserError


def register() -> None:
    """Make the functions below known, as `${sample_shape:}`; may be called again."""
    for resolver in (sample_shape, judged_shape, judged_channels, classes):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)


def sample_shape(*, _root_: DictConfig) -> list[Any]:
    """The shape of one sample of the chosen data: [channels, image_size, image_size] or [dimension]."""
    data = _root_.data
    if "image_size" in data:
        return [data.channels, data.image_size, data.image_size]
    return [data.dimension]


def judged_shape(*, _root_: DictConfig) -> list[Any]:
    """The shape of what D judges at a time: `variant.packing` samples, side by side in the first axis."""
    first, *rest = sample_shape(_root_=_root_)
    return [first * _root_.variant.get("packing", 1), *rest]


def judged_channels(*, _root_: DictConfig) -> Any:
    """The channels of what D judges at a time."""
    return judged_shape(_root_=_root_)[0]


def classes(*, _root_: DictConfig) -> int:
    """How many classes the chosen data have.

    Raises:
        UserError: they have none, or it is not known before their files are read.
    """
    choice = _choice(_root_.data)
    known = CATALOGUE[choice].classes if choice in CATALOGUE else None
    if known is not None:
        return known
    if choice in CATALOGUE and choice != "folder":
        labelled = ", ".join(name for name, data in CATALOGUE.items() if data.classes is not None)
        raise UserError(
            f"What was chosen needs labelled data, and data={choice} has no labels. Data that fit: {labelled}, or "
            "data=folder with one folder a class."
        )
    raise UserError(
        f"How many classes data={choice} has is not known before their files are read: say network.model.classes=N."
    )


def _choice(data: DictConfig) -> str:
    """The `data=` that these settings are of: the set's own name, or the class's with underscores."""
    name = data.get("name") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(data.get("_target_", "")).rpartition(".")[2])
    return str(name).lower()
