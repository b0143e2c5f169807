"""Environment of all tests: one core a process, caches of its own, no network."""

import gc
import importlib.metadata
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from experiments.jobs.launch import RANKS

# Set before anything imports torch, and inherited by the processes that tests start.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    MPLBACKEND="Agg",
    WANDB_MODE="offline",
    WANDB_SILENT="true",
    WANDB_ERROR_REPORTING="false",
    WANDB_DISABLE_GIT="true",
)
NAMING = ("PROJECT", "ENTITY", "NAME", "NOTES", "TAGS", "RUN_GROUP", "JOB_TYPE", "RUN_ID", "DIR", "SWEEP_ID")
for name in ("HYDRA_FULL_ERROR", "WANDB_API_KEY", *(f"WANDB_{end}" for end in NAMING)):
    os.environ.pop(name, None)

# Tests that are started by a launcher, or in a job of SLURM, are none of its ranks.
for name in [*os.environ]:
    if name in RANKS or name.startswith(("SLURM_", "TORCHELASTIC_", "OMPI_", "PMI_", "JSM_", "MASTER_")):
        del os.environ[name]

# Every Trainer asks for plugins among all packages there are, which takes a quarter of a run of three iterations.
importlib.metadata.entry_points = cache(importlib.metadata.entry_points)

# Files of tests need not outlive a power cut, and waiting for the disk was a tenth of a run.
os.fsync = lambda _: None

# Processes that tests start find the tests' own helpers, wherever they run.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
)

_HOME = "LIGHTNING_GANS_TEST_HOME"
_owns_home = _HOME not in os.environ  # the workers of pytest-xdist share their parent's
if _owns_home:
    os.environ[_HOME] = tempfile.mkdtemp(prefix="lightning-gans-tests-")
    for variable, folder in {
        "LIGHTNING_GANS_CACHE": "cache",
        "TORCH_HOME": "torch",
        "WANDB_CACHE_DIR": "wandb/cache",
        "WANDB_CONFIG_DIR": "wandb/config",
        "WANDB_DATA_DIR": "wandb/data",
    }.items():
        path = Path(os.environ[_HOME], folder)
        path.mkdir(parents=True)
        os.environ[variable] = str(path)


def pytest_collection_finish() -> None:
    """Garbage is not looked for among what torch, Lightning and the tests have imported: a twentieth of the time."""
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # or libraries would report leaks
    if _owns_home:
        shutil.rmtree(os.environ.pop(_HOME), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """A connection that would leave this machine fails at once, as it does on a machine without a network."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and isinstance(address, tuple):
            host = str(address[0])
            if host not in {"localhost", "::1"} and not host.startswith("127."):
                raise OSError(f"tests use no network: connection to {host} refused")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """No test leaves a signal handler behind: it would answer to signals of the tests that follow it."""
    from lightning_gans.core.interruption import SIGNALS  # imports torch, which reads the variables above

    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    left = [number.name for number in SIGNALS if signal.getsignal(number) is not before[number]]
    for number, handler in before.items():
        signal.signal(number, handler)
    assert not left, f"handlers of {', '.join(left)} are not those from before the test"


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Folder of cached features, classifiers and real statistics, shared by all tests of a session."""
    return Path(os.environ["LIGHTNING_GANS_CACHE"])
