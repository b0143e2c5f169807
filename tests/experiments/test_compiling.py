"""Compiled networks: the same run, the same keys, and refusals where compiled code does not fit."""

import pytest
import torch

from experiments.jobs.compiling import compile_networks
from experiments.jobs.preflight import preflight
from lightning_gans.core.errors import UserError
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import StopAfter, play

CELL = ("vanilla", "data=ring")


def trained(folder, *callbacks, players=(), checkpoint=None, backend="eager"):
    """With dynamo's tracing and without a code generator, so that the test needs no compiler."""
    config = composed(*CELL, iterations=6)
    game = game_of(config)
    compile_networks(game, players, backend=backend)
    return play(game, data_of(config), folder, *callbacks, checkpoint=checkpoint)


def test_a_compiled_run_has_the_weights_and_keys_of_one_that_is_not(tmp_path):
    eager, compiled = trained(tmp_path / "a"), trained(tmp_path / "b", players=True)
    assert compiled.discriminator._compiled_call_impl is not None
    assert compiled.ema.model.generator._compiled_call_impl is None
    expected, found = eager.state_dict(), compiled.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(compiled.evaluated_model().sample(4), eager.evaluated_model().sample(4))


def test_a_run_goes_on_compiled_or_not(tmp_path):
    whole = trained(tmp_path / "a", players=True)
    trained(tmp_path / "b", StopAfter(3, tmp_path / "half.ckpt"), players=True)
    resumed = trained(tmp_path / "c", players=["G"], checkpoint=tmp_path / "half.ckpt")
    for mine, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_only_the_named_players_networks_are_compiled():
    game = game_of(composed(*CELL))
    assert compile_networks(game, ["G"], backend="eager") == [game.model.generator]
    assert compile_networks(game, False) == []
    with pytest.raises(UserError, match=r"trainer\.compile=\['E'\]: the players of GAN are D, G"):
        compile_networks(game, ["E"])


def test_the_mode_is_passed_on_to_torch(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part, **arguments: asked.append(arguments))
    config = composed(*CELL, "trainer.compile=[G]", "trainer.compile_mode=reduce-overhead")
    compile_networks(game_of(config), config["trainer"]["compile"], mode=config["trainer"]["compile_mode"])
    assert asked == [{"backend": "inductor", "mode": "reduce-overhead"}]


def test_a_mode_without_compiled_networks_is_refused():
    with pytest.raises(UserError, match=r"trainer\.compile_mode=max-autotune has no effect: .* trainer\.compile=true"):
        preflight(["variant=vanilla", "data=ring", "trainer.compile_mode=max-autotune"])


@pytest.mark.parametrize(
    "cell, said",
    [(("wgan_gp", "data=ring"), "differentiates its gradient again"), (("sngan",), "compile it anew")],
)
def test_networks_that_do_not_fit_stay_as_they_are(caplog, cell, said):
    game = game_of(composed(*cell))
    assert compile_networks(game, True, backend="eager") == [game.model.generator]
    assert said in caplog.text
    with pytest.raises(UserError, match=said):
        compile_networks(game, ["D"])
