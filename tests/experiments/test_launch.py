"""Processes of a run: the launcher's if the trainer wants as many, otherwise one of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import cli, train
from experiments.jobs import launch
from experiments.jobs.launch import LauncherMismatch, Place, each_alone, place
from experiments.jobs.preflight import preflight
from lightning_gans.core.errors import UserError

RING = (
    "variant=vanilla",
    "data=ring",
    "network.model.generator.width=16",
    "network.discriminator.width=16",
    "data.batch_size=32",
    "metrics=none",
    "callbacks.grids.rows=2",
    "trainer.threads=1",
    "logger=none",
)
DDP = ("trainer=ddp", "trainer.devices=2")
ONE, TWO, FOUR = ({"devices": devices, "num_nodes": 1} for devices in (1, 2, 4))
NODES = {"devices": 2, "num_nodes": 2}
ALONE = (None, 0, 1)


def torchrun(rank, size, *, nodes=1):
    """The variables of a torchrun worker (torch 2.15)."""
    each = size // nodes
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank % each),
        "GROUP_RANK": str(rank // each),
        "ROLE_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(each),
        "GROUP_WORLD_SIZE": str(nodes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29400",
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_RESTART_COUNT": "0",
    }


def allocation(tasks, *, nodes=1):
    """The variables of a batch script, or of a process that it starts without srun (SLURM 22.05)."""
    each = tasks // nodes
    return {
        "SLURM_JOB_ID": "71",
        "SLURM_JOB_NAME": "job.sh",
        "SLURM_JOB_NODELIST": "n[1-2]" if nodes > 1 else "n1",
        "SLURM_NODELIST": "n[1-2]" if nodes > 1 else "n1",
        "SLURM_NNODES": str(nodes),
        "SLURM_NTASKS": str(tasks),
        "SLURM_NPROCS": str(tasks),
        "SLURM_TASKS_PER_NODE": f"{each}(x{nodes})" if nodes > 1 else str(each),
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
    }


def srun(rank, tasks, *, nodes=1, step=0):
    """The variables of a task of srun."""
    each = tasks // nodes
    return {
        **allocation(tasks, nodes=nodes),
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank % each),
        "SLURM_NODEID": str(rank // each),
        "SLURM_STEP_ID": str(step),
        "SLURM_STEPID": str(step),
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_STEP_NUM_NODES": str(nodes),
        "SLURM_STEP_NODELIST": "n[1-2]" if nodes > 1 else "n1",
        "SLURM_STEP_TASKS_PER_NODE": f"{each}(x{nodes})" if nodes > 1 else str(each),
    }


def lightning(rank, size):
    """The variables that Lightning's own launcher sets for the processes that it starts."""
    return {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "41000",
    }


KUBEFLOW = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "job-master-0", "MASTER_PORT": "23456"}

CASES = {
    "plain python": ({}, ONE, ALONE),
    "plain python, two devices": ({}, TWO, ALONE),
    "plain python, devices=auto": ({}, {"devices": "auto", "num_nodes": 1}, ALONE),
    # variables that belong to no process group
    "stray RANK": ({"RANK": "1"}, ONE, ALONE),
    "stray LOCAL_RANK": ({"LOCAL_RANK": "1"}, ONE, ALONE),
    "stray LOCAL_RANK, two devices": ({"LOCAL_RANK": "1"}, TWO, ALONE),
    "stray NODE_RANK": ({"NODE_RANK": "1"}, ONE, ALONE),
    "stray SLURM_PROCID": ({"SLURM_PROCID": "3"}, ONE, ALONE),
    "RANK that is no number": ({"RANK": "colonel"}, ONE, ALONE),
    "stray RANK and WORLD_SIZE": ({"RANK": "1", "WORLD_SIZE": "2"}, TWO, ALONE),
    "stray TORCHELASTIC_RUN_ID": ({"TORCHELASTIC_RUN_ID": "none"}, ONE, ALONE),
    "addresses for torchrun in a batch script": ({"MASTER_ADDR": "n1", "MASTER_PORT": "29500"}, TWO, ALONE),
    "address and size, no rank": ({"MASTER_ADDR": "n1", "MASTER_PORT": "29500", "WORLD_SIZE": "2"}, TWO, ALONE),
    "variables of another group": (lightning(1, 4), ONE, ALONE),
    # torchrun
    "torchrun, first": (torchrun(0, 2), TWO, ("torchrun", 0, 2)),
    "torchrun, second": (torchrun(1, 2), TWO, ("torchrun", 1, 2)),
    "torchrun of one": (torchrun(0, 1), ONE, ("torchrun", 0, 1)),
    "torchrun, two nodes": (torchrun(3, 4, nodes=2), NODES, ("torchrun", 3, 4)),
    "torchrun, other layout": (torchrun(1, 2, nodes=2), TWO, ("torchrun", 1, 2)),
    "torchrun, devices=auto": (torchrun(1, 2), {"devices": "auto", "num_nodes": 1}, ("torchrun", 1, 2)),
    "torchrun, listed devices": (torchrun(1, 2), {"devices": [4, 6], "num_nodes": 1}, ("torchrun", 1, 2)),
    "torchrun under srun": (srun(1, 2, nodes=2) | torchrun(3, 4, nodes=2), NODES, ("torchrun", 3, 4)),
    "torchrun of one-process default": (torchrun(0, 2), ONE, ["torchrun started 2", "trainer=ddp trainer.devices=2"]),
    "torchrun of nodes, one-process default": (torchrun(1, 4, nodes=2), ONE, ["trainer.devices=2 trainer.num_nodes=2"]),
    "torchrun, too many": (torchrun(0, 3), TWO, ["torchrun started 3", "--nproc_per_node=2", "trainer.devices=3"]),
    "torchrun, too few": (torchrun(0, 1), TWO, ["torchrun started 1 process,", "--nproc_per_node=2"]),
    "torchrun, devices listed for one node": (
        torchrun(1, 2, nodes=2),
        {"devices": [0, 1], "num_nodes": 1},
        ["1 of the 2 processes", "trainer.devices=1 trainer.num_nodes=2"],
    ),
    # Lightning's own launcher, and others that set the same variables
    "Lightning's second process": (lightning(1, 2), TWO, ("variables", 1, 2)),
    "Lightning's second process, devices=auto": (
        lightning(1, 2),
        {"devices": "auto", "num_nodes": 1},
        ("variables", 1, 2),
    ),
    "Lightning's second process in an allocation": (allocation(2) | lightning(1, 2), TWO, ("variables", 1, 2)),
    "Lightning's second process in a task of srun": (srun(0, 1) | lightning(1, 2), TWO, ("variables", 1, 2)),
    "by hand on two nodes": (lightning(1, 4) | {"NODE_RANK": "1"}, NODES, ("variables", 3, 4)),
    "PyTorchJob": (KUBEFLOW, {"devices": 1, "num_nodes": 2}, ("variables", 1, 2)),
    "PyTorchJob of independent runs": (KUBEFLOW, ONE, ALONE),
    "WORLD_SIZE that does not fit": (lightning(1, 3), TWO, ["WORLD_SIZE=3", "trainer.devices=2 wants 2"]),
    # SLURM
    "srun, one run per task": (srun(1, 4), ONE, ALONE),
    "srun, first of its tasks": (srun(0, 4), ONE, ALONE),
    "srun, as many as wanted": (srun(1, 2), TWO, ("srun", 1, 2)),
    "srun, two nodes": (srun(3, 4, nodes=2), NODES, ("srun", 3, 4)),
    "srun, one task per node": (srun(1, 2, nodes=2), TWO, ("srun", 1, 2)),
    "srun, devices=auto": (srun(1, 4), {"devices": "auto", "num_nodes": 1}, ("srun", 1, 4)),
    "srun of one task, two devices": (srun(0, 1), TWO, ALONE),
    "srun, too many": (srun(1, 4), TWO, ["srun started 4", "--nodes=1 --ntasks-per-node=2", "trainer.devices=4"]),
    "srun, too few": (srun(1, 2), FOUR, ["srun started 2", "--ntasks-per-node=4", "trainer.devices=2"]),
    "sbatch -n2, one process": (allocation(2), ONE, ALONE),
    "sbatch -n2, two devices": (allocation(2), TWO, ALONE),
    "sbatch --ntasks-per-node=1, two devices": (allocation(1) | {"SLURM_NTASKS_PER_NODE": "1"}, TWO, ALONE),
    "batch step with a number": (allocation(2) | {"SLURM_STEP_ID": "4294967291"}, TWO, ALONE),
    "batch step with a name": (allocation(2) | {"SLURM_STEP_ID": "batch"}, TWO, ALONE),
    "salloc's shell": ({"SLURM_JOB_ID": "4", "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "interactive"}, TWO, ALONE),
    "sbatch -N2, two nodes, no srun": (allocation(4, nodes=2), NODES, ["--nodes=2 --ntasks-per-node=2", "torchrun"]),
    # no launcher, or none that is known
    "two nodes, no launcher": ({}, NODES, ["trainer.num_nodes=2", "srun", "torchrun", "trainer.num_nodes=1"]),
    "mpirun, one run per process": ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, ONE, ALONE),
    "mpirun, two devices": ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, TWO, ["mpirun", "torchrun"]),
    "jsrun, one run per process": ({"JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_SIZE": "2"}, ONE, ALONE),
}


@pytest.mark.parametrize("name", CASES)
def test_place(name):
    environ, trainer, expected = CASES[name]
    if isinstance(expected, list):
        with pytest.raises(LauncherMismatch) as caught:
            place(trainer, environ)
        assert all(words in str(caught.value) for words in expected), str(caught.value)
    else:
        found = place(trainer, environ)
        assert (found.launcher, found.rank, found.size) == expected
        assert found.leads == (found.rank == 0)
        assert (found.address is None) == (found.launcher is None)


def test_a_process_knows_its_machine():
    assert place(NODES, torchrun(3, 4, nodes=2)) == Place("torchrun", 3, 4, 1, 2, 1, 2, "127.0.0.1", 29400)
    found = place(NODES, srun(2, 4, nodes=2))
    assert (found.local_rank, found.local_size, found.node, found.nodes, found.address) == (0, 2, 1, 2, "n1")
    uneven = srun(2, 3, nodes=2) | {"SLURM_LOCALID": "0", "SLURM_NODEID": "1", "SLURM_STEP_TASKS_PER_NODE": "2,1"}
    found = place({"devices": 3, "num_nodes": 1}, uneven)
    assert (found.local_rank, found.local_size, found.node) == (0, 1, 1)
    found = place({"devices": 1, "num_nodes": 2}, KUBEFLOW)
    assert (found.local_rank, found.local_size, found.node, found.nodes) == (0, 1, 1, 2)


@pytest.mark.parametrize(
    "hosts, first",
    [("n1", "n1"), ("n[1-2]", "n1"), ("gpu[07-09,12],cpu1", "gpu07"), ("a1,b[2-3]", "a1"), ("r[1-2]n[3,5]", "r1n3")],
)
def test_the_first_host_of_a_node_list(hosts, first):
    assert place(NODES, srun(0, 4, nodes=2) | {"SLURM_STEP_NODELIST": hosts}).address == first


def test_tasks_of_a_step_share_a_port_and_other_steps_and_jobs_have_others():
    ports = [
        place(TWO, srun(rank, 2, step=step) | {"SLURM_JOB_ID": job}).port
        for job in ("71", "72")
        for step in (0, 1)
        for rank in (0, 1)
    ]
    assert ports[::2] == ports[1::2]
    assert len(set(ports)) == 4
    assert all(10_000 < port < 32_768 for port in ports)
    assert place(TWO, srun(0, 2)).address == "127.0.0.1", "no name to resolve on one machine"
    given = place(TWO, srun(0, 2) | {"MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "4000"})
    assert (given.address, given.port) == ("10.0.0.7", 4000)


@pytest.mark.parametrize(
    "environ, mismatch, other",
    [
        ({}, False, False),
        (torchrun(0, 2), False, False),
        (torchrun(1, 2), True, True),
        (torchrun(2, 4, nodes=2), False, False),  # the first on a machine, which has a terminal of its own
        (srun(0, 4), False, False),
        (srun(1, 4), True, False),  # tasks of srun may have other settings
        (lightning(1, 2), True, False),
    ],
)
def test_one_process_speaks_for_all(environ, mismatch, other):
    assert launch.repeats(LauncherMismatch("..."), environ) == mismatch
    assert launch.repeats(UserError("..."), environ) == other


# The command line


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """Set variables for commands of this process, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "PATIENCE", 0.0)

    def set_variables(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def command(*argv):
    return cli.run(lambda: train.main([*argv]))


@pytest.mark.parametrize("rank", [0, 1])
def test_torchrun_of_the_default_trainer_is_refused_once(rank, environ, capsys, tmp_path):
    environ(torchrun(rank, 2))
    if rank:
        with pytest.raises(SystemExit) as left:
            command("variant=vanilla", "data=ring")
        assert left.value.code == cli.REFUSED
    else:
        assert command("variant=vanilla", "data=ring") == cli.REFUSED
    said = capsys.readouterr()
    assert said.err.count("error: torchrun started 2 processes") == (rank == 0)
    assert said.out == ""
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_torchrun_is_refused_without_torch(tmp_path):
    code = (
        "import sys; from experiments import cli, train\n"
        "code = cli.run(lambda: train.main(['variant=vanilla', 'data=ring']))\n"
        "assert not {'torch', 'pytorch_lightning'} & set(sys.modules)\nsys.exit(code)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | torchrun(0, 2), cwd=tmp_path, capture_output=True, text=True
    )
    assert (asked.returncode, asked.stderr.count("error:")) == (cli.REFUSED, 1), asked.stderr


def test_every_other_slip_under_torchrun_is_reported_once(environ, capsys):
    environ(torchrun(1, 2))
    with pytest.raises(SystemExit):
        command(*DDP, "iteratons=3")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("variables", [torchrun(1, 2), srun(1, 2), lightning(1, 2)])
def test_sweeps_of_ranks_are_refused(variables, environ):
    environ(variables)
    with pytest.raises(LauncherMismatch, match="the whole sweep as one process"):
        preflight(["-m", *DDP, "variant=vanilla", "data=ring", "seed=1,2"])


def test_sweeps_of_independent_tasks_are_not_refused(environ):
    environ(srun(1, 4))
    jobs = preflight(["-m", "variant=vanilla", "data=ring", "seed=1,2"])
    assert [job.place for job in jobs] == [Place(), Place()]


def test_other_ranks_of_a_finished_run_have_nothing_to_do_either(environ, capsys):
    """They would wait for the first, which has left."""
    settings = (*RING, *DDP, "iterations=10", "run_dir=run")
    (job,) = preflight(settings)
    from experiments.runs.directory import CONFIG, config_text

    job.run_dir.mkdir()
    (job.run_dir / CONFIG).write_text(config_text(job.config))
    (job.run_dir / "summary.json").write_text('{"status": "finished", "iterations": 10}')
    environ(torchrun(1, 2))
    (job,) = preflight(settings)
    assert job.resume.mode == "finished"
    assert train.train(job) == cli.DONE
    assert capsys.readouterr().out == ""


def config(run):
    return (run / "config.yaml").read_text()


def test_each_task_of_srun_is_a_run_that_can_be_continued(launcher):
    run = launcher.folder / "run"
    launcher.environ = srun(1, 4)
    said = launcher.run(*RING, "iterations=10", "seed=1", f"run_dir={run}")
    assert "new run" in said
    assert "seed: 1" in config(run)
    assert (run / "command.txt").is_file()
    assert "continued from" in launcher.run(*RING, "iterations=20", "seed=1", f"run_dir={run}")
    assert '"iterations": 20' in (run / "summary.json").read_text()


def test_tasks_that_are_runs_by_themselves_are_told_how_to_be_one():
    assert "for one run of all say trainer=ddp trainer.devices=2, for one process" in each_alone(Place(), srun(1, 2))
    assert each_alone(Place(), {}) == each_alone(place(TWO, srun(0, 2)), srun(0, 2)) == ""


@pytest.mark.slow
def test_a_stray_rank_changes_nothing(launcher):
    """Lightning reads it on import, and loggers would be silent."""
    run = launcher.folder / "run"
    settings = (*RING[:-1], "logger=tensorboard", f"run_dir={run}")
    stray = {"RANK": "1", "LOCAL_RANK": "1", "NODE_RANK": "1"}
    python(*settings, "iterations=10", environ=stray, folder=launcher.folder)
    assert "tensorboard" in config(run)
    assert list((run / "tensorboard").glob("events.*"))
    launcher.environ = stray
    assert "continued from" in launcher.run(*settings, "iterations=20")


@pytest.mark.parametrize("rank", ["", "colonel"])
def test_a_rank_that_is_no_number_changes_nothing(rank, monkeypatch):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("SLURM_PROCID", "3")
    launch.forget_ranks()
    assert "RANK" not in os.environ
    assert os.environ["SLURM_PROCID"] == "3", "submitit reads it"


def test_a_process_in_an_allocation_without_srun_is_a_run(launcher):
    launcher.environ = allocation(2)
    launcher.run(*RING, "iterations=10", f"run_dir={launcher.folder / 'run'}")
    assert "seed: 0" in config(launcher.folder / "run")


# Several processes


def test_a_process_that_sees_one_gpu_uses_that_one(monkeypatch):
    """srun --gpus-per-task=1 numbers it 0 in every task."""
    import torch

    from experiments.jobs.runner import _devices
    from lightning_gans.strategies.environment import GivenProcesses
    from lightning_gans.strategies.player_ddp import PlayerDDPStrategy

    second = place(TWO, srun(1, 2))
    for visible, expected in ((1, 1), (2, 2), (0, 2)):
        monkeypatch.setattr(torch.cuda, "device_count", lambda visible=visible: visible)
        assert _devices(TWO | {"accelerator": "auto"}, second) == expected
        devices = [torch.device("cuda", number) for number in range(expected)]
        environment = GivenProcesses(rank=1, size=2, local_rank=1, address=second.address, port=second.port)
        strategy = PlayerDDPStrategy(parallel_devices=devices, cluster_environment=environment)
        assert strategy.root_device == devices[-1]
    assert _devices(TWO | {"accelerator": "cpu"}, second) == 2


def started(*argv, environ, folder, module=("-m", "experiments.train")):
    return subprocess.Popen(
        [sys.executable, *module, *argv],
        env=os.environ | environ,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def python(*argv, environ, folder, **options):
    """The output of the command, which has to end well."""
    process = started(*argv, environ=environ, folder=folder, **options)
    said = heard(process)
    assert process.returncode == 0, said
    return said


def heard(process):
    """All that a process prints until its end; one that hangs is ended, and torchrun then ends its workers."""
    try:
        return process.communicate(timeout=300)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        pytest.fail(f"it hangs: {process.communicate()[0]}")


def weights(run):
    return (run / "generator" / "weights.safetensors").read_bytes()


TORCHRUN = ("-m", "torch.distributed.run")


@pytest.mark.slow
@pytest.mark.ddp
def test_two_processes_are_one_run_whoever_starts_them(tmp_path, launcher):
    """By Lightning itself in an allocation where it would have raised, by torchrun, and as two tasks of srun."""
    settings = (*RING, *DDP, "iterations=20")
    inside = allocation(2) | {"SLURM_NTASKS_PER_NODE": "1", "LOCAL_RANK": "1", "RANK": "1"}
    python(*settings, "run_dir=own", environ=inside, folder=tmp_path)

    of_torchrun = ("--standalone", "--nproc_per_node=2", "-m", "experiments.train")
    said = python(*of_torchrun, *settings, "run_dir=torchrun", environ={}, folder=tmp_path, module=TORCHRUN)
    assert said.count("new run: torchrun") == 1

    job = {"SLURM_JOB_ID": str(os.getpid())}  # a port of its own
    logs = [tmp_path / f"{rank}.txt" for rank in (0, 1)]
    for rank in (1, 0):
        launcher.environ, launcher.log = srun(rank, 2) | job, logs[rank]
        launcher.start(*settings, "run_dir=srun")
    codes = launcher.join()
    said = [log.read_text() for log in logs]
    assert codes == [0, 0], said
    assert "2 processes of srun, new run: srun" in said[0]
    assert "new run" not in said[1]

    for name in ("torchrun", "srun"):
        run = tmp_path / name
        assert weights(run) == weights(tmp_path / "own")
        assert config(run).replace(f"run_dir: {name}", "run_dir: own") == config(tmp_path / "own")
        assert (run / "command.txt").read_text().count("python -m experiments.train") == 1


@pytest.mark.ddp
@pytest.mark.slow
def test_torchrun_restarts_a_killed_worker_and_the_run_goes_on(tmp_path):
    settings = (*RING, *DDP, "iterations=400", "callbacks.checkpoint.every=20")
    of_torchrun = ("--standalone", "--nproc_per_node=2", "--max-restarts=3", "-m", "experiments.train", *settings)
    python(*settings, "run_dir=straight", environ={}, folder=tmp_path)
    # workers that are started again must not read the addresses of the killed ones in the store of torchrun
    environ = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    agent = started(*of_torchrun, "run_dir=killed", environ=environ, folder=tmp_path, module=TORCHRUN)
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    while not last.is_file():
        assert agent.poll() is None, heard(agent)
        time.sleep(0.05)
    workers = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    said = heard(agent)
    assert agent.returncode == 0, said
    assert "continued from" in said
    assert weights(tmp_path / "killed") == weights(tmp_path / "straight")
