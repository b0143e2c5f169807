"""Check of a command before heavy imports: return its jobs, or raise an error with the reason for refusal."""

import os
import shlex
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from experiments.configuration import help, recipes
from experiments.configuration.composing import CONFIG_NAME, CONFIG_PATH, Composed, Composer, shared
from experiments.configuration.messages import exists
from experiments.configuration.names import FILLED_IN, named
from experiments.jobs import command, launch, local, precision, slurm
from experiments.jobs.launch import Place
from experiments.runs.resume import DivergedBefore, Resume, check_resume, recorded
from experiments.settings import compatibility, validate
from lightning_gans.core.errors import UserError

# Hydra settings that would place a job's files outside run_dir.
REPLACED = ("hydra.run", "hydra.sweep", "hydra.output_subdir", "hydra.job.chdir")


@dataclass(frozen=True)
class Job:
    """One run of a command.

    config: resolved configuration in plain containers, with `run_dir`, `group` and `names` (variant, data, run, group).
    choices: group -> choice.
    overrides: arguments that repeat this job alone, including `--config-dir` and its `run_dir`.
    resume: start mode (new or resumed) and the checkpoint to resume from.
    place: rank of this process among those of the run.
    defaults: dotted keys of `config` whose values are the constructors' defaults.
    beyond: dotted keys of the command line that only a constructor defines, no file.
    recipe: one line with the recipe, metrics and length of the run.
    paper: length of training in the variant's paper, as text and in images; None if unknown.
    """

    config: dict[str, Any]
    choices: dict[str, str]
    overrides: tuple[str, ...]
    resume: Resume
    place: Place
    defaults: frozenset[str] = frozenset()
    beyond: frozenset[str] = frozenset()
    recipe: str = ""
    paper: tuple[str, int] | None = None

    @property
    def run_dir(self) -> Path:
        return Path(self.config["run_dir"])

    @property
    def name(self) -> str:
        return str(self.config["names"]["run"])

    @property
    def group(self) -> str:
        return str(self.config["names"]["group"])


@dataclass(frozen=True)
class Plan:
    """The jobs of a command line, and their launcher.

    jobs: a single job; the jobs of a multirun in Hydra's order; the jobs at the interval ends of a search; or none for
        a study that trains nothing.
    multirun: True if Hydra launches the jobs.
    search: True if the sweeper chooses values by the jobs' results.
    study: the module that reports on the jobs together, if any.
    tree: flags that select the config tree.
    overrides: settings of the command line in Hydra's syntax, with ++ if only a constructor defines the setting.
    hydra: overrides of Hydra's own settings.
    launcher: the choice of hydra/launcher.
    queue: the name of the sweep's jobs in SLURM's queue, if they are submitted there.
    variables: environment variables of the jobs.
    """

    jobs: list[Job]
    multirun: bool = False
    search: bool = False
    study: str | None = None
    tree: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    hydra: tuple[str, ...] = ()
    launcher: str = "basic"
    queue: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def preflight(argv: Sequence[str], *, config_path: str = CONFIG_PATH) -> list[Job]:
    """Return the jobs of a command line; see `plan`."""
    return plan(argv, config_path=config_path).jobs


def plan(argv: Sequence[str], *, config_path: str = CONFIG_PATH) -> Plan:
    """Return the jobs of a command line after checking each of them.

    Args:
        argv: arguments without the program's name.
        config_path: the config tree, "pkg://package" or "file:///folder".

    Raises:
        UserError: settings do not fit each other, or a run directory cannot be used.
        SystemExit: code 0, after the output of `--help` or `--cfg job`.
    """
    arguments = command.parse(argv)
    if arguments.config_dir and os.path.isdir(arguments.config_dir):
        arguments.config_dir = os.path.abspath(arguments.config_dir)
    composer = shared(arguments.config_dir, arguments.config_name or CONFIG_NAME, config_path)
    command.check_name(composer.config_name, composer.folders)
    parsed = composer.parse(arguments.overrides)
    if arguments.help:
        help.show(composer, parsed)
        raise SystemExit(0)
    ours = [override for override in parsed if not override.is_hydra_override()]
    of_hydra = _of_hydra([override for override in parsed if override.is_hydra_override()], arguments)
    if arguments.cfg:
        _print(arguments, named(composer, ours))
        raise SystemExit(0)
    # A launcher or sweeper that is not installed is reported first.
    hydra = composer.of_hydra(of_hydra) if of_hydra else None
    launcher = arguments.launcher = _launcher(of_hydra)
    study = _study(composer, ours)
    if study is not None and not study.jobs:
        _refuse_settings(ours)
        return Plan(jobs=[], study=study.report)
    arguments.multirun |= study is not None
    search = arguments.multirun and _is_search(of_hydra)
    if search:
        ours = [*ours, *_searched(composer, of_hydra)]
    if arguments.multirun:
        jobs = _jobs_of_multirun(composer, ours, arguments, study.jobs if study else (), search=search)
    else:
        jobs = [_job(composer, ours, arguments)]
    if not search:
        _refuse_shared_directories(jobs)
    if arguments.multirun:
        _refuse_ranks(jobs)
    lines = [override.input_line or "" for override in of_hydra]
    queue: str | None = None
    variables: dict[str, str] = {}
    if hydra is not None and launcher in ("slurm", "local"):
        configs, given, said = [job.config for job in jobs], *_of_launcher(hydra, of_hydra)
        found: Mapping[str, int | str]
        if launcher == "slurm":
            found = slurm.settings(configs, given, said)
            queue = str(found.get("name", hydra.launcher.name))
        else:
            found, variables = local.settings(configs, given, said)
        lines += [f"hydra.launcher.{key}={value}" for key, value in found.items()]
    return Plan(
        jobs=jobs,
        multirun=arguments.multirun,
        search=search,
        study=study.report if study else None,
        tree=tuple(command.tree(arguments)),
        overrides=tuple(_for_hydra(override, jobs) for override in ours),
        hydra=tuple(lines),
        launcher=launcher,
        queue=queue,
        variables=variables,
    )


# Hydra's own settings


def _of_hydra(overrides: Sequence[Override], arguments: Namespace) -> list[Override]:
    """Return the overrides of Hydra's own settings that concern a sweep; `hydra.mode=MULTIRUN` is read as -m."""
    kept = []
    for override in overrides:
        key, line = override.key_or_group, override.input_line
        if key == "hydra.mode":
            arguments.multirun |= override.value() == "MULTIRUN"
        elif key == "hydra.searchpath":
            raise UserError(f"{line}: say --config-dir DIR, which adds a folder of config groups to the shipped ones.")
        elif any(f"{key}.".startswith(f"{place}.") for place in REPLACED):
            raise UserError(f"{line} has no effect: run_dir=DIR says where a run lives.")
        else:
            kept.append(override)
    if kept and not arguments.multirun and not arguments.cfg:
        raise UserError(
            f"{kept[0].input_line} is about a sweep, and this command is one run. Add -m, or leave it out; run_dir=DIR "
            "says where a run lives."
        )
    return kept


def _is_search(of_hydra: Sequence[Override]) -> bool:
    """Return True if the sweeper chooses values itself, as Optuna does, instead of running every combination."""
    return any(o.key_or_group == "hydra/sweeper" and str(o.value()) != "basic" for o in of_hydra)


def _launcher(of_hydra: Sequence[Override]) -> str:
    return next((str(o.value()) for o in reversed(of_hydra) if o.key_or_group == "hydra/launcher"), "basic")


def _of_launcher(hydra: DictConfig, of_hydra: Sequence[Override]) -> tuple[dict[str, Any], list[str]]:
    """Return the launcher's settings to check, and the names of those that the command line gives."""
    place = "hydra.launcher."
    said = [o.key_or_group.removeprefix(place) for o in of_hydra if o.key_or_group.startswith(place)]
    return {str(key): hydra.launcher[key] for key in hydra.launcher if key in said or key in slurm.TIMES}, said


def _searched(composer: Composer, of_hydra: Sequence[Override]) -> list[Override]:
    """Return the search space in `hydra.sweeper.params` of the composed sweeper, as overrides."""
    sweeper = composer.of_hydra(of_hydra).get("sweeper")
    params: Any = OmegaConf.to_container(sweeper.params) if sweeper is not None and sweeper.get("params") else {}
    return composer.parse([f"{key}={value}" for key, value in params.items()])


def _for_hydra(override: Override, jobs: Sequence[Job]) -> str:
    """Return an override in the form that Hydra accepts: Hydra does not know settings that only constructors define."""
    line, key = str(override.input_line), override.key_or_group
    plain = not (override.is_add() or override.is_force_add() or override.is_delete())
    return f"++{line}" if plain and any(key in job.beyond for job in jobs) else str(line)


# Jobs


def _job(composer: Composer, overrides: Sequence[Override], arguments: Namespace) -> Job:
    composed = named(composer, overrides)
    unresolved: Any = OmegaConf.to_container(composed.config, resolve=False)  # incompatible parts might not resolve
    said = [override.key_or_group for override in overrides]
    compatibility.check_choices(unresolved, composed.choices, said)
    config = composer.resolve(composed)
    chosen = composer.chosen(composer.choosing(overrides))
    validate.check(config, composed.config, also=[*chosen.config, *FILLED_IN])
    config["run_dir"] = str(Path(str(config["run_dir"])).expanduser())
    defaults = composed.defaults()
    config = precision.kept(recorded(config, defaults))
    compatibility.check(config, composed.choices)
    # Jobs that SLURM starts get their ranks there, not here.
    place = Place() if arguments.multirun and arguments.launcher == "slurm" else launch.place(config["trainer"])
    try:
        resume = check_resume(config, config["run_dir"], leads=place.leads, defaults=defaults)
    except DivergedBefore:
        if not arguments.multirun:
            raise
        resume = Resume("diverged")  # one diverged job never ends a sweep
    lines = [override.input_line or "" for override in overrides if override.key_or_group != "run_dir"]
    lines.append(f"run_dir={QuotedString(text=config['run_dir'], quote=Quote.double).with_quotes()}")
    variant, choice = composed.choices["variant"], composed.choices["data"]
    data = composer.facts(overrides, choice)
    own = composed.choices.get("recipe") == f"{variant}/{choice}" and choice in composer.options(f"recipe/{variant}")
    return Job(
        config=config,
        choices=composed.choices,
        overrides=(*command.tree(arguments), *lines),
        resume=resume,
        place=place,
        defaults=defaults,
        beyond=frozenset(key for key in said if key in chosen.filled or not exists(chosen.config, key)),
        recipe=recipes.told(config, composed.choices, data, own, "recipe" in said),
        paper=recipes.paper(variant, data, tuple(composer.folders)),
    )


def _study(composer: Composer, overrides: Sequence[Override]) -> Any:
    """Return the study of the chosen experiment: `jobs` (lines of overrides) and `report` (a module)."""
    if any(override.key_or_group == "study" and override.is_delete() for override in overrides):
        return None  # a single job of the study
    chosen = [o for o in overrides if o.key_or_group == "experiment" and not o.is_sweep_override()]
    composer.check_groups(chosen)
    return composer.chosen(composer.choosing(chosen)).config.get("study") if chosen else None


def _refuse_settings(overrides: Sequence[Override]) -> None:
    """Refuse settings of a study that trains nothing."""
    said = [override.input_line or "" for override in overrides if override.key_or_group != "experiment"]
    if said:
        experiment = next(o.input_line for o in overrides if o.key_or_group == "experiment")
        raise UserError(f"{said[0]}: this study trains nothing, so it has no settings. Say {experiment} alone.")


def _jobs_of_multirun(
    composer: Composer, overrides: Sequence[Override], arguments: Namespace, study: Sequence[str], *, search: bool
) -> list[Job]:
    """Return the jobs of a sweep, or of a study's lines; the command line takes precedence over a line."""
    if search:
        overrides = composer.parse([line for override in overrides for line in _ends(override)])
    lines = list(composer.sweep(overrides))
    if study:
        planned = [job for line in study for job in composer.sweep(composer.parse(shlex.split(line)))]
        lines = _asked_of(planned, lines)
    parsed = [composer.parse(job) for job in lines]
    for job in parsed:
        composer.check_groups(job)  # all choices first, because this check is cheap
    jobs = []
    for job in parsed:
        try:
            jobs.append(_job(composer, job, arguments))
        except UserError as error:
            line = " ".join(override.input_line or "" for override in job)
            raise type(error)(f"Job {len(jobs) + 1} of {len(parsed)} ({line}): {error}") from error
    if study:  # the command of a single job, without the study
        jobs = [replace(job, overrides=(*job.overrides, "~study")) for job in jobs]
    return jobs


def _ends(override: Override) -> Iterator[str]:
    """Yield an override; the interval of a search is replaced by its two ends, `key=start,end`."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        yield f"{override.get_key_element()}={value.start},{value.end}"
    else:
        yield override.input_line or ""


def _asked_of(planned: Sequence[Sequence[str]], asked: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return a study's jobs after the selections and changes of the command line; jobs are lists of key=value.

    A value that occurs in the study selects the jobs with it; any other value replaces that of every job.

    Raises:
        UserError: no job of the study has all the selected values.
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
    """Refuse a sweep in processes started by a launcher: they can form one run only."""
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


def _print(arguments: Namespace, composed: Composed) -> None:
    """Print the output of `--cfg job`: the configuration of one job, including the constructors' defaults."""
    if arguments.multirun:
        raise UserError("-m runs jobs; --cfg, --info and the like show one. Give one of the two.")
    config = OmegaConf.select(composed.config, arguments.package) if arguments.package else composed.config
    if config is None:
        raise UserError(f"--package {arguments.package}: there is no such part of the configuration.")
    print(OmegaConf.to_yaml(config, resolve=arguments.resolve), end="")
