"""Choices that follow from the properties of the data: the nearest recipe, and metrics that need no labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from datamodules.catalogue import CATALOGUE
from datamodules.survey import TOPS, FolderFacts, describe
from experiments.settings import offered
from experiments.settings.declarations import names, target

NONE = "none"  # recipe=none: the settings of the variant alone


@dataclass(frozen=True)
class Facts:
    """Properties of image data that determine the choice of a recipe.

    kind: batch types of the data module.
    samples: number of training images, for two domains that of the larger one. None if unknown.
    size: height and width of the files in pixels.
    channels: 1 (grey) or 3 (RGB).
    labelled: True if each image has a class; None if unknown.
    """

    kind: tuple[str, ...]
    samples: int | None
    size: int
    channels: int
    labelled: bool | None

    def __str__(self) -> str:
        count = "" if self.samples is None else f"{self.samples:,} "
        return f"{count}{'grey' if self.channels == 1 else 'RGB'} images of {self.size} pixels"


def facts(choice: str, config: DictConfig) -> Facts | None:
    """Return the facts of the chosen data; None for data other than images, and for a folder without images.

    Args:
        choice: choice of the group `data`.
        config: a composition with the settings of the data.
    """
    if choice in CATALOGUE and CATALOGUE[choice].images:
        return known(choice)
    data = target(_value(config, "data"))
    size, channels = _value(config, "data.image_size"), _value(config, "data.channels")
    if "images" not in names(data, "contents") or not isinstance(size, int) or not isinstance(channels, int):
        return None
    if choice not in CATALOGUE:
        return Facts(names(data, "batch"), None, size, channels, None)
    domains = [_domain(word, tops, names(data, "batch"), channels) for word, tops in _domains(config)]
    if not domains or domains[0] is None:
        return None
    most = max((domain.samples for domain in domains if domain and domain.samples), default=None)
    return replace(domains[0], samples=most)


def _domain(word: str, tops: tuple[str, ...], kind: tuple[str, ...], channels: int) -> Facts | None:
    """Return the facts of a data set or folder; tops: its top folders of training images, if unusual."""
    if word in CATALOGUE:
        found = known(word)
        return found and Facts(kind, found.samples, found.size, channels, found.labelled)
    looked = _looked(word, tops)
    if looked is None or not looked.images:
        return None
    side = max(1, round(math.sqrt(math.prod(looked.size))))  # 0: no image header can be read
    return Facts(kind, looked.images, side, channels, bool(looked.classes))


def known(choice: str) -> Facts | None:
    """Return the facts of a choice of `data` from the catalogue."""
    images, cls = CATALOGUE[choice].images, offered.data_class(choice)
    if images is None:
        return None
    return Facts(names(cls, "batch"), *images, labelled=CATALOGUE[choice].classes is not None)


def nearest(data: Facts, recipes: Sequence[str]) -> str | None:
    """Return the recipe for the most similar data; None if no recipe is for data of this kind.

    The distance adds |log(n / n')| for the numbers of samples, half of that for the sizes, and 1/2 if one is grey and
    the other RGB.

    Args:
        recipes: choices of `data` for which the variant has one.
    """
    made_for = {recipe: known(recipe) for recipe in recipes if recipe in CATALOGUE}
    distances = {
        recipe: _distance(data, other) for recipe, other in made_for.items() if other and other.kind == data.kind
    }
    return min(distances, key=lambda recipe: distances[recipe], default=None)


def told(config: Mapping[str, Any], choices: Mapping[str, str], data: Facts | None, own: bool, chosen: bool) -> str:
    """Describe the recipe, the metrics and the length of a run in one line.

    Args:
        config: resolved configuration of the run.
        choices: group -> choice.
        data: facts of the data.
        own: True if the recipe was made for this variant and these data.
        chosen: True if the command line chose the recipe.
    """
    recipe, variant, experiment = choices.get("recipe", NONE), choices.get("variant"), choices.get("experiment", NONE)
    if own or chosen:
        said = f"recipe {recipe}"
    elif experiment != NONE:
        said = f"experiment {experiment}"
    elif recipe.startswith(f"{variant}/") and data is not None and recipe != f"{variant}/{choices.get('data')}":
        said = f"recipe {recipe}, the nearest to {data} (recipe=none: the settings of {variant} alone)"
    else:
        said = f"recipe none for these data: the settings of {variant} alone"
    batch = config["data"].get("batch_size")
    epochs = ""
    if data is not None and data.samples and isinstance(batch, int):
        epochs = f", about {number(config['iterations'] * batch / data.samples)} epochs"
    return f"{said}; metrics {choices.get('metrics', NONE)}; {config['iterations']:,} iterations of {batch}{epochs}"


def paper(variant: str, data: Facts | None, folders: tuple[Path, ...]) -> tuple[str, int] | None:
    """Return the length of training in a variant's paper, as text and in images; None if unknown.

    Epochs are counted on the given data.
    """
    known = offered.paper(variant, folders)
    if "epochs" in known:
        epochs, samples = known["epochs"], data.samples if data else None
        return (f"{epochs:,} epochs", epochs * samples) if samples else None
    if {"iterations", "batch_size"} <= known.keys():
        iterations, batch = known["iterations"], known["batch_size"]
        return f"{iterations:,} iterations of {batch}", iterations * batch
    return None


def number(value: float) -> str:
    """Format a number with two significant digits, or a whole number with thousands separators."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _distance(one: Facts, other: Facts) -> float:
    samples = abs(math.log(one.samples / other.samples)) if one.samples and other.samples else 0.0
    return samples + 0.5 * abs(math.log(one.size / other.size)) + 0.5 * (one.channels != other.channels)


def _domains(config: DictConfig) -> list[tuple[str, tuple[str, ...]]]:
    """Return the data set or folder of each domain, with its folders of training images if unusual.

    The target domain of a domain shift is left out, because only source images are counted.
    """
    words = [_value(config, key) for key in ("data.a", "data.b", "data.source")]
    if found := [(word, ()) for word in words if isinstance(word, str)]:
        return list(found)
    root = str(_value(config, "data.root"))
    two = "a" in (_value(config, "data") or {})
    return [(root, ("trainA",)), (root, ("trainB",))] if two else [(root, ())]


def _looked(root: str, tops: tuple[str, ...]) -> FolderFacts | None:
    folder = Path(root).expanduser()
    try:
        return _described(folder.absolute(), tops, folder.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _described(root: Path, tops: tuple[str, ...], modified: int) -> FolderFacts:
    return describe(root, {top.lower(): "train" for top in tops} or TOPS)


def _value(config: DictConfig, key: str) -> Any:
    try:
        value = OmegaConf.select(config, key)
        return OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value
    except OmegaConfBaseException:
        return None
