"""Checkpoint that a run is resumed from, and directories that are free; from files in any state."""

import random

import pytest

from experiments.runs import directory as runs
from experiments.runs.resume import check_resume, has_begun
from lightning_gans.core.checkpoints import DamagedCheckpoint
from lightning_gans.core.errors import UserError
from tests.helpers.damage import DAMAGES, write_checkpoint

CONFIG = {"seed": 0, "iterations": 100, "run_dir": "x", "resume": "auto", "init_from": None, "variant": {"lr": 0.1}}
OTHER = CONFIG | {"seed": 1}
ROWS = "iteration,images,seconds\n25,200,1\n50,400,2\n75,600,3\n"

# Contents of files after a power cut, a full disk or a disk failure.
BROKEN = [b"", b'{"status": "run', b"\x00" * 300, b"\xff\xfe\x00\x80", b"[1, 2]", b"null"]


@pytest.fixture
def run(tmp_path):
    """A run with last.ckpt and best.ckpt, killed after iteration 80."""
    folder = tmp_path / "run"
    for name in ("best.ckpt", "last.ckpt"):
        write_checkpoint(folder / "checkpoints" / name)
    (folder / runs.EXPORT).mkdir()
    (folder / runs.CONFIG).write_text(runs.config_text(CONFIG))
    (folder / runs.COMMAND).write_text("python -m experiments.train\n")
    (folder / runs.SUMMARY).write_text('{"status": "running", "iterations": 60}')
    (folder / "losses.csv").write_text(ROWS)
    return folder


def last(run):
    return run / "checkpoints" / "last.ckpt"


def best(run):
    return run / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_replaced_by_the_newest_intact_one(run, damage):
    DAMAGES[damage](last(run), random.Random(0))
    resume = check_resume(CONFIG, run)
    assert (resume.mode, resume.checkpoint, resume.newest) == ("continue", best(run), 75)
    assert "last.ckpt" in resume.damaged


def test_an_intact_one_is_taken_whatever_the_others_are(run):
    best(run).write_bytes(b"")
    resume = check_resume(CONFIG, run)
    assert (resume.checkpoint, resume.damaged) == (last(run), None)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_without_an_intact_checkpoint_is_refused_and_left_as_it_is(run, damage):
    for path in (last(run), best(run)):
        DAMAGES[damage](path, random.Random(0))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"without an intact checkpoint.*backup.*another run_dir="):
        check_resume(CONFIG, run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_file_that_is_still_being_written_is_no_checkpoint(run):
    for path in (last(run), best(run)):
        path.rename(path.with_name(f".{path.name}.abcd1234.ckpt"))
    with pytest.raises(UserError, match="without an intact checkpoint"):
        check_resume(CONFIG, run)


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize("name", [runs.SUMMARY, "losses.csv", "metrics.csv", runs.COMMAND])
def test_other_damaged_files_never_block_a_run(run, name, content):
    (run / name).write_bytes(content)
    resume = check_resume(CONFIG, run)
    assert (resume.mode, resume.checkpoint) == ("continue", last(run))
    last(run).write_bytes(b"")
    assert check_resume(CONFIG, run).checkpoint == best(run)


@pytest.mark.parametrize("content", [b"", b"seed: 0\nvariant: {lr: ", b"\xff\x00", b"[1]"])
def test_without_a_readable_configuration_it_says_how_to_go_on(run, content, tmp_path):
    (run / runs.CONFIG).write_bytes(content)
    with pytest.raises(UserError) as caught:
        check_resume(CONFIG, run)
    message = str(caught.value)
    assert "\n" not in message
    assert f"run_dir=NEW resume={last(run)}" in message
    resume = check_resume(CONFIG | {"resume": str(last(run))}, tmp_path / "NEW")
    assert (resume.mode, resume.checkpoint) == ("continue", last(run))


def begun_by(folder, content):
    folder.mkdir()
    (folder / runs.CONFIG).write_bytes(content)
    (folder / runs.COMMAND).write_text("python -m experiments.train\n")


@pytest.mark.parametrize("content", [runs.config_text(OTHER).encode(), b"", b"seed: [", b"\xff\x00", b"1"])
def test_a_directory_in_which_no_iteration_ran_is_free(tmp_path, content):
    folder = tmp_path / "run"
    begun_by(folder, content)
    assert check_resume(CONFIG, folder).mode == "new"
    (folder / "checkpoints").mkdir()
    for summary in ('{"status": "running", "iterations": 0}', '{"status": "stopped", "iterations": 0}', ""):
        (folder / runs.SUMMARY).write_text(summary)
        assert check_resume(CONFIG, folder).mode == "new"
        assert not has_begun(folder)


@pytest.mark.parametrize(
    "name, content",
    [
        ("checkpoints/best.ckpt", ""),
        ("losses.csv", ROWS),
        ("metrics.csv", ROWS),
        (runs.SUMMARY, '{"status": "running", "iterations": 3}'),
        (runs.SUMMARY, '{"status": "diverged", "iterations": 0}'),
        ("generator/model.yaml", ""),
    ],
)
def test_a_directory_with_anything_to_lose_is_not(tmp_path, name, content):
    folder = tmp_path / "run"
    begun_by(folder, runs.config_text(OTHER).encode())
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    assert has_begun(folder)
    with pytest.raises(UserError, match="another configuration"):
        check_resume(CONFIG, folder)


@pytest.mark.parametrize("content", ["port: 80\n", "light: !include light.yaml\n"])
def test_the_configuration_of_another_program_is_not_overwritten(tmp_path, content):
    (tmp_path / runs.CONFIG).write_text(content)
    with pytest.raises(UserError, match="no run has written"):
        check_resume(CONFIG, tmp_path)


def test_a_finished_run_without_its_exported_weights_makes_them_again(run):
    (run / runs.SUMMARY).write_text('{"status": "finished", "iterations": 100}')
    assert check_resume(CONFIG, run).checkpoint == last(run)
    (run / runs.EXPORT / "weights.safetensors").touch()
    assert check_resume(CONFIG, run).mode == "finished"


# Checkpoints of other folders


@pytest.mark.parametrize("damage", ["cut", "flip", "zero", "empty"])
def test_a_damaged_file_to_start_from_is_refused(run, damage, tmp_path):
    DAMAGES[damage](last(run), random.Random(0))
    with pytest.raises(DamagedCheckpoint, match=r"last\.ckpt is damaged"):
        check_resume(CONFIG | {"resume": str(last(run))}, tmp_path / "new")
    for source in (run, last(run)):
        with pytest.raises(UserError, match=rf"init_from={source}: .*last\.ckpt is damaged"):
            check_resume(CONFIG | {"init_from": str(source)}, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_weights_are_asked_for_before_anything_begins(run, tmp_path):
    def refusal(source):
        with pytest.raises(UserError) as caught:
            check_resume(CONFIG | {"init_from": str(source)}, tmp_path / "new")
        return str(caught.value)

    (run / runs.EXPORT / "model.yaml").touch()
    assert "exported generator" in refusal(run / runs.EXPORT)
    assert "no checkpoint there" in refusal(tmp_path / "nothing")
    assert check_resume(CONFIG | {"init_from": str(run)}, tmp_path / "new").mode == "new"
    last(run).write_bytes(b"cut")
    assert f"init_from={best(run)}" in refusal(run)
    last(run).unlink()
    assert f"init_from={best(run)}" in refusal(run)
    # A run that goes on has its own weights: where they once came from need not be there any more.
    assert check_resume(CONFIG | {"init_from": None}, run).mode == "continue"


def test_the_source_of_weights_is_not_needed_to_go_on(run, tmp_path):
    config = CONFIG | {"init_from": str(tmp_path / "gone")}
    (run / runs.CONFIG).write_text(runs.config_text(config))
    assert check_resume(config, run).mode == "continue"


# Numbers of processes


def trainer(devices, nodes=1):
    return {"trainer": {"devices": devices, "num_nodes": nodes}}


@pytest.mark.parametrize(
    "there, here, said",
    [
        (trainer(2), trainer(1), "a run of 2 processes, and this command is one of 1"),
        (trainer(1), trainer(2), "Say trainer.devices=1, or let"),
        (trainer(2, 2), trainer(2), "Say trainer.devices=2 trainer.num_nodes=2, or let"),
        (trainer(2), trainer("auto"), "any number"),
        (trainer(2, 2), trainer(4), None),
        (trainer(2), trainer([4, 6]), None),
        (trainer("auto"), trainer(2), None),  # torchrun's elastic range
        (trainer("auto"), trainer("auto"), None),
    ],
)
def test_another_number_of_processes_is_another_run(there, here, said, run, tmp_path):
    (run / runs.CONFIG).write_text(runs.config_text(CONFIG | there))
    if said is None:
        assert check_resume(CONFIG | here, run).mode == "continue"
        return
    with pytest.raises(UserError, match=said):
        check_resume(CONFIG | here, run)
    new = CONFIG | here | {"resume": str(last(run))}
    with pytest.raises(UserError, match=said):
        check_resume(new, run)
    assert check_resume(new, tmp_path / "new").checkpoint == last(run)
    (run / runs.SUMMARY).write_text('{"status": "finished", "iterations": 100}')
    (run / runs.EXPORT / runs.WEIGHTS).touch()
    assert check_resume(CONFIG | here, run).mode == "finished"
