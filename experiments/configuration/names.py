"""Names of runs: the variant, the data, and every choice or value that differs from the recipe."""

import os
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.composing import DECIDING, Composed, Composer
from experiments.configuration.messages import leaf_keys
from experiments.runs import directory
from experiments.runs.resume import flatten

FILLED_IN = ("names", "group")

# Additions of a recipe to its variant that a table has to state: choices, and settings by their last part.
EXTRA_CHOICES = ("penalty", "augment")
NO_EXTRA = ("none", "recipe")  # choices that add nothing: the second is the usual augmentation of every command
EXTRA_SETTINGS = ("clip_norm",)


def named(composer: Composer, overrides: Sequence[Override]) -> Composed:
    """Compose the configuration, and fill in `names`, `group` and `run_dir`."""
    composed = composer.compose(overrides)
    config, choices = composed.config, composed.choices
    differences = _differences(composer, composed, overrides)
    group = directory.group_name(choices["variant"], choices["data"], differences)
    name = f"{group}-{directory.clean(directory.as_token(select(config, 'seed')))}"
    with open_dict(config):
        config.pop("study", None)  # a property of the multirun, not of a single run
        config.names = {"variant": choices["variant"], "data": choices["data"], "run": name, "group": group}
        config.names.recipe = choices.get("recipe", "none")
        config.names.choices = {group: choice for group, choice in choices.items() if not group.startswith("hydra")}
        if extras := _extras(composer, composed, overrides):
            config.names.extras = extras
        config.group = config.get("group") or group
        if "run_dir" in config and config.run_dir is None:
            config.run_dir = str(directory.RUNS / name)
    return composed


def select(config: DictConfig, key: str) -> Any:
    """Return the plain value of a dotted key; None if it does not resolve, an error that `resolve` reports later."""
    try:
        value = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _differences(composer: Composer, composed: Composed, overrides: Sequence[Override]) -> dict[str, str]:
    """Return the differences of this job from its recipe: choice -> "", short key -> value."""
    found: dict[str, str] = {}
    experiment = composed.choices.get("experiment", "none")
    if experiment != "none":
        found[experiment.rpartition("/")[2]] = ""
    chosen = [override for override in overrides if composer.is_choice(override)]
    found |= _other_choices(composer, composed, chosen, overrides)
    values = [override for override in overrides if override not in chosen]
    found |= _other_values(composer, composed, overrides, values)
    if composed.choices["data"] in ("folder", "speech"):  # a folder is its own data set
        found["root_"] = os.path.normpath(str(select(composed.config, "data.root")))
    return found


def _extras(composer: Composer, composed: Composed, overrides: Sequence[Override]) -> list[str]:
    """Return groups and dotted keys in which the recipe adds a penalty, an augmentation or clipping to the variant."""
    if composed.choices.get("recipe", "none") == "none":
        return []
    there = {
        group: choice for group in EXTRA_CHOICES if (choice := composed.choices.get(group, "none")) not in NO_EXTRA
    }
    variant = flatten(OmegaConf.to_container(composed.config.variant, resolve=False), "variant")
    values = {key: value for key, value in variant if key.rpartition(".")[2] in EXTRA_SETTINGS and value is not None}
    if not there and not values:  # known without a composition
        return []
    lines = [line for line in composer.choosing(overrides) if line.partition("=")[0] != "recipe"]
    usual = composer.chosen((*lines, "recipe=none"))
    choices = [group for group, choice in there.items() if choice != usual.choices.get(group, "none")]
    return [*choices, *(key for key, value in values.items() if value != select(usual.config, key))]


def _other_choices(
    composer: Composer, composed: Composed, chosen: Sequence[Override], overrides: Sequence[Override]
) -> dict[str, str]:
    if not {override.key_or_group for override in chosen} - set(directory.UNNAMED_GROUPS):
        return {}
    recipe = [override for override in overrides if override not in chosen or override.key_or_group in DECIDING]
    usual = composer.chosen(composer.choosing(recipe)).choices
    everything = [option for group in composer.groups() for option in composer.options(group)]
    found: dict[str, str] = {}
    for group, choice in composed.choices.items():
        if choice != usual.get(group) and group not in directory.UNNAMED_GROUPS:
            group, _, place = group.partition("@")
            if place:  # variant.training.players.D.optimizer: D.optimizer
                found[".".join(place.split(".")[-2:])] = choice
            else:
                found[choice if everything.count(choice) == 1 else f"{group}_{choice}"] = ""
    return found


def _other_values(
    composer: Composer, composed: Composed, overrides: Sequence[Override], values: Sequence[Override]
) -> dict[str, str]:
    changed = [override for override in values if not directory.is_unnamed(override.key_or_group)]
    if not changed:
        return {}
    before = composer.chosen(composer.choosing(overrides)).config
    keys = set(leaf_keys(composed.config, targets=True)) - composed.filled  # names outlast new arguments
    found: dict[str, str] = {}
    for override in changed:
        key = override.key_or_group
        if override.is_delete():
            found[f"no_{directory.short_key(key, keys)}"] = ""
            continue
        for leaf, now in flatten(select(composed.config, key), key):
            if now != select(before, leaf):
                short, text = directory.short_key(leaf, keys), directory.as_token(now)
                is_class = short.endswith("._target_")
                found[short.removesuffix("._target_")] = text.rpartition(".")[2] if is_class else text
    return found
