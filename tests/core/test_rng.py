import random

import numpy
import pytest
import torch

from lightning_gans.core.prior import Mixed, Normal, Uniform
from lightning_gans.core.rng import Draws, isolated, stream, stream_seed


def numbers(*key):
    return torch.randn(1000, generator=stream(*key))


def test_a_stream_is_a_function_of_its_key():
    assert torch.equal(numbers(1, "order", 2), numbers(1, "order", 2))
    assert 0 <= stream_seed(1, "order", 2) < 2**63
    assert stream_seed(1, "order", 2) == 5971170691884857887  # fixed for good: runs of older versions rely on it


def test_different_keys_are_independent_streams():
    keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, "order", 0), (0, "sample", 0), (12, 3), (1, 23)]
    assert len({stream_seed(*key) for key in keys}) == len(keys)
    correlations = torch.corrcoef(torch.stack([numbers(*key) for key in keys])).fill_diagonal_(0)
    assert correlations.abs().max() < 0.15  # 4.7 standard deviations
    assert correlations.abs().max() > 0.01


def test_consecutive_seeds_give_uncorrelated_numbers():
    first = torch.stack([torch.randn(4, generator=stream(seed, 0, 0, 0)) for seed in range(2000)])
    assert first.mean(0).abs().max() < 4 / 2000**0.5
    assert (first.std(0) - 1).abs().max() < 0.07
    assert torch.corrcoef(torch.stack([first[:-1, 0], first[1:, 0]]))[0, 1].abs() < 4 / 2000**0.5


def test_isolated_blocks_leave_the_global_state_alone():
    state = torch.get_rng_state(), random.getstate(), numpy.random.get_state()[1].tolist()
    with isolated(3, "init"):
        inside = torch.rand(5)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (random.getstate(), numpy.random.get_state()[1].tolist()) == state[1:]
    torch.rand(7)  # whatever the state outside
    with isolated(3, "init"):
        assert torch.equal(torch.rand(5), inside)
    with isolated(4, "init"):
        assert not torch.equal(torch.rand(5), inside)
    with torch.random.fork_rng(devices=[]), pytest.raises(RuntimeError), isolated(3):
        raise RuntimeError


def draw_all(draws):
    """Random draws of a phase of one iteration, for four samples of a shard."""
    mixed = Mixed(parts=[Normal(dim=2), Uniform(dim=1)])
    return [draws.sample(mixed.sample, 4), draws.uniform(4), draws.normal(4, 1, 3), draws.uniform(4)]


@pytest.mark.parametrize("shards", [2, 3])
def test_shards_together_draw_what_one_would(shards):
    whole = Draws(5, shards=1)
    whole.start(7, 1, 0)
    mixed = Mixed(parts=[Normal(dim=2), Uniform(dim=1)])
    expected = [
        whole.sample(mixed.sample, 4 * shards),
        whole.uniform(4 * shards),
        whole.normal(4 * shards, 1, 3),
        whole.uniform(4 * shards),
    ]
    parts = []
    for shard in range(shards):
        draws = Draws(5, shards=shards)
        draws.start(7, 1, shard)
        parts.append(draw_all(draws))
    for together, one in zip(zip(*parts, strict=True), expected, strict=True):
        assert torch.equal(torch.cat(together), one)
    assert not torch.equal(expected[1], expected[3])  # a later draw is another draw


def test_draws_differ_between_seeds_iterations_updates_and_shards():
    def first(seed=0, iteration=0, update=0, shard=0):
        draws = Draws(seed, shards=2)
        draws.start(iteration, update, shard)
        return draws.normal(3)

    base = first()
    assert torch.equal(base, first())
    others = [first(seed=1), first(iteration=1), first(update=1), first(shard=1)]
    assert all(not torch.equal(base, other) for other in others)
    assert len({other[0].item() for other in others}) == 4


def test_the_second_phase_of_an_iteration_does_not_depend_on_the_draws_of_the_first():
    busy, idle = Draws(0), Draws(0)
    busy.start(3, 0, 0)
    busy.normal(100)
    busy.start(3, 1, 0)
    idle.start(3, 1, 0)
    assert busy.count == idle.count == 0
    assert torch.equal(busy.normal(5), idle.normal(5))
    assert busy.count == 1
