"""Settings that many variants have: each changes what a variant does to its weights, or is refused with the reason."""

import copy
from dataclasses import replace
from functools import cache

import pytest
import torch
import yaml
from omegaconf import OmegaConf, open_dict

from experiments.jobs.runner import make_game
from experiments.settings import compatibility, validate
from experiments.settings.defaults import fill
from lightning_gans.core.errors import UserError
from tests.helpers.composed import CONF, VARIANTS, data_of, resolved, unresolved
from tests.helpers.play import play

ITERATIONS = 2  # a player that moves in every second iteration sits out the first
SETTINGS = [
    "penalty=r1",
    "augment=diffaugment",
    "objective=least_squares",
    "objective=f_kl",
    "init=he",
    "optimizer=rmsprop",
    "variant.packing=2",
    "variant.discriminator_steps=2",
    "variant.adversary_steps=2",
]


@cache
def usual(variant):
    return unresolved(variant, iterations=ITERATIONS)


def told(variant, setting):
    """The configuration of `variant=... <setting>`; D has no batch norm under a penalty. None if nothing changes."""
    found = usual(variant)
    config, choices = copy.deepcopy(found.config), dict(found.choices)
    key, _, value = setting.partition("=")
    with open_dict(config):
        if key.startswith("variant."):
            name, number = key.removeprefix("variant."), int(value)
            OmegaConf.update(config, key, 2 * number if config.variant.get(name) == number else number)
        elif key == "optimizer":
            for player in config.variant.training.players.values():
                player.optimizer = of(key, value)
        else:
            config.merge_with(of(key, value) if key == "augment" else {key: None})
            config[key] = of(key, value)[key] if key == "augment" else of(key, value)
            choices[key] = value
        if key == "penalty" and "norm" in (config.network.get("discriminator") or {}):
            config.network.discriminator.norm = "none"
    fill(config)  # a choice's file leaves defaults to the constructor
    return replace(found, config=config, choices=choices)


def of(group, name):
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text())


def checked(found, said):
    """The configuration of a command, after its checks."""
    compatibility.check_choices(OmegaConf.to_container(found.config), found.choices, said)
    config = resolved(found)
    validate.check(config, found.config, also=[*config])
    compatibility.check(config, found.choices)
    return config


def outcome(config, folder):
    """The weights after a few iterations, and the last gradients' norms: Adam's first steps do not tell their size."""
    game = play(make_game(config), data_of(config), folder)
    norms = {name: value for name, value in game.read_losses().items() if name.endswith("gradient_norm")}
    return {name: tensor for name, tensor in game.state_dict().items() if not name.startswith("ema.")}, norms


@pytest.fixture(scope="module")
def usual_outcome(tmp_path_factory):
    return cache(lambda variant: outcome(checked(usual(variant), []), tmp_path_factory.mktemp(variant)))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_setting_changes_a_variant_or_is_refused(variant, setting, usual_outcome, tmp_path):
    found, (key, _, value) = told(variant, setting), setting.partition("=")
    if found.config == usual(variant).config:
        return  # it is the variant's own
    refusal = ""
    try:
        weights, norms = outcome(checked(found, [key]), tmp_path)
    except UserError as error:
        refusal = str(error)
    if refusal:
        reasons = [key.removeprefix("variant."), value, *["divergence"] * (key == "objective")]
        assert any(reason in refusal for reason in reasons)
        return
    there, norms_there = usual_outcome(variant)
    assert norms != norms_there
    assert weights.keys() != there.keys() or any(
        tensor.shape != there[name].shape or not torch.equal(tensor, there[name]) for name, tensor in weights.items()
    )
