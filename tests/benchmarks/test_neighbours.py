"""The measure that learnt features have to beat."""

import re

import pytest

from benchmarks import neighbours
from lightning_gans.core.errors import UserError


def test_pixels_and_an_untrained_encoder(capsys):
    assert neighbours.main(["data.image_size=8", "--seeds", "1"]) == 0
    found = dict(re.findall(r"knn_accuracy (\w+) ([\d.]+)", capsys.readouterr().out))
    assert float(found["pixels"]) > 0.98  # of digits: known
    assert 0.5 < float(found["untrained"]) < float(found["pixels"])


def test_what_is_chosen_takes_the_place_of_the_default():
    assert neighbours.with_defaults(["data=mnist"]) == ["variant=bigan", "network=bigan_mlp", "data=mnist"]
    assert neighbours.with_defaults(["network=bigan"]) == ["variant=bigan", "network=bigan"]
    assert neighbours.with_defaults(["variant=ali"]) == ["variant=ali"]


def test_a_variant_without_an_encoder_is_refused():
    with pytest.raises(UserError, match="has no encoder"):
        neighbours.main(["variant=dcgan", "--seeds", "1", "data.image_size=8"])
