"""Detection of the launcher that started this process (torchrun, srun, Lightning or none), and of the process's rank.

Reads environment variables and the trainer's settings alone; imports neither torch nor Lightning.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lightning_gans.core.errors import UserError

# Rank variables that are set by several launchers, by hand and by container images.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
GROUP = ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # without these three, a rank is not part of a process group
# Launchers whose processes cannot be joined here, with the variable that holds their number of processes.
UNSUPPORTED = {"OMPI_COMM_WORLD_SIZE": "mpirun", "PMI_SIZE": "mpiexec", "JSM_NAMESPACE_SIZE": "jsrun"}
# SLURM gives the largest step numbers to batch scripts, interactive shells and the like.
SPECIAL_STEPS = 0xFFFF_FFF0
# Below the ports that Linux hands out by itself (32768 and up).
SLURM_PORTS = range(12_000, 32_000)

Launcher = Literal["torchrun", "srun", "variables"]


@dataclass(frozen=True)
class Place:
    """The position of a process among the processes of its run.

    Args:
        launcher: the program that started every process of the run; "variables": Lightning's own launcher, or any other
            that sets WORLD_SIZE, MASTER_ADDR, MASTER_PORT and the ranks. None: the process was started by itself, and
            Lightning starts the others if the trainer wants more than one.
        rank, size: rank among all processes of the run (0 to size - 1), and their number.
        local_rank, local_size: rank among the processes on this node, and their number.
        node, nodes: index of this machine, and the number of machines.
        address, port: address on which rank 0 listens; None without a launcher.
    """

    launcher: Launcher | None = None
    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    node: int = 0
    nodes: int = 1
    address: str | None = None
    port: int | None = None

    @property
    def leads(self) -> bool:
        """Return True for rank 0, the process that writes and prints."""
        return self.rank == 0


class LauncherMismatch(UserError):
    """The launcher started another number of processes than the trainer wants; every process raises the same error."""


def processes(trainer: Mapping[str, Any]) -> int | None:
    """Return the number of processes that the trainer's settings ask for.

    None for devices=auto, whose number is known only once torch is imported.
    """
    devices, nodes = trainer["devices"], int(trainer["num_nodes"])
    if isinstance(devices, str):
        return None
    return (len(devices) if isinstance(devices, list) else int(devices)) * nodes


def place(trainer: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Place:
    """Return the place of this process in a run with these trainer settings.

    A process is a rank of the launcher's group if the launcher started as many processes as the trainer wants. If the
    trainer wants one process, each process is a run by itself and the environment is ignored. torchrun is the
    exception: its processes share one command line and hence one run directory.

    Args:
        trainer: devices (a number, "auto" or a list) and num_nodes.
        environ: os.environ if None.

    Raises:
        LauncherMismatch: the number of started processes does not fit the trainer.
    """
    environ = os.environ if environ is None else environ
    wanted, found = processes(trainer), started(environ, nodes=trainer["num_nodes"])
    if found is None:
        return _alone(trainer, environ, wanted)
    if wanted in (found.size, None):
        devices = trainer["devices"]
        if isinstance(devices, list) and len(devices) != found.local_size:
            raise _mismatch(found, trainer, wanted)
        return found
    if wanted == 1 and found.launcher != "torchrun":
        return Place()
    raise _mismatch(found, trainer, wanted)


def started(environ: Mapping[str, str], *, nodes: int = 1) -> Place | None:
    """Return the place of this process in the group that a launcher started; None if it was started by itself.

    Args:
        nodes: number of machines, used if the variables give ranks within a node only.
    """
    return _torchrun(environ) or _variables(environ, nodes) or _srun(environ)


def repeats(error: UserError, environ: Mapping[str, str] | None = None) -> bool:
    """Return True if another process of the same launcher reports this error of the command line as well.

    torchrun gives all processes one command line, so the first process on each node reports. A mismatch with the
    launcher is the same for all tasks of srun, so the first task reports.
    """
    found = started(os.environ if environ is None else environ)
    if found is None:
        return False
    if found.launcher == "torchrun":
        return found.local_rank > 0
    return isinstance(error, LauncherMismatch) and found.rank > 0


def each_alone(place: Place, environ: Mapping[str, str] | None = None) -> str:
    """Return a hint for a task of srun that is a run by itself and finds its directory in use; empty for others."""
    found = started(os.environ if environ is None else environ)
    if place.launcher is not None or found is None or found.launcher != "srun":
        return ""
    return (
        f" srun started {found.size} tasks, and each is a run of one process: for one run of all say {_join(found)}, "
        "for one process srun --ntasks=1."
    )


def forget_ranks() -> None:
    """Remove stale rank variables before libraries read them; called in a process without a launcher.

    SLURM's own variables stay, because submitit and others need them.
    """
    for name in RANKS:
        os.environ.pop(name, None)


def _torchrun(environ: Mapping[str, str]) -> Place | None:
    if "TORCHELASTIC_RUN_ID" not in environ or not _complete(environ):
        return None
    size = _number(environ, "WORLD_SIZE") or 1
    local_size = _number(environ, "LOCAL_WORLD_SIZE") or size
    return Place(
        launcher="torchrun",
        rank=_number(environ, "RANK") or 0,
        size=size,
        local_rank=_number(environ, "LOCAL_RANK") or 0,
        local_size=local_size,
        node=_number(environ, "GROUP_RANK") or 0,
        nodes=_number(environ, "GROUP_WORLD_SIZE") or max(1, size // local_size),
        **_meeting(environ),
    )


def _variables(environ: Mapping[str, str], nodes: int) -> Place | None:
    size = _number(environ, "WORLD_SIZE")
    if size is None or size < 2 or not _complete(environ):
        return None
    local_size = _number(environ, "LOCAL_WORLD_SIZE") or max(1, size // nodes)
    local_rank = _number(environ, "LOCAL_RANK")
    node = _number(environ, "NODE_RANK", "GROUP_RANK")
    rank = _number(environ, "RANK")
    if rank is None:
        if local_rank is None:
            return None
        rank = (node or 0) * local_size + local_rank
    if rank >= size:
        return None
    return Place(
        launcher="variables",
        rank=rank,
        size=size,
        local_rank=rank % local_size if local_rank is None else local_rank,
        local_size=local_size,
        node=rank // local_size if node is None else node,
        nodes=max(1, size // local_size),
        **_meeting(environ),
    )


def _srun(environ: Mapping[str, str]) -> Place | None:
    """Return the place of a task of srun; None for batch scripts and shells inside an allocation.

    The latter have most of srun's variables, but not those of a step.
    """
    step = _number(environ, "SLURM_STEP_ID", "SLURM_STEPID")
    size = _number(environ, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    rank = _number(environ, "SLURM_PROCID")
    if step is None or step >= SPECIAL_STEPS or size is None or rank is None or not rank < size > 1:
        return None
    if "SLURM_PTY_PORT" in environ and sys.stdin is not None and sys.stdin.isatty():
        return None  # srun --pty: an interactive shell
    node = _number(environ, "SLURM_NODEID") or 0
    nodes = _number(environ, "SLURM_STEP_NUM_NODES", "SLURM_NNODES") or 1
    tasks = list(_tasks(environ.get("SLURM_STEP_TASKS_PER_NODE", "")))
    hosts = environ.get("SLURM_STEP_NODELIST", environ.get("SLURM_NODELIST", ""))
    job = _number(environ, "SLURM_JOB_ID", "SLURM_JOBID") or 0
    return Place(
        launcher="srun",
        rank=rank,
        size=size,
        local_rank=_number(environ, "SLURM_LOCALID") or 0,
        local_size=tasks[node] if node < len(tasks) else max(1, size // nodes),
        node=node,
        nodes=nodes,
        address=environ.get("MASTER_ADDR") or ("127.0.0.1" if nodes == 1 else _first_host(hosts)),
        # All tasks of a step derive the same port; other steps or jobs on the node derive another.
        port=_number(environ, "MASTER_PORT") or SLURM_PORTS[(7 * job + step) % len(SLURM_PORTS)],
    )


def _tasks(counts: str) -> Iterator[int]:
    """Expand SLURM's task counts: 2(x3),1 is 2, 2, 2, 1."""
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", counts):
        yield from [int(count)] * int(times or 1)


def _first_host(hosts: str) -> str:
    """Return the first host of a SLURM node list: gpu07 for gpu[07-09,12],cpu1."""
    return re.sub(r"\[([^],-]*)[^]]*\]", r"\1", hosts).partition(",")[0]


def _alone(trainer: Mapping[str, Any], environ: Mapping[str, str], wanted: int | None) -> Place:
    nodes = trainer["num_nodes"]
    if nodes > 1:
        each = "N" if wanted is None else str(wanted // nodes)
        raise LauncherMismatch(
            f"trainer.num_nodes={nodes} needs a launcher that starts the processes on every machine, and none started "
            f"this one. With SLURM say srun --nodes={nodes} --ntasks-per-node={each} python -m experiments.train ...; "
            f"without it, on each machine, torchrun --nnodes={nodes} --nproc_per_node={each} --rdzv_backend=c10d "
            "--rdzv_endpoint=HOST:PORT -m experiments.train ...; or say trainer.num_nodes=1."
        )
    for name, launcher in UNSUPPORTED.items():
        size = _number(environ, name) or 1
        if size > 1 and wanted != 1:
            raise LauncherMismatch(
                f"{launcher} started {size} processes, and its processes cannot be joined to one run. Start them with "
                f"torchrun --nproc_per_node={size} -m experiments.train ... or with srun, or leave {launcher} out: "
                f"{_asked(trainer)} starts its processes by itself."
            )
    return Place()


def _mismatch(found: Place, trainer: Mapping[str, Any], wanted: int | None) -> LauncherMismatch:
    size, join = found.size, _join(found)
    asked = _asked(trainer)
    if found.launcher == "torchrun" and wanted == 1:
        return LauncherMismatch(
            f"torchrun started {size} processes with one command, and {asked} is a run of one process: each of them "
            f"would be the same run in the same directory. For one run of {size} processes add {join}; for one "
            "process say python -m experiments.train ... without torchrun."
        )
    if wanted == size:
        return LauncherMismatch(
            f"{found.local_size} of the {size} processes were started on this machine, and {asked} names other "
            f"devices. Say {join}."
        )
    nodes = int(trainer["num_nodes"])
    each = 1 if wanted is None else wanted // nodes
    begin = {
        "torchrun": f"Start torchrun {f'--nnodes={nodes} ' if nodes > 1 else ''}--nproc_per_node={each}",
        "srun": f"Start srun --nodes={nodes} --ntasks-per-node={each}",
        "variables": f"Start {wanted} with WORLD_SIZE={wanted}, or one without {' and '.join(GROUP)}",
    }
    names = {"torchrun": "torchrun", "srun": "srun", "variables": f"A launcher (WORLD_SIZE={size})"}
    assert found.launcher is not None
    runs = ", or trainer=auto for an independent run in each" if found.launcher == "srun" else ""
    many = "1 process" if size == 1 else f"{size} processes"
    return LauncherMismatch(
        f"{names[found.launcher]} started {many}, and {asked} wants {wanted}. {begin[found.launcher]}, or say "
        f"{join}{runs}."
    )


def _join(found: Place) -> str:
    """Return the settings under which the started processes form one run."""
    size, even = found.size, found.size % found.nodes == 0
    here = (
        f"trainer.devices={size // found.nodes} trainer.num_nodes={found.nodes}" if even else f"trainer.devices={size}"
    )
    return f"trainer=ddp {here}".removesuffix(" trainer.num_nodes=1")


def _asked(trainer: Mapping[str, Any]) -> str:
    devices, nodes = str(trainer["devices"]).replace(" ", ""), trainer["num_nodes"]
    return f"trainer.devices={devices}" + (f" x trainer.num_nodes={nodes}" if nodes > 1 else "")


def _complete(environ: Mapping[str, str]) -> bool:
    return all(environ.get(name) for name in GROUP) and _number(environ, "MASTER_PORT") is not None


def _meeting(environ: Mapping[str, str]) -> dict[str, Any]:
    return {"address": environ["MASTER_ADDR"], "port": _number(environ, "MASTER_PORT")}


def _number(environ: Mapping[str, str], *names: str) -> int | None:
    """Return the first of these variables that is set, as a number; None if none is set or it is not a number."""
    text = next((environ[name] for name in names if name in environ), "")
    return int(text) if text.isdecimal() else None
