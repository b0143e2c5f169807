"""`experiments.sample translate=`: a folder becomes one of the other domain."""

import numpy as np
import pytest
import torch
from PIL import Image

import lightning_gans
from datamodules.pixels import normalise, square
from experiments import sample
from lightning_gans.core.errors import UserError
from lightning_gans.models import build, save_generator
from lightning_gans.reporting.images import to_uint8

NETWORK = {
    "_target_": "lightning_gans.networks.translation.ResNetTranslator",
    "channels": 3,
    "width": 2,
    "downsamplings": 2,
    "blocks": 1,
}
SPEC = {"_target_": "lightning_gans.models.translation.TranslationModel", "a2b": NETWORK, "b2a": NETWORK}


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    save_generator(build(SPEC).eval(), SPEC, tmp_path / "run" / "generator", about={"iteration": 1500})
    return tmp_path / "run"


def paint(path, width, height, mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(path, **options)


@pytest.fixture
def photos(tmp_path):
    paint(tmp_path / "photos" / "wide.png", 24, 12)
    paint(tmp_path / "photos" / "deep" / "grey.png", 8, 16, "L")
    (tmp_path / "photos" / "readme.txt").write_text("no image")
    return tmp_path / "photos"


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_every_image_at_its_own_size(run, photos, tmp_path, direction, capsys):
    out = tmp_path / "out"
    assert ask(run=run, translate=photos, out=out, direction=direction) == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == ["deep/grey.png", "wide.png"]
    model = lightning_gans.load_generator(run)
    for name in ("wide.png", "deep/grey.png"):
        x = torch.from_numpy(np.array(Image.open(photos / name).convert("RGB"))).permute(2, 0, 1)[None]
        expected = to_uint8(model.translate(normalise(x), direction))[0].permute(1, 2, 0).numpy()
        assert np.array_equal(np.array(Image.open(out / name)), expected)
    assert f"2 images of {photos} translated {direction} by {run} (iteration 1,500)" in capsys.readouterr().out
    assert ask(run=run, translate=photos, out=out, direction=direction) == 0  # its own files may be written again


def test_one_image_and_names_that_differ_in_their_endings(run, photos, tmp_path):
    assert ask(run=run, translate=photos / "wide.png", out=tmp_path / "one", direction="a2b") == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["wide.png"]
    paint(photos / "wide.bmp", 16, 8)
    assert ask(run=run, translate=photos, out=tmp_path / "out", direction="a2b") == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"wide.bmp.png", "wide.png.png"}


def test_photographs_on_their_side_are_turned_upright(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    paint(tmp_path / "photos" / "side.jpg", 24, 12, exif=exif)
    assert ask(run=run, translate=tmp_path / "photos", out=tmp_path / "out", direction="a2b") == 0
    assert Image.open(tmp_path / "out" / "side.png").size == (12, 24)


@pytest.mark.parametrize("width, height", [(61, 47), (30, 12), (5, 3), (1, 1), (1, 40)])
def test_other_sizes_are_padded_by_reflection_and_cropped(run, tmp_path, width, height):
    paint(tmp_path / "photos" / "odd.png", width, height)
    assert ask(run=run, translate=tmp_path / "photos", out=tmp_path / "out", direction="a2b") == 0
    made = np.array(Image.open(tmp_path / "out" / "odd.png"))
    assert made.shape == (height, width, 3)
    rows, columns = (max(8, -(-n // 4) * 4) for n in (height, width))
    before = [((total - n) // 2, total - n - (total - n) // 2) for total, n in ((rows, height), (columns, width))]
    x = np.pad(np.array(Image.open(tmp_path / "photos" / "odd.png")), (*before, (0, 0)), "reflect")
    model = lightning_gans.load_generator(run)
    whole = to_uint8(model.translate(normalise(torch.from_numpy(x).permute(2, 0, 1)[None]), "a2b"))[0]
    (top, _), (left, _) = before
    expected = whole.permute(1, 2, 0).numpy()[top : top + height, left : left + width]
    assert np.array_equal(made, expected)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"out": None}, "needs a place: say out=FOLDER"),
        ({"direction": None}, "Say direction=a2b, or b2a"),
        ({"direction": "b2b"}, "direction=b2b: say direction=a2b"),
        ({"translate": None}, "goes with translate=FOLDER"),
        ({"translate": "photoz"}, "Did you mean photos"),
        ({"n": 3}, "Leave n=3 out"),
        ({"seed": 3}, "Leave seed=3 out"),
        ({"grid": "a.png"}, "Leave grid=a.png out"),
        ({"out": "photos/there"}, "among the images themselves"),
        ({"out": "photos"}, "among the images themselves"),
        ({"out": "run"}, "other files"),
        ({"out": "photos/wide.png"}, "is a file"),
        ({"encode": "photos"}, "one of them at a time"),
        ({"translate": "run/generator"}, "holds no images"),
        ({"driection": "a2b"}, "direction=a2b"),
    ],
)
def test_slips_are_answered(run, photos, tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    asked = {"run": "run", "translate": "photos", "out": "out", "direction": "a2b"} | given
    with pytest.raises(UserError, match=said):
        ask(**{key: value for key, value in asked.items() if value is not None})


def test_damaged_images_are_skipped_and_named_at_the_end(run, photos, tmp_path, capsys):
    for i in range(6):
        (photos / f"torn{i}.png").write_bytes((photos / "wide.png").read_bytes()[:-200])
    assert ask(run=run, translate=photos, out=tmp_path / "out", direction="a2b") == 0
    said = capsys.readouterr().out
    assert "2 images of" in said
    assert "6 of 8 skipped: " in said
    assert "torn0.png is not an image that can be read" in said
    assert "And 1 more." in said
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2


def test_nothing_but_damaged_images_is_refused(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "torn.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"none of 1 images could be translated\. .*torn\.png is not an image"):
        ask(run=run, translate=tmp_path / "photos", out=tmp_path / "out", direction="a2b")
    assert not (tmp_path / "out").exists()


def test_models_are_asked_for_what_they_can(run, tmp_path, photos):
    with pytest.raises(UserError, match="has nothing to sample: say translate=FOLDER"):
        ask(run=run, n=4)
    spec = {
        "_target_": "lightning_gans.models.generative.GenerativeModel",
        "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 2},
        "generator": {
            "_target_": "lightning_gans.networks.mlp.MLPGenerator",
            "latent_dim": 2,
            "sample_shape": [1, 8, 8],
            "width": 8,
            "depth": 1,
            "batch_norm": False,
            "output": "tanh",
        },
    }
    save_generator(build(spec).eval(), spec, tmp_path / "gan" / "generator")
    with pytest.raises(UserError, match="Name a run of variant=cyclegan or pix2pix"):
        ask(run=tmp_path / "gan", translate=photos, out=tmp_path / "out", direction="a2b")


def test_outputs_for_inputs_have_the_noise_of_their_place(tmp_path, photos):
    spec = {
        "_target_": "lightning_gans.models.paired.PairedModel",
        "generator": {
            "_target_": "lightning_gans.networks.unet.UNet",
            "channels": 1,
            "out_channels": 3,
            "image_size": 8,
            "width": 4,
        },
    }
    torch.manual_seed(0)
    save_generator(build(spec).eval(), spec, tmp_path / "pix" / "generator")
    assert ask(run=tmp_path / "pix", translate=photos, out=tmp_path / "out", seed=2) == 0
    model = lightning_gans.load_generator(tmp_path / "pix")
    for place, name in enumerate(("deep/grey.png", "wide.png")):
        with Image.open(photos / name) as picture:
            x = normalise(square(picture, size=8, channels=1)[None])
        expected = to_uint8(model.generate(x, seed=2, start=place))[0].permute(1, 2, 0).numpy()
        assert np.array_equal(np.array(Image.open(tmp_path / "out" / name)), expected)
    with pytest.raises(UserError, match="goes one way"):
        ask(run=tmp_path / "pix", translate=photos, out=tmp_path / "out", direction="a2b")
    with pytest.raises(UserError, match=r"translate=FOLDER out=FOLDER\."):
        ask(run=tmp_path / "pix", n=4)
