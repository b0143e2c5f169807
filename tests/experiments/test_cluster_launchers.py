"""hydra/launcher=slurm and hydra/launcher=local: what they ask for, from the trainer's settings."""

import subprocess

import pytest
from hydra.core.config_store import ConfigStore
from submitit.core.utils import FailedJobError

from experiments import cli, train
from experiments.jobs import local, slurm, sweep
from experiments.jobs.preflight import plan
from lightning_gans.core.errors import UserError

RING = ("variant=vanilla", "data=ring", "logger=none", "metrics=none")
SWEEP = ("-m", *RING, "seed=1,2")
SLURM = (*SWEEP, "hydra/launcher=slurm")
LOCAL = (*SWEEP, "hydra/launcher=local")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A login node: `cluster(command)` says what its commands answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "installed", lambda: True)
    answers = {"sinfo": "debug* (null)\n", "squeue": ""}
    monkeypatch.setattr(slurm, "_ask", lambda *command: answers[command[0]])
    return answers


def launcher(*argv):
    """The launcher's settings that follow from the command."""
    found = [line for line in plan(argv).hydra if line.startswith("hydra.launcher.")]
    return {key.removeprefix("hydra.launcher."): value for key, value in (line.split("=") for line in found)}


def test_nodes_and_tasks_follow_the_trainer(cluster):
    found = launcher(*SLURM, "trainer.devices=4", "trainer.num_nodes=2", "trainer.threads=3")
    name = found.pop("name")
    assert name.startswith("gans-")
    assert found == {"nodes": "2", "tasks_per_node": "4", "cpus_per_task": "3"}
    assert launcher(*SLURM, "trainer.devices=1", "iterations=7")["name"] == name, "the same runs"


@pytest.mark.parametrize(
    "partitions, argv, gpus",
    [
        ("debug* (null)\n", (), None),
        ("cpu* (null)\nbig gpu:a100:8\n", (), None),
        ("gpu* gpu:a100:8(S:0-1)\n", (), "4"),
        ("gpu* gpu:a100:8\n", ("trainer.accelerator=cpu",), None),
        ("debug* (null)\n", ("trainer.accelerator=gpu",), "4"),
        ("big gpu:8\n", ("hydra.launcher.partition=big",), "4"),
        ("gpu* gpu:8\n", ("hydra.launcher.gres='gpu:a100:4'",), None),
        ("gpu* gpu:8\n", ("hydra.launcher.gpus_per_task=1",), None),
    ],
)
def test_gpus_follow_the_trainer_and_the_partition(partitions, argv, gpus, cluster):
    cluster["sinfo"] = partitions
    found = launcher(*SLURM, "trainer.devices=4", *argv)
    assert found.get("gpus_per_node") == gpus
    assert found["tasks_per_node"] == "4"


@pytest.mark.parametrize(
    "argv, said",
    [
        (("hydra.launcher.nodes=2",), r"hydra.launcher.nodes=2 does not fit trainer.num_nodes=1\. Leave it out"),
        (("hydra.launcher.tasks_per_node=4",), "does not fit trainer.devices=1"),
        (("hydra.launcher.gpus_per_node=1",), "trainer.accelerator=auto, which asks for no GPUs"),
        (("hydra.launcher.gres='gpu:2'",), "does not fit trainer.devices=1: every process has one GPU"),
        (("hydra.launcher.gpus_per_task=2",), "hydra.launcher.gpus_per_task=1"),
        (("hydra.launcher.timeout_min=2",), "signal_delay_s=120 is no less than hydra.launcher.timeout_min=2"),
        (("hydra.launcher.cpus_per_task=1", "trainer.threads=4"), "cpus_per_task=4 or more"),
        (("trainer.devices=auto",), "SLURM has to be asked for a number"),
        (("trainer.devices=1,2", "run_dir='x-${seed}-${trainer.devices}'"), "different sizes"),
        (("hydra.launcher.partion=x",), r"Did you mean hydra\.launcher\.partition"),
    ],
)
def test_what_disagrees_with_the_trainer_is_refused(argv, said, cluster):
    with pytest.raises(UserError, match=said):
        plan([*SLURM, *argv])


def test_a_sweep_that_is_queued_is_not_queued_twice(cluster):
    cluster["squeue"] = "17_0\n17_1\n"
    with pytest.raises(UserError, match="17_0, 17_1"):
        train.main([*SLURM])


def test_a_sweep_that_sbatch_refuses_is_told(cluster, monkeypatch):
    def refused():
        failed = subprocess.CalledProcessError(1, ["sbatch"])
        raise FailedJobError("sbatch: error: invalid partition specified: gpu\nsbatch: error: Failed") from failed

    monkeypatch.setattr(sweep, "_main", refused)
    with pytest.raises(UserError, match=r"none of them is in the queue.*invalid partition specified: gpu; Failed"):
        train.main([*SLURM, "hydra.launcher.partition=gpu"])


def test_a_sweep_that_stopped_says_where_to_look(cluster, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "_main", lambda: None)
    assert train.main([*SLURM]) == cli.REFUSED
    assert "slurm.log in a run's directory says why it stopped. The same command" in capsys.readouterr().out


def test_a_plugin_that_is_not_installed_is_told(cluster, monkeypatch):
    plan(SLURM)  # Hydra finds its plugins
    store = ConfigStore.instance().repo["hydra"]["launcher"]
    monkeypatch.delitem(store, "submitit_slurm.yaml")
    with pytest.raises(UserError, match=r"pip install 'lightning-gans\[slurm\]'"):
        plan(SLURM)


def test_a_misspelt_launcher_is_told(cluster):
    with pytest.raises(UserError, match=r"Did you mean hydra/launcher=slurm\?.*joblib"):
        plan([*SWEEP, "hydra/launcher=slrum"])


def test_a_machine_without_slurm_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="login node"):
        plan(SLURM)


# One machine


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 8 cores, and of the GPUs that CUDA_VISIBLE_DEVICES names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "_cores", lambda: 8)
    monkeypatch.setattr(local.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return monkeypatch


@pytest.mark.parametrize(
    "visible, argv, jobs, variables",
    [
        ("", (), "8", ("", "1")),
        ("", ("trainer.threads=3",), "2", ("", "4")),
        ("", ("hydra.launcher.n_jobs=2",), "2", ("", "4")),
        ("0,2,3", (), "3", ("0,2,3", "2")),
        ("0,2,3", ("trainer.accelerator=cpu",), "8", ("", "1")),
    ],
)
def test_jobs_share_out_a_machine(visible, argv, jobs, variables, machine):
    machine.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert launcher(*LOCAL, *argv) == {"n_jobs": jobs}
    assert tuple(plan([*LOCAL, *argv]).variables.values()) == variables


def test_jobs_that_share_out_a_machine_are_of_one_device(machine):
    with pytest.raises(UserError, match=r"trainer.devices=2 x trainer.num_nodes=1 is more"):
        plan([*LOCAL, "trainer.devices=2"])
    with pytest.raises(UserError, match=r"n_jobs=0 does not fit the 8 cores of this machine. Say 1 to 8"):
        plan([*LOCAL, "hydra.launcher.n_jobs=0"])
    machine.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(UserError, match=r"n_jobs=3 does not fit the 2 GPUs of this machine. Say 1 to 2"):
        plan([*LOCAL, "hydra.launcher.n_jobs=3"])


def test_a_job_takes_a_gpu_that_no_other_has(machine):
    machine.setenv(local.DEVICES, "4,6")
    real = local.held

    def held(path, holder):
        if path.name == "4.lock":
            raise local.Held("another process")
        return real(path, holder)

    machine.setattr(local, "held", held)
    with local.device() as variables:
        assert variables == {"CUDA_VISIBLE_DEVICES": "6"}


def test_a_job_takes_its_share_of_the_cores(machine):
    machine.setenv(local.DEVICES, "")
    machine.setenv(local.THREADS, "4")
    machine.delenv("OMP_NUM_THREADS")
    with local.device() as variables:
        assert variables == {"OMP_NUM_THREADS": "4"}


@pytest.mark.parametrize("setting, handed", [("trainer.requeue=true", [[10]]), ("trainer.requeue=false", [])])
def test_a_job_that_is_not_to_be_queued_again_is_not_handed_back(setting, handed, cluster, monkeypatch):
    asked = []
    monkeypatch.setattr(slurm, "hand_back", lambda received: asked.append(list(received)))
    found = sweep._checked([*RING, setting])
    sweep._leave(cli.INTERRUPTED, [10], again=found.config["trainer"]["requeue"])
    assert asked == handed
