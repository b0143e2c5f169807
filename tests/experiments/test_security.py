"""Run folders from strangers: no command runs their code, writes outside, or fills the memory."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from experiments import augment, cli, compare, evaluate, sample, train
from experiments.studies.__main__ import main as report_of_study
from experiments.trained.loading import check_targets, data_modules, extractors, load_data
from lightning_gans.core.errors import UserError
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
    """`plant` changes a run's folder; commands in `refused` exit with 2 and `say` why, others read none of it."""

    plant: Callable[[Path], object]
    refused: set[str]
    say: str


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda run: (run / name).write_bytes(data)


def data(**settings: object) -> Callable[[Path], object]:
    """Another data set in config.yaml."""
    return lambda run: received.rewrite(run / "config.yaml", {"data": None}) or received.config(run, data=settings)


def nested(run: Path) -> None:
    received.config(run, data={"more": [{"deep": SHELL}]})


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
        data(_target_="datamodules.import_module", name="payload"),
        {*OF_DATA, "resume"},
        r"allow=datamodules\.import_module|another configuration|no runs of the study",
    ),
    "a function of the system": Attack(
        data(**SHELL), {*OF_DATA, "resume"}, r"allow=os\.system|another configuration|no runs of the study"
    ),
    "a module of the working directory": Attack(
        lambda run: received.config(run, data={"_target_": "payload.run"}),
        {*OF_DATA, "resume"},
        r"allow=payload\.run|another configuration",
    ),
    "a module inside the package's name": Attack(
        data(_target_="datamodules.cache.shutil.rmtree"),
        {*OF_DATA, "resume"},
        r"allow=datamodules\.cache|another configuration|no runs of the study",
    ),
    "a nested target": Attack(nested, {*OF_DATA, "resume"}, r"allow=os\.system|another configuration"),
    "a partial": Attack(
        data(_target_="functools.partial", _partial_=True, func=SHELL),
        {*OF_DATA, "resume"},
        r"allow=functools\.partial|another configuration|no runs of the study",
    ),
    "a partial of a data module": Attack(
        lambda run: received.config(run, data={"_partial_": True}),
        {*OF_DATA, "resume"},
        r"names no data module|another configuration",
    ),
    "positional arguments": Attack(
        lambda run: received.config(run, data={"_args_": [SHELL]}),
        {*OF_DATA, "resume"},
        r"allow=os\.system|another configuration",
    ),
    "measures and pictures": Attack(
        lambda run: received.config(run, measures=["payload.run", {"_target_": "payload.run"}], pictures="payload"),
        set(),
        "",
    ),
    "no data": Attack(
        lambda run: received.config(run, data=5),
        {*OF_DATA, "resume"},
        r"no settings of a run|another configuration|no runs of the study",
    ),
    "a private function among the extractors": Attack(
        lambda run: received.config(
            run, metrics={"_target_": "lightning_gans.extractors.factories.fit_or_load", "_partial_": True}
        ),
        {"evaluate", "evaluate best", "resume"},
        r"allow=.*fit_or_load|another configuration",
    ),
    "a module among the extractors": Attack(
        lambda run: received.config(run, metrics={"_target_": "lightning_gans.extractors.factories.torch.load"}),
        {"evaluate", "evaluate best", "resume"},
        r"allow=.*torch\.load|another configuration",
    ),
    "a model of the system": Attack(
        lambda run: received.model(run, generator=SHELL), OF_MODEL, r"os\.system is not among the classes"
    ),
    "a model of the working directory": Attack(
        lambda run: received.model(run, _target_="payload.Net"), OF_MODEL, r"payload\.Net is not among the classes"
    ),
    "a model in a list": Attack(
        lambda run: received.model(run, prior=[{"_target_": "payload.Net"}]),
        OF_MODEL,
        r"payload\.Net is not among the classes",
    ),
    "a model by an imported name": Attack(
        lambda run: received.model(run, generator={"_target_": "lightning_gans.networks.mlp.nn.Linear"}),
        OF_MODEL,
        r"nn\.Linear is not a network",
    ),
    "a function among the networks": Attack(
        lambda run: received.model(run, generator={"_target_": "lightning_gans.networks.dcgan.initialize_dcgan"}),
        OF_MODEL,
        r"initialize_dcgan is not a network",
    ),
    "a model of plain values": Attack(
        lambda run: received.model(run, generator=5), OF_MODEL, r"does not hold this model's weights"
    ),
    # Files
    "a tag in the configuration": Attack(prepend(CONFIG, f"payload: {TAGS}\n"), OF_CONFIG, r"constructor for the tag"),
    "a tag in the model": Attack(write(MODEL, f"model: {TAGS}\n"), OF_MODEL, r"constructor for the tag"),
    "aliases in the configuration": Attack(prepend(CONFIG, bomb()), OF_CONFIG, r"more than 100,000 values"),
    "aliases in the model": Attack(prepend(MODEL, bomb()), OF_MODEL, r"more than 100,000 values"),
    "merges in the configuration": Attack(prepend(CONFIG, merges()), OF_CONFIG, r"merge key"),
    "merges in the model": Attack(prepend(MODEL, merges()), OF_MODEL, r"merge key"),
    "a deep configuration": Attack(write(CONFIG, DEEP), OF_CONFIG, r"levels deep"),
    "a deep model": Attack(write(MODEL, DEEP), OF_MODEL, r"levels deep"),
    "a deep summary": Attack(write(SUMMARY, DEEP), {"compare", "studies"}, r"levels deep"),
    "a large configuration": Attack(write(CONFIG, b"#" * 2**21), OF_CONFIG, r"larger than"),
    "a large model": Attack(write(MODEL, b"#" * 2**21), OF_MODEL, r"larger than"),
    "a number of many digits": Attack(prepend(CONFIG, f"many: 0x{'f' * 10_000}\n"), OF_CONFIG, r"more than 64 bits"),
    "a pickle for weights": Attack(
        lambda run: received.pickled(run / WEIGHTS), OF_MODEL, r"does not hold this model's weights"
    ),
    "an archive of pickles for weights": Attack(
        lambda run: received.pickled(run / WEIGHTS, zipped=True), OF_MODEL, r"does not hold this model's weights"
    ),
    "a pickle for the best checkpoint": Attack(lambda run: received.pickled(run / BEST), OF_BEST, r"not a checkpoint"),
    "a pickle in the best checkpoint": Attack(
        lambda run: received.pickled(run / BEST, zipped=True), OF_BEST, r"not a checkpoint"
    ),
    "a pickle for all checkpoints": Attack(
        lambda run: [received.pickled(run / name) for name in (BEST, LAST)],
        {*OF_BEST, *OF_LAST},
        r"not a checkpoint|no checkpoint|without an intact checkpoint",
    ),
    "a pickle in all checkpoints": Attack(
        lambda run: [received.pickled(run / name, zipped=True) for name in (BEST, LAST)],
        {*OF_BEST, *OF_LAST},
        r"not a checkpoint|no checkpoint",
    ),
    "compressed checkpoints": Attack(
        lambda run: [received.deflated(run / name) for name in (BEST, LAST)],
        {*OF_BEST, *OF_LAST},
        r"not a checkpoint|no checkpoint|without an intact checkpoint",
    ),
    # Sizes
    "a tensor of terabytes": Attack(
        lambda run: received.header(run / WEIGHTS, [2**20, 2**20]), OF_MODEL, r"does not hold this model's weights"
    ),
    "a wide network": Attack(
        lambda run: received.model(run, generator={"width": 400_000}), OF_MODEL, r"says width=400000.*numbers"
    ),
    "a deep network": Attack(lambda run: received.model(run, generator={"depth": 10**9}), OF_MODEL, r"says depth=10*,"),
    "a long code": Attack(lambda run: received.model(run, prior={"dim": 10**9}), OF_MODEL, r"says dim=10*,"),
    "a large sample": Attack(
        lambda run: received.model(run, generator={"sample_shape": [9**5, 9**5]}),
        OF_MODEL,
        r"says sample_shape=\[59049, 59049\]",
    ),
    # Places
    "a link to the weights": Attack(in_place_of(WEIGHTS), ALL - {"resume file"}, r"is a symbolic link out of"),
    "a link to the export": Attack(in_place_of("generator"), ALL - {"resume file"}, r"is a symbolic link out of"),
    "a link to the best checkpoint": Attack(in_place_of(BEST), ALL - {"resume file"}, r"is a symbolic link out of"),
    "a link to the checkpoints": Attack(
        in_place_of("checkpoints"), ALL - {"resume file"}, r"is a symbolic link out of"
    ),
    "a link to the samples": Attack(in_place_of("samples"), ALL - {"resume file"}, r"is a symbolic link out of"),
    "a link to the settings": Attack(in_place_of(CONFIG), ALL - {"resume file"}, r"is a symbolic link out of"),
    "a link to the command": Attack(in_place_of("command.txt"), ALL - {"resume file"}, r"is a symbolic link out of"),
    "a pipe for settings": Attack(pipe(CONFIG), ALL - {"resume file"}, r"neither a file nor a folder"),
    "a pipe for weights": Attack(pipe(WEIGHTS), ALL - {"resume file"}, r"neither a file nor a folder"),
    # Numbers
    "weights that are NaN": Attack(
        lambda run: received.weights(run, float("nan")), OF_MODEL | {"init_from"}, r"NaN or infinite"
    ),
    "weights that are infinite": Attack(
        lambda run: received.weights(run, float("inf")), OF_MODEL | {"init_from"}, r"NaN or infinite"
    ),
    "weights that overflow": Attack(
        lambda run: received.weights(run, 3e38), OF_MODEL - {"studies"}, r"NaN or infinite"
    ),
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

    monkeypatch.setattr(Recipe, "steps", lambda self, images: 6)
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
        assert re.search(ATTACKS[name].say, said.err), said.err
        assert len(said.err.splitlines()) == 1


# Names and numbers that are shown or written

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]x[/red]|<b>../../escape\u202e\n# new"


def test_compare_shows_text_of_a_run_as_text(folders, here, capsys):
    run = shutil.copytree(folders / "ring", here / "run")
    received.config(run, names={"group": HOSTILE, "data": HOSTILE, "run": "run"}, seed=HOSTILE)
    scores = {"fid": {"best": 1.0, "last": 1.0}, HOSTILE: {"best": HOSTILE, "last": 2.0}}
    about = {"extractor": HOSTILE, "samples": HOSTILE, "reference": HOSTILE, "floor": {"fid": HOSTILE}}
    received.rewrite(run / SUMMARY, {"status": HOSTILE, "metrics": scores, "evaluation": about})
    assert cli.run(lambda: compare.main(["run", "--csv", "a.csv", "--json", "a.json"])) == 0
    said = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in said)
    assert r"\x1b[2J[red]x[/red]|<b>" in said  # escaped, and no markup of rich
    assert (here / "a.csv").read_text().isascii()
    assert json.loads((here / "a.json").read_text())["rows"][0]["configuration"].isprintable()


def test_errors_show_text_of_a_file_as_text(folders, here, capsys):
    run = shutil.copytree(folders / "ring", here / "run")
    received.config(run, data={"_target_": HOSTILE})
    assert cli.run(lambda: evaluate.main(["run=run"])) == 2
    said = capsys.readouterr().err
    assert said.rstrip("\n").isprintable()
    assert r"\x1b[2J" in said


def test_the_table_of_a_finished_run_shows_text_as_text(folders, here, capsys):
    run = shutil.copytree(folders / "ring", here / "run")
    (run / "wandb").mkdir()
    (run / "wandb" / "url.txt").write_text(HOSTILE)
    hostile = {HOSTILE: {"best": HOSTILE, "last": 1.0}, "fid": 3}
    about = {"extractor": HOSTILE, "samples": HOSTILE, "floor": {HOSTILE: 1.0}}
    changes = {"metrics": hostile, "parameters": {HOSTILE: HOSTILE}, "test": {HOSTILE: {HOSTILE: 1.0}, "last": 5}}
    received.rewrite(run / SUMMARY, {**changes, "evaluation": about, "images": HOSTILE, "seconds": [1]})
    received.config(run, run_dir="run")
    assert cli.run(lambda: train.main([*RING, *TINY, "run_dir=run"])) == 0
    said = capsys.readouterr().out
    assert "run is finished" in said
    assert r"\x1b[2J" in said
    assert all(character.isprintable() or character == "\n" for character in said)


def test_a_study_writes_no_names_of_a_stranger(folders, here, capsys):
    run = shutil.copytree(folders / "conditional", here / "run")
    received.config(run, names={"data": "../../../outside/x", "group": HOSTILE})
    before = content(here / "outside")
    assert cli.run(lambda: report_of_study(["why_a_discriminator", "run"])) == 0, capsys.readouterr().err
    assert content(here / "outside") == before
    (page,) = (here / "studies").glob("*.md")
    assert page.name.startswith("why_a_discriminator_x.")  # letters, digits and a digest
    received.config(run, names={"data": HOSTILE})
    assert cli.run(lambda: report_of_study(["why_a_discriminator", "run"])) == 0
    for page in (here / "studies").glob("*.md"):
        assert not set("\x1b\u202e<") & set(page.read_text())
        assert "# new" not in page.read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"names": 5},
        {"names": {"data": "digits"}, "iterations": "many"},
        {"data": {"batch_size": "<b>"}},
        {"network": None},
        {"trainer": {}, "seed": []},
    ],
)
def test_a_study_refuses_settings_of_another_kind(change, folders, here, capsys):
    run = shutil.copytree(folders / "conditional", here / "run")
    received.config(run, **change)
    if change.get("trainer") == {}:
        received.rewrite(run / CONFIG, {"trainer": None})
    assert cli.run(lambda: report_of_study(["why_a_discriminator", "run"])) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "no runs of the study" in said or "no run of this study" in said
    assert not (here / "studies").exists()


def test_class_names_lead_nowhere():
    names = ["../../x", "..", "", "a/b", "\x1b[2J", "n" * 1000]
    made = augment._folders(names)
    assert len(set(made)) == len(names)
    assert made == sorted(made)
    assert all(name and not set(name) & set("./\\\x1b") and len(name) < 100 for name in made)


def test_a_stranger_says_nowhere_to_download_to(tmp_path):
    settings = {"_target_": "datamodules.Vision", "name": "mnist", "root": str(tmp_path / "mine"), "download": True}
    assert load_data({"data": settings}).download is False
    assert load_data({"data": settings}, chosen=[str(tmp_path / "other")]).download is False
    assert load_data({"data": settings}, chosen=[str(tmp_path / "mine")]).download is True


# The lists


def test_the_lists_are_of_data_modules_and_of_extractors():
    import datamodules
    from datamodules.base import DataModule
    from lightning_gans.extractors import factories

    for name in data_modules():
        found = getattr(datamodules, name.removeprefix("datamodules."))
        assert issubclass(found, DataModule)
        assert found.__module__.startswith("datamodules.")
    for name in extractors():
        found = getattr(factories, name.rpartition(".")[2])
        assert found.__module__ == factories.__name__


def test_every_shipped_choice_is_on_a_list():
    conf = Path(evaluate.__file__).parent / "conf"
    for group, known in (("data", data_modules()), ("metrics", extractors())):
        shipped = [yaml.safe_load(file.read_text()) for file in (conf / group).glob("*.yaml")]
        check_targets(shipped, known, allow=(), what="names")


def test_allowing_ends_at_a_dot():
    check_targets({"_target_": "mine.data.Set"}, (), allow=("mine",), what="has")
    check_targets({"_target_": "mine.data.Set"}, (), allow=("mine.data.Set",), what="has")
    for target in ("mines.data.Set", "min", ""):
        with pytest.raises(UserError, match="If you trust that code"):
            check_targets({"_target_": target}, (), allow=("mine.", "mine.data.Set", "."), what="has")


# Processes of their own


def test_modules_of_the_working_directory_are_not_imported(folders, here):
    shutil.copytree(folders / "ring", here, dirs_exist_ok=True)
    for name in ("yaml", "rich", "torch", "numpy", "safetensors", "datamodules", "lightning_gans", "codeop"):
        (here / f"{name}.py").write_text(MODULE)
    done = received.python("-m", "experiments.sample", "run=.", "n=4", folder=here)
    assert done.returncode == 0, done.stderr
    assert not (here / MARKER).exists()


def test_a_command_line_is_refused_in_one_paragraph(folders, here):
    run = shutil.copytree(folders / "ring", here / "run")
    ATTACKS["a module imported by the package"].plant(run)
    done = received.python("-m", "experiments.evaluate", "run=run", folder=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: This run was trained on datamodules.import_module.")
    assert len(done.stderr.splitlines()) == 1
    assert not (here / MARKER).exists()
