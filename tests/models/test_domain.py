import torch

from lightning_gans.core.protocols import Classifies, Encodes, Samples, TellsDomains
from lightning_gans.models import build, load_generator, save_generator
from lightning_gans.models.domain import DomainModel
from lightning_gans.networks.domain import SmallDomainNetwork

SPEC = {
    "_target_": "lightning_gans.models.domain.DomainModel",
    "classes": 4,
    "channels": 3,
    "network": {
        "_target_": "lightning_gans.networks.domain.SmallDomainNetwork",
        "channels": 3,
        "image_size": 8,
        "classes": 4,
        "width": 4,
    },
}


def model():
    torch.manual_seed(0)
    return DomainModel(network=SmallDomainNetwork(channels=3, image_size=8, classes=4, width=4), classes=4, channels=3)


def test_what_it_can_do():
    made = model()
    assert all(isinstance(made, protocol) for protocol in (Classifies, TellsDomains))
    assert not isinstance(made, Encodes | Samples)


def test_probabilities_and_features_in_chunks():
    made, x = model(), torch.rand(130, 3, 8, 8) * 2 - 1
    probabilities, domain, features = made.classify(x), made.domain(x), made.features(x)
    assert (probabilities.shape, domain.shape, features.shape) == ((130, 4), (130, 2), (130, 32))
    assert torch.allclose(probabilities.sum(1), torch.ones(130))
    label_logits, domain_logits = made.network(x)
    assert torch.allclose(probabilities, label_logits.softmax(1), atol=1e-6)
    assert torch.allclose(domain, domain_logits.softmax(1), atol=1e-6)
    assert torch.allclose(features, made.network.features(x), atol=1e-6)
    assert made.training
    assert not probabilities.requires_grad


def test_the_mean_is_taken_off_and_goes_with_the_export(tmp_path):
    made, x = model(), torch.rand(5, 3, 8, 8) * 2 - 1
    mean = torch.tensor([0.1, -0.4, 0.7])[:, None, None]
    before = made.classify(x - mean)
    made.centre(mean)
    assert torch.equal(made.classify(x), before)
    save_generator(made, SPEC, tmp_path)
    loaded = load_generator(tmp_path)
    assert torch.equal(loaded.classify(x), before)
    assert not torch.equal(build(SPEC).classify(x), before)
