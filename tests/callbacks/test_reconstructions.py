"""Pictures of what goes through a code."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Digits
from lightning_gans.callbacks.reconstructions import Reconstructions
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.models.inference import AutoencodingModel
from lightning_gans.networks.encoders import MLPEncoder
from lightning_gans.networks.mlp import MLPGenerator
from lightning_gans.variants.autoencoder import Autoencoder
from tests.helpers.play import play
from tests.helpers.tiny import fit, tiny_game

ADAM = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-3))


def autoencoder(iterations):
    model = AutoencodingModel(
        generator=MLPGenerator(latent_dim=3, sample_shape=(1, 8, 8), width=8, depth=1, batch_norm=False, output="tanh"),
        prior=Normal(dim=3),
        encoder=MLPEncoder(sample_shape=(1, 8, 8), code_dim=3, width=8, depth=1, batch_norm=False),
    )
    training = Training(iterations=iterations, batch_size=8, players={"AE": ADAM})
    return Autoencoder(model=model, reconstruction_loss=torch.nn.functional.mse_loss, training=training)


def test_pairs_on_the_way_and_paths_at_the_end(tmp_path):
    game = autoencoder(5)
    play(game, Digits(batch_size=8, image_size=8), tmp_path, Reconstructions(every=2, rows=4, columns=3))
    made = sorted(path.name for path in (tmp_path / "samples").iterdir())
    pairs = [f"reconstructions-{iteration:08d}.png" for iteration in (2, 4, 5)]
    assert made == sorted(["between.png", *pairs, "traversal.png"])
    sizes = {name: Image.open(tmp_path / "samples" / name).size for name in made}
    cell = 66
    assert sizes[pairs[0]] == (3 * cell - 2, 4 * cell - 2)  # 2 rows of images, each with its reconstructions
    assert sizes["between.png"] == (3 * cell - 2, 3 * cell - 2)  # 6 images make 3 pairs
    assert sizes["traversal.png"] == (3 * cell - 2, 3 * cell - 2)  # 3 numbers in a code


def test_the_rows_are_held_out_images_and_what_became_of_them(tmp_path):
    game, data = autoencoder(1), Digits(batch_size=8, image_size=8)
    play(game, data, tmp_path, Reconstructions(every=1, rows=2, columns=2))
    picture = np.asarray(Image.open(tmp_path / "samples" / "reconstructions-00000001.png"))[::8, ::8]  # 8 x 8 a pixel
    held_out = next(data.split("validation").at_most(2).batches(2)).x
    shown = ((held_out[0, 0] + 1) * 127.5).round()
    assert np.array_equal(picture[:8, :8], shown.numpy())


def test_points_and_games_without_codes_are_left_alone(tmp_path):
    fit(tiny_game(2), tmp_path, [Reconstructions(every=1)])
    assert not (tmp_path / "samples").exists()


def test_a_resumed_run_forgets_pictures_it_will_draw_again(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in ("reconstructions-00000009.png", "reconstructions-mine.png"):
        (tmp_path / "samples" / name).write_bytes(b"")
    play(autoencoder(1), Digits(batch_size=8, image_size=8), tmp_path, Reconstructions(every=1, rows=2, columns=2))
    assert not (tmp_path / "samples" / "reconstructions-00000009.png").exists()
    assert (tmp_path / "samples" / "reconstructions-mine.png").exists()


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="rows=0"):
        Reconstructions(every=1, rows=0)
