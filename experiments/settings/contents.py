"""Check of the images in a run's folders, before the run starts. Imports no torch."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datamodules.speech_files import recordings
from datamodules.survey import SUFFIXES, FolderFacts, describe
from experiments.settings import places
from experiments.settings.declarations import says, target
from experiments.settings.signatures import lineage
from lightning_gans.core.errors import UserError

FOLDER, PAIRS = "folder.Folder", "paired.Paired"
SPEAKERS = 2  # at least
CLASSIFIER = "lightning_gans.extractors.factories.classifier"


def check(config: Mapping[str, Any]) -> None:
    """Refuse a run if a folder holds no image or lacks the class folders it needs, or if a weights file is missing.

    Raises:
        UserError: the message names the folder, its content and the setting to change.
    """
    metrics, variant = config.get("metrics"), config.get("variant")
    weights = metrics.get("weights") if isinstance(metrics, Mapping) else None
    if isinstance(weights, str) and not Path(weights).expanduser().is_file():
        raise UserError(
            f"metrics.weights={weights} is no file. Name one of Inception's weights, as a .pth or .safetensors file, "
            "or leave metrics.weights out to have them downloaded."
        )
    data = config.get("data")
    if not isinstance(data, Mapping):
        return
    if _is(data, "speech.Speech") and len(recordings(str(data["root"]))) < SPEAKERS:
        raise UserError(
            f"data.root={data['root']}: data=speech needs a folder for each of two or more speakers with sound files "
            f"in it, as in {data['root']}/anna/1.wav. Say data.root=DIR with such a folder."
        )
    if _is(data, "unpaired.Unpaired") and all(data.get(key) is None for key in ("a", "b", "root")):
        raise UserError(
            "data=unpaired needs images of two domains. Say data.a= and data.b=, each a folder of images or the name "
            "of a set (mnist, usps, ...); or data.root=DIR with trainA/ and trainB/ in it; or data=digits_unpaired, "
            "which needs none."
        )
    for key, folder in _folders_of_images(config):
        if not _any_image(folder):
            raise UserError(
                f"{key}={folder} holds no image file (looked for {', '.join(SUFFIXES)}, to any depth). Say {key}=DIR "
                "with a folder that does."
            )
    if not _is(data, FOLDER):
        return
    if isinstance(variant, Mapping) and says(target(variant), "conditional"):
        facts = describe(str(data["root"]))
        if not facts.classes:
            name = _chosen(config, "variant")
            raise UserError(
                f"{name} is told the class of each image, and {no_classes(data['root'], facts)} {_instead()}"
            )
        _check_count(config, facts)
    if target(metrics) == CLASSIFIER and not (facts := describe(str(data["root"]))).classes:
        raise UserError(
            f"metrics=classifier trains a small classifier on the data's own labels, and "
            f"{no_classes(data['root'], facts)} Say metrics=pixels (mean colours) or "
            "metrics=inception, both for any images."
        )


def class_count(root: str) -> int:
    """Return the number of classes of a folder of images.

    Raises:
        UserError: it is not a folder, or has no class folders.
    """
    if not Path(root).expanduser().is_dir():
        raise UserError(f"data.root={root} is not a folder. Say data.root=DIR with one folder a class in it.")
    facts = describe(root)
    if not facts.classes:
        raise UserError(f"What was chosen is told the class of each image, and {no_classes(root, facts)} {_instead()}")
    return len(facts.classes)


def no_classes(root: object, facts: FolderFacts) -> str:
    """Explain, as the end of a sentence, why a folder of images has no labels."""
    if not facts.images:
        return f"data.root={root} holds no image at all."
    if facts.stray is not None:
        return f"data.root={root} has no classes: {facts.stray} lies beside the folders that would be classes."
    return f"data.root={root} has no class folders: its {facts.images:,} images lie in one folder."


def _instead() -> str:
    return "Put each class into a folder of its own, two or more of them, or choose variant=dcgan, which needs none."


def _check_count(config: Mapping[str, Any], facts: FolderFacts) -> None:
    model = config["variant"].get("model")
    told = model.get("classes") if isinstance(model, Mapping) else None
    if isinstance(told, int) and told != len(facts.classes):
        raise UserError(
            f"network.model.classes={told}, and data.root={config['data']['root']} has {len(facts.classes)} class "
            f"folders. Say network.model.classes={len(facts.classes)}, or leave it out."
        )


def _chosen(config: Mapping[str, Any], group: str) -> str:
    named = config.get("names")
    return f"{group}={named[group]}" if isinstance(named, Mapping) and group in named else target(config[group])


def _folders_of_images(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, folder) of the settings that name a folder of images of one data set."""
    data = config.get("data")
    for key, folder in places.needed(config):
        if ((_is(data, FOLDER) or _is(data, PAIRS)) and key == "data.root") or key in places.named_folders(config):
            yield key, folder


def _is(data: Any, name: str) -> bool:
    """Return True if a node's target is this class of `datamodules`, such as "folder.Folder"."""
    return any(f"{found.module}.{found.name}" == f"datamodules.{name}" for found in lineage(target(data))[:1])


def _any_image(folder: str) -> bool:
    """Return True if the folder or a subfolder contains an image file; the search ends at the first one.

    Raises:
        UserError: a folder cannot be read.
    """
    seen: set[str] = set()
    for place, folders, files in os.walk(Path(folder).expanduser(), followlinks=True, onerror=_unreadable):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        seen.add(real)
        if any(name.lower().endswith(SUFFIXES) and not name.startswith(".") for name in files):
            return True
    return False


def _unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read: {error.strerror}. Check its permissions.") from error
