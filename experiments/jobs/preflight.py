"""Everything that can be known about a command before anything heavy is imported: what it runs, and why it cannot."""

import os
import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra._internal.utils import _run_hydra, get_args_parser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration import help
from experiments.configuration.composing import CONFIG_NAME, CONFIG_PATH, Composed, Composer
from experiments.configuration.messages import leaf_keys
from experiments.jobs import launch
from experiments.jobs.launch import Place
from experiments.runs import directory as runs
from experiments.runs.resume import DivergedBefore, Resume, check_resume, flatten
from experiments.settings import compatibility, validate
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

FILLED_IN = ("names", "group")
RECIPE = ("variant", "data", "experiment")  # the groups that choose all others


@dataclass(frozen=True)
class Job:
    """One run.

    config: resolved and plain, with `run_dir`, `group` and `names` (variant, data, run, group) filled in.
    choices: group -> choice.
    overrides: arguments that make this job alone, `--config-dir` and its `run_dir` among them.
    resume: how it begins; its checkpoint is what to continue from.
    place: of this process among those of the run.
    study: the module that reports on the jobs of this command together, if any.
    """

    config: dict[str, Any]
    choices: dict[str, str]
    overrides: tuple[str, ...]
    resume: Resume
    place: Place
    study: str | None = None

    @property
    def run_dir(self) -> Path:
        return Path(self.config["run_dir"])

    @property
    def name(self) -> str:
        return str(self.config["names"]["run"])

    @property
    def group(self) -> str:
        return str(self.config["names"]["group"])


def preflight(argv: Sequence[str], *, config_path: str = CONFIG_PATH) -> list[Job]:
    """The jobs of a command line, each checked; one, or those of a multirun in Hydra's order.

    Args:
        argv: without the program's name.
        config_path: of the config tree, "pkg://package" or "file:///folder".

    Raises:
        UserError: something does not fit, or a run directory cannot be used.
        SystemExit: 0, where only `--help`, `--cfg`, `--info` or the like was asked for and has been answered.
    """
    arguments = _parse(argv)
    config_dir = arguments.config_dir
    if config_dir and os.path.isdir(config_dir):
        config_dir = os.path.abspath(config_dir)
    composer = _composer(config_dir, arguments.config_name or CONFIG_NAME, config_path)
    overrides = composer.parse(arguments.overrides)
    if arguments.help:
        help.show(composer, overrides)
        raise SystemExit(0)
    overrides = _without_hydra(overrides, arguments)
    if arguments.cfg or arguments.info or arguments.hydra_help or arguments.shell_completion:
        _print(arguments, _named(composer, overrides))
        raise SystemExit(0)
    study = _study(composer, overrides)
    if study:  # each job by itself is the same command less the study, which other processes of the job are told
        jobs = [
            replace(job, study=study.report, overrides=(*job.overrides, "~study"))
            for job in _multirun(composer, overrides, arguments, study.jobs)
        ]
    elif arguments.multirun:
        jobs = _multirun(composer, overrides, arguments)
    else:
        jobs = [_job(composer, overrides, arguments)]
    _refuse_shared_directories(jobs)
    if arguments.multirun:
        _refuse_ranks(jobs)
    return jobs


@cache
def _composer(config_dir: str | None, config_name: str, config_path: str) -> Composer:
    return Composer(config_dir=config_dir, config_name=config_name, config_path=config_path)


def _parse(argv: Sequence[str]) -> Namespace:
    parser = get_args_parser()
    parser.prog = "experiments.train"
    flags = [flag for action in parser._actions for flag in action.option_strings]

    def refuse(message: str) -> None:
        unknown = message.partition("unrecognized arguments: ")[2].split()
        hint = did_you_mean(nearest(unknown[0].partition("=")[0], flags)) if unknown else ""
        raise UserError(f"{message[:1].upper()}{message[1:]}.{hint} `--help` lists what there is.")

    parser.error = refuse  # type: ignore[method-assign,assignment]
    # Settings and flags may come in any order.
    arguments = parser.parse_intermixed_args(list(argv))
    if arguments.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun reads pickled files, which is refused here: give the run's own settings again; its "
            f"{runs.CONFIG} has them."
        )
    if arguments.config_path is not None:
        raise UserError("--config-path would leave out the shipped configs; --config-dir DIR adds a folder to them.")
    return arguments


def _without_hydra(overrides: Sequence[Override], arguments: Namespace) -> list[Override]:
    """The overrides of our own settings; `hydra.mode=MULTIRUN` is -m."""
    for override in overrides:
        if override.key_or_group == "hydra.mode":
            arguments.multirun |= override.value() == "MULTIRUN"
        elif override.is_hydra_override():
            raise UserError(
                f"{override.input_line}: jobs are run one after the other by this program itself, so Hydra's own "
                "settings have no effect. run_dir=DIR says where a run lives."
            )
    return [override for override in overrides if not override.is_hydra_override()]


# Jobs


def _job(composer: Composer, overrides: Sequence[Override], arguments: Namespace) -> Job:
    composed = _named(composer, overrides)
    unresolved = OmegaConf.to_container(composed.config, resolve=False)  # what does not fit might not resolve
    assert isinstance(unresolved, dict)
    said = [override.key_or_group for override in overrides]
    compatibility.check_choices({str(key): value for key, value in unresolved.items()}, composed.choices, said)
    config = composer.resolve(composed)
    validate.check(config, composed.config, also=[*composer.chosen(composer.choosing(overrides)).config, *FILLED_IN])
    config["run_dir"] = str(Path(str(config["run_dir"])).expanduser())
    compatibility.check(config, composed.choices)
    place = launch.place(config["trainer"])
    try:
        resume = check_resume(config, config["run_dir"], leads=place.leads)
    except DivergedBefore:
        if not arguments.multirun:
            raise
        resume = Resume("diverged")  # one diverged job never ends a sweep
    flags = ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    flags += ["--config-name", arguments.config_name] if arguments.config_name else []
    lines = [override.input_line or "" for override in overrides if override.key_or_group != "run_dir"]
    lines.append(f"run_dir={QuotedString(text=config['run_dir'], quote=Quote.double).with_quotes()}")
    return Job(config=config, choices=composed.choices, overrides=(*flags, *lines), resume=resume, place=place)


def _named(composer: Composer, overrides: Sequence[Override]) -> Composed:
    """The composed configuration with what is derived from the choices filled in."""
    composed = composer.compose(overrides)
    config, choices = composed.config, composed.choices
    group = runs.group_name(choices["variant"], choices["data"], _differences(composer, composed, overrides))
    name = f"{group}-{runs.clean(runs.as_token(_select(config, 'seed')))}"
    with open_dict(config):
        config.pop("study", None)  # what a multirun is made of, not a run
        config.names = {"variant": choices["variant"], "data": choices["data"], "run": name, "group": group}
        config.group = config.get("group") or group
        if "run_dir" in config and config.run_dir is None:
            config.run_dir = str(runs.RUNS / name)
    return composed


def _study(composer: Composer, overrides: Sequence[Override]) -> Any:
    """What the chosen experiment says of a study: its `jobs`, lines of overrides, and the module that `report`s."""
    if any(override.key_or_group == "study" and override.is_delete() for override in overrides):
        return None  # one of its jobs, by itself
    chosen = [o for o in overrides if o.key_or_group == "experiment" and not o.is_sweep_override()]
    composer.check_groups(chosen)
    return composer.chosen(composer.choosing(chosen)).config.get("study") if chosen else None


def _multirun(
    composer: Composer, overrides: Sequence[Override], arguments: Namespace, study: Sequence[str] = ()
) -> list[Job]:
    """The jobs of a sweep, or of a study's lines; what the command line says has the last word over a line."""
    arguments.multirun = True
    lines = list(composer.sweep(overrides))
    if study:
        planned = [job for line in study for job in composer.sweep(composer.parse(shlex.split(line)))]
        lines = _asked_of(planned, lines)
    parsed = [composer.parse(job) for job in lines]
    for job in parsed:
        composer.check_groups(job)  # all choices first: that takes no time
    jobs = []
    for job in parsed:
        try:
            jobs.append(_job(composer, job, arguments))
        except UserError as error:
            line = " ".join(override.input_line or "" for override in job)
            raise type(error)(f"Job {len(jobs) + 1} of {len(parsed)} ({line}): {error}") from error
    return jobs


def _asked_of(planned: Sequence[Sequence[str]], asked: Sequence[Sequence[str]]) -> list[list[str]]:
    """A study's jobs as the command line wants them, each once; jobs are lists of key=value.

    Values that the study has choose among its jobs; any other takes the place of whatever a job has there.

    Raises:
        UserError: no job of the study has all the chosen values.
    """
    of_study, of_command = (
        [{line.partition("=")[0]: line for line in job} for job in jobs] for jobs in (planned, asked)
    )
    there = {line for job in of_study for line in job.values()}
    choosing = {key for key in of_command[0] if all(job[key] in there for job in of_command)}
    found = [
        [*(of_one | wanted).values()]
        for of_one in of_study
        for wanted in of_command
        if all(of_one.get(key) == wanted[key] for key in choosing)
    ]
    if not found:
        chosen = " ".join(dict.fromkeys(wanted[key] for wanted in of_command for key in wanted if key in choosing))
        raise UserError(f"{chosen}: the study has these, but no job with all of them. Leave one out.")
    return list({frozenset(job): job for job in found}.values())


def _refuse_ranks(jobs: Sequence[Job]) -> None:
    """Refuse a sweep of runs whose processes a launcher has started: they can be joined to one run only."""
    joined = next((job.place for job in jobs if job.place.size > 1), None)
    if joined is not None:
        raise launch.LauncherMismatch(
            f"This process is one of {joined.size} of a run, started by a launcher "
            f"({'WORLD_SIZE' if joined.launcher == 'variables' else joined.launcher}), and these jobs are {len(jobs)} "
            "runs. Start each run with a launcher of its own, or the whole sweep as one process, which starts the "
            "processes of each job by itself: python -m experiments.train -m ..."
        )


def _refuse_shared_directories(jobs: Sequence[Job]) -> None:
    first: dict[str, int] = {}
    for number, job in enumerate(jobs, 1):
        place = str(job.run_dir.absolute())
        if place in first:
            raise UserError(
                f"Jobs {first[place]} and {number} of this multirun would both write to {job.run_dir}. Leave run_dir= "
                "out, so that each has a name of its own, or put what differs into it, as in "
                "'run_dir=runs/mine-${seed}'."
            )
        first[place] = number


def _differences(composer: Composer, composed: Composed, overrides: Sequence[Override]) -> dict[str, str]:
    """What this job changes of its recipe: choice -> "", short key -> value."""
    chosen = [override for override in overrides if composer.is_choice(override)]
    recipe = composer.choosing([override for override in chosen if override.key_or_group in RECIPE])
    found: dict[str, str] = {}
    experiment = composed.choices.get("experiment", "none")
    if experiment != "none":
        found[experiment.rpartition("/")[2]] = ""
    if {override.key_or_group for override in chosen} - set(runs.UNNAMED_GROUPS):
        usual = composer.usual_choices(recipe)
        everything = [option for group in composer.groups() for option in composer.options(group)]
        for group, choice in composed.choices.items():
            if choice != usual.get(group) and group not in runs.UNNAMED_GROUPS:
                group, _, place = group.partition("@")
                if place:  # variant.training.players.D.optimizer: D.optimizer
                    found[".".join(place.split(".")[-2:])] = choice
                else:
                    found[choice if everything.count(choice) == 1 else f"{group}_{choice}"] = ""
    before = composer.chosen(composer.choosing(chosen)).config
    changed = [
        override for override in overrides if override not in chosen and not runs.is_unnamed(override.key_or_group)
    ]
    keys = set(leaf_keys(composed.config, targets=True)) if changed else set()
    for override in changed:
        key = override.key_or_group
        if override.is_delete():
            found[f"no_{runs.short_key(key, keys)}"] = ""
            continue
        value = _select(composed.config, key)
        for leaf, now in flatten(value, key):
            if now != _select(before, leaf):
                short, text = runs.short_key(leaf, keys), runs.as_token(now)
                is_class = short.endswith("._target_")
                found[short.removesuffix("._target_")] = text.rpartition(".")[2] if is_class else text
    if composed.choices["data"] in ("folder", "speech"):  # a folder is its own data set
        found["root_"] = os.path.normpath(str(_select(composed.config, "data.root")))
    return found


def _select(config: DictConfig, key: str) -> Any:
    try:
        value = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None  # refused, with its reason, when the whole is resolved
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _print(arguments: Namespace, composed: Composed) -> None:
    """Hydra's own pages: --cfg, --info, --hydra-help, --shell-completion."""
    if arguments.multirun:
        raise UserError("-m runs jobs; --cfg, --info and the like show one. Give one of the two.")
    if arguments.cfg == "job":
        config = OmegaConf.select(composed.config, arguments.package) if arguments.package else composed.config
        if config is None:
            raise UserError(f"--package {arguments.package}: there is no such part of the configuration.")
        print(OmegaConf.to_yaml(config, resolve=arguments.resolve), end="")
        return
    _run_hydra(
        args=arguments,
        args_parser=get_args_parser(),
        task_function=lambda config: None,
        config_path=CONFIG_PATH,
        config_name=CONFIG_NAME,
    )
