"""Composition of one job's configuration: Hydra's compose API, then choices implied by others, then values."""

import copy
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice, product
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra import initialize_config_dir, initialize_config_module
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from datamodules.catalogue import CATALOGUE
from experiments.configuration import recipes, resolvers
from experiments.configuration.messages import (
    choices_of,
    dangling,
    exists,
    malformed,
    raise_mendable,
    reason,
    refuse_sweep,
)
from experiments.configuration.values import assign, forget_defaults, links, unknown
from experiments.settings import defaults, offered
from experiments.settings.declarations import gives
from experiments.settings.spec import plain
from experiments.settings.suggest import did_you_mean, nearest, nearest_keys
from lightning_gans.core.errors import UserError

CONFIG_NAME = "train"
CONFIG_PATH = "pkg://experiments.conf"
MOST_JOBS = 10_000
PLANAR = ("planar", "ref_pair")  # networks chosen for data of points
SET_BY_RECIPES = ("network", "penalty")  # groups whose choices have different settings, some set by recipes
OWN = "own_settings"  # the package in which a choice is composed alone
# Launchers and sweepers from Hydra plugins, with the extra that installs each.
EXTRAS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "joblib": "sweeps", "optuna": "sweeps"}
DECIDING = ("variant", "data", "experiment")  # groups that determine the variant

# Hydra 1.4 drops the argument and warns if it is given.
VERSION: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__ < "1.4" else {}


@dataclass(frozen=True)
class Composed:
    """The configuration of one job.

    config: the configuration with unresolved interpolations.
    choices: group -> choice.
    filled: dotted keys whose values are constructors' defaults, set neither in a file nor on the command line.
    """

    config: DictConfig
    choices: dict[str, str]
    filled: frozenset[str] = frozenset()

    def defaults(self) -> frozenset[str]:
        """Return `filled` plus the keys of every group that is an interpolation (variant.penalty: ${penalty})."""
        places = [*links(OmegaConf.to_container(self.config, resolve=False))]
        found, newest = set(self.filled), set(self.filled)
        while newest:
            newest = {
                f"{place}{key.removeprefix(followed)}"
                for place, followed in places
                for key in newest
                if key.startswith(f"{followed}.")
            } - found
            found |= newest
        return frozenset(found)


class _OwnFolder(SearchPathPlugin):
    """A plugin that adds the user's own folder after the shipped tree, as `--config-dir` does in `hydra.main`."""

    folder: ClassVar[Path | None] = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if self.folder is not None:
            search_path.append("command-line", f"file://{self.folder}")


class Composer:
    """The config tree, followed by the user's own folder.

    Args:
        config_dir: further folder of configs (`--config-dir`).
        config_name: name of the main config.
        config_path: the tree, "pkg://package" or "file:///folder".

    Raises:
        UserError: a folder does not exist.
    """

    def __init__(
        self, *, config_dir: str | None = None, config_name: str = CONFIG_NAME, config_path: str = CONFIG_PATH
    ) -> None:
        resolvers.register()
        self.config_name, self.config_path = config_name, config_path
        kind, _, place = config_path.partition("://")
        self.folders = [Path(str(files(place))) if kind == "pkg" else Path(place)]
        self.own_folder: Path | None = None
        if config_dir is not None:
            folder = Path(config_dir).expanduser().absolute()
            if not config_dir or not folder.is_dir():
                raise UserError(
                    f"--config-dir {plain(config_dir)}: there is no such folder. Name one that holds config groups, "
                    "such as DIR/variant/mine.yaml."
                )
            self.own_folder = folder
            self.folders.append(folder)
        self._cached = cache(self._compose)

    @contextmanager
    def _initialized(self) -> Iterator[None]:
        """Initialise Hydra's compose API for this tree within the context, even inside a sweep job run by Hydra."""
        kind, _, place = self.config_path.partition("://")
        outer = GlobalHydra.instance().hydra
        GlobalHydra.instance().clear()
        Plugins.instance().register(_OwnFolder)
        _OwnFolder.folder = self.own_folder
        try:
            initialize = initialize_config_module if kind == "pkg" else initialize_config_dir
            with initialize(place, **VERSION):
                yield
        finally:
            _OwnFolder.folder = None
            GlobalHydra.instance().hydra = outer

    # The command line

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """Parse overrides as typed.

        Raises:
            UserError: an override is malformed.
        """
        parser = OverridesParser.create()
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
        """Yield the overrides of each job of a multirun in the order of Hydra's basic sweeper (last varies fastest)."""
        lists: dict[str, list[str]] = {}
        for override in overrides:
            key = override.get_key_element()
            if not override.is_sweep_override():
                lists[key] = [f"{key}={override.get_value_element_as_str()}" if not override.is_delete() else key]
            elif override.is_discrete_sweep():
                lists[key] = [f"{key}={value}" for value in self._swept(override)]
            else:
                raise UserError(
                    f"{override.input_line}: an interval cannot be swept; name values, as in {key}=1,2,3, or search it "
                    "with hydra/sweeper=optuna."
                )
            if not lists[key]:
                raise UserError(f"{override.input_line}: nothing fits, so there is nothing to run.")
        jobs = (list(job) for job in product(*lists.values()))
        yield from islice(jobs, MOST_JOBS)
        if next(jobs, None) is not None:
            raise UserError(f"That makes more than {MOST_JOBS:,} jobs; sweep over fewer values.")

    def _swept(self, override: Override) -> Iterator[str]:
        value: Any = override.value()
        if isinstance(value, Glob):
            return iter(value.filter([name for name in self.options(override.key_or_group) if "/" not in name]))
        return override.sweep_string_iterator()

    # The tree

    @cache  # noqa: B019 (lives as long as the command)
    def tree(self) -> dict[str, list[str]]:
        """Map each group to its choices, including the user's own; those in subfolders are listed as folder/choice."""
        found: dict[str, set[str]] = {}
        for folder in self.folders:
            for path in folder.rglob("*.yaml"):
                group, _, choice = path.relative_to(folder).with_suffix("").as_posix().partition("/")
                if choice and group != "hydra":
                    found.setdefault(group, set()).add(choice)
        return {group: sorted(found[group]) for group in sorted(found)}

    def groups(self) -> list[str]:
        """Return the config groups."""
        return [*self.tree()]

    def options(self, group: str) -> list[str]:
        """Return the choices of a group or of a subfolder; empty for anything else."""
        top, _, folder = group.partition("/")
        options = self.tree().get(top, [])
        if not folder:
            return options
        return [name.removeprefix(f"{folder}/") for name in options if name.startswith(f"{folder}/")]

    def is_choice(self, override: Override) -> bool:
        """Return True if an override selects a choice of a group; False if it sets a value."""
        key = override.key_or_group
        if not (key in self.groups() or ("/" in key and bool(self.options(key)))):
            return False
        return override.is_sweep_override() or not isinstance(override.value(), dict)

    # Composition

    def choosing(self, overrides: Sequence[Override]) -> tuple[str, ...]:
        """Return the overrides that select a choice, in the form for `chosen`, plus choices that follow from the data.

        If a game has perceptrons of its own, network=mlp selects them: network/<variant>_mlp.
        """
        lines = [override.input_line or "" for override in overrides if self.is_choice(override)]
        chosen = dict(line.partition("=")[::2] for line in lines)
        if "network" in chosen:
            deciding = tuple(line for line in lines if line.partition("=")[0] in DECIDING)
            own = f"{self.chosen(deciding).choices.get('variant')}_{chosen['network']}"
            if own in self.options("network"):
                lines[lines.index(f"network={chosen['network']}")] = f"network={own}"
        return (*lines, *self._suited(overrides, chosen))

    def _suited(self, overrides: Sequence[Override], said: Mapping[str, str]) -> Iterator[str]:
        """Yield choices that suit the data, for groups that the command line does not set.

        These are the recipe of the most similar data if the pair of variant and data has none, and metrics without
        labels for unlabelled images. An experiment holds the settings of a paper or a study, so no recipe of other data
        is added.
        """
        variant, data = said.get("variant"), said.get("data")
        if variant is None or data is None or "experiment" in said or not self._has_recipe(variant, data):
            usual = self._usual(said)
            variant, data = usual.get("variant"), usual.get("data")
            own = usual.get("experiment") != "none"
        else:  # known without a composition
            own = True
        if variant is None or data is None:
            return
        own = own or self._has_recipe(variant, data)
        labelled = data in CATALOGUE and CATALOGUE[data].images is not None and CATALOGUE[data].classes is not None
        found = None if labelled and own else self.facts(overrides, data)
        if found is None:
            return
        if not own and "recipe" not in said and (near := recipes.nearest(found, self.options(f"recipe/{variant}"))):
            yield f"recipe={variant}/{near}"
        if found.labelled is False and "metrics" not in said and self._usual(said).get("metrics") == "classifier":
            yield "metrics=pixels"

    def _has_recipe(self, variant: str, data: str) -> bool:
        return data in self.options(f"recipe/{variant}")

    def _usual(self, said: Mapping[str, str]) -> dict[str, str]:
        """Return all choices implied by those of the variant, the data and the experiment."""
        return self.chosen(tuple(f"{group}={said[group]}" for group in DECIDING if group in said)).choices

    def facts(self, overrides: Sequence[Override], data: str) -> recipes.Facts | None:
        """Return the facts of the chosen data; None unless they are images that exist."""
        if data in CATALOGUE and CATALOGUE[data].images:
            return recipes.known(data)
        lines = [o.input_line or "" for o in overrides if o.key_or_group in DECIDING and self.is_choice(o)]
        usual = self.chosen(tuple(sorted(lines, key=lambda line: DECIDING.index(line.partition("=")[0]))))
        config = copy.deepcopy(usual.config)
        for override in overrides:
            if override.key_or_group.partition(".")[0] in ("data", "data_dir") and not self.is_choice(override):
                with suppress(UserError):  # reported when the values are set
                    assign(config, override, self.groups())
        return recipes.facts(data, config)

    def compose(self, overrides: Sequence[Override]) -> Composed:
        """Compose one job's configuration, including the constructors' defaults.

        Raises:
            UserError: an unknown choice or key, a sweep, or an invalid file of the tree.
        """
        self.check_groups(overrides)
        composed = self.chosen(self.choosing(overrides))
        config, filled = copy.deepcopy(composed.config), composed.filled
        values = [override for override in overrides if not self.is_choice(override)]
        for override in values:
            forget_defaults(config, override, composed.filled)
            assign(config, override, self.groups())
        if any("_target_" in (override.input_line or "") for override in values):
            filled |= defaults.fill(config)  # defaults of classes named by a value
        if values:
            given = [override.key_or_group for override in values]
            filled = frozenset(key for key in filled if not any(f"{key}.".startswith(f"{name}.") for name in given))
        return Composed(config, composed.choices, filled)

    def chosen(self, overrides: tuple[str, ...]) -> Composed:
        """Return the configuration of these group choices alone. The result is cached: do not modify it."""
        try:
            return self._cached(overrides)
        except MissingConfigException as error:
            raise UserError(self._missing(error)) from error
        except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
            if idle := re.match(r"Could not override '([^']+)'", str(error)):
                raise UserError(self._idle(idle[1], overrides)) from error
            raise UserError(f"The configuration does not compose: {reason(error)}") from error

    def _compose(self, lines: tuple[str, ...]) -> Composed:
        found = self._composed(lines)
        followed: tuple[str, ...] = ()
        while further := _following((*followed, *lines), found):
            followed = (*further, *followed)
            found = self._composed((*followed, *lines))
        config = found.config
        with open_dict(config):
            config.pop("choose", None)
            config.pop("usual_network", None)
            config.pop("paper", None)
            for line in lines:
                self._drop_anothers_settings(config, line)
        filled = defaults.fill(config)
        OmegaConf.set_struct(config, True)
        return Composed(config, found.choices, filled)

    def of_hydra(self, overrides: Sequence[Override]) -> DictConfig:
        """Compose Hydra's own settings with overrides of them.

        Raises:
            UserError: an unknown choice, such as a launcher whose plugin is not installed.
        """
        lines = [override.input_line or "" for override in overrides]
        try:
            config = self._by_hydra(lines)
        except MissingConfigException as error:
            raise UserError(self._missing(error)) from error
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{' '.join(lines)} does not fit: {reason(error)}{self._near(error, lines)}") from error
        found: DictConfig = config.hydra
        return found

    def _near(self, error: BaseException, lines: Sequence[str]) -> str:
        """Suggest Hydra settings with a name similar to the one that could not be overridden."""
        unknown = re.match(r"Could not override '([^']+)'", str(error))
        if unknown is None:
            return ""
        config = self._by_hydra([line for line in lines if "/" in line.partition("=")[0]]).hydra
        section = unknown[1].split(".")[1]
        keys = [f"hydra.{section}.{key}" for key in config.get(section) or ()]
        return did_you_mean(nearest_keys(unknown[1], keys))

    def _composed(self, lines: Sequence[str]) -> Composed:
        """Compose the lines; a variant without a network of its own name uses that of the file it extends.

        If the data choose a network (planar), a variant with its own network for them uses network/<variant>_planar.
        """
        found = self._without_hydra(lines)
        variant, network = found.choices.get("variant"), found.choices.get("network")
        own = f"{variant}_planar"
        if network in PLANAR and own in self.options("network") and variant in self.options("network"):
            return self._without_hydra([f"network={own}", *lines])
        if variant is not None and network is not None and network not in self.options("network"):
            usual = offered.usual_network(variant, tuple(self.folders))
            found = self._without_hydra([f"network={usual}", *lines]) if usual else found
        return found

    def _by_hydra(self, lines: Sequence[str]) -> DictConfig:
        """Compose the lines by Hydra, including Hydra's own settings under `hydra`."""
        with self._initialized():
            return hydra.compose(self.config_name, [*lines], return_hydra_config=True)

    def _without_hydra(self, lines: Sequence[str]) -> Composed:
        config = self._by_hydra(lines)
        choices = choices_of(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        return Composed(config, choices)

    def _drop_anothers_settings(self, config: DictConfig, line: str) -> None:
        """Remove settings that files set for the default choice, if another one (optimizer@...=rmsprop) replaces it.

        A setting stays if the class has it, or if the choice's own file sets it; a wrong one in that file is reported.
        """
        group, _, place = line.partition("=")[0].lstrip("+").partition("@")
        choice = line.partition("=")[2]
        place = place or (group if group in SET_BY_RECIPES else "")
        node = OmegaConf.select(config, place) if place else None
        if not isinstance(node, DictConfig):
            return
        if choice == "none":
            OmegaConf.update(config, place, None)
            return
        keys = [*unknown(OmegaConf.to_container(node, resolve=False))]
        own = self._composed([f"+{group}@{OWN}={choice}"]).config if keys else None
        for key in keys:
            parent, _, name = key.rpartition(".")
            part = OmegaConf.select(node, parent) if parent else node
            if own is None or not exists(own, f"{OWN}.{key}"):
                del part[name]

    def resolve(self, composed: Composed) -> dict[str, Any]:
        """Resolve the configuration to plain containers.

        Raises:
            UserError: a value refers to a missing key, or is mandatory and not set (`???`).
        """
        # For interpolations such as `${hydra:runtime.choices.data}` in config files.
        runtime = {"hydra": {"runtime": {"choices": composed.choices, "cwd": os.getcwd()}}}
        hydra_config = HydraConfig.instance()
        before, hydra_config.cfg = hydra_config.cfg, OmegaConf.create(runtime)  # type: ignore[assignment]
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
        finally:
            hydra_config.cfg = before
        assert isinstance(config, dict)
        return {str(key): value for key, value in config.items()}

    # Refusals

    def check_groups(self, overrides: Sequence[Override]) -> None:
        """Refuse choices that do not exist.

        Raises:
            UserError: a choice does not exist; the message lists the nearest and all choices.
        """
        seen: set[str] = set()
        for override in overrides:
            group, place = override.key_or_group, override.get_key_element()
            if not self.is_choice(override):
                continue
            if place in seen:
                raise UserError(f"{place} is chosen twice; say {place}=CHOICE once.")
            seen.add(place)
            options = self.options(group)
            if not options or override.is_sweep_override():
                refuse_sweep(override)
                continue
            value = None if override.is_delete() else override.value()
            for choice in value if isinstance(value, list) else [value]:
                if isinstance(choice, dict) or plain(choice) not in options:
                    raise UserError(self.no_such_choice(group, plain(choice)))

    def no_such_choice(self, group: str, choice: str) -> str:
        options = self.options(group)
        hint = did_you_mean(f"{group}={name}" for name in nearest(choice, options))
        if choice == "null" and "none" in options:
            hint = f" To do without, say {group}=none."
        return f"{group}={choice}: there is no such {group}.{hint} Choices: {', '.join(options)}."

    def _missing(self, error: MissingConfigException) -> str:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        if group and self.options(group) and not group.startswith("hydra/"):
            return self.no_such_choice(group, choice)
        if choice in EXTRAS:
            extra = EXTRAS[choice]
            return f"{group}={choice} needs a plugin that is not installed: pip install 'lightning-gans[{extra}]'."
        if group.startswith("hydra/") and error.options:
            hint = did_you_mean(f"{group}={name}" for name in nearest(choice, error.options))
            return (
                f"{group}={choice}: there is no such choice among the installed plugins.{hint} Installed: "
                f"{', '.join(error.options)}."
            )
        return f"The configuration does not compose: {reason(error)}"

    def _idle(self, place: str, lines: Sequence[str]) -> str:
        """Explain why a choice has no effect: its group is used at several places, or not at all."""
        others = tuple(line for line in lines if line.partition("=")[0] != place)
        places = [key for key in self.chosen(others).choices if key.startswith(f"{place}@")]
        if places:
            value = next(line.partition("=")[2] for line in lines if line.partition("=")[0] == place)
            each = " or ".join(f"{place}={value}" for place in places)
            return f"{place} is chosen at more than one place: say {each}."
        return (
            f"{place}= chooses nothing here: no part of this configuration asks for it. Which variants do, their pages "
            "and `--help variant=NAME` say."
        )


@cache
def shared(config_dir: str | None = None, config_name: str = CONFIG_NAME, config_path: str = CONFIG_PATH) -> Composer:
    """Return the composer of a tree, shared within the process together with its cache."""
    return Composer(config_dir=config_dir, config_name=config_name, config_path=config_path)


def _following(lines: Sequence[str], found: Composed) -> tuple[str, ...]:
    """Return the choices set by `choose:` in the composed files, for groups that the command line does not set.

    The main config's `choose: {labelled_images: {group: {usual: other}}}` replaces the usual choice for images known to
    have labels. A recipe's `choose: {group: choice}` selects the choice for which it was tuned.
    """
    said = {line.partition("=")[0].lstrip("+~") for line in lines}
    wanted = dict(found.config.get("choose") or {})
    labelled = wanted.pop("labelled_images", None) or {}
    if _labelled_images(found.choices.get("data")):
        for group, instead in labelled.items():
            if group not in said and found.choices.get(group) in instead:
                return (f"{group}={instead[found.choices[group]]}",)
    return tuple(f"{group}={choice}" for group, choice in wanted.items() if group not in said)


def _labelled_images(data: str | None) -> bool:
    """Return True if a shipped choice of data has images with labels; False for a user's own files."""
    entry = CATALOGUE.get(data or "")
    return (
        entry is not None
        and entry.classes is not None
        and gives(f"datamodules.{entry.module}", "SampleBatch", "images")
    )
