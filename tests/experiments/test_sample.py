import io
import os
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from PIL import Image

import lightning_gans
from datamodules import Digits
from datamodules.pixels import normalise, square
from experiments import sample
from experiments.trained.loading import load_model
from experiments.trained.sample_request import KEYS
from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.export import save_generator
from lightning_gans.models.spec import build
from lightning_gans.networks.mlp import MLPDiscriminator
from lightning_gans.reporting.images import to_uint8
from lightning_gans.variants.vanilla import GAN
from tests.helpers.composed import composed


def spec(shape):
    return {
        "_target_": "lightning_gans.models.generative.GenerativeModel",
        "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 2},
        "generator": {
            "_target_": "lightning_gans.networks.mlp.MLPGenerator",
            "latent_dim": 2,
            "sample_shape": list(shape),
            "width": 8,
            "depth": 1,
            "batch_norm": True,
            "output": "linear" if len(shape) == 1 else "tanh",
        },
    }


def export(run, shape):
    """A run's folder with an export and nothing else."""
    torch.manual_seed(0)
    save_generator(build(spec(shape)).eval(), spec(shape), run / "generator", about={"iteration": 1500})
    return run


@pytest.fixture
def images(tmp_path):
    return export(tmp_path / "images", (1, 8, 8))


@pytest.fixture
def points(tmp_path):
    return export(tmp_path / "points", (2,))


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


def test_images_in_all_forms(images, tmp_path, capsys):
    grid, npz, folder = tmp_path / "a.png", tmp_path / "a.npz", tmp_path / "pngs"
    assert ask(run=images, n=5, seed=3, grid=grid, npz=npz, folder=folder) == 0
    expected = to_uint8(lightning_gans.load_generator(images).sample(5, seed=3)).numpy()
    held = np.load(npz)
    assert held.files == ["samples"]
    assert held["samples"].dtype == np.uint8
    assert np.array_equal(held["samples"], expected)
    assert sorted(path.name for path in folder.iterdir()) == [f"0000{i}.png" for i in range(5)]
    for i in range(5):
        with Image.open(folder / f"0000{i}.png") as picture:
            assert np.array_equal(np.array(picture), expected[i, 0])
    with Image.open(grid) as picture:
        assert picture.size == (3 * 66 - 2, 2 * 66 - 2)
        assert np.array_equal(np.array(picture)[:64:8, 66:130:8], expected[1, 0])
    said = capsys.readouterr().out
    assert "5 samples of" in said
    assert "iteration 1,500" in said
    assert all(str(path) in said for path in (grid, npz, folder))


def test_points(points, tmp_path):
    assert ask(run=points, n=300, npz=tmp_path / "a.npz", grid=tmp_path / "a.png") == 0
    held = np.load(tmp_path / "a.npz")["samples"]
    assert held.dtype == np.float32
    assert np.array_equal(held, lightning_gans.load_generator(points).sample(300).numpy())
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (500, 500)


def test_points_make_no_pngs_and_leave_nothing(points, tmp_path):
    with pytest.raises(UserError, match=r"points, not grey or RGB images.*npz=samples\.npz"):
        ask(run=points, folder=tmp_path / "pngs", npz=tmp_path / "a.npz", grid=tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["points"]


def test_samples_of_which_no_picture_can_be_made(tmp_path):
    run = export(tmp_path / "run", (3,))
    with pytest.raises(UserError, match=r"shape \(3,\)"):
        ask(run=run)
    assert ask(run=run, npz=tmp_path / "a.npz") == 0


def test_the_same_seed_gives_the_same_bytes(images, tmp_path, monkeypatch):
    files = [tmp_path / name for name in ("a.npz", "b.npz", "c.npz", "a.png", "b.png")]
    monkeypatch.setattr(time, "time", lambda: 1e9)
    ask(run=images, n=300, npz=files[0], grid=files[3])
    monkeypatch.setattr(time, "time", lambda: 2e9)
    ask(run=images, n=300, npz=files[1], grid=files[4])
    ask(run=images, n=300, npz=files[2], seed=1)
    a, b, c, grid, again = (file.read_bytes() for file in files)
    assert a == b
    assert grid == again
    assert a != c
    with zipfile.ZipFile(io.BytesIO(a)) as archive:
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


def test_fewer_samples_are_the_first_of_more(images, tmp_path):
    for n in (10, 600):
        ask(run=images, n=n, npz=tmp_path / f"{n}.npz")
    assert np.array_equal(np.load(tmp_path / "10.npz")["samples"], np.load(tmp_path / "600.npz")["samples"][:10])


def test_samples_are_made_a_few_at_a_time(images):
    asked = []

    class Model:
        def sample(self, n, *, seed, start):
            asked.append((start, n))
            return torch.zeros(n, 1, 8, 8)

    parts = list(sample.chunks(Model(), 600, seed=0))
    assert asked == [(0, 256), (256, 256), (512, 88)]
    assert sum(map(len, parts)) == 600


def test_without_an_output_the_picture_goes_to_the_run(images):
    assert ask(run=images, seed=7) == 0
    assert [path.name for path in (images / "samples").iterdir()] == ["sample-seed7.png"]


# Of one class


@pytest.fixture
def conditional(tmp_path):
    run = tmp_path / "conditional"
    told = spec((1, 8, 8)) | {"_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel", "classes": 4}
    told["generator"] |= {"_target_": "lightning_gans.networks.concatenation.ConditionalMLPGenerator", "classes": 4}
    torch.manual_seed(0)
    save_generator(build(told).eval(), told, run / "generator")
    return run


def test_samples_of_one_class(conditional, tmp_path, capsys):
    files = {label: tmp_path / f"{label}.npz" for label in (3, 1, None)}
    for label, file in files.items():
        ask(run=conditional, n=300, seed=2, npz=file, **({} if label is None else {"label": label}))
    assert "class 3" in capsys.readouterr().out
    threes, ones, any_ = (np.load(file)["samples"] for file in files.values())
    model = lightning_gans.load_generator(conditional)
    assert np.array_equal(threes, to_uint8(model.sample(300, label=3, seed=2)).numpy())
    assert not np.array_equal(threes, ones)
    labels = model.labels(300, seed=2).numpy()
    assert np.array_equal(any_[labels == 3], threes[labels == 3])
    assert np.array_equal(any_[labels == 1], ones[labels == 1])


def test_a_picture_of_one_class_has_a_name_of_its_own(conditional):
    ask(run=conditional, label=0, n=4)
    ask(run=conditional, n=4)
    names = sorted(path.name for path in (conditional / "samples").iterdir())
    assert names == ["sample-seed0-label0.png", "sample-seed0.png"]


def named(run, names):
    file = run / "generator" / "model.yaml"
    content = yaml.safe_load(file.read_text())
    content["about"]["classes"] = names
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return run


def labelled(run, label, file):
    ask(run=run, n=8, npz=file, label=label)
    return np.load(file)["samples"].tolist()


def test_a_class_is_chosen_by_its_name_or_its_number(conditional, tmp_path, capsys):
    third = labelled(conditional, 2, tmp_path / "third.npz")
    named(conditional, ["1", "2", "10", "20"])
    capsys.readouterr()
    assert labelled(conditional, "10", tmp_path / "a.npz") == third  # the class named 10, not a class number 10
    assert "class 10" in capsys.readouterr().out
    assert labelled(conditional, "2", tmp_path / "b.npz") != third  # the class named 2, not class number 2
    assert labelled(conditional, "3", tmp_path / "c.npz") == labelled(conditional, "20", tmp_path / "d.npz")


def test_an_unknown_class_is_refused_with_the_nearest_and_all(conditional):
    named(conditional, ["cat", "dog", "hen", "owl"])
    with pytest.raises(
        UserError, match=r"no such class\. Did you mean label=cat\? Its 4 classes are cat dog hen owl, or"
    ):
        ask(run=conditional, label="cats")


@pytest.mark.parametrize(
    "names", ["abcd", ["a", "b"], ["a", "b", "c", 3], ["a", "b", "c", "\x1b[2J"], ["a"] * 4, ["a", "b", "c", "d" * 999]]
)
def test_names_of_a_stranger_that_do_not_fit_are_left_out(conditional, names):
    named(conditional, names)
    with pytest.raises(UserError, match=r"are 0 to 3, and their names are not recorded"):
        ask(run=conditional, label="a")
    ask(run=conditional, label=3, n=2)


def test_classes_that_there_are_not(conditional, images):
    with pytest.raises(UserError, match=r"label=4: the classes of run=.* are 0 to 3"):
        ask(run=conditional, label=4)
    with pytest.raises(UserError, match=r"label=-1: the classes of run=.* are 0 to 3"):
        ask(run=conditional, label=-1)
    with pytest.raises(UserError, match=r"label=3: the generator of run=.* is not told a class.*variant=cgan"):
        ask(run=images, label=3)


def test_an_export_on_its_own(images, tmp_path):
    assert ask(run=images / "generator", npz=tmp_path / "a.npz") == 0
    assert len(np.load(tmp_path / "a.npz")["samples"]) == 64


def test_a_folder_is_filled_again_but_not_mixed(images, tmp_path):
    folder = tmp_path / "pngs"
    for seed in (0, 1):
        ask(run=images, n=3, seed=seed, folder=folder)
    with Image.open(folder / "00002.png") as picture:
        again = np.array(picture)
    assert np.array_equal(again, to_uint8(lightning_gans.load_generator(images).sample(3, seed=1)).numpy()[2, 0])
    with pytest.raises(UserError, match=r"holds 1 other file \(00002\.png"):
        ask(run=images, n=2, folder=folder)
    assert len(list(folder.iterdir())) == 3


def test_what_fails_half_way_leaves_the_old_file(images, tmp_path, monkeypatch):
    (tmp_path / "a.npz").write_bytes(b"old")
    (tmp_path / "pngs").mkdir()

    def parts(*_, **__):
        yield np.zeros((2, 1, 8, 8), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "chunks", parts)
    with pytest.raises(KeyboardInterrupt):
        ask(run=images, npz=tmp_path / "a.npz", grid=tmp_path / "a.png", folder=tmp_path / "pngs")
    assert (tmp_path / "a.npz").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "images", "pngs"]
    assert list((tmp_path / "pngs").iterdir()) == []


# The best checkpoint


class Snapshots(pl.Callback):
    """Scores that are best after 3 of 5 iterations, and a copy of the weights evaluated then."""

    weights: dict[str, torch.Tensor]

    def on_train_batch_end(self, trainer, pl_module, *_):
        if pl_module.iteration in (1, 3, 5):
            model = pl_module.evaluated_model()
            pl_module.scores.record({"fid": {1: 3.0, 3: 1.0, 5: 2.0}[pl_module.iteration]}, pl_module.iteration)
            if pl_module.iteration == 3:
                self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
                self.samples = model.sample(10, seed=5)


@pytest.fixture(scope="module", params=[None, 30.0])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    game = GAN(
        model=build(spec((1, 8, 8))),
        discriminator=MLPDiscriminator(sample_shape=(1, 8, 8), width=8, depth=1, dropout=0.0),
        loss=NonSaturating(),
        training=Training(
            iterations=5,
            batch_size=16,
            ema_half_life=request.param,
            players={name: PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-2)) for name in "DG"},
        ),
    )
    snapshots = Snapshots()
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=[snapshots, Checkpoints(every=2, minutes=60, spec=spec((1, 8, 8)))],
        logger=False,
        max_epochs=1,
        enable_progress_bar=False,
        enable_checkpointing=True,
        enable_model_summary=False,
    )
    trainer.fit(game, datamodule=Digits(batch_size=16, image_size=8))
    return folder, game, snapshots


def test_the_best_checkpoint_is_what_was_evaluated(trained, tmp_path, capsys):
    folder, game, snapshots = trained
    ask(run=folder, which="best", n=10, seed=5, npz=tmp_path / "best.npz")
    assert "best, iteration 3" in capsys.readouterr().out
    ask(run=folder, n=10, seed=5, npz=tmp_path / "last.npz")
    best, last = (np.load(tmp_path / f"{name}.npz")["samples"] for name in ("best", "last"))
    assert np.array_equal(best, to_uint8(snapshots.samples).numpy())
    assert np.array_equal(last, to_uint8(game.evaluated_model().sample(10, seed=5)).numpy())
    assert not np.array_equal(best, last)
    model, iteration = load_model(folder, "best")
    assert iteration == 3
    assert model.state_dict().keys() == snapshots.weights.keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, snapshots.weights[name]), name


def test_batch_statistics_of_the_best_are_those_of_its_weights(trained):
    model, _ = load_model(trained[0], "best")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.calibrate()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_checkpoint_that_is_none(images):
    (images / "checkpoints").mkdir()
    (images / "checkpoints" / "best.ckpt").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"best\.ckpt is not a checkpoint of this run's model.*which=last"):
        ask(run=images, which="best")


# Misuse


@pytest.mark.parametrize(
    "given, says",
    [
        ((), r"Say run=DIR"),
        (("RUN", "nn=3"), r"no key 'nn'\. Did you mean n=3 or onnx=3\?"),
        (("RUN", "gird=a.png"), r"Did you mean grid=a\.png\?"),
        (
            ("RUN", "xyzzy=1"),
            r"There are run, n, seed, label, condition, grid, npz, folder, gif, video, onnx, truncation, which, allow",
        ),
        (("RUN", "n=0"), r"n=0: must be a whole number of at least 1"),
        (("RUN", "n=many"), r"n=many"),
        (("RUN", "seed=-1"), r"seed=-1: must be a whole number of at least 0"),
        (("RUN", "n="), r"n= has no value"),
        (("RUN", "n=3", "n=4"), r"given twice: n=3 and n=4"),
        (("RUN", "which=newest"), r"which=newest: say which=last"),
        (("RUN", "which=best"), r"no checkpoints/best\.ckpt.*which=last"),
        (("RUN", "grid=a.jpg"), r"say grid=a\.png"),
        (("RUN", "npz=a"), r"say npz=a\.npz"),
        (("RUN", "folder=FILE"), r"is a file"),
        (("RUN", "folder=HERE"), r"other files? \(generator is the first\)"),
        (("RUN", "more"), r"'more' is no key=value argument"),
        (("HERE",), r"Did you mean run=.*images\?"),
        (("run=HERE/../imags",), r"no such folder\. Did you mean run=.*images\?"),
        (("run=PARENT",), r"holds no exported generator yet"),
    ],
)
def test_misuse_is_answered_in_words(images, given, says):
    words = {"RUN": f"run={images}", "FILE": str(images / "generator" / "model.yaml"), "PARENT": str(images.parent)}
    arguments = []
    for argument in given:
        for word, meaning in (words | {"HERE": str(images)}).items():
            argument = argument.replace(word, meaning)
        arguments.append(argument)
    with pytest.raises(UserError, match=says):
        sample.main(arguments)


def test_help_says_every_key(capsys):
    assert sample.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {key} " in text for key in KEYS)


def test_code_of_the_users_own_has_to_be_allowed(images):
    model = images / "generator" / "model.yaml"
    model.write_text(model.read_text().replace("lightning_gans.networks.mlp.MLPGenerator", "my_package.nets.G"))
    with pytest.raises(UserError, match=r"my_package\.nets\.G is not among the classes.*my_package\.nets\."):
        ask(run=images)
    with pytest.raises(UserError, match="No module named 'my_package'"):
        ask(run=images, allow="['my_package.nets.'],other.")


ROOT = Path(__file__).parents[2]


def python(*arguments):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=60)


def test_misuse_is_answered_before_torch_is_imported(images):
    code = """if True:
        import sys
        from experiments import cli, sample
        code = cli.run(lambda: sample.main([sys.argv[1], "sed=3"]))
        print(code, sorted({"torch", "numpy", "hydra", "pytorch_lightning"} & set(sys.modules)))
    """
    done = python("-c", code, f"run={images}")
    assert done.stdout == "2 []\n"
    assert done.stderr == "error: There is no key 'sed'. Did you mean seed=3? --help says what they are.\n"


def test_sampling_needs_neither_lightning_nor_hydra(images, tmp_path):
    code = """if True:
        import sys
        from experiments import sample
        sample.main(sys.argv[1:])
        unwanted = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb", "torchmetrics", "datamodules"}
        print(sorted(unwanted & set(sys.modules)))
    """
    outputs = [f"npz={tmp_path / 'a.npz'}", f"grid={tmp_path / 'a.png'}", f"folder={tmp_path / 'pngs'}"]
    done = python("-c", code, f"run={images}", *outputs)
    assert done.stdout.endswith("\n[]\n"), done.stderr
    ask(run=images, npz=tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()  # across processes


# Samples that the model is shown


@pytest.fixture
def encoded(tmp_path):
    """A run whose model has an encoder, and five images of another size."""
    described = spec((1, 8, 8)) | {
        "_target_": "lightning_gans.models.inference.InferenceModel",
        "encoder": {
            "_target_": "lightning_gans.networks.encoders.MLPEncoder",
            "sample_shape": [1, 8, 8],
            "code_dim": 2,
            "width": 8,
            "depth": 1,
            "batch_norm": False,
        },
    }
    torch.manual_seed(0)
    save_generator(build(described).eval(), described, tmp_path / "run" / "generator")
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{i}.png")
    return tmp_path / "run", tmp_path / "in"


def test_images_are_reconstructed_in_pairs(encoded, tmp_path, capsys):
    run, shown = encoded
    outputs = {"grid": tmp_path / "a.png", "npz": tmp_path / "a.npz", "folder": tmp_path / "out"}
    assert ask(run=run, reconstruct=shown, **outputs) == 0
    x = torch.cat([normalise(square(Image.open(shown / f"{i}.png"), size=8, channels=1)[None]) for i in range(5)])
    again = to_uint8(lightning_gans.load_generator(run).reconstruct(x)).numpy()
    assert np.array_equal(np.load(tmp_path / "a.npz")["samples"], again)
    assert len(list((tmp_path / "out").iterdir())) == 5
    picture = np.asarray(Image.open(tmp_path / "a.png"))[::8, ::8]
    assert picture.shape == (17, 41)  # two rows of five, gaps between
    assert np.array_equal(picture[:8, :8], to_uint8(x)[0, 0].numpy())
    assert "5 reconstructions" in capsys.readouterr().out


def test_paths_run_between_the_images_of_a_pair(encoded):
    run, shown = encoded
    assert ask(run=run, interpolate=shown, steps=3) == 0
    assert Image.open(run / "samples" / "interpolate.png").size == (3 * 66 - 2, 2 * 66 - 2)  # the fifth has no partner
    assert ask(run=run, interpolate=f"{shown / '0.png'},{shown / '4.png'}", npz=run / "b.npz") == 0
    assert np.load(run / "b.npz")["samples"].shape == (8, 1, 8, 8)


def test_what_was_written_can_be_shown_again(encoded, tmp_path):
    run, _ = encoded
    ask(run=run, n=4, npz=tmp_path / "a.npz")
    assert ask(run=run, encode=tmp_path / "a.npz") == 0
    held = np.load(run / "samples" / "codes.npz")
    assert held["codes"].shape == (4, 2)
    assert held["features"].shape == (4, 8)
    x = normalise(torch.from_numpy(np.load(tmp_path / "a.npz")["samples"]))
    assert np.array_equal(held["codes"], lightning_gans.load_generator(run).encode(x).numpy())


def test_a_sample_is_traversed(encoded):
    run, _ = encoded
    assert ask(run=run, traverse=3, steps=5) == 0
    assert Image.open(run / "samples" / "traverse.png").size == (5 * 66 - 2, 2 * 66 - 2)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"reconstruct": "IN", "encode": "IN"}, "one of them at a time"),
        ({"reconstruct": "IN", "label": 3}, "label=3"),
        ({"reconstruct": "IN", "steps": 3}, "steps=3"),
        ({"encode": "IN", "grid": "a.png"}, "npz=codes.npz"),
        ({"reconstruct": "IM"}, "did you mean|no such file"),
        ({"interpolate": "IN/0.png"}, "two make a path"),
        ({"traverse": -1}, "traverse=-1"),
        ({"reconstruct": "IN/text.png"}, "not an image"),
        ({"reconstruct": "IN/text.npz"}, "no array `samples`"),
        ({"reconstruct": "IN/other.npz"}, "shape"),
        ({"reconstruct": "IN/empty"}, "holds no images"),
    ],
)
def test_what_cannot_be_shown_is_refused(encoded, given, word):
    run, shown = encoded
    (shown / "empty").mkdir()
    for name in ("text.png", "text.npz"):
        (shown / name).write_text("text")
    np.savez(shown / "other.npz", samples=np.zeros((2, 3), np.float32))
    told = {key: str(value).replace("IN", str(shown)).replace("IM", str(shown)[:-1]) for key, value in given.items()}
    with pytest.raises(UserError, match=word):
        ask(run=run, **told)
    assert not (run / "samples").exists()


def test_a_generator_without_an_encoder_is_shown_nothing(images, encoded):
    with pytest.raises(UserError, match=r"GenerativeModel .* variant=autoencoder"):
        ask(run=images, reconstruct=encoded[1])


def test_a_run_that_makes_no_samples_says_so(tmp_path):
    about = composed("disentangle")["variant"]["model"]
    save_generator(build(about), about, tmp_path / "generator")
    with pytest.raises(UserError, match=r"ConvertingModel of run=.* has nothing to sample"):
        sample.main([f"run={tmp_path}"])
