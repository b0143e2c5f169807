"""Checks of folders, data sets, Weights & Biases and SLURM, and a training run of three iterations."""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from experiments import distribution
from experiments.doctor.finding import Finding, hint, installed, problem
from lightning_gans.core.files import cache_folder
from lightning_gans.loggers.connection import choose, logged_in

LEAST, LITTLE = 2**28, 2**31  # bytes of free space for the files of one run, and of several
SERVER = "https://api.wandb.ai"
SMALL = "variant=vanilla data=ring"


def folders(data_dir: Path) -> Iterator[Finding]:
    """Check write permission for runs, data sets and features, and the free space for runs."""
    runs = Path("runs")
    if error := _cannot_write(runs):
        yield problem("runs/", error, "Make the folder writable, change to another folder, or name one: run_dir=DIR")
    else:
        free = shutil.disk_usage(_existing(runs)).free
        text = f"writable, {free / 2**30:.1f} GiB free"
        low = problem if free < LEAST else hint if free < LITTLE else None
        remedy = "Free some space, or name a folder on another disk: run_dir=DIR"
        yield low("runs/", text, remedy) if low else Finding("runs/", text)
    if error := _cannot_write(data_dir):
        yield hint("data_dir", error, "Name a folder for downloads that can be written: data_dir=DIR")
    if error := _cannot_write(cache_folder()):
        yield hint("cache", error, "Set LIGHTNING_GANS_CACHE to a folder that can be written.")


def _existing(folder: Path) -> Path:
    """Return the folder if it exists, or else its nearest existing parent."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _cannot_write(folder: Path) -> str:
    """Return the reason why no file can be created in a folder (or in its nearest existing parent); empty if none."""
    try:
        with tempfile.NamedTemporaryFile(dir=_existing(folder), prefix=".doctor-"):
            return ""
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"


def data(data_dir: Path) -> Finding:
    """List the well-known data sets found in the folder."""
    from datamodules.vision_files import locate
    from datamodules.vision_table import SETS

    there = ", ".join(name for name, one in SETS.items() if locate(data_dir, one.aliases, one.layouts))
    text = f"digits, ring, vowels and others are built in; in {data_dir}: {there or 'none'}"
    return Finding("data", text, "" if there else "Name a folder that holds data sets: data_dir=DIR")


def wandb(*, network: bool) -> Finding:
    """Report whether runs are logged to Weights & Biases online, and where its files are written.

    Args:
        network: send a request to the server, with a time limit of three seconds.
    """
    folder, url = os.environ.get("WANDB_DIR"), os.environ.get("WANDB_BASE_URL") or SERVER
    if folder and (error := _cannot_write(Path(folder))):
        return problem("W&B", f"WANDB_DIR={error}", "Set WANDB_DIR to a folder that can be written, or unset it.")
    place = f"files in {folder or 'the directory of each run'}"
    if network:
        mode, complaint = choose(offline=None, url=url)
        if complaint:
            return hint("W&B", f"{mode}, {place}", f"{complaint}.")
        return Finding("W&B", f"{mode}, {place}")
    if said := os.environ.get("WANDB_MODE"):
        return Finding("W&B", f"{said} by WANDB_MODE, {place}")
    if logged_in(url):
        return Finding("W&B", f"online where {url} answers, {place}")
    return Finding("W&B", f"offline, nobody is logged in, {place}", "To see runs in a browser: wandb login")


def slurm() -> Finding:
    """Report whether this process is part of a SLURM job, or can submit jobs."""
    if job := os.environ.get("SLURM_JOB_ID"):
        return Finding("SLURM", f"in job {job}, nodes: {os.environ.get('SLURM_JOB_NUM_NODES', '1')}")
    if shutil.which("sbatch") is None:
        return Finding("SLURM", "no sbatch on the PATH")
    if not all(map(installed, ("submitit", "hydra-submitit-launcher"))):
        return hint("SLURM", "sbatch found", f"To submit sweeps: pip install '{distribution.NAME}[slurm]'")
    return Finding("SLURM", "sbatch found: hydra/launcher=slurm submits the jobs of a sweep")


def training() -> Finding:
    """Train two perceptrons for three iterations in a temporary folder, by `experiments.train`."""
    from experiments.train import main as train

    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        words = [*SMALL.split(), *"iterations=3 metrics=none logger=none".split(), f"run_dir={folder}/run"]
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = train(words)
        except Exception as error:
            remedy = f"See the traceback: HYDRA_FULL_ERROR=1 python -m experiments.train {SMALL}"
            return problem("training", f"{type(error).__name__}: {error}", remedy)
    if code:
        last = (said.getvalue().strip().splitlines() or ["no message"])[-1]
        return problem("training", f"exit code {code}: {last}", f"Run it: python -m experiments.train {SMALL}")
    return Finding("training", f"three iterations of {SMALL} ran")
