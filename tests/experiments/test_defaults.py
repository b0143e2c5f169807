"""Defaults of constructors as settings of a configuration."""

import pytest
from omegaconf import OmegaConf

from experiments.jobs.preflight import preflight
from experiments.settings import validate
from experiments.settings.defaults import fill, knows
from experiments.settings.signatures import REQUIRED, UNKNOWN, signature


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A composed configuration of a class of a user's own."""
    (tmp_path / "of_another.py").write_text(
        "from lightning_gans.settings import Given\nfrom elsewhere import NUMBER\n"
        "class Game:\n"
        "    def __init__(self, loss, *, k: int = 3, betas: tuple[float, float] = (0.5, 0.9), unread: float = NUMBER,\n"
        "        word: str = 'a', odd: str = '${seed}', part: object = None, data: Given[object] = None): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = OmegaConf.create(
        {
            "seed": 1,
            "network": {"_target_": "of_another.Game", "loss": 0, "k": 7},
            "variant": {
                "_target_": "of_another.Game",
                "word": "b",
                "model": "${network}",
                "rate": "${.k}",
                "parts": [{"_target_": "of_another.Game", "_partial_": True}],
                "missing": "???",
            },
            "logger": {"_target_": "nowhere.at.All"},
            "strange": {"_target_": "${nothing}"},
            "callbacks": {"grids": {"every": 5}},
        }
    )
    OmegaConf.set_struct(made, True)
    return made


def test_defaults_are_added_where_a_file_leaves_them_out(config):
    fill(config)
    added = {"k": 3, "betas": [0.5, 0.9], "word": "a", "part": None}
    assert config.network == {"_target_": "of_another.Game", "loss": 0, **added, "k": 7}
    assert config.variant.parts[0] == {"_target_": "of_another.Game", "_partial_": True, **added}
    assert (config.variant.word, config.variant.betas, config.variant.rate) == ("b", [0.5, 0.9], 3)
    assert {"loss", "unread", "odd", "data"}.isdisjoint(config.variant)
    assert config.callbacks.grids == {"every": 5, "rows": 8, "columns": 8, "seed": 0}
    assert OmegaConf.is_interpolation(config.variant, "model")
    assert config.logger == {"_target_": "nowhere.at.All"}


def test_a_filled_configuration_is_closed_as_before_and_filled_once(config):
    fill(config)
    once = OmegaConf.to_container(config)
    fill(config)
    assert OmegaConf.to_container(config) == once
    assert OmegaConf.is_struct(config)
    with pytest.raises(AttributeError):
        config.variant.other = 1


@pytest.mark.parametrize(
    "key",
    ["seed", "variant.word", "variant.k", "variant.unread", "variant.loss", "network.part", "variant.model.betas"],
)
def test_settings_that_are_there_or_that_a_class_takes_are_known(config, key):
    assert knows(config, key)


@pytest.mark.parametrize(
    "key", ["sead", "variant.wordd", "variant.data", "logger.anything", "nothing.at.all", "strange.k", "variant.word.k"]
)
def test_others_are_not(config, key):
    assert not knows(config, key)


@pytest.mark.parametrize("variant", ["vanilla", "acgan", "irgan", "vaegan"])
def test_a_filled_configuration_is_valid_and_has_every_default(variant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight([f"variant={variant}"])
    config = OmegaConf.create(job.config)
    fill(config)
    for target, node in targets(OmegaConf.to_container(config)):
        defaults = {name: one.default for name, one in signature(target).settings.items()}
        assert {name for name, default in defaults.items() if default not in (REQUIRED, UNKNOWN)} <= set(node)
    assert [*validate.problems(OmegaConf.to_container(config), job.config)] == []


def targets(node):
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"], node
        for value in node.values():
            yield from targets(value)
