"""torchrun over two machines, as two network namespaces, without a scheduler."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.conftest import RUN, slow, weights

pytestmark = pytest.mark.slurm
ADDRESSES = ("10.77.0.1", "10.77.0.2")


@pytest.fixture
def machines():
    """Names of two namespaces that reach each other."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces are made by root alone, with iproute2")
    names = [f"gans-{os.getpid()}-{number}" for number in (1, 2)]
    lines = [f"ip netns add {name}" for name in names]
    lines.append(f"ip link add gans1 netns {names[0]} type veth peer name gans2 netns {names[1]}")
    for number, (name, address) in enumerate(zip(names, ADDRESSES, strict=True), 1):
        lines.append(f"ip -n {name} addr add {address}/24 dev gans{number}")
        lines += [f"ip -n {name} link set {device} up" for device in ("lo", f"gans{number}")]
    try:
        if subprocess.run(" && ".join(lines), shell=True, capture_output=True).returncode:
            pytest.skip("this machine makes no network namespaces")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.fixture
def agents(machines, tmp_path):
    """Start torchrun on both machines: agents(range of machines, *settings)."""
    started = []

    def start(nodes, *settings):
        for number, (name, address) in enumerate(zip(machines, ADDRESSES, strict=True), 1):
            line = [
                *("ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}"),
                *("--nproc_per_node=1", "--max-restarts=3", "--rdzv-backend=c10d"),
                *(
                    f"--rdzv-endpoint={ADDRESSES[0]}:29511",
                    f"--rdzv-conf=is_host={int(number == 1)},last_call_timeout=5",
                ),
                *(
                    f"--local-addr={address}",
                    "-m",
                    "experiments.train",
                    *RUN,
                    "callbacks.checkpoint.every=5",
                    slow(0.3),
                ),
                *(f"run_dir={tmp_path / 'run'}", *settings),
            ]
            environ = os.environ | {"GLOO_SOCKET_IFNAME": f"gans{number}", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
            with (tmp_path / f"{number}.log").open("w") as log:
                started.append(subprocess.Popen(line, env=environ, cwd=tmp_path, stdout=log, stderr=log))
        wait(lambda: (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file(), 90)
        return started

    yield start
    for agent in started:
        if agent.poll() is None:
            agent.kill()
            agent.wait()


def wait(condition, seconds):
    over = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < over
        time.sleep(0.2)


def worker(agent):
    return int(Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()[-1])


def test_a_worker_that_is_killed_is_started_again(agents, tmp_path, undisturbed):
    first, second = agents("2", "trainer.devices=1", "trainer.num_nodes=2")
    os.kill(worker(second), signal.SIGKILL)
    assert first.wait(200) == 0, (tmp_path / "1.log").read_text()
    assert "continued from" in (tmp_path / "1.log").read_text()
    assert weights(tmp_path / "run") == undisturbed(2)


def test_an_elastic_range_outlives_a_machine(agents, tmp_path):
    """The run goes on with the processes that are left, which is what trainer.devices=auto allows."""
    first, second = agents("1:2", "trainer.devices=auto")
    gone = worker(second)
    second.kill()
    os.kill(gone, signal.SIGKILL)
    assert first.wait(200) == 0, (tmp_path / "1.log").read_text()
    assert "2 processes of torchrun, new run" in (tmp_path / "1.log").read_text()
    assert "run: finished" in (tmp_path / "1.log").read_text()
