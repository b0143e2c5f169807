"""Two processes that train together on the CPU, started from one that has imported what is slow to import."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.helpers.warm import fork_server

TIMEOUT = 900  # seconds, on a machine with other work to do; only a hang takes as long

Work = Callable[[Path, dict[str, Any]], dict[str, Any]]


def on_ranks(work: Work, folder: Path, job: dict[str, Any], *, world: int = 2) -> list[dict[str, Any]]:
    """Return the results of `work(folder, job)` (tensors and plain values) on `world` processes, in rank order.

    Lightning finds the processes there, as under torchrun: its trainers need `devices=world`.
    """
    context = fork_server()
    port = _free_port()
    processes = [
        context.Process(target=_rank, args=(work, folder, job, rank, world, port), daemon=True) for rank in range(world)
    ]
    for process in processes:
        process.start()
    deadline = time.monotonic() + TIMEOUT
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0.1))
    for process in processes:
        if process.is_alive():
            process.kill()
    logs = "\n".join((folder / f"rank-{rank}.log").read_text() for rank in range(world))
    assert [process.exitcode for process in processes] == [0] * world, logs
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(world)]


def _rank(work: Work, folder: Path, job: dict[str, Any], rank: int, world: int, port: int) -> None:
    with open(folder / f"rank-{rank}.log", "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ |= {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    torch.save(work(folder, job), folder / f"rank-{rank}.pt")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
