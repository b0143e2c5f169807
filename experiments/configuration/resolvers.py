"""Resolvers of config files: values computed from the choices of a run."""

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
    """Make `${sample_shape:}` and the other functions of this module known; may be called again."""
    # The public function of OmegaConf 2.4; 2.3 has an older one of that name without `replace`.
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
    """The shape of one sample of the chosen data: [channels, image_size, image_size], [mels, frames] or [dimension]."""
    data = _root_.data
    if "mels" in data:
        return [data.mels, data.frames]
    if "image_size" in data:
        return [data.channels, data.image_size, data.image_size]
    return [data.dimension]


def images_or_points(for_images: Any, for_points: Any, *, _root_: DictConfig) -> Any:
    """The one or the other, by what the chosen data are."""
    return for_images if "image_size" in _root_.data else for_points


def judged_shape(*, _root_: DictConfig) -> list[Any]:
    """The shape of what D judges at a time: `variant.packing` samples, side by side in the first axis."""
    first, *rest = sample_shape(_root_=_root_)
    return [first * _root_.variant.get("packing", 1), *rest]


def judged_channels(*, _root_: DictConfig) -> Any:
    """The channels of what D judges at a time."""
    return judged_shape(_root_=_root_)[0]


def input_channels(*, _root_: DictConfig) -> Any:
    """The channels of the inputs of the chosen pairs."""
    return _root_.data.get("input_channels", 1)


def paired_channels(*, _root_: DictConfig) -> Any:
    """The channels of an input and its output side by side."""
    return input_channels(_root_=_root_) + _root_.data.channels


def channels_b(*, _root_: DictConfig) -> Any:
    """The channels of domain B: `data.channels_b`, or as many as A has."""
    own = _root_.data.get("channels_b")
    return _root_.data.channels if own is None else own


def packs(number: int, *, _root_: DictConfig) -> Any:
    """The samples of so many packs: PacGAN's batch counts what D judges, packs of `variant.packing` samples."""
    packing = _root_.variant.get("packing", 1)
    return number * packing if isinstance(packing, int) else number


def decoded_shape(*, _root_: DictConfig) -> list[Any]:
    """The shape of what a decoder gives for a sample: `decoder.numbers` for each of its own, along the first axis."""
    first, *rest = sample_shape(_root_=_root_)
    return [first * _root_.decoder.numbers, *rest]


def decoded_channels(*, _root_: DictConfig) -> Any:
    """The channels of what a decoder gives."""
    return decoded_shape(_root_=_root_)[0]


def classes(*, _root_: DictConfig) -> int:
    """Return the number of classes of the chosen data; class folders are counted.

    Raises:
        UserError: they have none, or it is not known before their files are read.
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
    """The choice of `data` that the composed data are, by their class and name."""
    home = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", root.data._target_.rpartition(".")[2]).lower()
    name = str(root.data.get("source", root.data.get("name", home)))
    if name in CATALOGUE:
        return name
    return next((choice for choice in CATALOGUE if name.startswith(f"{choice}_")), name)  # lsun_bedroom


def epochs(number: float, otherwise: int | None = None, *, _root_: DictConfig) -> int:
    """The iterations of so many epochs of the chosen data: of two domains, of the larger one.

    Args:
        number: of epochs.
        otherwise: iterations where the number of images is not known before they are read.

    Raises:
        UserError: it is not known, and `otherwise` is not given.
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
    """Return the length of the chosen network's codes together."""
    return _dims(_root_.network.model.codes)


def noise_and_code_dim(*, _root_: DictConfig) -> int:
    """The same with its noise: what its generator is fed."""
    return _dims([*_root_.network.model.codes, _root_.network.model.noise])


def _dims(priors: Iterable[Any]) -> int:
    # what is no number is told where it stands, once everything is resolved
    return sum(prior.dim for prior in priors if isinstance(prior.dim, int))


def kinds(*, _root_: DictConfig) -> int:
    """Logits of VAE-GAN's discriminator: one, or one for each kind of sample where it tells three apart."""
    return 3 if _root_.variant.get("discriminator") == "three_way" else 1


def speakers(*, _root_: DictConfig) -> Any:
    """Return the number of speakers of the chosen data; those of a folder are counted.

    1 where there is nothing to count: the data module reports an unusable folder when it reads it.
    """
    data = _root_.data
    return data.speakers if "speakers" in data else max(1, len(recordings(str(data.root))))
