import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lightning_gans.core.errors import UserError
from lightning_gans.extractors import base, inception
from lightning_gans.extractors.inception import InceptionExtractor


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
    """Of (N, d) from (N, d), relative to how far the N images are from each other."""
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
    # From safetensors; and in other batches, to the last bit.
    other = InceptionExtractor(weights.with_suffix(".safetensors"))
    assert other.fingerprint == extractor.fingerprint
    assert torch.equal(torch.cat([other(image[None]).features for image in images]), features)


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
