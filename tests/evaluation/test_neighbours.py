import pytest
import torch
from torch import nn

from datamodules import Digits, Ring
from datamodules.images import ImageData
from datamodules.sources import Tensors
from lightning_gans.evaluation.neighbours import memorisation


class Copies(nn.Module):
    """Generates training images again and again, and among `every` of them one that is new."""

    def __init__(self, data, every=0):
        super().__init__()
        self.train_images, self.new = (next(data.split(name).batches(100)).x for name in ("train", "test"))
        self.every = every

    def sample(self, n, *, seed=0, start=0):
        x = self.train_images[torch.arange(n) % len(self.train_images)].clone()
        if self.every:
            x[:: self.every] = self.new[torch.arange(len(x[:: self.every])) % len(self.new)]
        return x


@pytest.fixture(scope="module")
def digits():
    return Digits(image_size=8)


def test_copies_of_training_images_are_counted(digits):
    assert memorisation(Copies(digits), digits, "test")["memorised"] == 1
    found = memorisation(Copies(digits, every=4), digits, "test")
    assert found["memorised"] == 0.75
    assert found["memorised_se"] == pytest.approx((0.75 * 0.25 / 1000) ** 0.5)


def test_held_out_images_are_not_memorised(digits):
    assert memorisation(Copies(digits, every=1), digits, "test")["memorised"] == 0


def test_it_is_measured_at_the_end_alone_and_of_images(digits):
    assert memorisation(Copies(digits), digits, "validation") == {}
    assert memorisation(Copies(Ring()), Ring(), "test") == {}


def test_training_images_that_are_all_alike_tell_nothing():
    class Alike(ImageData):
        def read(self):
            return {name: Tensors(torch.zeros(4, 1, 8, 8, dtype=torch.uint8)) for name in ("train", "test")}

    data = Alike(batch_size=2, image_size=8, channels=1)
    assert memorisation(Copies(data), data, "test") == {}


def test_models_that_do_not_generate_are_not_measured(digits):
    assert memorisation(nn.Linear(2, 2), digits, "test") == {}
