import pytest
import torch
from PIL import Image

from datamodules import Digits, Ring
from lightning_gans.callbacks.nearest import NearestImages
from lightning_gans.callbacks.pictures import PICTURES
from lightning_gans.reporting.charts import nearest_figure
from tests.callbacks.test_grids import fit


@pytest.mark.parametrize("channels", [1, 3])
def test_the_end_of_a_run_draws_generated_images_over_their_nearest_training_images(tmp_path, channels):
    data = Digits(batch_size=16, image_size=8, channels=channels)
    *_, seen = fit(tmp_path, data, callbacks=[NearestImages(every=2)])
    assert seen == [("samples/neighbours", "neighbours.png", 4)]
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["neighbours.png"]
    with Image.open(tmp_path / "samples" / "neighbours.png") as picture:
        assert picture.width > picture.height > 400


def test_points_have_no_nearest_images(tmp_path):
    assert fit(tmp_path, Ring(batch_size=16), callbacks=[NearestImages(every=2)])[2] == []


def test_the_images_drawn_are_those_that_were_found(tmp_path, monkeypatch):
    drawn = []

    def figure(*parts):
        drawn.extend(parts)
        return nearest_figure(*parts)

    monkeypatch.setattr("lightning_gans.callbacks.nearest.nearest_figure", figure)
    fit(tmp_path, Digits(batch_size=16, image_size=8), callbacks=[NearestImages(every=4)])
    samples, images, distances = drawn
    assert images.shape == (8, 3, 1, 8, 8)
    assert torch.allclose((images - samples[:, None]).flatten(2).double().norm(dim=2), distances, rtol=1e-4)


def test_fewer_training_images_than_rows_leave_rows_empty():
    x = torch.zeros(2, 1, 8, 8)
    distances = torch.tensor([[0.0, torch.inf, torch.inf]] * 2)
    assert nearest_figure(x, x[:, None].expand(2, 3, 1, 8, 8), distances).mode == "RGB"


def test_the_picture_is_registered():
    assert NearestImages in PICTURES.shipped()
