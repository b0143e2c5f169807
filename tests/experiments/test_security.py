"""Run folders from strangers: no command runs their code, writes outside, or fills the memory."""

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from experiments import augment, cli, compare, evaluate, sample, studies, train
from experiments.comparison import find
from experiments.studies.__main__ import main as report_of_study
from experiments.trained import check_targets, data_modules, extractors, load_data
from lightning_gans.core.errors import UserError
from lightning_gans.models import load_generator
from tests.helpers import received
from tests.helpers.received import MARKER, MODULE, SHELL, TAGS

RING = ["variant=vanilla", "data=ring", "metrics=planar", "logger=none", "trainer.threads=1", "data.batch_size=16"]
TINY = ["iterations=2", "callbacks.evaluation.every=2", "callbacks.evaluation.samples=100"]

# The commands, each with a folder of the kind that it reads.
COMMANDS: dict[str, tuple[str, Callable[[Path], int | None]]] = {
    "evaluate": ("ring", lambda run: evaluate.main([f"run={run}"])),
    "evaluate best": ("ring", lambda run: evaluate.main([f"run={run}", "which=best"])),
    "sample": ("ring", lambda run: sample.main([f"run={run}", "n=4"])),
    "sample best": ("ring", lambda run: sample.main([f"run={run}", "n=4", "which=best"])),
    "augment": (
        "conditional",
        lambda run: augment.main([f"run={run}", "out=augmented", "n=20", "seeds=1", "shares=1"]),
    ),
    "compare": ("ring", lambda run: compare.main([str(run)])),
    "studies": ("conditional", lambda run: report_of_study(["why_a_discriminator", str(run)])),
    "resume": ("ring", lambda run: train.main([*RING, *TINY[1:], "iterations=4", f"run_dir={run}"])),
    "resume file": (
        "ring",
        lambda run: train.main(
            [*RING, *TINY[1:], "iterations=4", "run_dir=mine", f"resume={run / 'checkpoints' / 'last.ckpt'}"]
        ),
    ),
    "init_from": ("ring", lambda run: train.main([*RING, *TINY, "run_dir=mine", f"init_from={run}"])),
}
OF_DATA = {"evaluate", "evaluate best", "augment", "studies"}  # read data and metrics of config.yaml
OF_MODEL = {"evaluate", "evaluate best", "sample", "sample best", "augment", "studies"}  # read generator/
OF_BEST = {"evaluate best", "sample best"}
OF_LAST = {"resume", "resume file", "init_from"}
OF_CONFIG = {*OF_DATA, "compare", "resume"}
TRAINING = {"resume", "resume file", "init_from"}
ALL = set(COMMANDS)


class Attack(NamedTuple):
    """`plant` changes a run's folder; commands in `refused` exit with 2, others ignore what was planted."""

    plant: Callable[[Path], object]
    refused: set[str]


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda run: (run / name).write_bytes(data)


def data(**settings: object) -> Callable[[Path], object]:
    """Another data set in config.yaml."""
    return lambda run: received.rewrite(run / "config.yaml", {"data": None}) or received.config(run, data=settings)


def nested(run: Path) -> None:
    received.config(run, data={"batch_size": [{"deep": SHELL}]})


def in_place_of(name: str) -> Callable[[Path], None]:
    """A link out of the folder to what was there."""
    return lambda run: received.linked(run / name, run.parent / "outside" / Path(name).name)


def pipe(name: str) -> Callable[[Path], None]:
    def plant(run: Path) -> None:
        (run / name).unlink()
        os.mkfifo(run / name)

    return plant


def bomb(levels: int = 9) -> str:
    """Ten to the power of `levels` values in a few lines."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


def merges(levels: int = 9) -> str:
    """The same with merge keys, which are resolved while the file is read."""
    lines = ["a0: &a0 {x: 1}"] + [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


def prepend(name: str, text: str) -> Callable[[Path], object]:
    return lambda run: (run / name).write_text(text + (run / name).read_text())


CONFIG, MODEL, SUMMARY = "config.yaml", "generator/model.yaml", "summary.json"
WEIGHTS, BEST, LAST = "generator/weights.safetensors", "checkpoints/best.ckpt", "checkpoints/last.ckpt"
DEEP = "[" * 100_000

ATTACKS: dict[str, Attack] = {
    # Names of code. A resumed run is refused since its data are other than those of the command.
    "a module imported by the package": Attack(
        data(_target_="datamodules.import_module", name="payload"), {*OF_DATA, "resume"}
    ),
    "a function of the system": Attack(data(**SHELL), {*OF_DATA, "resume"}),
    "a module of the working directory": Attack(data(_target_="payload.run"), {*OF_DATA, "resume"}),
    "a module inside the package's name": Attack(
        data(_target_="datamodules.cache.shutil.rmtree"), {*OF_DATA, "resume"}
    ),
    "a nested target": Attack(nested, {*OF_DATA, "resume"}),
    "a partial": Attack(data(_target_="functools.partial", _partial_=True, func=SHELL), {*OF_DATA, "resume"}),
    "a partial of a data module": Attack(
        lambda run: received.config(run, data={"_partial_": True}), {*OF_DATA, "resume"}
    ),
    "positional arguments": Attack(lambda run: received.config(run, data={"_args_": [SHELL]}), {*OF_DATA, "resume"}),
    "no data": Attack(lambda run: received.config(run, data=5), {*OF_DATA, "resume"}),
    "a private function among the extractors": Attack(
        lambda run: received.config(
            run, metrics={"_target_": "lightning_gans.extractors.factories.fit_or_load", "_partial_": True}
        ),
        {"evaluate", "evaluate best", "resume"},
    ),
    "a module among the extractors": Attack(
        lambda run: received.config(run, metrics={"_target_": "lightning_gans.extractors.factories.torch.load"}),
        {"evaluate", "evaluate best", "resume"},
    ),
    "a model of the system": Attack(lambda run: received.model(run, generator=SHELL), OF_MODEL),
    "a model of the working directory": Attack(lambda run: received.model(run, _target_="payload.Net"), OF_MODEL),
    "a model in a list": Attack(lambda run: received.model(run, prior=[{"_target_": "payload.Net"}]), OF_MODEL),
    "a model by an imported name": Attack(
        lambda run: received.model(run, generator={"_target_": "lightning_gans.networks.mlp.nn.Linear"}), OF_MODEL
    ),
    "a function among the networks": Attack(
        lambda run: received.model(run, generator={"_target_": "lightning_gans.networks.dcgan.initialize_dcgan"}),
        OF_MODEL,
    ),
    "a model of plain values": Attack(lambda run: received.model(run, generator=5), OF_MODEL),
    # Files
    "a tag in the configuration": Attack(prepend(CONFIG, f"payload: {TAGS}\n"), OF_CONFIG),
    "a tag in the model": Attack(write(MODEL, f"model: {TAGS}\n"), OF_MODEL),
    "aliases in the configuration": Attack(prepend(CONFIG, bomb()), OF_CONFIG),
    "aliases in the model": Attack(prepend(MODEL, bomb()), OF_MODEL),
    "merges in the configuration": Attack(prepend(CONFIG, merges()), OF_CONFIG),
    "merges in the model": Attack(prepend(MODEL, merges()), OF_MODEL),
    "a deep configuration": Attack(write(CONFIG, DEEP), OF_CONFIG),
    "a deep model": Attack(write(MODEL, DEEP), OF_MODEL),
    "a deep summary": Attack(write(SUMMARY, DEEP), {"compare", "studies"}),
    "a large configuration": Attack(write(CONFIG, b"#" * 2**21), OF_CONFIG),
    "a large model": Attack(write(MODEL, b"#" * 2**21), OF_MODEL),
    "a number of many digits": Attack(prepend(CONFIG, f"many: 0x{'f' * 10_000}\n"), OF_CONFIG),
    "a pickle for weights": Attack(lambda run: received.pickled(run / WEIGHTS), OF_MODEL),
    "an archive of pickles for weights": Attack(lambda run: received.pickled(run / WEIGHTS, zipped=True), OF_MODEL),
    "a pickle for the best checkpoint": Attack(lambda run: received.pickled(run / BEST), OF_BEST),
    "a pickle in the best checkpoint": Attack(lambda run: received.pickled(run / BEST, zipped=True), OF_BEST),
    "a pickle for all checkpoints": Attack(
        lambda run: [received.pickled(run / name) for name in (BEST, LAST)], {*OF_BEST, *OF_LAST}
    ),
    "a pickle in all checkpoints": Attack(
        lambda run: [received.pickled(run / name, zipped=True) for name in (BEST, LAST)], {*OF_BEST, *OF_LAST}
    ),
    "compressed checkpoints": Attack(
        lambda run: [received.deflated(run / name) for name in (BEST, LAST)], {*OF_BEST, *OF_LAST}
    ),
    # Sizes
    "a tensor of terabytes": Attack(lambda run: received.header(run / WEIGHTS, [2**20, 2**20]), OF_MODEL),
    "a wide network": Attack(lambda run: received.model(run, generator={"width": 400_000}), OF_MODEL),
    "a deep network": Attack(lambda run: received.model(run, generator={"depth": 10**9}), OF_MODEL),
    "a long code": Attack(lambda run: received.model(run, prior={"dim": 10**9}), OF_MODEL),
    "a large sample": Attack(lambda run: received.model(run, generator={"sample_shape": [9**5, 9**5]}), OF_MODEL),
    # Places
    "a link to the weights": Attack(in_place_of(WEIGHTS), ALL - {"resume file"}),
    "a link to the export": Attack(in_place_of("generator"), ALL - {"resume file"}),
    "a link to the best checkpoint": Attack(in_place_of(BEST), ALL - {"resume file"}),
    "a link to the checkpoints": Attack(in_place_of("checkpoints"), ALL - {"resume file"}),
    "a link to the samples": Attack(in_place_of("samples"), ALL - {"resume file"}),
    "a link to the settings": Attack(in_place_of(CONFIG), ALL - {"resume file"}),
    "a link to the command": Attack(in_place_of("command.txt"), ALL - {"resume file"}),
    "a pipe for settings": Attack(pipe(CONFIG), ALL - {"resume file"}),
    "a pipe for weights": Attack(pipe(WEIGHTS), ALL - {"resume file"}),
    # Numbers
    "weights that are NaN": Attack(lambda run: received.weights(run, float("nan")), OF_MODEL | {"init_from"}),
    "weights that are infinite": Attack(lambda run: received.weights(run, float("inf")), OF_MODEL | {"init_from"}),
    "weights that overflow": Attack(lambda run: received.weights(run, 3e38), OF_MODEL - {"studies"}),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One run of points, which was trained, and one of labelled images."""
    from tests.experiments.conftest import Launcher

    folder = tmp_path_factory.mktemp("received")
    Launcher(folder).run(*RING, *TINY, "run_dir=ring")
    (folder / "ring" / "samples").mkdir(exist_ok=True)
    received.conditional_run(folder / "conditional")
    (folder / "conditional" / "samples").mkdir()
    (folder / "conditional" / "command.txt").write_text("python\n")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory beside which a payload can be imported, as `python -m` has it."""
    from lightning_gans.extractors.training import Recipe

    monkeypatch.setattr(Recipe, "__init__", lambda self, **_: object.__setattr__(self, "least", 20))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "payload.py").write_text(MODULE)
    (tmp_path / "outside").mkdir()
    return tmp_path


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


CASES = [
    pytest.param(name, command, id=f"{command}: {name}")
    for name, attack in ATTACKS.items()
    for command in COMMANDS
    # Training that ignores what was planted takes a second: where it reads no such file, it is left out.
    if command not in TRAINING or command in attack.refused
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_without_an_attack_is_read(command, folders, here, capsys):
    kind, main = COMMANDS[command]
    run = shutil.copytree(folders / kind, here / "run")
    if command.startswith("resume"):
        received.config(run, run_dir="run")
    assert cli.run(lambda: main(Path("run"))) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name, command", CASES)
def test_no_command_runs_a_strangers_code(name, command, folders, here, capsys):
    kind, main = COMMANDS[command]
    run = shutil.copytree(folders / kind, here / "run")
    if command.startswith("resume"):
        received.config(run, run_dir="run")
    ATTACKS[name].plant(run)
    outside = content(here / "outside")
    code = cli.run(lambda: main(Path("run")))
    said = capsys.readouterr()
    assert not (here / MARKER).exists()
    assert content(here / "outside") == outside
    assert all(character.isprintable() or character == "\n" for character in said.out + said.err)
    assert code == (2 if command in ATTACKS[name].refused else 0), said.err
    if code == 2:
        assert said.err.startswith("error: ")
        assert len(said.err.splitlines()) == 1
