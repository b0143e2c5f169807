"""Recipes of the games with three players on points."""

import pytest

from experiments.jobs.preflight import preflight


@pytest.mark.parametrize("data", ["ring", "grid"])
@pytest.mark.parametrize("variant", ["ali", "bigan"])
def test_every_player_has_a_rate_that_falls(variant, data, tmp_path, monkeypatch):
    """A recipe that was made for D and G alone left ALI's E at the variant's own constant rate."""
    monkeypatch.chdir(tmp_path)
    (job,) = preflight([f"variant={variant}", f"data={data}", "logger=none"])
    players = job.config["variant"]["training"]["players"]
    rates = {name: player["optimizer"]["lr"] for name, player in players.items()}
    assert rates["E"] == rates["G"]
    assert all(player["schedule"] == players["D"]["schedule"] is not None for player in players.values())
    assert {tuple(player["optimizer"]["betas"]) for player in players.values()} == {(0.0, 0.99)}
