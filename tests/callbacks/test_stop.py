"""A run that is asked to stop, anywhere, is the undisturbed run once it has gone on."""

import csv
import signal

import pytest
import pytorch_lightning as pl
import torch

from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.grids import SampleGrids
from lightning_gans.callbacks.stop import GracefulStop
from lightning_gans.callbacks.summary import RunSummary
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.core.interruption import Interruption, StopRequested
from lightning_gans.evaluation.scoring import Scoring
from tests.helpers.tiny import fit, tiny_game

ITERATIONS = 8
TIMED = ("seconds", "iterations_per_second", "images_per_second")


class Raise(pl.Callback):
    """Sends this process a signal after iteration `at`, `times` times."""

    def __init__(self, number, at, times=1):
        self.number, self.at, self.times = number, at, times

    def on_train_batch_end(self, trainer, pl_module, *_):
        if pl_module.iteration == self.at:
            for _ in range(self.times):
                signal.raise_signal(self.number)


class Spread:
    """Measures a model by the spread of its samples; `leave` after so many calls, as a signal in the middle would."""

    def __init__(self, leave=None):
        self.leave, self.calls = leave, 0

    def __call__(self, model, data, split):
        self.calls += 1
        if self.calls == self.leave:
            signal.raise_signal(signal.SIGTERM)
        return {"fid": model.sample(64, seed=1).std().item()}


def sitting(run_dir, *, more=(), leave=None):
    """One start of the run in `run_dir`, from its newest checkpoint; whether it was stopped, and its test figures."""
    last = run_dir / "checkpoints" / "last.ckpt"
    game = tiny_game(ITERATIONS)
    evaluation = Evaluation(every=2, scoring=Scoring(lambda *_: None, [Spread(leave)]))
    summary = RunSummary()
    spec = {"_target_": "lightning_gans.models.generative.GenerativeModel"}
    pictures = SampleGrids(every=4, rows=2, columns=2)
    checkpoints = Checkpoints(every=100, minutes=60, spec=spec)
    with Interruption() as interruption:
        log = TrainingLog(every=3)
        callbacks = [GracefulStop(interruption), *more, log, summary, evaluation, pictures, checkpoints]
        fit(game, run_dir, callbacks, checkpoint=last if last.is_file() else None)
    return interruption.agreed, evaluation.test


def files(run_dir):
    """Everything that a run leaves but for seconds, by name."""
    found = {path.name: path.read_bytes() for path in (run_dir / "samples").iterdir()}
    found["weights"] = (run_dir / "generator" / "weights.safetensors").read_bytes()
    for name in ("metrics.csv", "losses.csv"):
        with (run_dir / name).open() as file:
            found[name] = [{key: row[key] for key in row if key not in TIMED} for row in csv.DictReader(file)]
    for path in sorted((run_dir / "checkpoints").iterdir()):
        checkpoint = torch.load(path, weights_only=True)
        state = {name: tensor.tolist() for name, tensor in checkpoint["state_dict"].items()}
        found[path.name] = state, checkpoint["game"]
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed")
    stopped, test = sitting(run_dir)
    assert not stopped
    return files(run_dir), test


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2])
def test_every_signal_saves_and_the_run_goes_on(number, tmp_path, undisturbed):
    before = signal.getsignal(number)
    signal.signal(number, lambda *_: None)
    try:
        assert sitting(tmp_path, more=[Raise(number, at=3, times=2)]) == (True, {})
    finally:
        signal.signal(number, before)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["game"]["iteration"] == 4
    assert sitting(tmp_path) == (False, undisturbed[1])
    assert files(tmp_path) == undisturbed[0]


@pytest.mark.parametrize("leave", [1, 4, 5])
def test_an_evaluation_that_was_left_is_repeated(leave, tmp_path, undisturbed):
    """The first four are of validation, the fourth after the last iteration; the fifth of the test split."""
    assert sitting(tmp_path, leave=leave) == (True, {})
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["game"]["iteration"] == min(2 * leave, ITERATIONS)
    assert sitting(tmp_path) == (False, undisturbed[1])
    assert files(tmp_path) == undisturbed[0]


def test_a_run_that_is_stopped_all_the_time_ends_all_the_same(tmp_path, undisturbed):
    sittings = [sitting(tmp_path, leave=3)]  # of calls; the test split takes two
    while sittings[-1][0]:
        sittings.append(sitting(tmp_path, leave=3))
        assert len(sittings) < 9
    assert len(sittings) > 2
    assert sittings[-1] == (False, undisturbed[1])
    assert files(tmp_path) == undisturbed[0]


def test_a_signal_before_training_leaves_the_run_as_it_was(tmp_path):
    class Preparing(pl.Callback):
        def on_fit_start(self, trainer, pl_module):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StopRequested):
        sitting(tmp_path, more=[Preparing()])
    assert not (tmp_path / "checkpoints").exists()


def test_an_export_that_a_kill_prevented_is_made_by_the_next_start(tmp_path, undisturbed):
    sitting(tmp_path)
    (tmp_path / "generator" / "weights.safetensors").unlink()
    sitting(tmp_path)
    assert files(tmp_path) == undisturbed[0]
