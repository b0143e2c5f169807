"""What config files may compute."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def register() -> None:
    """Make `${sample_shape:}`, `${judged_shape:}` and `${judged_channels:}` known; may be called again."""
    for resolver in (sample_shape, judged_shape, judged_channels):
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
