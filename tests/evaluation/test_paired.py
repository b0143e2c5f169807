"""Measures of a model that generates outputs for inputs."""

import pytest
import torch
from torch import nn

from datamodules import DigitsHalves
from lightning_gans.evaluation.context import Context
from lightning_gans.evaluation.paired import OutputQuality, output_error
from lightning_gans.metrics.names import METRICS

PIXELS = {"_target_": "lightning_gans.extractors.factories.pixels", "_partial_": True}


class Answer(nn.Module):
    """The true output, off by some of a noise."""

    channels, image_size = 1, None

    def __init__(self, data, off=0.0):
        super().__init__()
        a, b = (next(data.parts[side].split("test").batches(999)).x for side in "ab")
        self.known = {tuple(x.flatten().tolist()): y for x, y in zip(a, b, strict=True)}
        self.off = off

    def check(self, height, width): ...

    def generate(self, x, *, seed=0, start=0):
        sign = torch.tensor([1.0 if (start + i + seed) % 2 else -1.0 for i in range(len(x))])
        return (
            torch.stack([self.known[tuple(row.flatten().tolist())] for row in x]) + self.off * sign[:, None, None, None]
        )


@pytest.fixture(scope="module")
def data():
    return DigitsHalves(image_size=16)


def test_the_true_outputs_have_no_error(data):
    found = output_error(Answer(data), data, "test")
    assert (found["output_l1"], found["noise_l1"]) == (0, 0)
    assert found["ssim"] == pytest.approx(1)
    assert found["psnr"] > 90


def test_errors_are_those_of_the_images(data):
    found = output_error(Answer(data, off=0.1), data, "test")
    assert found["output_l1"] == pytest.approx(0.1, rel=1e-4)
    assert found["noise_l1"] == pytest.approx(0.2, rel=1e-4)
    assert found["psnr"] == pytest.approx(10 * torch.tensor(4 / 0.01).log10().item(), rel=1e-3)
    assert 0.3 < found["ssim"] < 1
    assert METRICS["ssim"].better == METRICS["psnr"].better == "higher"


def test_the_floor_is_that_of_the_true_outputs(data, tmp_path):
    context = Context(PIXELS, torch.device("cpu"), cache_dir=tmp_path)
    quality = OutputQuality()
    quality.prepare(Answer(data), data, context)
    assert quality(Answer(data), data, "test") == quality.floor("test")
    worse = quality(Answer(data, off=0.5), data, "test")
    assert worse["fid_output_pixels"] > quality.floor("test")["fid_output_pixels"] + 0.1
    assert quality.facts()["samples"] == 180


def test_other_models_and_data_are_left_alone(data):
    assert output_error(nn.Linear(1, 1), data, "test") == {}
    assert OutputQuality()(Answer(data), data, "test") == {}
