"""Checkpoints: last.ckpt, best.ckpt and the exported generator/ of a run."""

import filecmp
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from lightning_gans.callbacks.exports import tell_generator
from lightning_gans.core.activity import activity
from lightning_gans.core.checkpoints import copy
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import due
from lightning_gans.core.files import flush
from lightning_gans.core.game import Game
from lightning_gans.models.export import save_generator
from lightning_gans.settings import Count, Given, Positive
from lightning_gans.strategies.exchange import any_says

CLOCK_EVERY = 25  # iterations between two looks at the clock, on which the ranks have to agree


class Checkpoints(Checkpoint):
    """Save last.ckpt every so many iterations or minutes, at every new best score, on a stop and at the end.

    With each one the exported generator/ is rewritten from the evaluated weights. best.ckpt is the checkpoint with the
    best value of the game's headline metric, in a file of its own. A checkpoint is on the disk before it takes the old
    one's place, and none is written after a loss or gradient stopped being finite.

    Args:
        every: iterations between two checkpoints.
        minutes: most minutes between two checkpoints.
        spec: description from which `models.build` makes the exported model.
        about: plain facts kept in generator/model.yaml.
    """

    def __init__(
        self,
        *,
        every: Count,
        minutes: Positive,
        spec: Given[Mapping[str, Any]],
        about: Given[Mapping[str, Any] | None] = None,
    ) -> None:
        if every < 1 or minutes <= 0:
            raise UserError(f"callbacks.checkpoint: every={every} and minutes={minutes} must be above 0.")
        self.every, self.minutes = every, minutes
        self.spec, self.about = dict(spec), dict(about or {})
        self._saved_at = time.monotonic()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self._saved_at = time.monotonic()
        self._scores_before = pl_module.scores.state_dict()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finish what the sitting before left: an evaluation that has been repeated now, or a save that was killed."""
        assert isinstance(pl_module, Game)
        if not pl_module.iteration or trainer.ckpt_path is None:
            return
        if pl_module.scores.state_dict() != self._scores_before:
            self.save(trainer, pl_module)
            return
        if trainer.is_global_zero:
            self._keep_best(Path(trainer.ckpt_path), Path(trainer.default_root_dir), pl_module)
        if pl_module.iteration >= pl_module.iterations:  # no save is to come
            self._export(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, Game)
        if (
            due(pl_module, self.every)
            or trainer.should_stop
            or pl_module.scores.is_best(pl_module.headline, pl_module.iteration)
            or self._overdue(pl_module)
        ):
            self.save(trainer, pl_module)

    def _overdue(self, game: Game) -> bool:
        if game.iteration % CLOCK_EVERY:
            return False
        return any_says(time.monotonic() - self._saved_at > self.minutes * 60, game.device)

    def save(self, trainer: pl.Trainer, game: Game) -> None:
        """Write last.ckpt, best.ckpt where this is the best, and generator/; every rank calls it."""
        with activity("saving a checkpoint"):
            self._save(trainer, game)
        self._saved_at = time.monotonic()

    def _save(self, trainer: pl.Trainer, game: Game) -> None:
        game.verify_losses()  # a run that diverged stops here, before it overwrites what is good
        game.evaluated_model()  # the checkpoint's ema.model.* are what was evaluated
        run_dir = Path(trainer.default_root_dir)
        if trainer.is_global_zero:
            for table in run_dir.glob("*.csv"):
                flush(table)  # a run that goes on from this checkpoint does not write these rows again
        last = run_dir / "checkpoints" / "last.ckpt"
        trainer.save_checkpoint(last)
        if trainer.is_global_zero:
            self._keep_best(last, run_dir, game)
        self._export(trainer, game)

    def _export(self, trainer: pl.Trainer, game: Game) -> None:
        model = game.evaluated_model()  # on every rank, so that they stay alike
        if trainer.is_global_zero:
            about = {**self.about, "iteration": game.iteration, "images": game.images}
            folder = Path(trainer.default_root_dir) / "generator"
            save_generator(model, self.spec, folder, about=about)
            tell_generator(trainer, game, folder)

    def _keep_best(self, newest: Path, run_dir: Path, game: Game) -> None:
        """Where `newest`, which is intact, is the best one so far, let best.ckpt be a copy of it."""
        best = run_dir / "checkpoints" / "best.ckpt"
        if not game.scores.is_best(game.headline, game.iteration) or not newest.is_file():
            return
        if not best.is_file() or not filecmp.cmp(newest, best, shallow=False):
            copy(newest, best)
