"""`experiments.sample`: truncation, paths, animations, ONNX, the zoo, memory and the bar of what takes long."""

import os
import pty
import re
import select
import sys
import time
import tracemalloc
import weakref
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from experiments import evaluate, sample
from experiments.trained import paths, progress
from experiments.trained.sample_request import parse
from lightning_gans import load_generator
from lightning_gans.core import extras
from lightning_gans.core.errors import UserError
from lightning_gans.models.export import save_generator
from lightning_gans.models.spec import build
from lightning_gans.reporting.images import image_grid, to_uint8
from tests.helpers.composed import composed
from tests.models.test_export import SPEC, model


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here):
    save_generator(model(), SPEC, here / "run" / "generator")
    return here / "run"


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


def held(path):
    return np.load(path)["samples"]


# The zoo


def test_a_generator_of_the_zoo_is_sampled_and_its_pictures_lie_here(here, capsys):
    assert ask(run="zoo/digits", label=3, n=4) == 0
    assert "4 samples of zoo/digits (1x16x16, seed 0, last, class 3, iteration 2,500)" in capsys.readouterr().out
    assert [path.name for path in (here / "samples" / "zoo-digits").iterdir()] == ["sample-seed0-label3.png"]
    ask(run="zoo/encoder", traverse=0)
    assert (here / "samples" / "zoo-encoder" / "traverse.png").is_file()
    ask(run="zoo/digits", n=70, seed=5, npz="a.npz")
    assert np.array_equal(held("a.npz"), to_uint8(load_generator("zoo/digits").sample(70, seed=5)).numpy())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run=zoo/digts"], r"Did you mean zoo/digits\? There are zoo/digits, zoo/encoder, zoo/ring"),
        (["run=zoo/digits", "which=best"], "generators of the zoo have no checkpoints"),
    ],
)
def test_what_the_zoo_does_not_have_is_told(arguments, says):
    with pytest.raises(UserError, match=says):
        parse(arguments)


# Truncation


def test_samples_are_truncated(run, capsys):
    ask(run=run, n=70, seed=1, truncation=0.5, npz="a.npz")
    assert "truncation 0.5" in capsys.readouterr().out
    assert np.array_equal(held("a.npz"), to_uint8(model().eval().sample(70, seed=1, truncation=0.5)).numpy())
    ask(run=run, truncation=0.5, n=4)
    assert [path.name for path in (run / "samples").iterdir()] == ["sample-seed0-truncation0.5.png"]


def test_a_prior_without_tails_is_refused(here):
    spec = {**SPEC, "prior": {"_target_": "lightning_gans.core.prior.Uniform", "dim": 5}}
    save_generator(build(spec), spec, here / "uniform")
    with pytest.raises(UserError, match=r"truncation=0.5 .*prior is Uniform"):
        ask(run=here / "uniform", truncation=0.5)
    assert not (here / "uniform" / "samples").exists()


# Paths


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_rows_of_a_path(run, path, capsys):
    assert ask(run=run, path=path, n=3, steps=5, seed=2, npz="a.npz", grid="a.png") == 0
    rows = to_uint8(model().eval().interpolate(3, 5, seed=2, path=path))
    assert np.array_equal(held("a.npz"), rows.flatten(0, 1).numpy())
    with Image.open("a.png") as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(image_grid(rows.flatten(0, 1), 5)))
    assert "15 steps of paths of" in capsys.readouterr().out


def test_a_path_is_drawn_where_nothing_else_is_said(run):
    ask(run=run, path="spherical", truncation=2)
    with Image.open(run / "samples" / "spherical-seed0-truncation2.png") as picture:
        assert picture.size == (8 * 66 - 2, 8 * 66 - 2)  # eight rows of eight steps


def test_a_path_is_of_the_class_that_is_asked_for():
    ask(run="zoo/digits", path="linear", label=5, n=2, steps=3, npz="a.npz")
    rows = load_generator("zoo/digits").interpolate(2, 3, label=5, path="linear")
    assert np.array_equal(held("a.npz"), to_uint8(rows.flatten(0, 1)).numpy())


def test_an_animation_goes_there_and_back(run):
    ask(run=run, path="linear", n=4, steps=5, gif="a.gif", video="a.mp4")
    with Image.open("a.gif") as found:
        assert found.n_frames == 8
        found.seek(4)
        last = to_uint8(model().eval().interpolate(4, 5, path="linear")[:, 4])
        assert np.array_equal(np.asarray(found.convert("L")), np.asarray(image_grid(last, 2)))
    assert len(list(imageio_ffmpeg.read_frames("a.mp4"))) == 1 + 8  # the first tells of the others
    assert not (run / "samples").exists()


def test_an_animation_has_more_steps_unless_it_is_told(run):
    assert parse([f"run={run}", "path=linear", "gif=a.gif"]).steps == paths.FRAMES
    assert parse([f"run={run}", "path=linear"]).steps == 8
    assert parse([f"run={run}", "traverse=0", "video=a.mp4"]).steps == paths.FRAMES


def test_points_move_on_axes_that_stay(here):
    ask(run="zoo/ring", path="spherical", n=5, steps=3, gif="a.gif", grid="a.png")
    with Image.open("a.gif") as found:
        assert found.n_frames == 4
    with Image.open("a.png") as picture:
        assert picture.size == (500, 500)


def test_traversals_are_animated(here):
    ask(run="zoo/encoder", traverse=1, steps=3, gif="a.gif")
    with Image.open("a.gif") as found:
        assert found.n_frames == 4


def test_a_generator_without_an_encoder_is_traversed_along_the_numbers_of_its_code(run):
    assert ask(run=run, traverse=70, steps=3, seed=5, npz="a.npz", grid="a.png") == 0
    found, exported = held("a.npz"), load_generator(run)
    z = exported.codes(1, seed=5)[6].repeat(5, 3, 1)  # sample 70 is the seventh of the second 64
    for number in range(5):
        z[number, :, number] = torch.tensor([-2.0, 0.0, 2.0])
    assert np.array_equal(found, to_uint8(exported(z.flatten(0, 1)).detach()).numpy())
    with Image.open("a.png") as picture:
        assert picture.size == (3 * 66 - 2, 5 * 66 - 2)
    ask(run="zoo/digits", traverse=0, steps=4, npz="b.npz")
    assert len(held("b.npz")) == 4 * 10  # of the 12 numbers of its codes


def test_a_traversal_is_of_one_class():
    exported = load_generator("zoo/digits")
    for label in (3, None):
        ask(run="zoo/digits", traverse=2, steps=3, npz="a.npz", **({} if label is None else {"label": label}))
        z = exported.codes(0)[2].repeat(3, 1)
        z[:, 1] = torch.tensor([-2.0, 0.0, 2.0])
        of = torch.full((3,), int(exported.labels(3)[2]) if label is None else label)
        assert np.abs(held("a.npz")[3:6].astype(int) - to_uint8(exported(z, of).detach()).numpy()).max() <= 1
    with pytest.raises(UserError, match="is not told a class"):
        ask(run="zoo/ring", traverse=0, label=1)


def test_traversals_on_the_plane_are_drawn(here):
    ask(run="zoo/ring", traverse=0, steps=5, grid="a.png")
    with Image.open("a.png") as picture:
        assert picture.size == (500, 500)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("path=sphercal", r"say path=spherical or path=linear\. Did you mean path=spherical\?"),
        ("path=linear n=1000 steps=100", r"100,000 samples, more than the 16,384 .* Say n=163, or fewer steps"),
        ("path=linear steps=1", "steps=1: must be a whole number of at least 2"),
        ("path=linear traverse=0", "one of them at a time"),
        ("gif=a.gif", "gif=a.gif is an animation of steps"),
        ("encode=run video=a.mp4", "video=a.mp4 is an animation of steps"),
        ("path=linear gif=a.png", r"say gif=a\.gif"),
        ("path=linear video=a.avi", r"say video=a\.mp4"),
        ("steps=3", "only path=, interpolate= and traverse= take steps"),
        ("truncation=0", "truncation=0: must be a number above 0"),
        ("truncation=some", "truncation=some: must be"),
        ("truncation=inf", "truncation=inf: must be"),
        ("traverse=0 truncation=1", "not truncated with traverse="),
        ("onnx=a.onnx n=3", "Leave n=3 out"),
        ("onnx=a.pt", r"say onnx=a\.onnx"),
    ],
)
def test_requests_that_mean_nothing(run, given, says):
    with pytest.raises(UserError, match=says):
        parse([f"run={run}", *given.split()])


@pytest.mark.parametrize("given", [{"path": "linear"}, {"truncation": 0.5}, {"onnx": "a.onnx"}, {"traverse": 0}])
def test_a_model_without_codes_has_neither(here, given):
    spec = composed("energy")["variant"]["model"]
    save_generator(build(spec), spec, here / "energy")
    with pytest.raises(UserError, match=r"EnergyModel.*variant=dcgan"):
        ask(run=here / "energy", **given)


@pytest.mark.parametrize(("given", "extra"), [("onnx=a.onnx", "onnx"), ("path=linear video=a.mp4", "video")])
def test_a_missing_extra_is_told_before_torch_is_imported(run, given, extra, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"pip install 'lightning-gans\[{extra}\]'"):
        parse([f"run={run}", *given.split()])


# ONNX


def test_the_same_numbers_before_and_after_export_and_by_onnx(run, capsys):
    """Bit by bit through weights.safetensors, to 1e-4 through ONNX; in a lean environment: tests/models/test_zoo.py."""
    assert ask(run=run, onnx="a.onnx") == 0
    assert "a.onnx  z (n, 5) -> x (n, 1, 8, 8)" in capsys.readouterr().out
    trained, exported = model().eval(), load_generator(run)
    assert torch.equal(trained.sample(64, seed=3), exported.sample(64, seed=3))
    session = onnxruntime.InferenceSession("a.onnx", providers=["CPUExecutionProvider"])
    (x,) = session.run(None, {"z": trained.codes(0, seed=3).numpy()})
    torch.testing.assert_close(torch.from_numpy(x), trained.sample(64, seed=3), rtol=0, atol=1e-4)


# Memory and patience


def most_alive(monkeypatch, run, n, **outputs):
    """The most parts that are in memory at a time, as floats or as stored, and the peak of NumPy and Python."""
    alive, most = set(), 0
    stored = sample._stored

    def watch(part):
        nonlocal most
        alive.add(key := object())
        weakref.finalize(part, alive.discard, key)
        most = max(most, len(alive))
        return part

    monkeypatch.setattr(sample, "_stored", lambda x: watch(stored(watch(x))))
    tracemalloc.start()
    try:
        ask(run=run, n=n, **outputs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(sample, "_stored", stored)
    return most, peak


@pytest.mark.parametrize("output", ["npz", "folder", "grid"])
def test_memory_does_not_grow_with_the_number_of_samples(run, monkeypatch, output):
    monkeypatch.setattr(sample, "STEP", 32)
    monkeypatch.setattr(sample, "SHOWN", 64)
    suffix = {"npz": ".npz", "folder": "", "grid": ".png"}[output]
    few, peak = most_alive(monkeypatch, run, 192, **{output: f"few{suffix}"})
    many, larger = most_alive(monkeypatch, run, 1920, **{output: f"many{suffix}"})
    assert many == few <= 6
    names = 1920 * 400 if output == "folder" else 0  # of files; the samples take 120 kB, and 490 kB as floats
    assert larger < peak + 60_000 + names


@contextmanager
def terminal():
    """A terminal in the place of stderr; yields a function that gives what was written to it since it was called last.

    No fixture: pytest puts its own stderr in place between those and the test.
    """
    master, slave = pty.openpty()

    def read():
        # The output arrives in pieces: read until nothing comes for a tenth of a second, two seconds at most.
        told, end = b"", time.monotonic() + 2
        while time.monotonic() < end and select.select([master], [], [], 0.1)[0]:
            told += os.read(master, 2**16)
        return told.decode()

    with os.fdopen(slave, "w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        patch.setenv("TERM", "xterm")
        yield read
    os.close(master)


def test_what_takes_long_has_a_bar_on_a_terminal(run, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    stored = sample._stored
    monkeypatch.setattr(sample, "_stored", lambda x: (time.sleep(0.1), stored(x))[1])
    monkeypatch.setattr(sample, "STEP", 32)
    with terminal() as read:
        ask(run=run, n=256, npz="a.npz")
        shown = read()
    assert "Sampling" in shown
    assert "%" in shown


def test_what_is_quick_has_none(run):
    with terminal() as read:
        ask(run=run, n=64, npz="a.npz")
        assert read() == ""


def fail_after(seconds):
    with progress.shown("Waiting"):
        time.sleep(seconds)
        raise KeyError


def test_a_bar_is_gone_before_an_error_is_told(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    with terminal() as read:
        with pytest.raises(KeyError):
            fail_after(0.1)
        assert "Waiting" in read()
        time.sleep(0.2)  # a bar that went on would be drawn ten times a second
        assert read() == ""


# The page


def commands_of_the_page():
    text = (Path(__file__).parents[2] / "docs" / "SHARING.md").read_text()
    return re.findall(r"^    python -m experiments\.sample (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("command", commands_of_the_page())
def test_a_command_of_the_page_is_one(command):
    assert parse(command.split()).run.parts[0] == "zoo"


def test_the_page_tells_of_every_output():
    told = {argument.partition("=")[0] for command in commands_of_the_page() for argument in command.split()}
    assert told >= {"npz", "folder", "gif", "video", "onnx", "path", "truncation", "steps", "label"}


def test_what_needs_a_runs_data_says_so():
    with pytest.raises(UserError, match=r"run=zoo/digits has no config\.yaml"):
        evaluate.main(["run=zoo/digits"])
