"""Write a Weights & Biases sweep file, after a check of every value.

Hydra's own multirun (`experiments.train -m`) needs no server. A W&B sweep is for agents on several machines that fetch
jobs from the server, and for its Bayesian search.
"""

import os
import re
import shlex
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import IntervalSweep, Override

from experiments import cli
from experiments.configuration.composing import CONFIG_NAME, CONFIG_PATH, Composer, shared
from experiments.jobs import command
from experiments.jobs.preflight import Job, Plan, plan
from experiments.jobs.sweep import headline
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.core.received import printable
from lightning_gans.loggers.identity import PROJECT, chosen
from lightning_gans.metrics.names import METRICS

HEAD = "# A sweep of Weights & Biases, made by: python -m experiments.sweep"
PROGRAM = "experiments.train"
LOGGER = "lightning_gans.loggers.wandb.WandbLogger"
GOALS = {"lower": "minimize", "higher": "maximize"}
EVAL = "eval/"  # prefix of evaluated metrics in loggers


@dataclass(frozen=True)
class Swept:
    """One setting of the sweep.

    key: the key on the command line.
    parameter: values or distribution, in the format of W&B's sweep files.
    checked: values to check, in the syntax of Hydra's multirun.
    """

    key: str
    parameter: dict[str, Any]
    checked: str


def main(argv: Sequence[str]) -> int:
    """Check the jobs, write the file, and print the next commands; return the exit code.

    Raises:
        UserError: nothing is swept, a job is refused, or the options do not fit the settings.
    """
    options, rest = _parser().parse_known_args(list(argv))
    arguments = command.parse(rest)
    composer = shared(arguments.config_dir, arguments.config_name or CONFIG_NAME, CONFIG_PATH)
    overrides = composer.parse(arguments.overrides)
    _refuse_hydra(overrides)
    swept = [_swept(composer, override) for override in overrides if override.is_sweep_override()]
    if not swept:
        raise UserError("Nothing is swept. Give a setting several values or a range: seed=1,2,3.")
    fixed = [override.input_line or "" for override in overrides if not override.is_sweep_override()]
    checked = plan(["-m", *command.tree(arguments), *fixed, *(f"{one.key}={one.checked}" for one in swept)])
    if checked.study is not None:
        raise UserError(
            "A study has jobs of its own, which W&B's agents cannot go through: python -m experiments.train -m"
        )
    content = _content(options, checked, swept, fixed)
    out = Path(options.out)
    _refuse_foreign(out)
    head = printable(f"{HEAD} {shlex.join(argv)}")
    write_atomically(out, f"{head}\n{yaml.safe_dump(content, sort_keys=False, width=120)}")
    _tell(out, content, swept)
    return cli.DONE


def _parser() -> cli.Parser:
    parser = cli.Parser(
        prog="experiments.sweep",
        usage="python -m experiments.sweep KEY=A,B ... [--method grid|random|bayes] [--metric NAME] [--goal GOAL]\n"
        "                                   [--runs N] [--out FILE]",
        description="Writes a sweep file for Weights & Biases. Settings are those of experiments.train, and all values "
        "are checked first.",
        epilog="values        seed=1,2,3   variant=bigan,wgan_gp   seed=range(1,6)\n"
        "ranges        KEY=interval(0.1,0.9)   KEY=tag(log,interval(1e-5,1e-3))   KEY=int(interval(1,8))\n"
        "              their quotes keep the shell from reading the brackets: 'KEY=interval(0.1,0.9)'\n",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--method",
        choices=("grid", "random", "bayes"),
        help="grid: every combination of values; bayes: Bayesian search (default: grid; random where there is a range)",
    )
    parser.add_argument(
        "--metric", metavar="NAME", help="metric of the search, as W&B has it: eval/fid_classifier (the runs' headline)"
    )
    parser.add_argument("--goal", choices=("minimize", "maximize"), help="for a metric whose direction is not known")
    parser.add_argument("--runs", type=int, metavar="N", help="runs after which the sweep ends (none: W&B's own end)")
    parser.add_argument("--out", default="sweep.yaml", metavar="FILE", help="the file (sweep.yaml)")
    return parser


def _refuse_hydra(overrides: Sequence[Override]) -> None:
    found = next((override for override in overrides if override.is_hydra_override()), None)
    if found is not None:
        raise UserError(
            f"{found.input_line}: W&B's agents start the jobs of a sweep, so it has no launcher and no sweeper of "
            "Hydra's. Leave it out, or say python -m experiments.train -m."
        )


# Settings


def _swept(composer: Composer, override: Override) -> Swept:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        return Swept(key, _distribution(override, value), f"{value.start},{value.end}")
    values = [line.partition("=")[2] for (line,) in composer.sweep([override])]
    return Swept(key, {"values": [*map(_value, values)]}, str(override.input_line).partition("=")[2])


def _distribution(override: Override, interval: IntervalSweep) -> dict[str, Any]:
    """Convert an interval of a Hydra sweep to a W&B distribution."""
    assert interval.start is not None
    assert interval.end is not None
    ends: list[int | float] = [interval.start, interval.end]
    start, end = ends
    log, whole = "log" in interval.tags, all(isinstance(bound, int) for bound in ends)
    if not start < end:
        raise UserError(f"{override.input_line}: the range is empty; its first end has to be the smaller one.")
    if log and (whole or start <= 0):
        raise UserError(
            f"{override.input_line}: a logarithmic range has real ends above 0. Name values instead: "
            f"{override.get_key_element()}=1,2,4,8."
        )
    name = "log_uniform_values" if log else "int_uniform" if whole else "uniform"
    return {"distribution": name, "min": start, "max": end}


def _value(text: str) -> Any:
    """Convert numbers and booleans for W&B's charts; keep anything else in Hydra's command-line syntax."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.\d*|\.?\d+)(e[+-]?\d+)?", text, re.IGNORECASE):
        return float(text)
    return text


# The file


def _content(options: Namespace, checked: Plan, swept: Sequence[Swept], fixed: Sequence[str]) -> dict[str, Any]:
    ranges = [one.key for one in swept if "distribution" in one.parameter]
    method = options.method or ("random" if ranges else "grid")
    if method == "grid" and ranges:
        raise UserError(f"--method grid goes through values, and {ranges[0]} is a range. Say --method random or bayes.")
    if options.runs is not None and options.runs < 1:
        raise UserError(f"--runs {options.runs}: a sweep has at least one run.")
    content: dict[str, Any] = {"program": PROGRAM, "method": method, **_place(checked.jobs)}
    metric = _metric(options, checked.jobs, needed=method == "bayes")
    if metric is not None:
        content["metric"] = metric
    if options.runs is not None:
        content["run_cap"] = options.runs
    content["parameters"] = {one.key: one.parameter for one in swept}
    content["command"] = ["${env}", "${interpreter}", "-m", "${program}", *checked.tree, *fixed, "${args_no_hyphens}"]
    return content


def _place(jobs: Sequence[Job]) -> dict[str, str]:
    """Return project and entity of the sweep, to which W&B assigns all of its runs.

    Raises:
        UserError: a job does not log to W&B, or the jobs name several projects.
    """
    nodes = [_node(job) for job in jobs]
    projects = {str(chosen(node.get("project"), "WANDB_PROJECT", PROJECT)) for node in nodes}
    entities = {chosen(node.get("entity"), "WANDB_ENTITY") for node in nodes}
    if len(projects) > 1 or len(entities) > 1:
        raise UserError(
            "The runs of a sweep are in one project: give one value of logger.wandb.project and of .entity."
        )
    (project,), (entity,) = projects, entities
    return {"project": project, **({"entity": entity} if entity else {})}


def _node(job: Job) -> dict[str, Any]:
    loggers = [node for node in (job.config["logger"] or {}).values() if isinstance(node, dict)]
    found = next((node for node in loggers if node.get("_target_") == LOGGER), None)
    if found is None:
        raise UserError(
            f"{job.name} would not log to W&B, and a sweep of W&B needs that. Say logger=wandb, or leave logger= out."
        )
    return found


def _metric(options: Namespace, jobs: Sequence[Job], *, needed: bool) -> dict[str, str] | None:
    """Return name and goal of the metric; None if the runs share no headline metric and the method needs none.

    Raises:
        UserError: the method needs a metric but none is given, or the direction of the given one is unknown.
    """
    name = options.metric or _headline(jobs)
    if name is None:
        if needed:
            raise UserError("--method bayes needs a metric that every run measures: --metric eval/NAME.")
        return None
    bare = name.removeprefix(EVAL)
    if bare in METRICS:
        return {"name": f"{EVAL}{bare}", "goal": options.goal or GOALS[METRICS[bare].better]}
    if options.goal is None:
        hint = did_you_mean(f"--metric {EVAL}{other}" for other in nearest(bare, METRICS))
        raise UserError(
            f"--metric {name}: its better direction is not known.{hint} For a loss or a metric of yours "
            "add --goal minimize or --goal maximize."
        )
    return {"name": name, "goal": options.goal}


def _headline(jobs: Sequence[Job]) -> str | None:
    """Return the headline metric common to all jobs; None if they differ or evaluate no metric."""
    if any(not job.config["metrics"] for job in jobs):
        return None
    names = {headline(job) for job in jobs}
    return names.pop() if len(names) == 1 else None


def _refuse_foreign(out: Path) -> None:
    """Refuse to overwrite a file that is not a sweep file of this command."""
    if out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file in it: --out {out / 'sweep.yaml'}")
    if out.exists() and not out.read_bytes().startswith(HEAD.encode()):
        raise UserError(f"{out} exists and was not made by this command. Name another file: --out FILE.yaml")


def _tell(out: Path, content: dict[str, Any], swept: Sequence[Swept]) -> None:
    for line in _summary(content, swept):
        cli.tell(line)
    print(f"Written: {out}. Next, where you are logged in to W&B:")
    print(f"  wandb sweep {shlex.quote(str(out))}")
    print("  wandb agent ID          (the ID that it prints; on each machine or GPU that is to take runs)")
    if os.environ.get("WANDB_MODE", "").strip().lower() in ("offline", "dryrun", "disabled"):
        print("WANDB_MODE is set here, and agents talk to the server: unset it for them.")


def _summary(content: dict[str, Any], swept: Sequence[Swept]) -> Iterator[str]:
    for one in swept:
        parameter = one.parameter
        values = parameter.get("values")
        yield f"{one.key}: " + (
            ", ".join(map(str, values))
            if values
            else f"{parameter['distribution']} from {parameter['min']} to {parameter['max']}"
        )
    metric = content.get("metric")
    yield f"{content['method']}" + (f", {metric['goal']} {metric['name']}" if metric else "")


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
