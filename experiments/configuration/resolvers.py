"""OmegaConf resolvers of config files: values computed from the choices of a run."""

import math
import re
from collections.abc import Iterable
from typing import Any

import omegaconf
from omegaconf import DictConfig, OmegaConf

from datamodules.catalogue import CATALOGUE
from datamodules.condition_files import condition_names
from datamodules.speech_files import recordings
from experiments.configuration.recipes import facts
from experiments.settings.contents import class_count
from lightning_gans.core.errors import UserError


def register() -> None:
    """Register `${sample_shape:}` and the other resolvers of this module; repeated calls are allowed."""
    # Public in OmegaConf 2.4; the older function in 2.3 has no `replace`.
    name = "register_new_resolver" if omegaconf.__version__ < "2.4" else "register_resolver"
    register = getattr(OmegaConf, name)
    for resolver in (
        sample_shape,
        judged_shape,
        judged_channels,
        input_channels,
        paired_channels,
        channels_b,
        packs,
        decoded_shape,
        decoded_channels,
        images_or_points,
        classes,
        condition_dim,
        epochs,
        code_dim,
        noise_and_code_dim,
        kinds,
        speakers,
    ):
        register(resolver.__name__, resolver, replace=True)


def sample_shape(*, _root_: DictConfig) -> list[Any]:
    """Return the shape of a sample of the data: [channels, image_size, image_size], [mels, frames] or [dimension]."""
    data = _root_.data
    if "mels" in data:
        return [data.mels, data.frames]
    if "image_size" in data:
        return [data.channels, data.image_size, data.image_size]
    return [data.dimension]


def images_or_points(for_images: Any, for_points: Any, *, _root_: DictConfig) -> Any:
    """Return `for_images` if the data module yields images, else `for_points`."""
    return for_images if "image_size" in _root_.data else for_points


def judged_shape(*, _root_: DictConfig) -> list[Any]:
    """Return the shape of D's input: `variant.packing` samples, concatenated along the first axis."""
    first, *rest = sample_shape(_root_=_root_)
    return [first * _root_.variant.get("packing", 1), *rest]


def judged_channels(*, _root_: DictConfig) -> Any:
    """Return the number of channels of D's input."""
    return judged_shape(_root_=_root_)[0]


def input_channels(*, _root_: DictConfig) -> Any:
    """Return the number of channels of the inputs of paired data."""
    return _root_.data.get("input_channels", 1)


def paired_channels(*, _root_: DictConfig) -> Any:
    """Return the number of channels of an input and its output concatenated."""
    return input_channels(_root_=_root_) + _root_.data.channels


def channels_b(*, _root_: DictConfig) -> Any:
    """Return the number of channels of domain B: `data.channels_b`, or that of domain A."""
    own = _root_.data.get("channels_b")
    return _root_.data.channels if own is None else own


def packs(number: int, *, _root_: DictConfig) -> Any:
    """Return the number of samples in `number` packs: a batch of PacGAN counts packs of `variant.packing` samples."""
    packing = _root_.variant.get("packing", 1)
    return number * packing if isinstance(packing, int) else number


def decoded_shape(*, _root_: DictConfig) -> list[Any]:
    """Return the shape of a decoder's output: `decoder.numbers` parameters per value, along the first axis."""
    first, *rest = sample_shape(_root_=_root_)
    return [first * _root_.decoder.numbers, *rest]


def decoded_channels(*, _root_: DictConfig) -> Any:
    """Return the number of channels of a decoder's output."""
    return decoded_shape(_root_=_root_)[0]


def classes(*, _root_: DictConfig) -> int:
    """Return the number of classes of the chosen data; class folders are counted.

    Raises:
        UserError: the data have no classes, or their number is unknown before the files are read.
    """
    name = _data_name(_root_)
    entry = CATALOGUE.get(name)
    if name == "folder":
        return class_count(str(_root_.data.root))
    if entry is None:
        raise UserError(
            f"How many classes data={name} has is not known before its files are read: say network.model.classes=N."
        )
    if entry.classes is None:
        fitting = ", ".join(choice for choice, data in CATALOGUE.items() if data.classes)
        raise UserError(
            f"What was chosen needs labels, and data={name} has none. Data that fit: {fitting}, or data=folder with "
            "one folder a class."
        )
    return entry.classes


def condition_dim(*, _root_: DictConfig) -> int:
    """Return the length of a condition vector of the chosen data; the columns of a file are counted.

    Raises:
        UserError: the data have no condition vectors, or the file cannot be read.
    """
    data = _root_.data
    if "conditions" in data:
        return len(condition_names(str(data.conditions)))
    name = _data_name(_root_)
    dim = CATALOGUE[name].condition_dim if name in CATALOGUE else None
    if dim is not None:
        return dim
    raise UserError(
        f"data={name} has no condition vectors. Say data=digits_attributes, or data=attributes "
        "data.root=DIR data.conditions=FILE with your own; or network.model.condition_dim=N."
    )


def _data_name(root: DictConfig) -> str:
    """Return the choice of `data` that corresponds to the composed data, by class and name."""
    home = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", root.data._target_.rpartition(".")[2]).lower()
    name = str(root.data.get("source", root.data.get("name", home)))
    if name in CATALOGUE:
        return name
    return next((choice for choice in CATALOGUE if name.startswith(f"{choice}_")), name)  # lsun_bedroom


def epochs(number: float, otherwise: int | None = None, *, _root_: DictConfig) -> int:
    """Convert epochs of the chosen data to iterations; for two domains, the larger one counts.

    Args:
        number: number of epochs.
        otherwise: iterations if the number of images is unknown before they are read.

    Raises:
        UserError: the number of images is unknown, and `otherwise` is not given.
    """
    found = facts(_data_name(_root_), _root_)
    if found is not None and found.samples:
        return max(1, math.ceil(number * found.samples / int(_root_.data.batch_size)))
    if otherwise is not None:
        return otherwise
    raise UserError(
        f"iterations=${{epochs:{number:g}}}: how many training samples these data have is not known before they are "
        "read. Say iterations=N, batches of data.batch_size."
    )


def code_dim(*, _root_: DictConfig) -> int:
    """Return the total length of the chosen network's codes."""
    return _dims(_root_.network.model.codes)


def noise_and_code_dim(*, _root_: DictConfig) -> int:
    """Return the length of the generator's input: codes and noise."""
    return _dims([*_root_.network.model.codes, _root_.network.model.noise])


def _dims(priors: Iterable[Any]) -> int:
    # a value that is not a number is reported at its own key, once everything is resolved
    return sum(prior.dim for prior in priors if isinstance(prior.dim, int))


def kinds(*, _root_: DictConfig) -> int:
    """Return the number of logits of VAE-GAN's discriminator: 1, or 3 if it distinguishes three kinds of samples."""
    return 3 if _root_.variant.get("discriminator") == "three_way" else 1


def speakers(*, _root_: DictConfig) -> Any:
    """Return the number of speakers of the chosen data, counted in a folder.

    1 if there is nothing to count: the data module reports an unusable folder when it reads it.
    """
    data = _root_.data
    return data.speakers if "speakers" in data else max(1, len(recordings(str(data.root))))
