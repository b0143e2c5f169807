import torch
from torch import nn

from lightning_gans.core.prior import Uniform
from lightning_gans.core.protocols import Classifies, Encodes, SamplesByLabel
from lightning_gans.core.rng import isolated
from lightning_gans.models.triple import TripleModel
from lightning_gans.networks.triplegan import TripleClassifier, TripleGenerator


def model():
    with isolated("model"):
        return TripleModel(
            generator=TripleGenerator(latent_dim=4, sample_shape=(1, 8, 8), width=6, classes=3),
            prior=Uniform(dim=4, bound=1.0),
            classifier=TripleClassifier(channels=1, image_size=8, classes=3, width=4, input_noise=0.5),
            classes=3,
        )


def test_it_samples_by_label_and_classifies():
    made = model()
    assert isinstance(made, SamplesByLabel)
    assert isinstance(made, Classifies)
    assert not isinstance(made, Encodes)
    assert not isinstance(nn.Identity(), Classifies)
    assert made.sample(5, label=2).shape == (5, 1, 8, 8)


def test_probabilities_are_those_of_eval_mode_whatever_they_are_asked_beside():
    made = model().train()
    x = torch.randn(130, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    p = made.classify(x)
    assert made.training
    assert not p.requires_grad
    assert p.shape == (130, 3)
    torch.testing.assert_close(p.sum(1), torch.ones(130))
    assert torch.equal(p, made.classify(x))  # no dropout, no noise
    torch.testing.assert_close(p[:3], made.classify(x[:3]))
    torch.testing.assert_close(p, made.eval().classifier(x).softmax(1).detach())


def test_generator_and_classifier_are_calibrated_apart():
    norm = nn.BatchNorm1d(3)
    made = TripleModel(
        generator=model().generator,
        prior=Uniform(dim=4, bound=1.0),
        classifier=nn.Sequential(nn.Dropout(0.9), norm),
        classes=3,
    )
    with isolated("batches"):
        batches = [torch.randn(64, 3) * 3 + 5 for _ in range(4)]
    mean, state = torch.stack([batch.mean(0) for batch in batches]).mean(0), torch.get_rng_state()
    made.calibrate_on(batches)
    torch.testing.assert_close(norm.running_mean, mean)  # as C is read, without its dropout
    assert torch.equal(torch.get_rng_state(), state)
    made.calibrate()
    torch.testing.assert_close(norm.running_mean, mean)
    assert made.generator.norms[0].norm.running_mean.abs().max() > 0
    assert norm.momentum == 0.1
    assert all(module.training for module in made.modules())
