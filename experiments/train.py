"""Train a variant on a data set, or continue its run.

The whole command is checked before anything is built or written. `--help` lists the choices and settings.
"""

import sys

from experiments.jobs.requeue import in_batch_job
from lightning_gans.core.signals import ignore_late, keep_early

if __name__ == "__main__" and in_batch_job():
    keep_early()  # before the slow imports

import os
import platform
import shlex
import signal
import subprocess
import time
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from experiments import cli
from experiments.jobs import command, launch, precision
from experiments.jobs.preflight import Job, plan
from experiments.jobs.sweep import page, sweep, write_page
from experiments.runs.directory import COMMAND, CONFIG, config_text
from experiments.runs.lock import in_use
from experiments.runs.report import final_table
from experiments.runs.resume import check_resume
from experiments.settings import contents, places
from lightning_gans.core.checkpoints import iteration_of
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.reporting.terminal import shown

PATIENCE = 5.0  # seconds in which another process of the launcher can report a refusal


def main(argv: list[str]) -> int:
    """Run the job of the command line, or several jobs through Hydra's launcher; return the highest exit code."""
    if command.asks_hydra(argv):
        return page(argv)
    try:
        found = plan(argv)
    except UserError as error:
        if launch.repeats(error):
            _leave_quietly()
        raise
    for job in found.jobs:
        places.check(job.config)
        contents.check(job.config)
    if found.study is not None and not found.jobs:  # a study without training jobs
        return write_page(found.study, [])
    return sweep(found) if found.multirun else train(found.jobs[0])


def train(job: Job) -> int:
    """Train one run, new or resumed; return its exit code."""
    if job.resume.mode == "finished":
        return _finished(job)
    if job.resume.mode == "diverged":
        raise UserError(f"{job.run_dir} holds a run that diverged; see its summary.json. It is left as it is.")
    if not job.place.leads:
        return _run(job)
    with in_use(job.run_dir, launch.each_alone(job.place)):
        # Another process may have started, resumed or finished the run since the check.
        job = replace(job, resume=check_resume(job.config, job.run_dir, defaults=job.defaults))
        if job.resume.mode == "finished":
            return _finished(job)
        _announce(job)
        return _run(job)


def _run(job: Job) -> int:
    if job.place.launcher is None:
        launch.forget_ranks()
    # Lightning starts the other processes of this run with this command line: a single job with an explicit run_dir.
    sys.argv[1:] = job.overrides

    # Threads that busy-wait for each other lose nine tenths of their speed if they share a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with shown("loading PyTorch") if job.place.leads else nullcontext():
        from experiments.jobs.runner import run  # imported after all checks, because torch and Lightning take seconds
    job = replace(job, config=precision.resolved(job.config))

    if job.place.leads:
        _warn(job)
    line, commit = f"python -m experiments.train {shlex.join(sys.argv[1:])}".rstrip(), _commit()
    how = _command(line, commit)

    def begin() -> None:
        write_atomically(job.run_dir / CONFIG, config_text(places.absolute(job.config)))
        _write_command(job.run_dir, how)

    return int(
        run(
            job.config,
            checkpoint=job.resume.checkpoint,
            begin=begin if job.place.leads else None,
            paper=job.paper,
            origin={"command": line, "commit": commit},
        )
    )


def _finished(job: Job) -> int:
    if job.place.leads:
        print(f"{job.run_dir} is finished; a larger iterations= would continue it.")
        final_table(job.run_dir)
    return cli.DONE


def _leave_quietly() -> NoReturn:
    """Exit 2 silently after a delay, so that the reporting process can finish: a launcher ends all with the first."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.REFUSED))
    try:
        time.sleep(PATIENCE)
        sys.exit(cli.REFUSED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _announce(job: Job) -> None:
    how = "new run" if job.resume.checkpoint is None else f"continued from {job.resume.checkpoint}"
    by = "" if job.place.launcher in (None, "variables") else f" of {job.place.launcher}"
    ranks = f", {job.place.size} processes{by}" if job.place.size > 1 else ""
    print(f"{job.config['names']['variant']} on {job.config['names']['data']}{ranks}, {how}: {job.run_dir}", flush=True)
    print(job.recipe, flush=True)


def _warn(job: Job) -> None:
    """Report on stderr the iterations lost by a damaged checkpoint."""
    checkpoint, damaged = job.resume.checkpoint, job.resume.damaged
    if checkpoint is None or damaged is None:
        return
    at = iteration_of(checkpoint)
    lost = max(job.resume.newest - at, 0)
    print(
        f"warning: {job.run_dir} cannot go on from {damaged}. It goes on from {checkpoint}, iteration {at}: "
        f"{lost} iterations are lost and done again.",
        file=sys.stderr,
        flush=True,
    )


def _command(line: str, commit: str) -> str:
    """Return the command line, commit and versions of this part of the run."""
    packages = map(_version, ("torch", "pytorch-lightning", "torchvision"))
    lines = [
        line,
        f"commit {commit}",
        " ".join([f"python {platform.python_version()}", *packages]),
        f"{platform.platform()}, {os.cpu_count()} cores of {_processor()}",
    ]
    return "\n".join(lines) + "\n"


def _write_command(run_dir: Path, command: str) -> None:
    """Append this command to those of earlier parts of the run, whatever the file contains."""
    file = run_dir / COMMAND
    before = file.read_bytes() + b"\n" if file.is_file() else b""
    write_atomically(file, before + command.encode())


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} unknown"


def _processor() -> str:
    """Return the model name of the processor, or else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def _commit() -> str:
    here = Path(__file__).parent
    try:
        git = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
        asked = subprocess.run(git, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return asked.stdout.strip() or "unknown"


if __name__ == "__main__":
    try:
        sys.exit(cli.run(lambda: main(sys.argv[1:])))
    finally:
        if in_batch_job():
            ignore_late()
