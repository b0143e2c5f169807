"""Sweeps and searches: Hydra's sweeper and launcher run the jobs, each in a process with its own command line."""

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
SHOWN = "LIGHTNING_GANS_SWEEP"  # number of jobs, for the progress line
FULL = "LIGHTNING_GANS_FULL_ERROR"  # the user's own HYDRA_FULL_ERROR, for the jobs
OF_ONE_RUN = ("WANDB_RUN_ID", "WANDB_NAME")  # would merge the jobs into one W&B run, or give all the same name

# Exit codes of the jobs launched by this process; empty with launchers that use worker processes.
_codes: list[int] = []
_CODES = {"finished": cli.DONE, "diverged": cli.DIVERGED, "stopped": cli.INTERRUPTED}


class JobFailed(Exception):
    """A job of a search that returned no value: it was refused, diverged or failed. The exit code is its argument."""


def sweep(plan: Plan) -> int:
    """Launch the jobs of a multirun through Hydra; return the highest exit code.

    A job that fails, diverges or is refused does not end the sweep; Ctrl-C does.

    Raises:
        UserError: the launcher or the sweeper refused its settings, or no job of a search returned a value.
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
    for ended in plan.jobs:  # the launcher used workers, whose output may be in files
        print(f"{ended.run_dir}: {_status(ended)}")
    if plan.queue is not None and any(_status(job) not in ("finished", "diverged") for job in plan.jobs):
        print(f"{slurm.LOG} in a run's directory says why it stopped. The same command submits the jobs that are left.")
    return max([reported, *(_CODES.get(_status(ended), cli.REFUSED) for ended in plan.jobs)])


def _left(plan: Plan) -> list[Job]:
    """Return the jobs to launch; on a queue, only those that have not finished or diverged."""
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
    os.environ.update(environment)  # HYDRA_FULL_ERROR: hydra.main re-raises exceptions
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
        slurm.wait(plan.queue)  # a job has died; the others continue, and each writes a summary
    finally:
        sys.argv[:] = argv
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _of_submitit(error: Exception) -> bool:
    """Return True for submitit's error about a job that ended without a result."""
    from submitit.core import utils

    return isinstance(error, utils.FailedJobError | utils.UncompletedJobError)


def _not_submitted(error: Exception) -> str:
    said = "; ".join(line.removeprefix("sbatch: error: ").rstrip(".") for line in str(error).splitlines() if line)
    return (
        f"SLURM refused the jobs, and none of them is in the queue. sbatch says: {said or 'nothing'}. Change the "
        "setting of hydra.launcher that this is about (sinfo lists partitions and nodes), and give the command again."
    )


def write_page(study: str, run_dirs: Sequence[Path]) -> int:
    """Write a study's page; return the exit code. A failure is reported and leaves the jobs' results untouched."""
    from experiments.studies import reporting

    try:
        reporting.write(study, run_dirs, STUDIES)
    except UserError as error:
        cli.report(error)
        return cli.REFUSED
    return cli.DONE


def _overrides(plan: Plan, left: Sequence[Job]) -> list[str]:
    """Return the command line for Hydra: the settings of a grid, or else one setting that lists the jobs.

    The jobs of a study form no grid, nor do the remaining jobs of a sweep on SLURM.
    """
    said = {line.partition("=")[0] for line in plan.hydra}
    settings = {"hydra/hydra_logging": "none", "hydra/job_logging": "none"}  # the jobs configure their own logging
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
    """Return the optimisation direction of a job's headline metric, in Optuna's words."""
    name = headline(job)
    if name not in METRICS:
        raise UserError(
            f"{name} is no metric of ours, so its better direction is not known before the jobs run. Say "
            "hydra.sweeper.direction=maximize or minimize."
        )
    return "maximize" if METRICS[name].better == "higher" else "minimize"


def headline(job: Job) -> str:
    """Return the name of the metric that a job returns: its variant's own, or that of the samples.

    Raises:
        UserError: the job evaluates no metric.
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
    """Print the best values of the search from Optuna's report."""
    path = RUNS / ".sweep" / "optimization_results.yaml"
    found: Any = load_yaml(path) if path.is_file() else {}
    if "best_params" in found:
        values = " ".join(f"{key}={value}" for key, value in found["best_params"].items())
        print(f"\nBest {headline(job)}: {found['best_value']:.4g} with {values} ({path})")


def _status(job: Job) -> str:
    """Return the status in a job's summary."""
    try:
        summary = read_summary(job.run_dir)
    except UserError:
        summary = None
    return summary.status if summary else "no summary"


def page(argv: Sequence[str]) -> int:
    """Print one of Hydra's own pages: --info, --hydra-help, --version, --shell-completion, --cfg hydra or --cfg all."""
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
    """Hydra's task function: run this job in its own process; in a search, return its headline metric.

    Raises:
        KeyboardInterrupt: the job was interrupted.
        JobFailed: it returned no value for the search.
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
    """Run `experiments.train` with these arguments in a new process; return its exit code and the received signals.

    A process can join a process group only once, and the end of a process frees all memory of the job. Signals that
    request a stop are forwarded to it, because `kill` and schedulers may know this process only.

    Args:
        variables: environment variables of the new process.
        log: a file to which its output is appended.
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
    """Return the job of a command; None if it is refused, in which case its own process reports the error."""
    try:
        (found,) = preflight(command)
    except UserError:
        return None
    return found


def _log(found: Job | None) -> Path | None:
    """Return the log file of a job on SLURM, in its run's directory; None for all but the first process."""
    if found is None or not found.place.leads:
        return None
    try:
        found.run_dir.mkdir(parents=True, exist_ok=True)
    except OSError:  # the job itself reports it
        return None
    return found.run_dir / slurm.LOG


def _leave(code: int, received: Sequence[int], *, again: bool) -> None:
    """On SLURM, hand a stopped job back to submitit for a requeue, and exit if a process died.

    again: True if the job's settings allow a requeue (trainer.requeue).

    Raises:
        SystemExit: the process died, or submitit has requeued the job.
    """
    if code == cli.INTERRUPTED or -code in received:
        if again:
            slurm.hand_back(received)
    elif code not in (*_CODES.values(), cli.REFUSED):
        raise SystemExit(1)  # SLURM then ends the other processes, which would wait for this one


def _device() -> AbstractContextManager[dict[str, str]]:
    """Return environment variables for the job: its GPU or cores under hydra/launcher=local."""
    launcher = HydraConfig.get().runtime.choices.get("hydra/launcher")
    return local.device() if launcher == "local" else nullcontext({})


def _value(command: Sequence[str]) -> float | None:
    """Return the last value of a finished job's headline metric; None if there is none."""
    (done,) = preflight(command)
    summary = read_summary(done.run_dir)
    if summary is None:
        return None
    value = number(summary.metrics.get(str(summary.all.get("headline")), {}).get("last"))
    return None if value is None or not math.isfinite(value) else value


def _searches() -> bool:
    return str(HydraConfig.get().runtime.choices["hydra/sweeper"]) != "basic"


def _tree() -> list[str]:
    """Return the flags that select the config tree of this job."""
    here: Any = HydraConfig.get()
    own = [source.path for source in here.runtime.config_sources if source.provider == "command-line"]
    name = here.job.config_name
    named = [f"--config-name={name}"] if name != CONFIG_NAME else []
    return [*(f"--config-dir={Path(path)}" for path in own), *named]


def _raw(lines: Any) -> list[str]:
    """Return overrides as typed; access by index would resolve interpolations in them."""
    plain = OmegaConf.to_container(lines, resolve=False)
    assert isinstance(plain, list)
    return [str(line) for line in plain]


_main = hydra.main(**VERSION, config_path=CONFIG_PATH, config_name=CONFIG_NAME)(job)
