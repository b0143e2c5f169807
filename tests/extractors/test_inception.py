import hashlib
import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import Dataset

from lightning_gans.core.errors import UserError
from lightning_gans.extractors import base, inception
from lightning_gans.extractors.base import extract
from lightning_gans.extractors.inception import InceptionExtractor, clean_resized
from lightning_gans.metrics.frechet import FeatureStatistics, fid
from lightning_gans.metrics.inception import inception_score
from lightning_gans.metrics.kernel import kernel_distance, polynomial_mmd2
from lightning_gans.metrics.neighbours import neighbour_measures


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install torch-fidelity .* metrics=none"):
        InceptionExtractor()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights for the network, which knows no way to be built without a file.

    Of He's scale: with torch's own, features of 1e-8 are all that is left of an image behind the last layer.
    """
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    network = module.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(network, "load_state_dict", lambda self, state: None)
        torch.manual_seed(0)
        built = network("random", ["2048"])
    for name, parameter in built.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear" if name.startswith("fc") else "relu")
    state = built.state_dict()
    folder = tmp_path_factory.mktemp("inception")
    torch.save(state, folder / "weights.pth")
    save_file(state, folder / "weights.safetensors")
    return folder / "weights.pth"


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CHUNK", 2)  # the network is large


def test_weights_are_downloaded_into_the_hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    content = io.BytesIO()
    torch.save({"one": torch.ones(1)}, content)
    published = tmp_path / f"weights-{hashlib.sha256(content.getvalue()).hexdigest()[:8]}.pth"
    published.write_bytes(content.getvalue())
    monkeypatch.setattr(module, "URL_INCEPTION_V3", published.as_uri())
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match="another network"):
        InceptionExtractor()
    assert (tmp_path / "hub" / "checkpoints" / published.name).is_file()
    assert not any(Path.cwd().iterdir())


def distance(found: Tensor, expected: Tensor) -> float:
    """Distance of (N, d) from (N, d), relative to the distances between the N images."""
    spread = (expected - expected.mean(0)).norm()
    assert spread > 1e-2 * expected.norm()
    return ((found - expected).norm() / spread).item()


def test_features_are_those_of_torch_fidelity(weights: Path, images: Tensor) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    state = torch.get_rng_state()
    extractor = InceptionExtractor(weights)
    assert torch.equal(torch.get_rng_state(), state)
    features, probabilities = extractor(images)
    original = FeatureExtractorInceptionV3("original", ["2048", "logits_unbiased"], str(weights))
    expected, logits = original((images * 127.5 + 127.5).round().to(torch.uint8))
    assert distance(features, expected) < 1e-3
    assert distance(probabilities, logits.softmax(1)) < 1e-3
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(images)))
    # From safetensors; and in batches of any size, to the last bit.
    other = InceptionExtractor(weights.with_suffix(".safetensors"))
    assert other.fingerprint == extractor.fingerprint
    assert torch.equal(extract(other, images.split(1)).features, features)


def test_grey_images_are_repeated(weights: Path, images: Tensor) -> None:
    extractor = InceptionExtractor(weights)
    grey = images[:1, :1]
    assert torch.equal(extractor(grey).features, extractor(grey.expand(-1, 3, -1, -1)).features)
    with pytest.raises(UserError, match=r"shape \(2, 20, 20\)"):
        extractor(images[:, :2])


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


def test_files_that_are_no_weights(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"metrics.weights=.*missing.pth is no file"):
        InceptionExtractor(tmp_path / "missing.pth")
    for name, data in {
        "payload.pth": pickle.dumps(Payload()),
        "cut.pth": weights.read_bytes()[:1000],
        "empty.pth": b"",
        "cut.safetensors": weights.with_suffix(".safetensors").read_bytes()[:1000],
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="cannot be read as weights"):
            InceptionExtractor(tmp_path / name)
    torch.save(Payload(), tmp_path / "payload.pth")
    with pytest.raises(UserError, match="cannot be read as weights"):
        InceptionExtractor(tmp_path / "payload.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="holds no state dict"):
        InceptionExtractor(tmp_path / "list.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="weights of another network"):
        InceptionExtractor(tmp_path / "other.pth")


def test_without_a_network_the_url_is_named(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"https://.*could not be fetched .* metrics.weights=FILE"):
        InceptionExtractor()


def test_resize_clean_is_that_of_clean_fid() -> None:
    build_resizer = pytest.importorskip("cleanfid.resize").build_resizer
    images = torch.randint(0, 256, (64, 3, 40, 30), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    large = torch.randint(0, 256, (2, 3, 500, 400), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an argument of Pillow's that clean-fid still gives
        for x in (images, large):
            resize = build_resizer("clean")
            expected = np.stack([resize(one.permute(1, 2, 0).numpy()) for one in x])
            assert torch.equal(clean_resized(x), torch.from_numpy(expected).permute(0, 3, 1, 2))


def test_resize_is_in_the_name_and_the_fingerprint(weights: Path, images: Tensor) -> None:
    plain, clean = InceptionExtractor(weights), InceptionExtractor(weights, resize="clean")
    assert plain.name == "inception-v3-compat"
    assert clean.name == "inception-v3-compat, resize clean"
    assert plain.fingerprint != clean.fingerprint
    assert distance(clean(images).features, plain(images).features) > 1e-2
    # Where nothing has to be resized, both see the same image.
    whole = torch.rand(1, 3, 299, 299, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(clean(whole).features, plain(whole).features)
    # The features are those of an image that clean-fid's filter has made 299 pixels wide.
    seen = clean.network.Conv2d_1a_3x3.register_forward_hook(lambda layer, given, found: inputs.append(given[0]))
    inputs: list[Tensor] = []
    clean(images)
    seen.remove()
    resized = clean_resized(((images + 1) * 127.5).round().to(torch.uint8))
    assert torch.equal(torch.cat(inputs), (resized - 128) / 128)
    with pytest.raises(UserError, match=r"metrics.resize=bicubic is unknown. Choose tf1 or clean"):
        InceptionExtractor(weights, resize="bicubic")  # type: ignore[arg-type]


def test_the_hash_of_the_weights_is_checked(weights: Path, tmp_path: Path) -> None:
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    named = tmp_path / f"weights-{found[:8]}.pth"
    named.symlink_to(weights)
    assert InceptionExtractor(named, sha256=found.upper()).fingerprint == InceptionExtractor(weights).fingerprint
    wrong = "0" * 64
    with pytest.raises(UserError, match=f"has the SHA-256 {found}, and metrics.sha256 says {wrong}"):
        InceptionExtractor(weights, sha256=wrong)
    published = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    published.symlink_to(weights)
    with pytest.raises(UserError, match=f"has the SHA-256 {found}, and its name says 6726825d"):
        InceptionExtractor(published)
    with pytest.raises(UserError, match=r"metrics.sha256=abc is no SHA-256. Give its 64 hexadecimal digits"):
        InceptionExtractor(weights, sha256="abc")


def test_a_file_in_the_hub_folder_is_used_and_checked(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth").symlink_to(weights)
    with pytest.raises(UserError, match="its name says 6726825d"):
        InceptionExtractor()


class Bytes(Dataset[Tensor]):
    def __init__(self, x: Tensor) -> None:
        self.x = ((x + 1) * 127.5).round().to(torch.uint8)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Tensor:
        return self.x[index]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FID of fewer samples")
def test_every_score_is_that_of_torch_fidelity(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way from 50 images a set to FID, Inception Score, KID, precision and recall."""
    from torch_fidelity import calculate_metrics

    monkeypatch.setattr(base, "CHUNK", 25)
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(100, 3, 4, 4, generator=draw) * torch.rand(100, 1, 1, 1, generator=draw)
    x = torch.nn.functional.interpolate(coarse, size=32, mode="bilinear") * 2 - 1
    real, made = x[:50], (x[50:] * 0.9).clamp(-1, 1)
    expected = calculate_metrics(
        input1=Bytes(made),
        input2=Bytes(real),
        feature_extractor="inception-v3-compat",
        feature_layer_prc="2048",
        feature_extractor_weights_path=str(weights),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=50,
        kid_subsets=2,
        samples_shuffle=True,
        rng_seed=2020,
        batch_size=25,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    extractor = InceptionExtractor(weights)
    known, (features, probabilities) = extract(extractor, [real]).features, extract(extractor, made.split(7))
    assert probabilities is not None
    distance = fid(FeatureStatistics.of(known), features).value
    assert distance == pytest.approx(expected["frechet_inception_distance"], rel=1e-4, abs=1e-4)
    order = np.random.RandomState(2020).permutation(50)
    score = inception_score(probabilities[order], as_given=True)
    assert score.mean == pytest.approx(expected["inception_score_mean"], abs=1e-4)
    assert score.std == pytest.approx(expected["inception_score_std"], abs=1e-4)
    near = neighbour_measures(known, features)
    assert near.precision.value == pytest.approx(expected["precision"], abs=1e-6)
    assert near.recall.value == pytest.approx(expected["recall"], abs=1e-6)
    exact = polynomial_mmd2(known, features).item()
    kid = kernel_distance(known, features).mean
    assert kid == pytest.approx(exact, rel=1e-9, abs=1e-6)
    assert kid == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-3, abs=1e-4)  # float32 there
