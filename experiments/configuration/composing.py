"""Hydra's composition without hydra.main: overrides in, one resolved plain configuration a job out."""

import copy
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, create_defaults_list
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from datamodules.catalogue import CATALOGUE
from experiments.configuration import resolvers
from experiments.configuration.messages import (
    choices_of,
    dangling,
    exists,
    leaf_keys,
    malformed,
    raise_mendable,
    reason,
    refuse_sweep,
)
from experiments.settings.declarations import gives
from experiments.settings.signatures import signature
from experiments.settings.spec import plain
from experiments.settings.suggest import did_you_mean, nearest, nearest_keys
from experiments.settings.validate import META, allowed
from lightning_gans.core.errors import UserError

CONFIG_NAME = "train"
CONFIG_PATH = "pkg://experiments.conf"
MOST_JOBS = 10_000
SET_BY_RECIPES = ("network", "penalty")  # groups whose choices differ in their settings, and recipes set some
DECIDING = ("variant", "data", "experiment")  # groups that decide which variant it is
MEANT = ("variant/", "recipe/", "experiment/")  # files that set values within what is usually chosen


class _Repository(CachingConfigRepository):
    """One composition's view of the tree; Hydra's own copies the whole repository each time, which takes longer."""

    def __init__(self, delegate: IConfigRepository) -> None:
        self.delegate, self.cache = delegate, {}


class _Files(_Repository):
    """Every file parsed once, however often it is composed."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        return copy.deepcopy(super().load_config(config_path))  # a composition writes into what it merges


@dataclass(frozen=True)
class Composed:
    """config: before its interpolations are resolved. choices: group -> choice."""

    config: DictConfig
    choices: dict[str, str]


class Composer:
    """The config tree, with a user's own folder behind it.

    Args:
        config_dir: further folder of configs (`--config-dir`).
        config_name: of the main config.
        config_path: where the tree is, "pkg://package" or "file:///folder".

    Raises:
        UserError: there is no such folder.
    """

    def __init__(
        self, *, config_dir: str | None = None, config_name: str = CONFIG_NAME, config_path: str = CONFIG_PATH
    ) -> None:
        resolvers.register()
        setup_globals()
        self.config_name = config_name
        search_path = create_config_search_path(config_path)
        if config_dir is not None:
            folder = Path(config_dir).expanduser().absolute()
            if not config_dir or not folder.is_dir():
                raise UserError(
                    f"--config-dir {plain(config_dir)}: there is no such folder. Name one that holds config groups, "
                    "such as DIR/variant/mine.yaml."
                )
            search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
        self.loader = ConfigLoaderImpl(config_search_path=search_path)
        self.files = _Files(self.loader.repository)
        self._cached = cache(self._compose)

    # The command line

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """Typed overrides.

        Raises:
            UserError: one of them is malformed.
        """
        parser = OverridesParser.create(config_loader=self.loader)
        parsed = []
        for text in overrides:
            try:
                if not text.partition("=")[0].strip("+~"):
                    raise OverrideParseException(override=text, message="no name")
                parsed += parser.parse_overrides([text])
            except (OverrideParseException, HydraException) as error:
                raise UserError(malformed(text)) from error
        return parsed

    def sweep(self, overrides: Sequence[Override]) -> Iterator[list[str]]:
        """The overrides of each job of a multirun, as Hydra's basic sweeper makes them: the last one varies fastest."""
        lists: dict[str, list[str]] = {}
        for override in overrides:
            key = override.get_key_element()
            if not override.is_sweep_override():
                lists[key] = [f"{key}={override.get_value_element_as_str()}" if not override.is_delete() else key]
            elif override.is_discrete_sweep():
                lists[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            else:
                raise UserError(f"{override.input_line}: an interval cannot be swept; name values, as in {key}=1,2,3.")
            if not lists[key]:
                raise UserError(f"{override.input_line}: nothing fits, so there is nothing to run.")
        jobs = (list(job) for job in product(*lists.values()))
        yield from islice(jobs, MOST_JOBS)
        if next(jobs, None) is not None:
            raise UserError(f"That makes more than {MOST_JOBS:,} jobs; sweep over fewer values.")

    # The tree

    @cache  # noqa: B019 (lives as long as the command)
    def groups(self) -> list[str]:
        """The config groups, Hydra's own aside."""
        return [group for group in self._listed("", ObjectType.GROUP) if group != "hydra"]

    @cache  # noqa: B019
    def options(self, group: str) -> list[str]:
        """The choices of a group, a user's own among them; those in folders as `folder/choice`."""
        folders = self._listed(group, ObjectType.GROUP)
        inner = [f"{folder}/{name}" for folder in folders for name in self.options(f"{group}/{folder}")]
        return sorted({*self._listed(group, ObjectType.CONFIG), *inner})

    def _listed(self, group: str, kind: ObjectType) -> list[str]:
        return list(self.loader.repository.get_group_options(group, kind))

    def is_choice(self, override: Override) -> bool:
        """Whether an override chooses from a group, rather than sets a value."""
        key = override.key_or_group
        if not (key in self.groups() or ("/" in key and bool(self.options(key)))):
            return False
        return override.is_sweep_override() or not isinstance(override.value(), dict)

    # Composition

    def choosing(self, overrides: Sequence[Override]) -> tuple[str, ...]:
        """Those of `overrides` that choose from a group, as `chosen` takes them.

        network=mlp of a game that has perceptrons of its own means those, network/<variant>_mlp.
        """
        lines = [override.input_line or "" for override in overrides if self.is_choice(override)]
        chosen = dict(line.partition("=")[::2] for line in lines)
        if "network" in chosen:
            deciding = tuple(line for line in lines if line.partition("=")[0] in DECIDING)
            own = f"{self.usual_choices(deciding).get('variant')}_{chosen['network']}"
            if own in self.options("network"):
                lines[lines.index(f"network={chosen['network']}")] = f"network={own}"
        return tuple(lines)

    def compose(self, overrides: Sequence[Override]) -> Composed:
        """One job's configuration.

        Raises:
            UserError: an unknown choice or key, a sweep, a file of the tree that does not fit.
        """
        values = [override for override in overrides if not self.is_choice(override)]
        self.check_groups(overrides)
        composed = self.chosen(self.choosing(overrides))
        config = copy.deepcopy(composed.config)
        for override in values:
            refuse_sweep(override)
            try:
                ConfigLoaderImpl._apply_overrides_to_config([override], config)
            except ConfigCompositionException as error:
                raise UserError(self._not_settable(override, config, error)) from error
        return Composed(config, composed.choices)

    def chosen(self, overrides: tuple[str, ...]) -> Composed:
        """What these choices of groups alone give; kept, so not to be changed."""
        try:
            return self._cached(overrides)
        except MissingConfigException as error:
            raise UserError(self._missing(error)) from error
        except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
            if idle := re.match(r"Could not override '([^']+)'", str(error)):
                raise UserError(
                    f"{idle[1]}= chooses nothing here: no part of this configuration asks for it. Which variants do, "
                    "their pages and `--help variant=NAME` say."
                ) from error
            raise UserError(f"The configuration does not compose: {reason(error)}") from error

    @cache  # noqa: B019
    def usual_choices(self, overrides: tuple[str, ...]) -> dict[str, str]:
        """The choices that overrides of groups lead to, without composing what they hold."""
        return choices_of(self._listing(overrides, _Repository(self.files)).overrides.known_choices)

    def _compose(self, overrides: tuple[str, ...]) -> Composed:
        repository = _Repository(self.files)
        listing = self._listing(overrides, repository)
        config = self.loader._compose_config_from_defaults_list(listing.defaults, repository)
        config.pop("choose", None)
        for line in overrides:
            _drop_anothers_settings(config, line, list(_sources(listing, repository, MEANT)))
        OmegaConf.set_struct(config, True)
        return Composed(config, choices_of(listing.overrides.known_choices))

    def _listing(self, overrides: tuple[str, ...], repository: _Repository) -> DefaultsList:
        """Which files make up the configuration.

        The main config's `choose: {labelled_images: {group: choice}}` holds for data known to be such. It gives
        way to overrides and experiments; a recipe's `choose: {group: choice}` gives way to overrides.
        """
        listing = self._defaults_list(overrides, repository)
        if _labelled_images(listing.overrides.known_choices.get("data")):
            usual = _choices(listing, repository, (CONFIG_NAME,), "choose.labelled_images")
            known, said = listing.overrides.known_choices, listing.overrides.override_choices
            lines = [f"{group}={choice}" for group, choice in usual.items() if group in known and group not in said]
            if lines:
                overrides = (*lines, *overrides)
                listing = self._defaults_list(overrides, repository)
        places = {line.partition("=")[0] for line in overrides}
        wanted = _choices(listing, repository, ("recipe/",), "choose")
        chosen = [f"{group}={choice}" for group, choice in wanted.items() if group not in places]
        return self._defaults_list((*chosen, *overrides), repository) if chosen else listing

    def _defaults_list(self, overrides: tuple[str, ...], repository: _Repository) -> DefaultsList:
        # Without Hydra's own settings, which nobody reads here and which take half of the time.
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        return create_defaults_list(repository, self.config_name, parsed, prepend_hydra=False, skip_missing=False)

    def resolve(self, composed: Composed) -> dict[str, Any]:
        """The configuration as plain containers.

        Raises:
            UserError: a value refers to what is not there, or is still to be given (`???`).
        """
        # What files may ask for as `${hydra:runtime.choices.data}`.
        runtime = {"hydra": {"runtime": {"choices": composed.choices, "cwd": os.getcwd()}}}
        HydraConfig.instance().cfg = OmegaConf.create(runtime)  # type: ignore[assignment]
        try:
            config = OmegaConf.to_container(composed.config, resolve=True, throw_on_missing=True)
        except InterpolationKeyError as error:
            raise UserError(dangling(error, composed.choices)) from error
        except MissingMandatoryValue as error:
            key = error.full_key or ""
            raise UserError(f"{key} has no value yet: say {key}=VALUE.") from error
        except OmegaConfBaseException as error:
            raise_mendable(error)
            raise UserError(f"{error.full_key or 'The configuration'} cannot be resolved: {reason(error)}") from error
        assert isinstance(config, dict)
        return {str(key): value for key, value in config.items()}

    # Refusals

    def check_groups(self, overrides: Sequence[Override]) -> None:
        """Refuse choices that there are not.

        Raises:
            UserError: names the nearest choices, and all of them.
        """
        seen: set[str] = set()
        for override in overrides:
            group, place = override.key_or_group, override.get_key_element()
            if not self.is_choice(override):
                continue
            if place in seen:
                raise UserError(f"{place} is chosen twice; say {place}=CHOICE once.")
            seen.add(place)
            self._check_place(group, override)
            options = self.options(group)
            if not options or override.is_sweep_override():
                refuse_sweep(override)
                continue
            value = None if override.is_delete() else override.value()
            for choice in value if isinstance(value, list) else [value]:
                if isinstance(choice, dict) or plain(choice) not in options:
                    raise UserError(self.no_such_choice(group, plain(choice)))

    def _check_place(self, group: str, override: Override) -> None:
        """Refuse a group that is chosen at several places (each player's optimizer) without one of them."""
        if override.is_add():
            return
        places = [key for key in self.usual_choices(()) if key.startswith(f"{group}@")]
        if places and override.package is None:
            value = override.get_value_element_as_str()
            each = " or ".join(f"{place}={value}" for place in places)
            raise UserError(f"{group} is chosen at more than one place: say {each}.")

    def no_such_choice(self, group: str, choice: str) -> str:
        options = self.options(group)
        hint = did_you_mean(f"{group}={name}" for name in nearest(choice, options))
        if choice == "null" and "none" in options:
            hint = f" To do without, say {group}=none."
        return f"{group}={choice}: there is no such {group}.{hint} Choices: {', '.join(options)}."

    def _missing(self, error: MissingConfigException) -> str:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        if group and self.options(group):
            return self.no_such_choice(group, choice)
        return f"The configuration does not compose: {reason(error)}"

    def _not_settable(self, override: Override, config: DictConfig, error: Exception) -> str:
        key = override.key_or_group
        if override.package is not None or "/" in key or "@" in key:
            hint = did_you_mean(nearest(key, self.groups()))
            return f"{override.input_line}: there is no group {key}.{hint} Groups: {', '.join(self.groups())}."
        if override.is_delete() or override.is_add() or override.is_force_add() or exists(config, key):
            return f"{override.input_line} does not fit: {reason(error)}"
        if allowed(key, config) is not None:
            return f"{key} is in no file of this configuration: say +{override.input_line} to add it."
        hint = did_you_mean(nearest_keys(key, [*leaf_keys(config), *self.groups()]))
        return f"{key}: there is no such setting.{hint} `--help` lists them all."


def _labelled_images(data: str | None) -> bool:
    """Whether this choice of data is known to be images with labels; a user's own files are not."""
    entry = CATALOGUE.get(data or "")
    return (
        entry is not None
        and entry.classes is not None
        and gives(f"datamodules.{entry.module}", "SampleBatch", "images")
    )


def _sources(listing: DefaultsList, repository: _Repository, prefixes: tuple[str, ...]) -> Iterator[DictConfig]:
    """What those files of a composition hold whose paths begin so."""
    for path in (default.config_path or "" for default in listing.defaults):
        file = repository.load_config(path) if path.startswith(prefixes) else None
        if file is not None and isinstance(file.config, DictConfig):
            yield file.config


def _choices(listing: DefaultsList, repository: _Repository, prefixes: tuple[str, ...], key: str) -> dict[str, str]:
    """group -> choice, as those files of a composition say under `key` whose paths begin so."""
    found: dict[str, str] = {}
    for source in _sources(listing, repository, prefixes):
        found |= OmegaConf.select(source, key) or {}
    return found


def _drop_anothers_settings(config: DictConfig, choice: str, sources: Sequence[DictConfig]) -> None:
    """Of what was chosen (optimizer@...=rmsprop, penalty=r1), the settings that `sources` mean for the usual choice."""
    group, _, place = choice.partition("=")[0].partition("@")
    place = place or (group if group in SET_BY_RECIPES else "")
    node = OmegaConf.select(config, place) if place else None
    if not isinstance(node, DictConfig):
        return
    if choice.endswith("=none"):
        OmegaConf.update(config, place, None)
        return
    for source in sources:
        _drop_unknown(OmegaConf.select(source, place, throw_on_resolution_failure=False), node)


def _drop_unknown(meant: object, chosen: object) -> None:
    """The settings that are `meant` for another and that the parts of what was chosen do not have."""
    if not isinstance(meant, DictConfig) or not isinstance(chosen, DictConfig):
        return
    taken = signature(str(chosen.get("_target_")))
    for key in meant:
        if taken is not None and key in chosen and key not in (*META, *taken.settings):
            del chosen[key]
        elif key in chosen and not any(OmegaConf.is_interpolation(node, str(key)) for node in (meant, chosen)):
            _drop_unknown(meant[key], chosen[key])
