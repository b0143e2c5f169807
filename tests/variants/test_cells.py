"""Objective x penalty x network: every allowed pair of choices takes steps, every other combination is refused."""

from functools import cache
from itertools import product

import pytest

from experiments.settings import compatibility
from lightning_gans.core.errors import UserError
from tests.helpers.composed import CONF, composed, data_of, game_of
from tests.helpers.pairwise import pairs_of, pairwise
from tests.helpers.play import play


def names(group):
    return sorted(path.stem for path in CONF.glob(f"{group}/*.yaml"))


OBJECTIVES, PENALTIES = names("objective"), names("penalty")
NETWORKS = {
    "mlp": ["network=mlp"],
    "dcgan": ["network=dcgan"],
    "dcgan_without_norm": ["network=dcgan", "network.discriminator.norm=none"],
    "resnet": ["network=resnet"],
    "sngan": ["network=sngan"],
    "r3gan": ["network=r3gan"],
}
LIPSCHITZ = {"sngan"}  # critics that are held without a penalty


def refusal(objective, penalty, network):
    """Beginning of the message that refuses an invalid combination; None if it is valid."""
    if penalty != "none" and network == "dcgan":
        return f"penalty={penalty} is a function of each sample's own gradient"
    if objective == "wasserstein" and penalty == "none" and network not in LIPSCHITZ:
        return "objective=wasserstein: nothing here holds the critic Lipschitz"
    return None


CELLS = list(product(OBJECTIVES, PENALTIES, NETWORKS))
ALLOWED = [cell for cell in CELLS if refusal(*cell) is None]
PLAYED = pairwise(ALLOWED)


part = cache(lambda *overrides: composed("vanilla", *overrides, iterations=3))


def configuration(objective, penalty, network):
    """Composition of `objective= penalty= network=`: every choice composed once, as composing takes the time."""
    config = part(*NETWORKS[network])
    loss, term = part(f"objective={objective}")["objective"], part(f"penalty={penalty}")["penalty"]
    return config | {"objective": loss, "penalty": term, "variant": config["variant"] | {"loss": loss, "penalty": term}}


def test_every_allowed_pair_of_choices_is_played():
    met = set().union(*(pairs_of(cell) for cell in PLAYED))
    assert met == set().union(*(pairs_of(cell) for cell in ALLOWED))
    assert len(OBJECTIVES) * len(NETWORKS) <= len(PLAYED) < len(ALLOWED) / 3


@pytest.mark.parametrize("objective, penalty, network", PLAYED)
def test_a_cell_of_every_allowed_pair_takes_three_steps(objective, penalty, network, tmp_path):
    config = configuration(objective, penalty, network)
    compatibility.check(config, {"objective": objective, "penalty": penalty, "variant": "vanilla", "data": "digits"})
    game = play(game_of(config), data_of(config), tmp_path)
    assert game.iteration == 3
    losses = game.read_losses()
    assert losses["D/gradient_norm"] > 0
    assert ("D/penalty" in losses) == (penalty != "none")


@pytest.mark.parametrize("objective, penalty, network", [cell for cell in CELLS if refusal(*cell) is not None])
def test_every_other_cell_is_refused_with_a_way_out(objective, penalty, network):
    choices = {"objective": objective, "penalty": penalty, "variant": "vanilla", "data": "digits"}
    with pytest.raises(UserError) as refused:
        compatibility.check(configuration(objective, penalty, network), choices)
    message = str(refused.value)
    assert message.startswith(refusal(objective, penalty, network))
    assert "network=" in message or "penalty=" in message


def test_a_penalty_over_batch_norm_is_refused_without_a_configuration_too():
    config = configuration("non_saturating", "r1", "dcgan")
    config["variant"]["discriminator"]["image_size"] = 16  # at 8 px there is no second layer to normalise
    with pytest.raises(UserError, match="batch norm"):
        game_of(config)
