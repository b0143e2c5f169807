import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Mixed, Normal, Uniform
from lightning_gans.core.protocols import Calibrates, Interpolates, Samples, SamplesFromCodes
from lightning_gans.core.rng import isolated
from lightning_gans.models.generative import CHUNK, GenerativeModel, reestimate
from lightning_gans.networks.dcgan import DCGANGenerator
from lightning_gans.networks.mlp import AffineGenerator, MLPGenerator


def dcgan(prior=None):
    with isolated("generator"):
        prior = prior or Normal(dim=5)
        generator = DCGANGenerator(latent_dim=prior.dim, channels=1, image_size=16, width=4)
    return GenerativeModel(generator=generator, prior=prior)


def mlp():
    with isolated("generator"):
        generator = MLPGenerator(latent_dim=3, sample_shape=(2,), width=16, depth=2, batch_norm=True, output="linear")
    return GenerativeModel(generator=generator, prior=Normal(dim=3))


@pytest.mark.parametrize("model", [dcgan(), mlp()], ids=["dcgan", "mlp"])
def test_a_sample_depends_on_seed_and_index_alone(model):
    everything = model.sample(150, seed=3)
    assert everything.shape[0] == 150
    for n, start in [(1, 0), (10, 0), (150, 0), (1, 63), (2, 63), (64, 64), (86, 64), (1, 149), (20, 100)]:
        assert torch.equal(model.sample(n, seed=3, start=start), everything[start : start + n]), (n, start)
    pieces = torch.cat([model.sample(30, seed=3, start=start) for start in range(0, 150, 30)])
    assert torch.equal(pieces, everything)
    assert len(everything.flatten(1).unique(dim=0)) == 150
    assert not torch.equal(model.sample(4, seed=4), everything[:4])
    assert model.sample(0).shape == (0, *everything.shape[1:])


def test_the_random_state_outside_has_no_part_in_it():
    model, state = dcgan(), torch.get_rng_state()
    first = model.sample(3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    assert torch.equal(model.sample(3), first)


def test_sampling_is_in_eval_mode_and_leaves_the_mode_as_it_was():
    model = dcgan()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for training in (True, False):
        model.train(training)
        in_mode = model.sample(4)
        model.interpolate(2, 3)
        assert all(module.training is training for module in model.modules())
        assert not in_mode.requires_grad
    assert torch.equal(in_mode, model.eval()(model.codes(0))[:4])
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_images_are_in_range():
    images = dcgan().sample(64)
    assert images.shape == (64, 1, 16, 16)
    assert -1 <= images.min() < images.max() <= 1


def test_samples_follow_the_generator_and_its_prior():
    model = GenerativeModel(generator=AffineGenerator(scale=[1.2], shift=[0.5]), prior=Normal(dim=1))
    samples = model.sample(20_000)
    assert samples.mean().item() == pytest.approx(0.5, abs=0.04)
    assert samples.std().item() == pytest.approx(1.2, rel=0.02)


def test_a_model_in_double_precision_samples_the_same_codes():
    single, double = mlp(), mlp().double()
    assert double.sample(3).dtype == torch.float64
    torch.testing.assert_close(double.sample(3), single.sample(3).double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prior", [Normal(dim=5), Uniform(dim=5), Mixed(parts=[Normal(dim=3), Uniform(dim=2)])])
def test_interpolations_end_at_samples(prior):
    model = dcgan(prior)
    rows = model.interpolate(40, 5, seed=2)
    assert rows.shape == (40, 5, 1, 16, 16)
    samples = model.sample(80, seed=2)
    torch.testing.assert_close(rows[:, 0], samples[0::2], rtol=0, atol=1e-5)
    torch.testing.assert_close(rows[:, -1], samples[1::2], rtol=0, atol=1e-5)
    assert (rows[:, 2] - rows[:, 0]).abs().flatten(1).amax(1).min() > 1e-4


@pytest.mark.parametrize("dim", [1, 2, 100])
def test_interpolated_codes_stay_where_codes_are(dim):
    """An identity for a generator: what comes out is the code."""
    model = GenerativeModel(generator=AffineGenerator(scale=[1.0] * dim, shift=[0.0] * dim), prior=Normal(dim=dim))
    norms = model.interpolate(200, 9).norm(dim=2)
    assert norms.isfinite().all()
    ends = norms[:, [0, -1]]
    between = torch.lerp(ends[:, :1], ends[:, 1:], torch.linspace(0, 1, 9))
    if dim > 2:  # the norm goes along a line from end to end
        torch.testing.assert_close(norms, between, rtol=1e-3, atol=1e-4)
        straight = (model.sample(400)[0::2] + model.sample(400)[1::2]).norm(dim=1) / 2
        assert straight.mean() < 0.8 * norms.mean()  # as a straight line between the codes would not
    assert (norms <= between + 1e-2).all()


def test_calibrated_statistics_do_not_depend_on_what_was_there():
    model = dcgan()
    model.calibrate()
    first = {name: buffer.clone() for name, buffer in model.named_buffers()}
    assert not torch.equal(first["generator.layers.1.running_var"], torch.ones(8))
    model.train()(5 * model.codes(3))
    assert not torch.equal(model.generator.layers[1].running_mean, first["generator.layers.1.running_mean"])
    model.calibrate()
    assert all(torch.equal(buffer, first[name]) for name, buffer in model.named_buffers())
    assert model.training
    assert {m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}


def test_it_says_what_it_can_do():
    model = mlp()
    assert isinstance(model, Samples)
    assert isinstance(model, Interpolates)
    assert isinstance(model, SamplesFromCodes)
    assert isinstance(model, Calibrates)
    assert not isinstance(torch.nn.Linear(1, 1), Samples)
    assert CHUNK == 64  # part of what a seed means: another one gives other samples


def test_statistics_are_those_of_what_is_read_and_draw_nothing():
    norm = nn.BatchNorm1d(3, momentum=0.3)
    network = nn.Sequential(nn.Dropout(0.9), norm)
    batches, state = [torch.arange(12.0).reshape(4, 3), torch.ones(4, 3)], torch.get_rng_state()
    reestimate(network, batches)
    torch.testing.assert_close(norm.running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert norm.momentum == 0.3
    assert all(module.training for module in network.modules())


def test_truncation_is_a_function_of_seed_and_index():
    model = mlp().eval()
    everything = model.sample(150, seed=3, truncation=0.5)
    for n, start in [(1, 0), (2, 63), (20, 100)]:
        assert torch.equal(model.sample(n, seed=3, start=start, truncation=0.5), everything[start : start + n])
    plain, cut = (torch.cat([model.codes(i, seed=3, truncation=t) for i in range(3)])[:150] for t in (None, 0.5))
    assert cut.abs().max() <= 0.5
    within = (plain.abs() <= 0.5).all(1)
    assert 5 < within.sum() < 100
    same = (model.sample(150, seed=3) == everything).all(1)
    assert torch.equal(same, within)  # samples whose codes lie within are the same samples
    assert torch.equal(model.sample(150, seed=3, truncation=50.0), model.sample(150, seed=3))


def test_a_linear_path_is_straight_and_has_the_ends_of_the_spherical_one():
    model = mlp().eval()
    straight, round_ = (model.paths(3, 5, seed=2, path=path) for path in ("linear", "spherical"))
    torch.testing.assert_close(straight[:, [0, -1]], round_[:, [0, -1]])
    torch.testing.assert_close(straight[:, 2], (straight[:, 0] + straight[:, 4]) / 2)
    assert (straight[:, 2].norm(dim=1) < round_[:, 2].norm(dim=1)).all()
    x = model.interpolate(3, 5, seed=2, path="linear", truncation=0.5)
    assert torch.equal(x, model(model.paths(3, 5, seed=2, path="linear", truncation=0.5).flatten(0, 1)).view_as(x))
    with pytest.raises(ValueError, match="path=round: spherical or linear"):
        model.paths(1, 2, path="round")


def test_long_paths_are_decoded_in_parts(monkeypatch):
    sizes = []
    model = mlp()
    model.generator.register_forward_hook(lambda module, args, out: sizes.append(len(out)))
    assert model.interpolate(4, 300).shape == (4, 300, 2)
    assert sizes == [512, 512, 176]
