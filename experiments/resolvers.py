"""What config files may compute."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def register() -> None:
    """Make `${sample_shape:}` known; may be called again."""
    OmegaConf.register_new_resolver("sample_shape", sample_shape, replace=True)


def sample_shape(*, _root_: DictConfig) -> list[Any]:
    """The shape of one sample of the chosen data: [channels, image_size, image_size] or [dimension]."""
    data = _root_.data
    if "image_size" in data:
        return [data.channels, data.image_size, data.image_size]
    return [data.dimension]
