"""Callbacks, loggers, profilers and Trainer flags from the command line; classes from outside the tree among them."""

import inspect
import json
import re
import shutil
import textwrap
from pathlib import Path

import pytest
import pytorch_lightning as pl
import yaml

from experiments import evaluate, sample
from experiments.jobs.preflight import preflight
from experiments.settings.trainer import OWN, PASSED, refused
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from tests.helpers.ring import RING

MINE = textwrap.dedent(
    """
    import json
    import time
    from pathlib import Path

    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.loggers.logger import Logger
    from pytorch_lightning.profilers import Profiler


    class Count(pl.Callback):
        def __init__(self, *, out, stop_at=None):
            self.out, self.stop_at, self.count = Path(out), stop_at, 0

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

        def on_train_batch_end(self, trainer, game, *_):
            self.count += 1
            trainer.should_stop = trainer.should_stop or game.iteration == self.stop_at

        def on_train_end(self, trainer, game):
            deterministic = torch.are_deterministic_algorithms_enabled()
            seen = {"count": self.count, "anomaly": torch.is_anomaly_enabled(), "deterministic": deterministic}
            self.out.write_text(json.dumps(seen))


    class Unreadable(pl.Callback):
        def state_dict(self):
            return {"path": Path("x")}


    class Lines(Logger):
        name, version = "lines", 0

        def __init__(self, *, out):
            super().__init__()
            self.out = Path(out)

        def say(self, *what):
            with self.out.open("a") as file:
                print(json.dumps(what), file=file)

        def log_hyperparams(self, params):
            self.say("config", params["seed"])

        def log_metrics(self, metrics, step):
            self.say("metrics", step, sorted(metrics))

        def log_picture(self, name, path, iteration):
            self.say("picture", iteration, name)

        def log_summary(self, facts):
            self.say("summary", facts.get("status"))


    class Calls(Profiler):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def start(self, action_name):
            self.calls += "training_step" in action_name

        def stop(self, action_name):
            pass

        def summary(self):
            return f"{self.calls} training steps"
    """
)
EVERY = ("callbacks.evaluation.every=4", "callbacks.checkpoint.every=4", "callbacks.grids.every=4")
COMMAND = (*RING, *EVERY, "trainer.threads=1", "trainer.accelerator=cpu", "run_dir=run")


@pytest.fixture
def mine(launcher):
    """A launcher in a folder with a module of the user's own."""
    (launcher.folder / "mine.py").write_text(MINE)
    return launcher


def status(launcher):
    found = json.loads((launcher.folder / "run" / "summary.json").read_text())
    return found["status"], found["iterations"]


def weights(launcher):
    return (launcher.folder / "run" / "generator" / "weights.safetensors").read_bytes()


def test_a_callback_from_outside_is_called_and_its_state_resumes(mine):
    counts = "+callbacks.mine={_target_: mine.Count, out: seen.json}"
    mine.run(*COMMAND, counts, "iterations=8")
    mine.run(*COMMAND, counts, "iterations=12")
    assert json.loads((mine.folder / "seen.json").read_text())["count"] == 12


def test_a_callback_may_end_a_run(mine):
    said = mine.run(*COMMAND, "iterations=12", "+callbacks.mine={_target_: mine.Count, out: seen.json, stop_at: 6}")
    assert status(mine) == ("stopped", 6)
    assert "Stopped after iteration 6 of 12; everything is saved in run." in said
    mine.run(*COMMAND, "iterations=12")
    assert status(mine) == ("finished", 12)


def test_a_state_that_no_run_could_continue_from_is_refused_before_it_is_saved(mine):
    mine.run(*COMMAND, "iterations=4")
    said = mine.run(*COMMAND, "iterations=8", "+callbacks.mine={_target_: mine.Unreadable}", code=2)
    assert "error: The state of the callback Unreadable holds other objects than tensors" in said
    mine.run(*COMMAND, "iterations=8")
    assert status(mine) == ("finished", 8)


def test_a_config_dir_may_bring_callbacks(mine):
    (mine.folder / "conf" / "callbacks").mkdir(parents=True)
    text = "defaults: [default]\nmine: {_target_: mine.Count, out: seen.json}\n"
    (mine.folder / "conf" / "callbacks" / "counted.yaml").write_text(text)
    mine.run(*COMMAND, "--config-dir", "conf", "callbacks=counted", "iterations=2")
    assert json.loads((mine.folder / "seen.json").read_text())["count"] == 2


@pytest.mark.parametrize(
    "setting, said",
    [
        ("+callbacks.mine={_target_: nowhere.Mine}", r"callbacks\.mine: _target_ nowhere\.Mine: No module named"),
        ("+callbacks.mine={_target_: torch.nn.ReLU}", r"callbacks\.mine\._target_=torch\.nn\.ReLU .* is no Callback"),
        ("+callbacks.mine={every: 3}", r"callbacks\.mine has no _target_"),
        ("+logger.mine=3", r"logger\.mine has no _target_"),
        ("+callbacks.grids._target_=mine.Count", r"callbacks\.grids holds settings .* another name"),
        ("+callbacks.mine={_target_: mine.Count}", r"callbacks\.mine: .* missing a required argument: 'out'"),
        ("+callbacks.mine={_target_: mine.Count, out: 3}", r"mine\.Count cannot be made \(TypeError: .*int"),
        ("+logger.mine={_target_: mine.Count, out: x}", r"logger\.mine\._target_=mine\.Count .* is no Logger"),
        ("+logger._target_=mine.Lines", r"each logger stands under a name of its own"),
        ("trainer.profiler={_target_: torch.nn.ReLU}", r"trainer\.profiler\._target_=torch\.nn\.ReLU .* no Profiler"),
        ("trainer.max_time=soon", r"trainer\.max_time=soon is no time above 0"),
        ("trainer.max_time=00:00:00:00", r"trainer\.max_time=00:00:00:00 is no time above 0"),
        ("trainer.devices=[0]", r"trainer\.devices=\[0\] names devices .* this machine has .* Say trainer\.devices=1"),
        ("+callbacks.grids_too={_target_: lightning_gans.callbacks.grids.SampleGrids, every: 2}", r"SampleGrids"),
    ],
)
def test_what_is_none_is_refused_and_leaves_no_directory(mine, setting, said):
    text = mine.run(*COMMAND, "iterations=2", setting, code=2)
    (line,) = [line for line in text.splitlines() if line.startswith("error: ")]
    assert re.search(said, line), line
    assert not (mine.folder / "run").exists()


def test_every_logger_gets_numbers_pictures_and_the_summary(mine):
    lines = "+logger.mine={_target_: mine.Lines, out: lines.txt}"
    csv = "+logger.csv={_target_: pytorch_lightning.loggers.CSVLogger, save_dir: '${run_dir}', name: '', version: csv}"
    command = [setting for setting in COMMAND if setting != "logger=none"]
    mine.run(*command, "iterations=4", "logger=[tensorboard,wandb]", "logger.wandb.offline=true", lines, csv)
    said = [json.loads(line) for line in (mine.folder / "lines.txt").read_text().splitlines()]
    assert said[0] == ["config", 0]
    assert {(kind, what[0]) for kind, *what in said if kind in ("metrics", "picture")} == {
        ("metrics", 4),
        *(("picture", iteration) for iteration in (0, 1, 2, 4)),
    }
    assert [what for kind, *what in said if kind == "summary"][-1] == ["finished"]
    assert "eval/mode_score" in (mine.folder / "run" / "csv" / "metrics.csv").read_text().partition("\n")[0]
    assert list((mine.folder / "run" / "wandb").glob("offline-run-*"))
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(mine.folder / "run" / "tensorboard")).Reload().Tags()
    assert "eval/mode_score" in found["scalars"]
    assert found["images"]
    assert "summary/text_summary" in found["tensors"]


def test_a_profiler_from_outside_reports_into_the_run_and_changes_no_weight(mine):
    mine.run(*COMMAND, "iterations=6")
    plain = weights(mine)
    shutil.rmtree(mine.folder / "run")
    mine.run(*COMMAND, "iterations=6", "trainer.profiler={_target_: mine.Calls}")
    assert (mine.folder / "run" / "fit-profile.txt").read_text() == "6 training steps"
    assert weights(mine) == plain


@pytest.mark.parametrize(
    "name, named", [("simple", "training_step"), ("advanced", "training_step"), ("pytorch", "ProfilerStep")]
)
def test_a_profiler_of_lightning(mine, name, named):
    mine.run(*COMMAND, "iterations=16", "metrics=none", f"trainer.profiler={name}")
    assert named in (mine.folder / "run" / "fit-profile.txt").read_text()


def test_flags_reach_the_trainer(mine):
    flags = ("trainer.detect_anomaly=true", "trainer.deterministic=true", "trainer.benchmark=false")
    mine.run(*COMMAND, *flags, "iterations=2", "+callbacks.mine={_target_: mine.Count, out: seen.json}")
    assert json.loads((mine.folder / "seen.json").read_text()) == {"count": 2, "anomaly": True, "deterministic": True}


def test_a_run_out_of_time_is_saved_and_the_same_command_continues_it(mine):
    command = (*COMMAND, "iterations=100000", "metrics=none", "trainer.max_time={seconds: 0.3}")
    said = mine.run(*command)
    before = status(mine)
    assert before[0] == "stopped"
    assert "because trainer.max_time={'seconds': 0.3} is over" in said
    assert "The same command continues it." in said
    mine.run(*command)
    assert status(mine)[1] > before[1] > 0


def test_early_stopping_ends_a_run_that_gets_no_better(mine):
    stop = "+callbacks.mine={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: eval/modes, mode: max, "
    stop += "min_delta: 100, patience: 2}"
    keep = "+callbacks.best={_target_: pytorch_lightning.callbacks.ModelCheckpoint, monitor: eval/modes, dirpath: kept}"
    said = mine.run(*COMMAND, "iterations=100", "callbacks.evaluation.every=2", stop, keep)
    assert status(mine) == ("stopped", 6)
    assert "because monitored metric eval/modes did not improve in the last 2 records" in said
    assert [path.suffix for path in (mine.folder / "kept").iterdir()] == [".ckpt"]


def test_early_stopping_needs_evaluations(mine):
    stop = "+callbacks.mine={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: fid}"
    assert "metrics=none turns off" in mine.run(*COMMAND, "metrics=none", stop, code=2)


def test_every_argument_of_the_trainer_is_passed_on_or_refused():
    arguments = set(inspect.signature(pl.Trainer).parameters)
    ours = {"compile", "compile_mode", "threads", "log_every", "requeue"}
    assert arguments == (set(OWN) | set(PASSED) | set(refused)) - ours


@pytest.mark.parametrize("name", refused)
def test_a_flag_that_a_game_cannot_honour_is_refused_with_what_to_use(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"trainer\.{name} cannot be set: .*="):
        preflight([*COMMAND, f"trainer.{name}=1"])


def test_a_flag_that_the_trainer_does_not_have_is_refused():
    with pytest.raises(
        UserError, match=r"trainer\.max_tiem: there is no such setting\. Did you mean trainer\.max_time\?"
    ):
        preflight([*COMMAND, "trainer.max_tiem=1"])


def test_a_run_of_older_layout_continues_samples_and_is_measured(mine, monkeypatch):
    mine.run(*COMMAND, "iterations=4")
    path = mine.folder / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["logger"] = {"_target_": "lightning_gans.loggers.wandb.WandbLogger", "run_dir": "run", "project": "old"}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    mine.run(*COMMAND, "iterations=6")
    assert status(mine) == ("finished", 6)
    monkeypatch.chdir(mine.folder)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    assert not sample.main(["run=run", "n=4"])
    assert not evaluate.main(["run=run"])


def test_classes_that_a_run_names_are_never_imported(mine, monkeypatch):
    mine.run(*COMMAND, "iterations=4")
    (mine.folder / "evil.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
    path = mine.folder / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["callbacks"]["mine"] = {"_target_": "evil.Callback"}
    config["logger"] = {"mine": {"_target_": "evil.Logger"}}
    config["trainer"]["profiler"] = {"_target_": "evil.Profiler"}
    write_atomically(path, yaml.safe_dump(config, sort_keys=False))
    monkeypatch.chdir(mine.folder)
    monkeypatch.syspath_prepend(mine.folder)
    assert not evaluate.main(["run=run"])
    assert not sample.main(["run=run", "n=4"])
    mine.run(*COMMAND, "iterations=6")
    assert status(mine) == ("finished", 6)
    assert not Path("imported").exists()
