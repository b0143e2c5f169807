"""last.ckpt, best.ckpt and generator/ as a run leaves them, wherever it was killed."""

import os
import resource

import pytest
import pytorch_lightning as pl
import torch
import yaml

from datamodules import Ring
from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.core import checkpoints
from lightning_gans.core.checkpoint_io import AtomicCheckpointIO
from lightning_gans.core.checkpoints import DamagedCheckpoint
from lightning_gans.core.errors import UserError
from tests.helpers.play import play
from tests.helpers.tiny import tiny_game

SPEC = {
    "_target_": "lightning_gans.models.generative.GenerativeModel",
    "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 4},
    "generator": {
        "_target_": "lightning_gans.networks.mlp.MLPGenerator",
        "latent_dim": 4,
        "sample_shape": [2],
        "width": 8,
        "depth": 1,
        "batch_norm": False,
        "output": "linear",
    },
}
FIDS = {2: 3.0, 4: 1.0, 6: 2.0}  # by iteration: the best one in the middle


class Judge(pl.Callback):
    """Scores without measuring."""

    def __init__(self, fids):
        self.fids = fids

    def on_train_batch_end(self, trainer, pl_module, *_):
        if pl_module.iteration in self.fids:
            pl_module.scores.record({"fid": self.fids[pl_module.iteration]}, pl_module.iteration)


class Kill(BaseException):
    pass


def run(folder, *, checkpoint=None, iterations=6, every=2, fids=FIDS):
    keep = Checkpoints(every=every, minutes=60, spec=SPEC)
    return keep_playing(tiny_game(iterations), folder, Judge(fids), keep, checkpoint=checkpoint)


def keep_playing(game, folder, *callbacks, checkpoint):
    data = Ring(batch_size=8, dimension=2)
    return play(game, data, folder, *callbacks, checkpoint=checkpoint, enable_checkpointing=True)


def iteration(path):
    return checkpoints.load(path)["game"]["iteration"]


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "checkpoints"
    return folder / "last.ckpt", folder / "best.ckpt"


def test_they_are_files_of_their_own(tmp_path, paths):
    last, best = paths
    run(tmp_path, fids={6: 1.0})
    assert not last.samefile(best)
    assert last.read_bytes() == best.read_bytes()
    assert last.stat().st_nlink == 1


@pytest.mark.parametrize("damage", [None, b"half"])
def test_going_on_from_the_best_one_leaves_it_alone(tmp_path, paths, damage):
    """last.ckpt is gone or damaged: it must not take the place of the only one that is intact."""
    last, best = paths
    run(tmp_path)
    straight = [path.read_bytes() for path in (last, best)]
    assert [iteration(path) for path in paths] == [6, 4]
    last.unlink() if damage is None else last.write_bytes(damage)
    game = tiny_game(6)
    stop = StopAtOnce()
    keep = Checkpoints(every=2, minutes=60, spec=SPEC)
    with pytest.raises(Kill):
        keep_playing(game, tmp_path, stop, keep, checkpoint=best)
    assert best.read_bytes() == straight[1]
    run(tmp_path, checkpoint=best)
    assert [path.read_bytes() for path in (last, best)][1] == straight[1]
    assert iteration(last) == 6
    state = checkpoints.load(last)["state_dict"]
    last.write_bytes(straight[0])
    assert all(torch.equal(tensor, state[name]) for name, tensor in checkpoints.load(last)["state_dict"].items())


class StopAtOnce(pl.Callback):
    """A kill before the first iteration of a continued run."""

    def on_train_batch_start(self, *_):
        raise Kill


@pytest.mark.parametrize("old", [None, "older", "damaged"])
def test_a_best_one_that_was_not_written_any_more_is(tmp_path, paths, old):
    """Killed between last.ckpt and best.ckpt."""
    last, best = paths
    run(tmp_path, iterations=6, fids={6: 1.0})
    if old is None:
        best.unlink()
    else:
        best.write_bytes(b"older" if old == "older" else b"")
    run(tmp_path, checkpoint=last, iterations=8, fids={})
    assert [iteration(path) for path in paths] == [8, 6]


def test_an_export_that_was_not_written_any_more_is(tmp_path, paths):
    """Killed between the last checkpoint of a run and its export."""
    run(tmp_path)
    export = {path.name: path.read_bytes() for path in (tmp_path / "generator").iterdir()}
    run(tmp_path, iterations=4)
    last, _ = paths
    run(tmp_path, iterations=6)
    (tmp_path / "generator" / "weights.safetensors").write_bytes(b"older")
    about = yaml.safe_load(export["model.yaml"]) | {"about": {"iteration": 4}}
    (tmp_path / "generator" / "model.yaml").write_text(yaml.safe_dump(about))
    run(tmp_path, checkpoint=last)
    assert {path.name: path.read_bytes() for path in (tmp_path / "generator").iterdir()} == export


def test_rows_are_on_the_disk_before_the_checkpoint(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    (tmp_path / "losses.csv").write_text("iteration\n")
    table = os.stat(tmp_path / "losses.csv").st_ino
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append(os.fstat(handle).st_ino == table), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("replace"), replace(*paths))[1])
    run(tmp_path, iterations=2)
    assert events[0] is True
    assert events.index("replace") > 0


def test_a_disk_that_gets_full_keeps_the_older_checkpoint(tmp_path, paths):
    last, _ = paths
    run(tmp_path, iterations=2)
    before = last.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Could not write .*last\.ckpt.*before is kept.*Free some space"):
            run(tmp_path, checkpoint=last, iterations=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert last.read_bytes() == before
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


# Loading by Lightning


def test_a_damaged_checkpoint_is_refused_in_a_sentence(tmp_path, paths):
    last, _ = paths
    run(tmp_path, iterations=2)
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 1
    last.write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match="checksum does not match"):
        run(tmp_path, checkpoint=last)


def test_a_checkpoint_of_another_program_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="not written by a run"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "other.ckpt")


# The model card


def card(folder):
    return (folder / "generator" / "README.md").read_text()


def test_the_card_has_the_scores_and_a_picture_at_the_end(tmp_path):
    (tmp_path / "command.txt").write_text(
        "python -m experiments.train seed=1\ncommit 1234\n\n"
        "python -m experiments.train data=ring 'run_dir=\"/my/place\"'\ncommit 5678-dirty\npython 3.11\n"
    )
    run(tmp_path)
    names = sorted(path.name for path in (tmp_path / "generator").iterdir())
    assert names == ["README.md", "model.yaml", "samples.png", "weights.safetensors"]
    assert "| fid | lower | 2 | Frechet distance" in card(tmp_path)
    assert "![samples of this generator](samples.png)" in card(tmp_path)
    assert "* iterations: 6" in card(tmp_path)
    assert "\n    python -m experiments.train data=ring\n" in card(tmp_path)  # where it lay is nobody's business
    assert "* commit of lightning-gans: 5678-dirty" in card(tmp_path)


class KillAt(pl.Callback):
    def __init__(self, iteration):
        self.iteration = iteration

    def on_train_batch_start(self, trainer, pl_module, *_):
        if pl_module.iteration == self.iteration:
            raise Kill


def test_a_killed_run_has_a_card_of_its_last_export(tmp_path, paths):
    run(tmp_path / "straight")
    run(tmp_path, iterations=2)
    assert (tmp_path / "generator" / "samples.png").is_file()
    keep = Checkpoints(every=2, minutes=60, spec=SPEC)
    with pytest.raises(Kill):
        keep_playing(tiny_game(6), tmp_path, Judge(FIDS), keep, KillAt(5), checkpoint=paths[0])
    assert "| fid | lower | 1 |" in card(tmp_path)  # of iteration 4
    assert not (tmp_path / "generator" / "samples.png").exists()  # it showed the weights of iteration 2
    assert "samples.png" not in card(tmp_path)
    run(tmp_path, checkpoint=paths[0])
    for file in (tmp_path / "straight" / "generator").iterdir():
        assert (tmp_path / "generator" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_picture_is_of_the_weights_in_the_folder(tmp_path):
    """The weights that the evaluation on the test split has left in the game's own copy."""

    class Disturb(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            with torch.no_grad():
                for parameter in (*pl_module.ema.model.parameters(), *pl_module.model.parameters()):
                    parameter.zero_()
            pl_module.invalidate_evaluated()

    run(tmp_path / "straight")
    keep = Checkpoints(every=2, minutes=60, spec=SPEC)
    keep_playing(tiny_game(6), tmp_path / "other", Disturb(), Judge(FIDS), keep, checkpoint=None)
    one, other = ((tmp_path / name / "generator" / "samples.png").read_bytes() for name in ("straight", "other"))
    assert one == other


def test_a_model_that_cannot_be_drawn_has_a_card_without_a_picture(tmp_path):
    spec = {**SPEC, "generator": {**SPEC["generator"], "width": 16}}  # not the one that is trained
    keep = Checkpoints(every=2, minutes=60, spec=spec)
    keep_playing(tiny_game(2), tmp_path, keep, checkpoint=None)
    assert not (tmp_path / "generator" / "samples.png").exists()
    assert "samples.png" not in card(tmp_path)
