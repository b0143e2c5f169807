from math import sqrt

import pytest
import torch

from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Categorical, Mixed, Normal, Uniform
from lightning_gans.core.rng import stream

N = 20_000
SURE = 5 / sqrt(N)  # five standard errors of a mean of unit variance


def codes(prior, n=N):
    return prior.sample(n, stream("prior"))


def test_normal_codes():
    z = codes(Normal(dim=3))
    assert z.shape == (N, 3)
    assert z.mean(0).abs().max() < SURE
    torch.testing.assert_close(z.T @ z / N, torch.eye(3), rtol=0, atol=2 * SURE)
    assert (z**4).mean(0).sub(3).abs().max() < 0.4  # a uniform of unit variance has 1.8


def test_uniform_codes_have_unit_variance_unless_told_otherwise():
    z = codes(Uniform(dim=3))
    torch.testing.assert_close(z.T @ z / N, torch.eye(3), rtol=0, atol=2 * SURE)
    assert z.abs().max() <= sqrt(3)
    assert z.min() < -1.73
    assert z.max() > 1.73
    narrow = codes(Uniform(dim=2, bound=0.5))
    assert narrow.abs().max() <= 0.5
    torch.testing.assert_close(narrow.var(0), torch.full((2,), 1 / 12), rtol=0.05, atol=0)


def test_categorical_codes_are_one_hot_and_even():
    z = codes(Categorical(dim=10))
    assert z.shape == (N, 10)
    assert set(z.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(z.sum(1), torch.ones(N))
    assert (z.mean(0) - 0.1).abs().max() < 0.3 * SURE
    assert z.dtype == torch.get_default_dtype()


def test_mixed_codes_are_split_into_what_they_are_made_of():
    mixed = Mixed(parts=[Normal(dim=4), Categorical(dim=3), Uniform(dim=2, bound=1.0)])
    z = codes(mixed)
    assert mixed.dim == z.shape[1] == 9
    normal, category, uniform = mixed.split(z)
    assert [part.shape[1] for part in (normal, category, uniform)] == [4, 3, 2]
    assert torch.equal(torch.cat([normal, category, uniform], dim=1), z)
    assert torch.equal(category.sum(1), torch.ones(N))
    assert normal.abs().max() > 3
    assert uniform.abs().max() <= 1
    assert torch.corrcoef(z.T).fill_diagonal_(0)[:4].abs().max() < SURE


def test_parts_of_a_mixture_differ():
    first, second = Mixed(parts=[Normal(dim=2), Normal(dim=2)]).split(codes(Mixed(parts=[Normal(dim=2)] * 2), 8))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("prior", [Normal(dim=2), Uniform(dim=2), Categorical(dim=4), Mixed(parts=[Normal(dim=1)] * 2)])
def test_equal_generators_give_equal_codes(prior):
    state = torch.get_rng_state()
    assert torch.equal(codes(prior, 8), codes(prior, 8))
    assert not torch.equal(codes(prior, 8), prior.sample(8, stream("another")))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("make", [Normal, Uniform, Categorical])
def test_a_prior_of_nothing_is_refused(make):
    with pytest.raises(UserError, match="dim=0"):
        make(dim=0)
    with pytest.raises(UserError, match="at least one part"):
        Mixed(parts=[])


# What a traversal walks along


def test_axes_cover_what_a_code_can_say():
    normal, uniform = Normal(dim=2).axes(5), Uniform(dim=1, bound=1.0).axes(3)
    assert [axis.first for axis in normal] == [0, 1]
    assert torch.equal(normal[0].values, torch.tensor([[-2.0], [-1.0], [0.0], [1.0], [2.0]]))
    assert torch.equal(uniform[0].values, torch.tensor([[-1.0], [0.0], [1.0]]))


def test_a_category_is_one_axis():
    (axis,) = Categorical(dim=3).axes(5)
    assert torch.equal(axis.values, torch.eye(3)[[0, 1, 2, 0, 1]])


def test_axes_of_parts_stand_where_the_parts_do():
    axes = Mixed(parts=[Normal(dim=2), Categorical(dim=3), Uniform(dim=1)]).axes(4)
    assert [axis.first for axis in axes] == [0, 1, 2, 5]
    assert [axis.values.shape for axis in axes] == [(4, 1), (4, 1), (4, 3), (4, 1)]


def truncated(prior, threshold, z):
    return prior.truncated(z, threshold, stream("truncation"))


@pytest.mark.parametrize("threshold", [0.01, 0.7, 2.0])
def test_numbers_beyond_the_threshold_are_drawn_again(threshold):
    prior = Normal(dim=4)
    z = codes(prior)
    again = truncated(prior, threshold, z)
    inside = z.abs() <= threshold
    assert again.abs().max() <= threshold
    assert torch.equal(again[inside], z[inside])
    assert torch.equal(truncated(prior, threshold, z), again)
    # the variance of a truncated normal distribution: 1 - 2 t phi(t) / (2 Phi(t) - 1)
    t = torch.tensor(threshold, dtype=torch.float64)
    density = torch.exp(-t.square() / 2) / sqrt(2 * torch.pi)
    expected = (1 - 2 * t * density / torch.erf(t / sqrt(2))).item()
    assert again.mean().abs() < SURE * threshold
    torch.testing.assert_close(again.double().var().item(), expected, rtol=0.02, atol=0)


def test_the_normal_part_of_a_mixed_code_is_truncated():
    prior = Mixed(parts=[Uniform(dim=2), Normal(dim=2), Categorical(dim=3)])
    z = codes(prior, 100)
    again = truncated(prior, 0.5, z)
    assert torch.equal(again[:, :2], z[:, :2])
    assert torch.equal(again[:, 4:], z[:, 4:])
    assert again[:, 2:4].abs().max() <= 0.5


@pytest.mark.parametrize("prior", [Uniform(dim=2), Categorical(dim=2), Mixed(parts=[Uniform(dim=2)])])
def test_a_prior_without_tails_is_not_truncated(prior):
    with pytest.raises(UserError, match=f"truncation=0.5 .*prior is {type(prior).__name__}.* Leave truncation out"):
        truncated(prior, 0.5, codes(prior, 2))


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_a_threshold_is_above_0(threshold):
    with pytest.raises(UserError, match=r"truncation=.* must be above 0"):
        truncated(Normal(dim=2), threshold, codes(Normal(dim=2), 2))
