"""The commands that the pages show are ones that the programs take; the questions of the first page are answered."""

import ast
import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lightning_gans
from experiments import augment, compare, sweep
from experiments.jobs import preflight as checks
from experiments.jobs import slurm
from experiments.jobs.preflight import plan
from experiments.runs import resume
from experiments.trained import evaluation_request, sample_request
from tests.helpers.documents import read_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN = (
    "--config-dir",
    "my_gans",
    "my_metrics",
    "ARGS",
    "DIR/",
    "...",
    "--help",
)  # commands that need files of the reader's
PROMPT = r"(?:    |\t|(?:[A-Z_]+=\S+ )*)(?:\S+/)?"
QUESTIONS = """
How do I train on my images?
Why is my D loss 0?
What is a good FID here?
How do I resume?
How do I use two GPUs?
How do I compare two runs?
Which variant for few labels?
How do I add a loss?
Where are my samples?
How do I load a generator without Lightning?
"""


def commands(*programs):
    """Commands of the pages, indented or in a block, as (page, program, arguments)."""
    seen = set()
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        pattern = rf"^{PROMPT}python -m experiments\.({'|'.join(programs)})\b(.*)$"
        for program, line in re.findall(pattern, text, flags=re.MULTILINE):
            arguments = shlex.split(re.split(r" > ", line)[0], comments=True)
            key = (page, program, *arguments)
            if key not in seen and not any(mark in argument for argument in arguments for mark in OWN):
                seen.add(key)
                yield page, program, arguments


COMMANDS = [
    pytest.param(arguments, id=f"{page.stem}: {' '.join(arguments)}") for page, _, arguments in commands("train")
]
OTHERS = [
    pytest.param(program, arguments, id=f"{page.stem}: {program} {' '.join(arguments)}")
    for page, program, arguments in commands("sample", "evaluate", "augment", "compare")
]


def test_there_are_some():
    assert len(COMMANDS) > 30
    assert {one.values[0] for one in OTHERS} == {"sample", "evaluate", "augment", "compare"}


def accepted(arguments):
    # One seed of a study composes as all of them; a study that trains nothing has no jobs.
    found = plan([re.sub(r"^seed=[\d,]+$", "seed=1", argument) for argument in arguments])
    return found.jobs or found.study


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_of_the_pages_is_one(arguments, tmp_path, monkeypatch):
    """Compose the command; the first and the last job of a study."""
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):  # class folders are counted
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").touch()
    (tmp_path / "attributes.csv").write_text("file,smiling,age\ncat/1.png,1,31\ndog/1.png,0,57\n")
    monkeypatch.setattr(resume, "check_source", lambda source: None)  # init_from= names a run of the reader's
    monkeypatch.setattr(slurm, "installed", lambda: True)
    monkeypatch.setattr(slurm, "_ask", lambda *_: "")
    asked_of = checks._asked_of
    monkeypatch.setattr(checks, "_asked_of", lambda *given: ends(asked_of(*given)))
    assert accepted(arguments)


def ends(jobs):
    return jobs if len(jobs) < 3 else [jobs[0], jobs[-1]]


@pytest.mark.parametrize(("program", "arguments"), OTHERS)
def test_a_command_on_runs_is_one(program, arguments, tmp_path, monkeypatch):
    """Its words are understood, given that its runs and files are there."""
    monkeypatch.chdir(tmp_path)
    for word in arguments:
        name, _, value = word.partition("=")
        for path in value.split(","):
            provide(name, Path(path), folder=path.endswith("/"))
    if program == "compare":
        assert compare._parser().parse_args(arguments).folders
    else:
        parse = {"sample": sample_request, "evaluate": evaluation_request, "augment": augment}[program].parse
        assert parse(arguments)


def provide(name, path, *, folder):
    """Make what an argument names: a run, a folder of images, an image, a recording or samples."""
    if name in ("out", "grid", "npz", "folder", "gif", "video", "onnx", "statistics"):
        return
    if path.parts[:1] == ("runs",) and not path.exists():
        shutil.copytree(Path(lightning_gans.__file__).parent / "zoo" / "encoder", path / "generator")
        (path / "config.yaml").write_text("data: {_target_: datamodules.Digits}\nvariant: {}\n")
        (path / "checkpoints").mkdir()
        (path / "checkpoints" / "best.ckpt").touch()
    elif folder or name == "data_dir":
        path.mkdir(exist_ok=True)
        for number in range(2):
            Image.new("RGB", (8, 8)).save(path / f"{number}.png")
    elif path.suffix == ".png":
        Image.new("RGB", (8, 8)).save(path)
    elif path.suffix == ".npz":
        np.savez(path, samples=np.zeros((2, 3, 8, 8), dtype=np.uint8))
    elif path.suffix == ".wav":
        path.touch()


@pytest.mark.parametrize(
    "arguments", [pytest.param(found, id=" ".join(found)) for _, _, found in commands("sweep") if found]
)
def test_a_sweep_of_the_pages_is_written(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sweep.main(arguments) == 0
    assert list(tmp_path.glob("*.yaml"))


def test_other_programs_of_the_pages_are_there():
    texts = [page.read_text() for page in PAGES]
    found = {name for text in texts for name in re.findall(r"python -m ((?:experiments|benchmarks)[.\w]*)", text)}
    assert {"experiments.studies", "benchmarks.judge"} <= found
    for name in found - {"experiments.COMMAND"}:  # a placeholder
        module = ROOT / name.rstrip(".").replace(".", "/")
        assert module.with_suffix(".py").is_file() or (module / "__init__.py").is_file(), name
    makefile = (ROOT / "Makefile").read_text()
    for target in {name for text in texts for name in re.findall(r"^    make ([a-z-]+)|`make ([a-z-]+)", text, re.M)}:
        assert re.search(rf"^{''.join(target)}:", makefile, re.M), target
    for name in {name for text in texts for line in re.findall(r"-m pytest (.*)", text) for name in line.split()}:
        assert (ROOT / name.rstrip("`")).exists()


PYTHON = [
    pytest.param(block, id=f"{page.stem}: {number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S))
]


@pytest.mark.parametrize("block", PYTHON)
def test_a_block_of_python_imports_what_there_is(block):
    """All of it is Python, and its imports of this repository are there."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("lightning_gans", "datamodules")):
            module = import_module(str(node.module))
            assert all(hasattr(module, name.name) for name in node.names)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [one for one in COMMANDS if "experiment=study/" in " ".join(one.values[0])])
def test_every_job_of_a_study_is_one(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert accepted(arguments)


@pytest.mark.parametrize("question", QUESTIONS.strip().splitlines())
def test_a_question_is_two_clicks_from_the_first_page(question):
    anchor = re.sub(r"[^a-z0-9 -]", "", question.lower()).replace(" ", "-")
    assert f"[{question}](docs/FAQ.md#{anchor})" in (ROOT / "README.md").read_text()
    answers = (ROOT / "docs" / "FAQ.md").read_text()
    _, heading, answer = answers.partition(f"### {question}\n")
    assert heading
    answer = answer.partition("\n#")[0]
    assert len(answer.split()) > 15
    assert "](" in answer


def test_the_glossary_has_terms_in_two_languages():
    text = (ROOT / "docs" / "GLOSSARY.md").read_text()
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| ") and not row.startswith("| term")]
    assert len(rows) >= 60
    terms = [row[0].removeprefix("| ") for row in rows]
    assert terms == sorted(terms, key=str.lower)
    for _, chinese, definition in rows:
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert definition.endswith(". |")


def test_every_page_of_commands_is_read():
    """A file or command in a block stands in a form that the helpers of the tests read."""
    for page in PAGES:
        found = read_page(page)
        assert all(command[0].partition(".")[0] in ("experiments", "benchmarks") for command in found.commands)
