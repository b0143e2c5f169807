"""A run directory of an earlier version loads, samples, is measured, and continues to the weights of that version.

tests/fixtures/old_run was made at commit 241fbd7 by the command in its command.txt, killed after iteration 8 of 16, and
is kept without its pictures. old_run.json holds the results of the same commit: samples, scores, and the weights after
iteration 16.
"""

import json
import platform
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import evaluate, sample
from lightning_gans import load_generator

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "old_run.json").read_text())
COMMAND = shlex.split((FIXTURES / "old_run" / "command.txt").read_text().splitlines()[0])[3:]


def machine():
    """The libraries and the processor, which decide the last bits of a sum."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return [torch.__version__, next(names, platform.machine()), torch.backends.cpu.get_cpu_capability()]


# Equal to the last bit on the machine that made the files, closer than any other setting would come on all others.
TOLERANCE = {"rtol": 0, "atol": 0} if machine() == EXPECTED["machine"] else {"rtol": 1e-4, "atol": 1e-6}


@pytest.fixture
def old_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURES / "old_run", tmp_path / "old_run")
    return tmp_path / "old_run"


def check_commands(run, expected, which="last"):
    """Outputs of `experiments.sample` and `experiments.evaluate` for the run."""
    assert sample.main([f"run={run}", f"which={which}", "n=4", "seed=0", "npz=samples.npz"]) == 0
    np.testing.assert_allclose(np.load("samples.npz")["samples"], np.float32(expected["samples"]), **TOLERANCE)
    assert evaluate.main([f"run={run}", f"which={which}", "out=scores.json"]) == 0
    found = json.loads(Path("scores.json").read_text())
    assert found["iteration"] == expected["iteration"]
    scores = {name: found["scores"][name] for name in expected["scores"]}
    assert scores == pytest.approx(expected["scores"], rel=TOLERANCE["rtol"], abs=TOLERANCE["atol"])
    # That version measured one draw of real samples, this one several, whose deviation is known.
    for name, value in expected["floor"].items():
        assert abs(found["floor"][name] - value) <= 4 * found["floor"].get(f"{name}_se", 0)


def test_its_export_loads(old_run):
    samples = load_generator(old_run).sample(4, seed=0)
    torch.testing.assert_close(samples, torch.tensor(EXPECTED["last"]["samples"]), **TOLERANCE)


@pytest.mark.parametrize("which", ["last", "best"])
def test_it_is_sampled_and_measured(old_run, which):
    check_commands("old_run", EXPECTED[which], which)


def test_it_continues_to_the_same_weights(old_run, launcher):
    assert "continued from old_run/checkpoints/last.ckpt" in launcher.run(*COMMAND)
    state = torch.load(old_run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    expected = EXPECTED["continued"]["weights"]
    assert state.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(state[name], torch.tensor(values, dtype=state[name].dtype), **TOLERANCE, msg=name)
    check_commands("old_run", EXPECTED["continued"])


def test_it_does_not_continue_with_other_settings(old_run, launcher):
    changed = ["data.std=0.2" if argument == "data.std=0.3" else argument for argument in COMMAND]
    assert "data.std: 0.3 there, 0.2 here" in launcher.run(*changed, code=2)
