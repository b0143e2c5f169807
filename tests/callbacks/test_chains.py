from functools import partial

import pytest
import torch
from PIL import Image

from datamodules import Digits, Ring
from lightning_gans.callbacks.chains import Chains
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.losses.adversarial import Wasserstein
from lightning_gans.models.energy import EnergyModel
from lightning_gans.networks.mlp import MLPDiscriminator
from lightning_gans.reporting.planar import energy_figure
from lightning_gans.variants.energy import EnergyBased
from tests.helpers.play import play
from tests.helpers.tiny import fit, tiny_game


def game_on(shape, iterations):
    adam = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-3))
    discriminator = MLPDiscriminator(sample_shape=shape, width=8, depth=1, dropout=0.0)
    return EnergyBased(
        model=EnergyModel(discriminator=discriminator, shape=shape, steps=6, step_size=0.1, noise=0.01),
        loss=Wasserstein(),
        training=Training(iterations=iterations, batch_size=8, players={"D": adam}),
        steps=2,
        buffer=16,
        fresh_share=0.05,
        magnitude_weight=0.1,
    )


def names(folder):
    return sorted(path.name for path in (folder / "samples").iterdir())


def test_images_show_their_chains_at_the_end(tmp_path, monkeypatch):
    evolution, drawn = EnergyModel.evolution, []
    monkeypatch.setattr(EnergyModel, "evolution", lambda self, *a, **k: drawn.append(1) or evolution(self, *a, **k))
    game = play(game_on((1, 8, 8), 3), Digits(batch_size=8, image_size=8), tmp_path, Chains(every=1, rows=2, columns=4))
    assert names(tmp_path) == ["chains.png"]
    assert Image.open(tmp_path / "samples" / "chains.png").size == (4 * 66 - 2, 2 * 66 - 2)
    assert game.iteration == 3
    assert len(drawn) == 1


def test_points_show_the_surface_on_the_way(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "energy-00000009.png").write_bytes(b"of a run that was killed later on")
    play(game_on((2,), 4), Ring(batch_size=8), tmp_path, Chains(every=2))
    assert names(tmp_path) == [*(f"energy-0000000{iteration}.png" for iteration in (0, 1, 2, 4)), "energy.gif"]
    assert Image.open(tmp_path / "samples" / "energy.gif").n_frames == 4


def test_the_surface_is_dark_where_the_energy_is_low():
    class Bowl(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.centre = torch.nn.Parameter(torch.tensor([1.0, 0.0]))

        def energy(self, x):
            return (x - self.centre).square().sum(1)

    corners = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])
    picture = energy_figure(Bowl(), corners, torch.full((1, 2, 2), 9.0)).convert("L")
    right, left = picture.getpixel((360, 250)), picture.getpixel((140, 250))
    assert right < left - 50


def test_other_games_are_left_alone_and_no_rows_refused(tmp_path):
    fit(tiny_game(2), tmp_path, [Chains(every=1)])
    assert not (tmp_path / "samples").exists()
    with pytest.raises(UserError, match=r"callbacks\.grids\.rows=0"):
        Chains(every=1, rows=0)
