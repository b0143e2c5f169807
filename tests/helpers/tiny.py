"""A game on the plane that takes milliseconds an iteration, and a trainer that leaves nothing behind unasked."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules import Ring
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.vanilla import GAN

BATCH = 8


def tiny_game(iterations: int, *, learning_rate: float = 1e-3, depth: int = 1) -> GAN:
    """The same initial weights every time."""
    adam = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=learning_rate))
    with isolated("tiny"):
        generator = MLPGenerator(
            latent_dim=4, sample_shape=(2,), width=8, depth=depth, batch_norm=False, output="linear"
        )
        discriminator = MLPDiscriminator(sample_shape=(2,), width=8, depth=depth, dropout=0.0)
    return GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=4)),
        discriminator=discriminator,
        loss=NonSaturating(),
        training=Training(iterations=iterations, batch_size=BATCH, players={"D": adam, "G": adam}),
    )


def fit(
    game: GAN,
    run_dir: Path,
    callbacks: Sequence[pl.Callback],
    *,
    loggers: Sequence[Any] = (),
    checkpoint: Path | None = None,
) -> pl.Trainer:
    """Train as the main command does, on the CPU, from a checkpoint where one is given."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=list(loggers),
        callbacks=list(callbacks),
        default_root_dir=run_dir,
        enable_progress_bar=False,
        enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(game, datamodule=Ring(batch_size=BATCH, dimension=2), ckpt_path=checkpoint, weights_only=True)
    return trainer
