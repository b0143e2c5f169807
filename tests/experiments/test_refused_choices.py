"""Refusals of choices say the true reason, and what they suggest is accepted."""

import re

import pytest

from experiments.jobs.preflight import preflight
from experiments.settings import offered
from lightning_gans.core.errors import UserError

SUGGESTED = re.compile(r"\b(?:penalty|network|network\.discriminator\.norm)=\w+(?: with [\w.]+=\w+)?")


def refusal(*argv):
    try:
        preflight(argv)
    except UserError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("variant", offered.files("variant"))
@pytest.mark.slow
@pytest.mark.parametrize("choice", ["penalty=r1", "objective=wasserstein"])
def test_every_suggestion_of_a_refusal_is_accepted(variant, choice):
    message = refusal(f"variant={variant}", choice)
    assert "has its own" not in message
    if "has no effect" in message:
        group = choice.partition("=")[0]
        others = re.search(r"choose variant=([\w, ]+)", message)
        assert others
        assert f"Leave {group}= out" in message
        assert variant not in re.split(r", | or ", others[1])
        return
    for suggested in SUGGESTED.findall(message):
        if suggested != choice and suggested != "penalty=none":
            assert not refusal(f"variant={variant}", choice, *suggested.split(" with ")), suggested


@pytest.mark.parametrize(
    "argv, why",
    [
        ("variant=bigan penalty=r1", "variant=bigan: BiGAN takes no penalty. Leave penalty= out, or choose variant="),
        ("variant=vae objective=hinge", "variant=vae: VAE takes no objective"),
        ("variant=mcgan objective=hinge", "variant=mcgan: its loss is chosen by matching=mean"),
    ],
)
def test_a_choice_without_effect_is_refused_with_the_reason(argv, why):
    assert why in refusal(*argv.split())


OWN = """# @package _global_
defaults: [vanilla, _self_]
variant:
  loss: {_target_: lightning_gans.losses.adversarial.Hinge}
  penalty: null
"""


@pytest.mark.parametrize(
    "choice, why",
    [
        ("objective=minimax", "its file sets variant.loss itself"),
        ("penalty=r1", "nothing in its file refers to it"),
    ],
)
def test_a_variant_of_ones_own_that_sets_a_part_itself(tmp_path, choice, why):
    (tmp_path / "variant").mkdir()
    (tmp_path / "variant" / "mine.yaml").write_text(OWN)
    message = refusal("--config-dir", str(tmp_path), "variant=mine", choice)
    assert f"{choice.partition('=')[0]}= has no effect on variant=mine: {why}" in message
