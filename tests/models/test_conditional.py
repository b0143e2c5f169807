import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Normal
from lightning_gans.core.protocols import Calibrates, Interpolates, Samples, SamplesByLabel
from lightning_gans.core.rng import isolated
from lightning_gans.models import ConditionalGenerativeModel, GenerativeModel, build, load_generator, save_generator
from lightning_gans.networks.concatenation import ConditionalMLPGenerator
from lightning_gans.networks.mlp import AffineGenerator

SPEC = {
    "_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel",
    "classes": 5,
    "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 3},
    "generator": {
        "_target_": "lightning_gans.networks.concatenation.ConditionalDCGANGenerator",
        "latent_dim": 3,
        "channels": 1,
        "image_size": 8,
        "width": 4,
        "classes": 5,
    },
}


class Told(nn.Module):
    """Identity network: its output is its input, the code and the label side by side."""

    def forward(self, z, label):
        return torch.cat([z, label[:, None].to(z)], dim=1)


def told(classes=5):
    return ConditionalGenerativeModel(generator=Told(), prior=Normal(dim=2), classes=classes)


def dcgan():
    with isolated("generator"):
        return build(SPEC)


def test_a_sample_depends_on_seed_index_and_label_alone():
    model = dcgan()
    model.calibrate()
    everything = model.sample(150, seed=3)
    labels = model.labels(150, seed=3)
    for n, start in [(1, 0), (10, 0), (150, 0), (1, 63), (2, 63), (64, 64), (86, 64), (1, 149), (20, 100)]:
        assert torch.equal(model.sample(n, seed=3, start=start), everything[start : start + n]), (n, start)
        given = model.sample(n, label=labels[start : start + n], seed=3, start=start)
        assert torch.equal(given, everything[start : start + n]), (n, start)
    assert model.sample(0).shape == (0, 1, 8, 8)
    threes = model.sample(150, label=3, seed=3)
    for n, start in [(1, 0), (2, 63), (70, 80)]:
        assert torch.equal(model.sample(n, label=3, seed=3, start=start), threes[start : start + n]), (n, start)
    assert torch.equal(threes[labels == 3], everything[labels == 3])
    assert not any(torch.equal(threes[i], everything[i]) for i in (labels != 3).nonzero().flatten().tolist())


def test_drawn_labels_are_those_that_are_told_of_and_uniform():
    model = told()
    labels = model.labels(5000, seed=1)
    assert labels.dtype == torch.int64
    assert torch.equal(model.sample(5000, seed=1)[:, 2].long(), labels)
    counts = torch.bincount(labels, minlength=5)
    assert (counts - 1000).abs().max() < 4 * (5000 * 0.2 * 0.8) ** 0.5
    assert not torch.equal(model.labels(5000, seed=2), labels)
    assert torch.equal(model.labels(70, seed=1, start=100), labels[100:170])
    assert model.labels(0).shape == (0,)


def test_codes_are_those_of_a_model_without_labels():
    plain = GenerativeModel(generator=AffineGenerator(scale=[1.0, 1.0], shift=[0.0, 0.0]), prior=Normal(dim=2))
    for label in (None, 2, [0, 1] * 50):
        assert torch.equal(told().sample(100, label=label, seed=4)[:, :2], plain.sample(100, seed=4))


@pytest.mark.parametrize(
    "label, said",
    [
        (5, r"label=5: this model's classes are 0 to 4"),
        (-1, r"label=-1"),
        ([0, 1, 9], r"label=9"),
        ([0, 1], r"3 of them"),
        (1.0, r"whole numbers"),
        (torch.zeros(3), r"whole numbers"),
        (True, r"whole numbers"),
    ],
)
def test_labels_that_there_are_not_are_refused(label, said):
    with pytest.raises(ValueError, match=said):
        told().sample(3, label=label)
    with pytest.raises(ValueError, match=said):
        told().interpolate(3, 2, label=label)


def test_no_classes_are_refused():
    with pytest.raises(ValueError, match="classes=0"):
        told(classes=0)


def test_a_path_is_of_one_class():
    model = told()
    rows = model.interpolate(4, 5, seed=2)
    labels = rows[..., 2]
    assert torch.equal(labels[:, 0].long(), model.labels(8, seed=2)[::2])
    assert (labels == labels[:, :1]).all()
    torch.testing.assert_close(rows[:, 0], model.sample(8, seed=2)[::2], rtol=0, atol=1e-5)
    torch.testing.assert_close(rows[:, -1, :2], model.sample(8, seed=2)[1::2, :2], rtol=0, atol=1e-5)
    assert (model.interpolate(4, 5, label=1)[..., 2] == 1).all()
    assert model.interpolate(4, 5, label=[0, 1, 2, 3])[:, 3, 2].tolist() == [0, 1, 2, 3]
    assert (model.interpolate(4, 5, label=1, path="linear", truncation=0.1)[..., :2].abs() <= 0.1).all()


def test_truncated_samples_keep_their_labels():
    model = told()
    cut, plain = model.sample(70, seed=2, truncation=0.5), model.sample(70, seed=2)
    assert torch.equal(cut[:, 2], plain[:, 2])
    assert (cut[:, :2].abs() <= 0.5).all()
    assert (plain[:, :2].abs() > 0.5).any()


def test_calibrated_statistics_are_of_all_classes():
    """The first layer of a perceptron of (z, y) sees one-hot labels: their batch means are their shares."""
    with isolated("generator"):
        generator = ConditionalMLPGenerator(
            latent_dim=2, sample_shape=(1,), width=7, depth=1, batch_norm=True, output="linear", classes=5
        )
    model = ConditionalGenerativeModel(generator=generator, prior=Normal(dim=2), classes=5).eval()
    model.calibrate()
    linear, norm = generator.layers[:2]
    codes = torch.cat([model.codes(chunk, seed=-1) for chunk in range(16)])
    hot = torch.eye(5)[model.labels(1024, seed=-1)]
    torch.testing.assert_close(norm.running_mean, linear(torch.cat([codes, hot], 1)).mean(0), rtol=1e-4, atol=1e-5)
    assert not model.training
    before = norm.running_mean.clone()
    model.train()(3 * codes[:64], torch.zeros(64, dtype=torch.int64))
    assert not torch.equal(norm.running_mean, before)
    model.calibrate()
    assert torch.equal(norm.running_mean, before)
    assert model.training


def test_sampling_leaves_the_mode_and_the_random_state_as_they_were():
    model, state = dcgan(), torch.get_rng_state()
    for training in (True, False):
        model.train(training)
        model.sample(3, label=1)
        model.interpolate(2, 3)
        assert all(module.training is training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_an_export_samples_by_label(tmp_path):
    model = dcgan()
    model.calibrate()
    save_generator(model.eval(), SPEC, tmp_path)
    loaded = load_generator(tmp_path)
    assert torch.equal(loaded.sample(16, label=3, seed=0), model.sample(16, label=3, seed=0))
    assert torch.equal(loaded.sample(70, seed=1), model.sample(70, seed=1))


def test_it_says_what_it_can_do():
    for protocol in (Samples, SamplesByLabel, Interpolates, Calibrates):
        assert isinstance(told(), protocol)
    plain = GenerativeModel(generator=AffineGenerator(scale=[1.0], shift=[0.0]), prior=Normal(dim=1))
    assert not isinstance(plain, SamplesByLabel)
