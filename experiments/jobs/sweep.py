"""Sweeps and searches: Hydra's sweeper and launcher run the jobs, each of them a process with a command of its own."""

import math
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from experiments import cli
from experiments.configuration.composing import CONFIG_NAME, CONFIG_PATH, VERSION
from experiments.jobs import local, slurm
from experiments.jobs.preflight import Job, Plan, preflight
from experiments.runs.directory import RUNS, STUDIES, number, read_summary
from experiments.settings.signatures import declared
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import load_yaml
from lightning_gans.core.signals import SIGNALS
from lightning_gans.metrics.names import METRICS, suffix_of

JOB = "job"  # the setting that holds the command of one job of a study
SHOWN = "LIGHTNING_GANS_SWEEP"  # number of jobs, for the line that announces each
FULL = "LIGHTNING_GANS_FULL_ERROR"  # HYDRA_FULL_ERROR as the user has it, for the jobs
OF_ONE_RUN = ("WANDB_RUN_ID", "WANDB_NAME")  # would make the jobs of a multirun one W&B run, or call all the same

# Exit codes of the jobs that this process has launched; launchers with workers of their own leave it empty.
_codes: list[int] = []
_CODES = {"finished": cli.DONE, "diverged": cli.DIVERGED, "stopped": cli.INTERRUPTED}


class JobFailed(Exception):
    """A job of a search that has no value: it was refused, diverged or failed. The code is its only argument."""


def sweep(plan: Plan) -> int:
    """Launch the jobs of a multirun through Hydra; the worst exit code of all.

    A job that fails, diverges or is refused never ends the sweep; Ctrl-C does.

    Raises:
        UserError: the launcher or the sweeper refused its settings, or a search found no job with a value.
    """
    _codes.clear()
    left = _left(plan)
    if ignored := [name for name in OF_ONE_RUN if os.environ.get(name)]:
        print(f"{' and '.join(ignored)}: ignored in a multirun; each job has an id and a name of its own.", flush=True)
    if plan.queue is not None:
        slurm.refuse_queued(plan.queue)
        _tell_submitted(plan, left)
    try:
        if left:
            _launch(plan, left)
    except KeyboardInterrupt:
        if plan.queue is not None:
            print(f"\nThe jobs stay in SLURM's queue. To end them: scancel --name={plan.queue}")
        return cli.INTERRUPTED
    reported = cli.DONE if plan.study is None else write_page(plan.study, [job.run_dir for job in plan.jobs])
    if plan.search:
        _tell_best(plan.jobs[0])
    if plan.search or len(_codes) == len(plan.jobs):
        return max([reported, *_codes])
    for ended in plan.jobs:  # in workers of the launcher, whose output may be in its own files
        print(f"{ended.run_dir}: {_status(ended)}")
    if plan.queue is not None and any(_status(job) not in ("finished", "diverged") for job in plan.jobs):
        print(f"{slurm.LOG} in a run's directory says why it stopped. The same command submits the jobs that are left.")
    return max([reported, *(_CODES.get(_status(ended), cli.REFUSED) for ended in plan.jobs)])


def _left(plan: Plan) -> list[Job]:
    """The jobs to launch: those that have not ended, where each would take a place in a queue."""
    if plan.queue is None or plan.search:
        return plan.jobs
    return [job for job in plan.jobs if job.resume.mode in ("new", "continue")]


def _tell_submitted(plan: Plan, left: Sequence[Job]) -> None:
    ended = f"; {len(plan.jobs) - len(left)} have ended already" if len(left) < len(plan.jobs) else ""
    print(f"{len(left)} {'job' if len(left) == 1 else 'jobs'} for SLURM{ended}.", flush=True)
    if left:
        print(
            "This command submits them and waits for them; Ctrl-C leaves them in the queue.\n"
            f"  watch them:  squeue --name={plan.queue}\n"
            f"  end them:    scancel --name={plan.queue}\n"
            f"  output:      {slurm.LOG} in the directory of each run",
            flush=True,
        )


def _launch(plan: Plan, jobs: Sequence[Job]) -> None:
    words = ["--multirun", *plan.tree, *_overrides(plan, jobs)]
    argv, full = sys.argv[:], os.environ.get("HYDRA_FULL_ERROR", "0")
    environment = {"HYDRA_FULL_ERROR": "1", FULL: full, SHOWN: str(len(jobs)), **plan.variables}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)  # HYDRA_FULL_ERROR: exceptions come out of hydra.main
    try:
        sys.argv[1:] = words
        _main()
    except HydraException as error:
        raise UserError(f"The sweep cannot be launched: {str(error).strip().partition(chr(10))[0]}") from error
    except (JobFailed, ValueError) as error:
        if not plan.search:
            raise
        raise UserError("No job of this search came to a value, so there is nothing to choose by.") from error
    except Exception as error:
        if plan.queue is None or not _of_submitit(error):
            raise
        if isinstance(error.__cause__, subprocess.CalledProcessError):  # sbatch's own exit code; no job has one
            raise UserError(_not_submitted(error)) from error
        slurm.wait(plan.queue)  # a job has died; the others go on, and each has a summary
    finally:
        sys.argv[:] = argv
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _of_submitit(error: Exception) -> bool:
    """Return True if an error is submitit's of a job that has ended without a result."""
    from submitit.core import utils

    return isinstance(error, utils.FailedJobError | utils.UncompletedJobError)


def _not_submitted(error: Exception) -> str:
    said = "; ".join(line.removeprefix("sbatch: error: ").rstrip(".") for line in str(error).splitlines() if line)
    return (
        f"SLURM refused the jobs, and none of them is in the queue. sbatch says: {said or 'nothing'}. Change the "
        "setting of hydra.launcher that this is about (sinfo lists partitions and nodes), and give the command again."
    )


def write_page(study: str, run_dirs: Sequence[Path]) -> int:
    """Write a study's page; the exit code. A page that cannot be made says why, and takes nothing from the jobs."""
    from experiments.studies import reporting

    try:
        reporting.write(study, run_dirs, STUDIES)
    except UserError as error:
        cli.report(error)
        return cli.REFUSED
    return cli.DONE


def _overrides(plan: Plan, left: Sequence[Job]) -> list[str]:
    """The command line for Hydra: the settings, or each job by itself where they are no grid.

    Jobs of a study are none, nor are those that are left of a sweep on SLURM.
    """
    said = {line.partition("=")[0] for line in plan.hydra}
    settings = {"hydra/hydra_logging": "none", "hydra/job_logging": "none"}  # the jobs speak for themselves
    if plan.search:
        settings["hydra.sweeper.max_failure_rate"] = "1.0"  # a job without a value does not end the search
        if "hydra.sweeper.direction" not in said:
            settings["hydra.sweeper.direction"] = _direction(plan.jobs[0])
    ours = [f"{key}={value}" for key, value in settings.items() if key not in said]
    if plan.search or (plan.study is None and plan.queue is None):
        return [*plan.overrides, *plan.hydra, *ours]
    jobs = ",".join(QuotedString(shlex.join(job.overrides), Quote.double).with_quotes() for job in left)
    return [f"++{JOB}={jobs}", *plan.hydra, *ours]


def _direction(job: Job) -> str:
    """The better direction of a job's headline metric, as Optuna names it."""
    name = headline(job)
    if name not in METRICS:
        raise UserError(
            f"{name} is no metric of ours, so its better direction is not known before the jobs run. Say "
            "hydra.sweeper.direction=maximize or minimize."
        )
    return "maximize" if METRICS[name].better == "higher" else "minimize"


def headline(job: Job) -> str:
    """The metric that a job returns: its variant's own, or that of the samples.

    Raises:
        UserError: the job measures nothing.
    """
    metrics = job.config["metrics"]
    if not metrics:
        raise UserError("metrics=none measures nothing, and a search chooses by the headline metric. Leave it out.")
    chosen = job.config["callbacks"]["evaluation"].get("headline")
    if chosen:
        return str(chosen)
    own = str(declared(str(job.config["variant"]["_target_"]), "headline", "fid"))
    if own == "fid" and job.choices.get("metrics") == "planar":
        return "mode_score"
    factory = str(metrics.get("_target_")).rpartition(".")[2]
    return f"{own}{suffix_of(factory)}" if own in METRICS and METRICS[own].features else own


def _tell_best(job: Job) -> None:
    """Print the values that Optuna found best, from its own report."""
    path = RUNS / ".sweep" / "optimization_results.yaml"
    found: Any = load_yaml(path) if path.is_file() else {}
    if "best_params" in found:
        values = " ".join(f"{key}={value}" for key, value in found["best_params"].items())
        print(f"\nBest {headline(job)}: {found['best_value']:.4g} with {values} ({path})")


def _status(job: Job) -> str:
    """The end of a job as its summary tells it."""
    try:
        summary = read_summary(job.run_dir)
    except UserError:
        summary = None
    return summary.status if summary else "no summary"


def page(argv: Sequence[str]) -> int:
    """Hydra's own pages: --info, --hydra-help, --version, --shell-completion, --cfg hydra and --cfg all."""
    before, sys.argv[1:] = sys.argv[1:], list(argv)
    try:
        _main()
    except HydraException as error:
        raise UserError(str(error).strip().partition("\n")[0]) from error
    finally:
        sys.argv[1:] = before
    return cli.DONE


# One job, wherever the launcher runs it


def job(config: DictConfig) -> float | None:
    """Hydra's task function: this job as a command of its own, and the value of its headline metric in a search.

    Raises:
        KeyboardInterrupt: the job was interrupted.
        JobFailed: it has no value for the search.
    """
    here = HydraConfig.get()
    command = shlex.split(config[JOB]) if JOB in config else [*_tree(), *_raw(here.overrides.task)]
    of = "" if _searches() else f" of {os.environ.get(SHOWN, '?')}"
    print(f"\nJob {int(here.job.num) + 1}{of}: {' '.join(command)}", flush=True)
    mine = _checked(command) if slurm.in_job() else None
    with _device() as variables:
        code, received = apart(command, variables=variables, log=_log(mine))
    if slurm.in_job():
        _leave(code, received, again=mine is None or bool(mine.config["trainer"].get("requeue", True)))
    _codes.append(code)
    if code == cli.INTERRUPTED and not slurm.in_job():
        raise KeyboardInterrupt
    if not _searches():
        return None
    value = _value(command) if code == cli.DONE else None
    if value is None:
        raise JobFailed(code)
    return value


def apart(
    command: Sequence[str], *, variables: Mapping[str, str] | None = None, log: Path | None = None
) -> tuple[int, list[int]]:
    """`experiments.train` with these arguments in a process of its own: its exit code, and the signals that came.

    Processes can be joined to a group once in a lifetime, and a process of its own frees all memory of the job.
    Requests to stop are handed on to it: `kill` and schedulers may know this process alone.

    Args:
        variables: for the environment of the process.
        log: a file for its output, at the end of what it holds.
    """
    full = os.environ.get(FULL, os.environ.get("HYDRA_FULL_ERROR", "0"))
    environment = os.environ | {"HYDRA_FULL_ERROR": full, **(variables or {})}
    for name in OF_ONE_RUN:
        environment.pop(name, None)
    received: list[int] = []
    with ExitStack() as stack:
        output: dict[str, Any] = {}
        if log is not None:
            output = {"stdout": stack.enter_context(log.open("ab")), "stderr": subprocess.STDOUT}
        line = [sys.executable, "-m", "experiments.train", *command]
        child = subprocess.Popen(line, env=environment, **output)

        def hand_on(number: int, frame: FrameType | None) -> None:
            received.append(number)
            child.send_signal(number)

        before = {number: signal.signal(number, hand_on) for number in SIGNALS}
        try:
            return child.wait(), received
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _checked(command: Sequence[str]) -> Job | None:
    """The job of a command; None where it is refused, which its own process says."""
    try:
        (found,) = preflight(command)
    except UserError:
        return None
    return found


def _log(found: Job | None) -> Path | None:
    """The file for the output of a job on SLURM, in its run's directory; None for all but its first process."""
    if found is None or not found.place.leads:
        return None
    try:
        found.run_dir.mkdir(parents=True, exist_ok=True)
    except OSError:  # the job says so itself
        return None
    return found.run_dir / slurm.LOG


def _leave(code: int, received: Sequence[int], *, again: bool) -> None:
    """On SLURM: hand a job that was stopped back to submitit, and end with a process that died.

    again: whether the job's settings let it be queued again (trainer.requeue).

    Raises:
        SystemExit: the process died, or submitit has queued the job again.
    """
    if code == cli.INTERRUPTED or -code in received:
        if again:
            slurm.hand_back(received)
    elif code not in (*_CODES.values(), cli.REFUSED):
        raise SystemExit(1)  # no result of Hydra's: SLURM ends the other processes, which would wait for this one


def _device() -> AbstractContextManager[dict[str, str]]:
    """Variables for the job: its GPU or cores under hydra/launcher=local."""
    launcher = HydraConfig.get().runtime.choices.get("hydra/launcher")
    return local.device() if launcher == "local" else nullcontext({})


def _value(command: Sequence[str]) -> float | None:
    """The last value of the headline metric of a finished job; None where it has none."""
    (done,) = preflight(command)
    summary = read_summary(done.run_dir)
    if summary is None:
        return None
    value = number(summary.metrics.get(str(summary.all.get("headline")), {}).get("last"))
    return None if value is None or not math.isfinite(value) else value


def _searches() -> bool:
    return str(HydraConfig.get().runtime.choices["hydra/sweeper"]) != "basic"


def _tree() -> list[str]:
    """The flags that name the config tree of this job."""
    here: Any = HydraConfig.get()
    own = [source.path for source in here.runtime.config_sources if source.provider == "command-line"]
    name = here.job.config_name
    named = [f"--config-name={name}"] if name != CONFIG_NAME else []
    return [*(f"--config-dir={Path(path)}" for path in own), *named]


def _raw(lines: Any) -> list[str]:
    """Overrides as they were typed: reading one by its index would resolve an interpolation in it."""
    plain = OmegaConf.to_container(lines, resolve=False)
    assert isinstance(plain, list)
    return [str(line) for line in plain]


_main = hydra.main(**VERSION, config_path=CONFIG_PATH, config_name=CONFIG_NAME)(job)
