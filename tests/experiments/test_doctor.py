"""Checks of the machine: each problem is found, with its remedy."""

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement
from rich.console import Console

from experiments import train as command
from experiments.doctor import __main__ as doctor
from experiments.doctor import hardware, installation, surroundings
from experiments.doctor.finding import Finding, problem
from lightning_gans.core.errors import UserError


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["doctor"])


def page(*argv, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    code = doctor.main(argv, Console(file=file, width=200, color_system=None))
    return code, file.buffer.getvalue().decode(encoding)


def requires(monkeypatch, *lines, tested=None, **extras):
    found = {"": lines, **extras}
    parsed = {extra: [Requirement(line) for line in ones] for extra, ones in found.items()}
    monkeypatch.setattr(installation.distribution, "requirements", lambda: parsed)
    monkeypatch.setattr(installation.distribution, "tested", lambda: tested or {})


# The command


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_this_machine_can_train(monkeypatch, encoding):
    monkeypatch.setattr(surroundings, "training", lambda: Finding("training", "ran"))
    code, text = page(encoding=encoding)
    assert code == 0
    assert text.splitlines()[-1] == "A run would work."
    for topic in ("Python", "packages", "CPU", "precision", "runs/", "data", "extras", "W&B", "SLURM", "training"):
        assert topic in text
    assert not list(Path.cwd().iterdir())


def test_a_problem_is_named_with_its_remedy_and_exit_code_1(monkeypatch):
    monkeypatch.setattr(surroundings, "slurm", lambda: problem("SLURM", "[bold]broken", "Mend it: mend"))
    code, text = page("train=no")
    assert code == 1
    assert text.splitlines()[-1] == "A run would fail: SLURM."
    assert "[bold]broken" in text
    assert "Mend it: mend" in text


def test_without_torch_only_the_installation_is_checked(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # import torch raises ImportError
    code, text = page()
    assert code == 1
    assert "pip install --force-reinstall torch" in text
    assert "SLURM" not in text


def test_a_missing_package_leaves_out_the_training_run(monkeypatch):
    requires(monkeypatch, "no-such-package>=1")
    monkeypatch.setattr(surroundings, "training", lambda: pytest.fail("trained"))
    code, text = page()
    assert code == 1
    assert text.splitlines()[-1] == "A run would fail: packages."


@pytest.mark.parametrize("argument", ["train=maybe", "tain=no", "train"])
def test_arguments_that_do_not_fit_are_refused(argument):
    with pytest.raises(UserError):
        doctor.main([argument])


def test_help_is_the_docstring(capsys):
    assert doctor.main(["--help"]) == 0
    assert "usage: python -m experiments.doctor" in capsys.readouterr().out


# Installation


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(installation.sys, "version_info", (3, 10, 1))
    found = installation.python()
    assert found.level == "problem"
    assert "Python 3.11" in found.remedy


def test_packages_below_their_floors_or_missing(monkeypatch):
    requires(monkeypatch, "numpy>=99", "no-such-package>=1", "torch>=2")
    found = installation.packages()
    assert found.level == "problem"
    assert "no-such-package is missing" in found.text
    assert "torch" not in found.text
    assert found.remedy.endswith("pip install 'numpy>=99' 'no-such-package>=1'")


def test_versions_that_are_not_tested_are_a_hint(monkeypatch):
    requires(monkeypatch, "numpy>=1", "torch>=2", tested={"numpy": "1.0", "torch": torch.__version__.partition("+")[0]})
    found = installation.packages()
    assert found.level == "hint"
    assert "(tested: 1.0)" in found.text
    assert "torch" not in found.text


def test_requirements_that_are_unknown_are_a_hint(monkeypatch):
    requires(monkeypatch)
    assert installation.packages().level == "hint"


def test_missing_extras_are_named_in_the_line_that_installs_them(monkeypatch):
    requires(monkeypatch, "torch", video=["no-such-package"], onnx=["no-other-package"], plots=["matplotlib"])
    found = installation.extras()
    assert found.level == "ok"
    assert found.text == "plots"
    assert found.remedy.endswith("pip install 'lightning-gans[video,onnx]'")


# Hardware


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(hardware, "usable_cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    found = hardware.processor()
    assert found.level == "hint"
    assert "trainer.threads=2" in found.remedy


def test_threads_limited_by_the_environment(monkeypatch):
    monkeypatch.setattr(hardware, "usable_cores", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OMP_NUM_THREADS" in hardware.processor().remedy
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert hardware.processor().level == "ok"


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000", 1), ("400000 100000", 4), ("max 100000", 64), (None, 64)]
)
def test_cores_of_a_container(monkeypatch, tmp_path, text, cores):
    if text:
        (tmp_path / "cpu.max").write_text(f"{text}\n")
    monkeypatch.setattr(hardware, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert hardware.usable_cores() == cores


@pytest.mark.parametrize(("bf16", "level"), [(True, "ok"), (False, "hint")])
def test_cuda_gpus_and_their_precision(monkeypatch, bf16, level):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    properties = SimpleNamespace(name="A GPU", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation)
    assert [one.topic for one in hardware.gpus()] == ["GPU 0", "GPU 1"]
    assert "80 GiB" in next(hardware.gpus()).text
    found = hardware.precision()
    assert found.level == level
    assert "trainer.precision=32-true" in found.text + found.remedy


@pytest.mark.parametrize(("cuda", "remedy"), [(None, "pytorch.org"), ("13.2", "driver for CUDA 13.2")])
def test_a_gpu_that_torch_cannot_use(monkeypatch, tmp_path, cuda, remedy):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(hardware, "DRIVER", tmp_path)
    (found,) = hardware.gpus()
    assert found.level == "hint"
    assert remedy in found.remedy


@pytest.mark.parametrize(("instructions", "advice"), [({"amx_bf16": True}, "may be faster"), ({}, "slower")])
def test_precision_on_a_cpu(monkeypatch, instructions, advice):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    assert advice in hardware.precision().text


def test_an_older_torch_names_no_instructions(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert hardware.processor().topic == "CPU"


# Surroundings


def refuse(monkeypatch, folder):
    """Writing below `folder` fails, as without permission; root, who runs some tests, has every permission."""
    original = surroundings.tempfile.NamedTemporaryFile

    def make(dir, prefix):
        if Path(dir).is_relative_to(folder):
            raise PermissionError(13, "Permission denied")
        return original(dir=dir, prefix=prefix)

    monkeypatch.setattr(surroundings.tempfile, "NamedTemporaryFile", make)


def test_runs_that_cannot_be_written(monkeypatch, tmp_path):
    refuse(monkeypatch, tmp_path)
    found = next(surroundings.folders(Path("data")))
    assert found.level == "problem"
    assert "Permission denied" in found.text
    assert "run_dir=DIR" in found.remedy


def test_a_file_in_the_place_of_runs(tmp_path):
    (tmp_path / "runs").touch()
    assert next(surroundings.folders(Path("data"))).level == "problem"


def test_data_and_cache_that_cannot_be_written_are_hints(monkeypatch, tmp_path):
    (tmp_path / "closed").mkdir()
    refuse(monkeypatch, tmp_path / "closed")
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "closed" / "cache"))
    runs, data, cache = surroundings.folders(tmp_path / "closed" / "data")
    assert (runs.level, data.level, cache.level) == ("ok", "hint", "hint")
    assert "data_dir=DIR" in data.remedy
    assert "LIGHTNING_GANS_CACHE" in cache.remedy


@pytest.mark.parametrize(("free", "level"), [(2**20, "problem"), (2**30, "hint"), (2**34, "ok")])
def test_free_space(monkeypatch, free, level):
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    found = next(surroundings.folders(Path("data")))
    assert found.level == level
    assert bool(found.remedy) == (level != "ok")


def test_data_sets_in_the_folder(tmp_path):
    assert "data_dir=DIR" in surroundings.data(tmp_path / "nowhere").remedy
    for name in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        path = tmp_path / "MNIST" / f"{name}-idx{3 if 'images' in name else 1}-ubyte"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert surroundings.data(tmp_path) == Finding(
        "data", f"digits, ring, vowels and others are built in; in {tmp_path}: mnist"
    )


def test_wandb_offline_logged_in_and_by_the_environment(monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(surroundings, "logged_in", lambda url: False)
    monkeypatch.setattr(surroundings, "choose", lambda **_: pytest.fail("asked the network"))
    assert "wandb login" in surroundings.wandb(network=False).remedy
    monkeypatch.setattr(surroundings, "logged_in", lambda url: True)
    assert surroundings.wandb(network=False).text.startswith("online where https://api.wandb.ai answers")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert surroundings.wandb(network=False).text.startswith("offline by WANDB_MODE")


def test_wandb_is_asked_only_on_request(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
    said = {"https://wandb.example": ("offline", "it did not answer within 3 s")}
    monkeypatch.setattr(surroundings, "choose", lambda offline, url: said[url])
    found = surroundings.wandb(network=True)
    assert found.level == "hint"
    assert found.remedy == "it did not answer within 3 s."


def test_a_wandb_folder_that_cannot_be_written(monkeypatch, tmp_path):
    refuse(monkeypatch, tmp_path)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "wandb"))
    found = surroundings.wandb(network=False)
    assert found.level == "problem"
    assert "WANDB_DIR" in found.remedy


def test_slurm(monkeypatch):
    monkeypatch.setattr(surroundings.shutil, "which", lambda _: None)
    assert surroundings.slurm().text.startswith("no sbatch")
    monkeypatch.setattr(surroundings.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(surroundings, "installed", lambda _: "1.0")
    assert "hydra/launcher=slurm" in surroundings.slurm().text
    monkeypatch.setattr(surroundings, "installed", lambda _: None)
    assert "pip install 'lightning-gans[slurm]'" in surroundings.slurm().remedy
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert surroundings.slurm().text == "in job 17, nodes: 1"


def test_the_training_run_trains(tmp_path):
    assert surroundings.training() == Finding("training", "three iterations of variant=vanilla data=ring ran")
    assert not os.listdir(tmp_path)


def test_a_training_run_that_fails(monkeypatch):
    def fails(_):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(command, "main", fails)
    found = surroundings.training()
    assert found.level == "problem"
    assert found.text == "RuntimeError: no kernel"

    def diverges(_):
        print("first\nit diverged")
        return 3

    monkeypatch.setattr(command, "main", diverges)
    found = surroundings.training()
    assert found.text == "exit code 3: it diverged"
    assert "python -m experiments.train" in found.remedy
