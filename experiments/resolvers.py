"""What config files may compute."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from datamodules.catalogue import CATALOGUE


def register() -> None:
    """Make `${sample_shape:}` and the other functions of this module known; may be called again."""
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
        ValueError: they have none, or a user's folders decide.
    """
    home = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", _root_.data._target_.rpartition(".")[2]).lower()
    name = str(_root_.data.get("name", home))
    entry = CATALOGUE.get(name)
    if entry is None or entry.classes is None:
        fitting = ", ".join(choice for choice, data in CATALOGUE.items() if data.classes)
        raise ValueError(
            f"the number of classes of these data ({name}) is not known: set it, or null for none, where a network's "
            f"`classes` asks for it. Data whose classes are known: {fitting}"
        )
    return entry.classes
