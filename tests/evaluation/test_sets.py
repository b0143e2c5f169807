"""Any two sets of images compared: what they may be, what is refused, and that all forms give the same figures."""

import hashlib
import json
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Digits, Folder
from datamodules.image_sets.facts import recognised
from experiments import evaluate
from lightning_gans.core.errors import UserError
from lightning_gans.evaluation import score
from lightning_gans.evaluation.sets.measuring import _first
from lightning_gans.extractors import factories
from lightning_gans.extractors.base import Features
from lightning_gans.extractors.pixels import PixelExtractor
from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance

RANDOM = np.random.default_rng(0)
GENERATED, REAL = RANDOM.integers(0, 256, (40, 8, 8, 3), np.uint8), RANDOM.integers(0, 256, (60, 8, 8, 3), np.uint8)
FEATURES = ("fid", "kid", "precision", "recall", "density", "coverage")


def write(folder, images, *, classes=1, grey=False):
    for number, image in enumerate(images):
        place = folder / f"class {number % classes}" if classes > 1 else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if grey else image).save(place / f"{number:03}.png")
    return folder


@pytest.fixture
def made(tmp_path):
    return write(tmp_path / "made", GENERATED)


@pytest.fixture
def real(tmp_path):
    return write(tmp_path / "real", REAL)


class Inception:
    """A stand-in for the network, with a few features and classes."""

    name, fingerprint, suffix, feature_dim, classes = "inception-v3-compat", "stand-in", "", 6, 4
    resize = "tf1"

    def __call__(self, x):
        features = x.mean((2, 3)).repeat(1, 6)[:, :6] + torch.stack([x.flatten(1)[:, i] for i in range(6)], 1)
        return Features(features, features[:, :4].softmax(1))


@pytest.fixture
def inception(monkeypatch):
    monkeypatch.setattr(factories, "inception", lambda data, **_: Inception())


def scored(generated, reference, cache_dir, **settings):
    return score(generated, reference, **{"metrics": "pixels", "cache_dir": cache_dir} | settings)


def test_folders_arrays_and_tensors_of_the_same_images_score_the_same(made, real, tmp_path, cache_dir):
    bytes_, floats = tmp_path / "made.npz", tmp_path / "floats.npz"
    np.savez(bytes_, GENERATED)
    np.savez_compressed(floats, samples=(GENERATED / 255).astype(np.float32).transpose(0, 3, 1, 2))
    tensor = torch.from_numpy(GENERATED).permute(0, 3, 1, 2)
    found = scored(made, real, cache_dir)
    assert set(found.scores) >= {f"{name}_pixels{end}" for name in FEATURES for end in ("", "_se")}
    assert found["memorised"] == 0
    for other in (bytes_, floats, tensor, tensor.float() / 127.5 - 1):
        assert scored(other, real, cache_dir).scores == pytest.approx(found.scores, rel=1e-5, abs=1e-6)
    with zipfile.ZipFile(bytes_) as archive:
        assert archive.namelist() == ["arr_0.npy"]


def test_the_distance_is_that_of_the_features(made, real, cache_dir):
    def features(images):
        x = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
        return FeatureStatistics.of(PixelExtractor(3)(x).features)

    expected = frechet_distance(features(REAL), features(GENERATED))
    assert scored(made, real, cache_dir)["fid_pixels"] == pytest.approx(expected, rel=1e-4)


def test_python_and_the_command_give_the_same_figures(made, real, tmp_path, cache_dir, capsys):
    out = tmp_path / "found.json"
    assert evaluate.main([f"generated={made}", f"reference={real}", "metrics=pixels", f"out={out}"]) == 0
    found, python = json.loads(out.read_text()), scored(made, real, cache_dir)
    assert found["scores"] == python.scores
    printed = capsys.readouterr().out
    assert all(line in printed for line in str(python).splitlines() if line.startswith("fid"))
    assert found["generated"].items() >= {"kind": "folder", "images": 40, "size": [3, 8, 8], "path": str(made)}.items()
    assert len(found["reference"]["digest"]) == 64
    assert found["settings"]["kid_subset_size"] == 40
    assert found["settings"]["precision_recall_k"], found["settings"]["density_coverage_k"] == (3, 5)
    assert {"torch", "torchmetrics", "python"} <= set(found["versions"])
    assert {"command", "time", "seconds", "notes", "samples", "protocol"} <= set(found)


def test_a_data_set_by_name_has_its_splits_its_size_and_a_floor(tmp_path, cache_dir):
    test = Digits(image_size=8).split("test")
    x = torch.cat([batch.x for batch in test.batches(64)])
    np.savez(tmp_path / "made.npz", ((x + 1) * 127.5).round().byte().numpy())
    found = scored(tmp_path / "made.npz", "digits", cache_dir, metrics="classifier")
    assert found.facts["reference"]["images"] == 1437
    assert found.facts["reference"]["size"] == [1, 8, 8]
    assert set(found.scores) >= {"fid_classifier", "is_classifier", "evenness", "classes_covered"}
    assert found.floor["fid_classifier"] == pytest.approx(found["fid_classifier"], rel=1e-5)  # it is the test split
    assert "180 real" in str(found)
    assert scored("digits", "digits:train", cache_dir).facts["generated"]["name"] == "digits"
    assert scored("digits", "digits", cache_dir, data={"holdout": 0}).facts["reference"]["images"] == 1617


def test_class_folders_are_labels(tmp_path, cache_dir):
    images = [
        np.full((8, 8, 3), 40 + 60 * (n % 3), np.uint8) + RANDOM.integers(0, 20, (8, 8, 3), np.uint8) for n in range(90)
    ]
    made, real = write(tmp_path / "a", images[:45], classes=3), write(tmp_path / "b", images, classes=3)
    found = scored(made, real, cache_dir, metrics="classifier")
    assert found["label_accuracy"] > 0.5
    assert found["classes_covered"] <= 3
    with pytest.raises(UserError, match=r"reference=.*made has none: .*metrics=inception"):
        scored(real, write(tmp_path / "made", GENERATED), cache_dir, metrics="classifier")


def test_sizes_and_channels_are_brought_together_on_request(made, real, tmp_path, cache_dir):
    large = write(tmp_path / "large", RANDOM.integers(0, 256, (20, 20, 24, 3), np.uint8))
    with pytest.raises(UserError, match=r"metrics=pixels compares images of one size: .*large are 24x20 .*real 8x8\."):
        scored(large, real, cache_dir)
    found = scored(large, real, cache_dir, data={"image_size": 16})
    assert found.facts["generated"]["size"] == found.facts["reference"]["size"] == [3, 16, 16]
    grey = write(tmp_path / "grey", GENERATED, grey=True)
    with pytest.raises(UserError, match=r"grey holds grey images and .*real RGB ones\. Say data\.channels=3"):
        scored(grey, real, cache_dir)
    assert scored(grey, real, cache_dir, data={"channels": 3}).facts["generated"]["size"] == [3, 8, 8]
    np.savez(tmp_path / "large.npz", RANDOM.integers(0, 256, (20, 20, 24, 3), np.uint8))
    resized = scored(tmp_path / "large.npz", real, cache_dir, data={"image_size": 16, "channels": 1})
    assert resized.facts["generated"]["size"] == [1, 16, 16]


def test_inception_takes_images_of_their_own_size(real, tmp_path, cache_dir, inception):
    np.savez(tmp_path / "wide.npz", RANDOM.integers(0, 256, (20, 9, 12, 3), np.uint8))
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"abc")
    options = {"weights": str(weights)}
    found = scored(tmp_path / "wide.npz", real, cache_dir, metrics="inception", options=options)
    assert set(found.scores) >= {"fid", "fid_se", "is", "is_se", *FEATURES}
    assert "memorised" not in found.scores  # images of other sizes are no copies
    assert "evenness" not in found.scores  # the network's classes are not the data's
    assert found.facts["extractor"]["weights_sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert found.facts["extractor"]["resize"] == "tf1"
    assert found.facts["settings"]["is_splits"] == 10


def test_the_same_set_twice_is_told(made, cache_dir):
    found = scored(made, made, cache_dir)
    assert found["fid_pixels"] == pytest.approx(0, abs=1e-4)
    assert found["memorised"] == 1
    assert any("the same images" in note for note in found.notes)


def test_fewer_samples_than_features_are_told_with_both_numbers(made, real, cache_dir):
    assert any("(40) than features (192)" in note for note in scored(made, real, cache_dir).notes)


def test_a_part_of_a_set_is_drawn_once_and_for_all(made, real, cache_dir):
    found = scored(made, real, cache_dir, samples=20)
    assert found.facts["samples"] == found.facts["generated"]["images"] == 20
    assert scored(made, real, cache_dir, samples=20).scores == found.scores
    with pytest.raises(UserError, match=r"made holds 40 images, and samples=41 takes 41"):
        scored(made, real, cache_dir, samples=41)


def test_statistics_are_written_and_read(made, real, tmp_path, cache_dir, inception):
    file, own = tmp_path / "real.npz", tmp_path / "made.npz"
    found = scored(made, real, cache_dir, metrics="inception", statistics=file)
    scored(real, made, cache_dir, metrics="inception", statistics=own)
    with np.load(file) as arrays:
        assert (arrays["mu"].shape, arrays["sigma"].shape) == ((6,), (6, 6))
    against = scored(made, file, cache_dir, metrics="inception")
    assert against["fid"] == pytest.approx(found["fid"], rel=1e-6)
    assert against["fid_se"] == pytest.approx(found["fid_se"], rel=1e-4)
    assert "kid" not in against.scores
    assert against.facts["reference"]["kind"] == "statistics"
    both = scored(own, file, cache_dir, metrics="inception")
    assert both["fid"] == pytest.approx(found["fid"], rel=1e-6)
    assert "unknown number" in str(both)
    np.savez(tmp_path / "other.npz", mu=np.zeros(5), sigma=np.eye(5))
    with pytest.raises(UserError, match=r"other\.npz holds statistics of 5 features, and metrics=inception has 6"):
        scored(made, tmp_path / "other.npz", cache_dir, metrics="inception")
    with pytest.raises(UserError, match=r"of 6 features, and generated=.*other\.npz has 5|of 5 features"):
        scored(tmp_path / "other.npz", real, cache_dir, metrics="inception")
    with pytest.raises(UserError, match=r"metrics=pixels needs images, and reference=.*real\.npz holds statistics"):
        scored(made, file, cache_dir)


@pytest.mark.parametrize(
    "arrays, said",
    [
        ({"mu": np.zeros(4), "sigma": np.eye(5)}, r"bad\.npz holds mu of shape \(4,\) and sigma of shape \(5, 5\)"),
        ({"mu": np.full(6, np.nan), "sigma": np.eye(6)}, r"bad\.npz holds NaN or infinity in mu"),
        ({"mu": np.array([{}], dtype=object), "sigma": np.eye(6)}, r"bad\.npz cannot be read as \.npz \(Object arrays"),
    ],
)
def test_statistics_that_are_none(made, tmp_path, cache_dir, inception, arrays, said):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=said):
        scored(made, tmp_path / "bad.npz", cache_dir, metrics="inception")


def test_features_that_are_not_finite_are_counted(made, real, cache_dir, inception, monkeypatch):
    def broken(self, x):
        features = torch.ones(len(x), 6)
        features[0] = torch.nan
        return Features(features, None)

    reference = scored(made, real, cache_dir, metrics="inception")  # its features are kept
    assert reference["fid"] > 0
    monkeypatch.setattr(Inception, "__call__", broken)
    with pytest.raises(UserError, match=r"generated=.*made: the features of 1 of 40 images are NaN or infinite"):
        scored(made, real, cache_dir, metrics="inception")


def test_a_wrong_hash_of_weights_names_both(made, real, tmp_path, cache_dir):
    pytest.importorskip("torch_fidelity")
    (tmp_path / "weights.pth").write_bytes(b"abc")
    options = {"weights": str(tmp_path / "weights.pth"), "sha256": "0" * 64}
    with pytest.raises(UserError, match=hashlib.sha256(b"abc").hexdigest()[:8]):
        scored(made, real, cache_dir, metrics="inception", options=options)


def cut(path, images):
    np.savez(path, images)
    path.write_bytes(path.read_bytes()[:-100])


def objects(path):
    np.savez(path, np.array([{"a": 1}] * 4, dtype=object))


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda path: cut(path, GENERATED), "it is no .npz file, or it is damaged or cut short"),
        (objects, "Python objects, which are never loaded"),
        (lambda path: np.savez(path, GENERATED.astype(np.int64)), "neither bytes nor floats"),
        (lambda path: np.savez(path, GENERATED[:1]), "holds a single image"),
        (lambda path: np.savez(path, a=GENERATED, b=GENERATED), "the arrays a, b, and it is not clear which"),
        (lambda path: np.savez(path, np.zeros((4, 5))), "those are no images"),
        (lambda path: np.savez(path, np.full((4, 8, 8, 3), np.nan)), "holds NaN or infinite numbers"),
        (lambda path: np.savez(path, np.full((4, 8, 8, 3), 300.0)), "its values are from 300 to 300"),
        (lambda path: path.write_bytes(b""), "it is no .npz file"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, real, cache_dir, make, said):
    make(tmp_path / "made.npz")
    with pytest.raises(UserError, match=said):
        scored(tmp_path / "made.npz", real, cache_dir)


def test_a_damaged_member_is_noticed(tmp_path, real, cache_dir):
    path = tmp_path / "made.npz"
    np.savez(path, GENERATED)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged or cut short: its array arr_0 cannot be read \(Bad CRC"):
        scored(path, real, cache_dir)


def test_folders_that_are_no_sets(tmp_path, real, cache_dir):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"generated=.*empty is empty\. Say generated=DIR"):
        scored(tmp_path / "empty", real, cache_dir)
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(UserError, match=r"generated=.*empty holds no image file \(looked for \.bmp"):
        scored(tmp_path / "empty", real, cache_dir)
    with pytest.raises(UserError, match=r"one holds a single image, and a distribution needs at least two"):
        scored(write(tmp_path / "one", GENERATED[:1]), real, cache_dir)
    mixed = write(tmp_path / "mixed", GENERATED[:5])
    Image.new("RGB", (9, 7)).save(mixed / "odd.png")
    with pytest.raises(UserError, match=r"000\.png is 8x8 and odd\.png is 9x7.*data\.image_size=32 .* both sets"):
        scored(mixed, real, cache_dir)
    assert scored(mixed, real, cache_dir, data={"image_size": 16}).facts["samples"] == 6


def test_files_that_cannot_be_read_are_named_and_left_out(tmp_path, real, cache_dir):
    made = write(tmp_path / "made", RANDOM.integers(0, 256, (12, 40, 40, 3), np.uint8))
    real = write(tmp_path / "large", RANDOM.integers(0, 256, (12, 40, 40, 3), np.uint8))
    (made / "000.png").write_bytes(b"no picture")
    whole = (made / "001.png").read_bytes()
    (made / "001.png").write_bytes(whole[: len(whole) // 2])
    found = scored(made, real, cache_dir)
    assert found.facts["generated"]["images"] == found.facts["samples"] == 10
    assert any("2 image files" in note and "000.png" in note and "001.png" in note for note in found.notes)
    with pytest.raises(UserError, match=r"1 image file cannot be read: 000\.png"):
        scored(made, real, cache_dir, data={"on_bad_file": "error"})


def test_a_folder_with_splits_is_data_with_splits(tmp_path, cache_dir):
    root = tmp_path / "photos"
    for name, images in {"train": REAL, "test": GENERATED}.items():
        write(root / name, images)
    found = scored(root, root, cache_dir)
    assert (found.facts["generated"]["images"], found.facts["reference"]["images"]) == (40, 60)
    assert found.floor["fid_pixels"] == pytest.approx(found["fid_pixels"], rel=1e-6)
    assert scored(f"{root}:train", f"{root}:test", cache_dir).facts["generated"]["images"] == 60
    with pytest.raises(UserError, match=r"has no images of a split validation .* splits there: train, test"):
        scored(f"{root}:validation", root, cache_dir)


def test_names_that_are_none(made, tmp_path):
    for text, said in {
        "cifar1": r"Did you mean generated=cifar10",
        "digits:tset": r"there is no split 'tset'.* Did you mean generated=digits:test\?",
        str(tmp_path / "mad"): r"Did you mean generated=.*made\?",
        "ring": r"the data set ring is not a set of images\. The sets of images are digits, mnist",
        str(made / "000.png"): r"A single image is no set: name the folder",
    }.items():
        with pytest.raises(UserError, match=said):
            recognised("generated", text, split="test")


def test_the_features_of_a_reference_are_computed_once(made, real, tmp_path, inception, monkeypatch):
    calls = []
    monkeypatch.setattr(
        Inception, "__call__", lambda self, x, old=Inception.__call__: calls.append(len(x)) or old(self, x)
    )
    first = scored(made, real, tmp_path / "cache", metrics="inception")
    before = sum(calls)
    assert scored(made, real, tmp_path / "cache", metrics="inception").scores == first.scores
    assert sum(calls) - before == 40 < before
    Image.fromarray(GENERATED[0]).save(real / "000.png")
    scored(made, real, tmp_path / "cache", metrics="inception")
    assert sum(calls) - before == 40 + 100  # the content is another


def test_batches_do_not_matter(made, real, cache_dir, monkeypatch):
    found = scored(made, real, cache_dir)
    monkeypatch.setattr("lightning_gans.evaluation.sets.measuring.READ", 7)
    assert scored(made, real, cache_dir).scores == found.scores


def test_rows_at_equal_distances():
    assert _first(10, 10) == _first(10, 20) == slice(None)
    assert _first(10, 5).tolist() == [0, 2, 4, 6, 8]


def test_names_are_imported_without_torch():
    """The decorators of measures and the parsing of requests know sets and protocols, and torch stays out."""
    import subprocess

    code = "import experiments.evaluate, lightning_gans.evaluation, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_folder_data_and_sets_agree_on_pixels(made):
    data = Folder(root=made, image_size=8, validation_share=0.0, test_share=0.0)
    from datamodules.image_sets.opening import opened

    images = opened(recognised("generated", str(made), split="test"))
    ours = torch.cat([batch.x for batch in images.batches(64)])
    assert torch.equal(ours, torch.cat([batch.x for batch in data.split("train").batches(64)]))
