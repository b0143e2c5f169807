"""Resolvers of config files, for the choices of a run."""

import pytest

from datamodules.catalogue import CATALOGUE
from experiments.jobs.preflight import preflight
from lightning_gans.core.errors import UserError
from tests.helpers.composed import composed


def network(*overrides):
    (job,) = preflight(["variant=projection", "network=projection", *overrides])
    return job.config["network"]


@pytest.mark.parametrize("data, classes", [("digits", 10), ("cifar100", 100), ("emnist", 47)])
def test_classes_are_those_of_the_data(data, classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = network(f"data={data}")
    assert found["discriminator"]["classes"] == found["model"]["generator"]["classes"] == classes


@pytest.mark.parametrize("data", ["celeba", "lsun", "folder"])
def test_classes_that_are_not_known_have_to_be_said(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CATALOGUE[data].classes is None
    unread = r"data\.root=data is not a folder"
    with pytest.raises(
        UserError, match=unread if data == "folder" else rf"data={data} has none\. Data that fit: digits"
    ):
        network(f"data={data}")
    assert network(f"data={data}", "network.model.classes=3")["discriminator"]["classes"] == 3


@pytest.mark.parametrize("data, weight", [("digits", 10.0), ("ring", 0.1)])
def test_what_suits_images_does_not_suit_points(data, weight):
    assert composed("wgan_gp", f"data={data}")["penalty"]["weight"] == weight
    assert composed("wgan_gp", f"data={data}", "penalty=r1")["penalty"]["gamma"] == 0.1
    assert composed("wgan_gp", f"data={data}", "penalty.weight=3")["penalty"]["weight"] == 3


def test_what_generator_and_recognition_network_take_follows_from_the_codes():
    normal = "{_target_: lightning_gans.core.prior.Normal, dim: 4}"
    for overrides, codes, noise in (
        ((), 12, 62),
        ((f"network.model.codes=[{normal}]", "network.model.noise.dim=3"), 4, 3),
    ):
        for network in ("infogan", "infogan_mlp"):
            found = composed("infogan", "data=mnist", f"network={network}", *overrides)["network"]["model"]
            assert found["encoder"]["code_dim"] == codes
            assert found["generator"]["latent_dim"] == noise + codes


def test_a_wrong_size_of_a_code_is_told_where_it_was_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"network\.model\.noise\.dim=many"):
        preflight(["variant=infogan", "network.model.noise.dim=many"])


@pytest.mark.parametrize("discriminator, logits", [("binary", 1), ("three_way", 3)])
def test_a_discriminator_has_a_logit_for_each_kind_that_it_tells_apart(discriminator, logits):
    config = composed("vaegan", f"variant.discriminator={discriminator}")
    assert config["variant"]["dis"]["outputs"] == logits


def test_speech_networks_are_told_the_shape_of_segments_and_the_number_of_speakers(tmp_path):
    found = composed("disentangle", "data.mels=24", "data.frames=8", "data.speakers=5", small=False)["network"]
    assert found["model"]["decoder"]["mels"] == 24
    assert (found["classifier"]["frames"], found["classifier"]["speakers"]) == (8, 5)
    for speaker in ("anna", "bert", "empty"):
        (tmp_path / speaker).mkdir()
    for speaker in ("anna", "bert"):
        (tmp_path / speaker / "1.wav").touch()
    found = composed("disentangle", "data=speech", f"data.root={tmp_path}")["network"]
    assert found["classifier"]["speakers"] == 2


def test_iterations_may_be_said_in_epochs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert preflight(["variant=dcgan", "iterations=${epochs:2}", "data.batch_size=100"])[0].config["iterations"] == 29
    with pytest.raises(UserError, match=r"how many training samples these data have is not known"):
        preflight(["variant=vanilla", "data=ring", "iterations=${epochs:2}"])
    job = preflight(["variant=cyclegan", "iterations=${epochs:2}", "data.batch_size=1"])[0]
    assert job.config["iterations"] == 2 * 718
