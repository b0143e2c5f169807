"""Training as the main command does it, in the smallest form."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from lightning_gans.core.checkpoint_io import AtomicCheckpointIO
from lightning_gans.core.game import Game


def trainer(folder: Path, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    """A trainer on the CPU that writes nothing unasked; further options are Lightning's."""
    return pl.Trainer(
        accelerator="cpu",
        devices=options.pop("devices", 1),
        max_epochs=1,
        logger=False,
        callbacks=list(callbacks),
        plugins=[AtomicCheckpointIO(), *options.pop("plugins", [])],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_checkpointing=options.pop("enable_checkpointing", False),
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **options,
    )


def play(
    game: Game,
    data: pl.LightningDataModule | Sequence[Any],
    folder: Path,
    *callbacks: pl.Callback,
    checkpoint: Path | None = None,
    **options: Any,
) -> Game:
    """Train on a data module or a list of batches, from a checkpoint where one is given."""
    if isinstance(data, pl.LightningDataModule):
        source: dict[str, Any] = {"datamodule": data}
    else:
        source = {"train_dataloaders": DataLoader(data, batch_size=None)}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on runs of other sizes
        trainer(folder, *callbacks, **options).fit(game, **source, ckpt_path=checkpoint, weights_only=True)
    return game


class StopAfter(pl.Callback):
    """Save `path` after so many iterations, and stop there."""

    def __init__(self, iterations: int, path: Path) -> None:
        self.iterations, self.path = iterations, path

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if pl_module.iteration == self.iterations:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


class SaveAt(pl.Callback):
    """Save `path` after so many iterations, and go on."""

    def __init__(self, iterations: int, path: Path) -> None:
        self.iterations, self.path = iterations, path

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if pl_module.iteration == self.iterations:
            trainer.save_checkpoint(self.path)


class Watch(pl.Callback):
    """Call `look(trainer, game)` after every iteration, and keep what it returns."""

    def __init__(self, look: Any) -> None:
        self.look, self.seen = look, []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self.seen.append(self.look(trainer, pl_module))
