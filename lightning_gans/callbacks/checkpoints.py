"""Checkpoints: last.ckpt, best.ckpt and the exported generator/ of a run."""

import filecmp
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.exports import tell_generator
from lightning_gans.core.activity import activity
from lightning_gans.core.checkpoints import copy
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import due
from lightning_gans.core.files import flush
from lightning_gans.core.game import Game
from lightning_gans.core.interruption import stopping
from lightning_gans.core.received import read_text
from lightning_gans.models.card import GRID, Report, write_card
from lightning_gans.models.export import WEIGHTS, load_weights, save_generator
from lightning_gans.models.spec import build
from lightning_gans.reporting.images import save_png
from lightning_gans.reporting.previews import preview
from lightning_gans.settings import Count, Given, Positive
from lightning_gans.strategies.exchange import any_says

CLOCK_EVERY = 25  # iterations between two readings of the clock, on which the ranks must agree


class Checkpoints(Checkpoint):
    """Saves last.ckpt at intervals of iterations or minutes, at each new best score, on a stop and at the end.

    With each save, the exported generator/ is rewritten from the evaluated weights, with a model card, which gets the
    scores on the test split and a picture of samples at the end. best.ckpt is the checkpoint with the best value of the
    game's headline metric, in a separate file. A checkpoint is on the disk before it replaces the old one, and none is
    written after a loss or gradient was not finite.

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
        self._exported: dict[str, Any] | None = None  # facts of the export in generator/

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self._saved_at = time.monotonic()
        self._scores_before = pl_module.scores.state_dict()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Complete the save or the evaluation that a killed process left unfinished."""
        assert isinstance(pl_module, Game)
        if not pl_module.iteration or trainer.ckpt_path is None:
            return
        if pl_module.scores.state_dict() != self._scores_before:
            self.save(trainer, pl_module)
            return
        if trainer.is_global_zero:
            self._keep_best(Path(trainer.ckpt_path), Path(trainer.default_root_dir), pl_module)
        if pl_module.iteration >= pl_module.iterations:  # no further save follows
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
        """Write last.ckpt, best.ckpt if the score is the best so far, and generator/; every rank calls it."""
        with activity("saving a checkpoint"):
            self._save(trainer, game)
        self._saved_at = time.monotonic()

    def _save(self, trainer: pl.Trainer, game: Game) -> None:
        game.verify_losses()  # a run that diverged stops here, before it overwrites good files
        game.evaluated_model()  # so that the checkpoint's ema.model.* are the evaluated weights
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
        model = game.evaluated_model()  # on every rank, so that they stay equal
        if trainer.is_global_zero:
            self._exported = {**self.about, "iteration": game.iteration, "images": game.images}
            folder = Path(trainer.default_root_dir) / "generator"
            save_generator(model, self.spec, folder, about=self._exported, report=_report(trainer, game))
            tell_generator(trainer, game, folder)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Complete the model card of the export; runs after Evaluation, which has measured on the test split."""
        assert isinstance(pl_module, Game)
        if self._exported is None or stopping() or not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir) / "generator"
        report = _report(trainer, pl_module)
        with activity("the model card"), suppress(UserError):
            # The weights in the folder; the test may have changed the game's own copy.
            model = build(self.spec, trusted=True)
            load_weights(model, folder / WEIGHTS)
            picture, shape = preview(model.eval())
            if picture is not None:
                save_png(picture, folder / GRID)
            report = replace(report, shape=shape, grid=picture is not None)
        write_card(folder, self.spec, self._exported, report)

    def _keep_best(self, newest: Path, run_dir: Path, game: Game) -> None:
        """Copy `newest`, an intact checkpoint, to best.ckpt if it has the best value of the headline metric so far."""
        best = run_dir / "checkpoints" / "best.ckpt"
        if not game.scores.is_best(game.headline, game.iteration) or not newest.is_file():
            return
        if not best.is_file() or not filecmp.cmp(newest, best, shallow=False):
            copy(newest, best)


def _report(trainer: pl.Trainer, game: Game) -> Report:
    """Return the facts of the model card that are known so far."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    evaluation = next((callback for callback in callbacks if isinstance(callback, Evaluation)), None)
    command, commit = _command(Path(trainer.default_root_dir))
    return Report(
        scores=game.scores.state_dict(),
        protocol={} if evaluation is None else evaluation.facts(),
        test={} if evaluation is None else evaluation.test.get("last", {}),
        test_floor={} if evaluation is None else evaluation.test.get("floor", {}),
        command=command,
        commit=commit,
    )


def _command(run_dir: Path) -> tuple[str, str]:
    """Return the newest command and commit in a run's command.txt; empty if there are none.

    run_dir= is left out, since it is a path on this machine.
    """
    try:
        lines = read_text(run_dir / "command.txt").splitlines()
    except (OSError, ValueError):
        return "", ""
    commands = [line for line in lines if line.startswith("python -m experiments.")]
    commits = [line.removeprefix("commit ") for line in lines if line.startswith("commit ")]
    with suppress(ValueError):  # quotes that do not match: a file that was edited
        commands = [shlex.join(word for word in shlex.split(line) if not _says_run_dir(word)) for line in commands[-1:]]
    return (*commands[-1:], "")[0], (*commits[-1:], "")[0]


def _says_run_dir(word: str) -> bool:
    return word.lstrip("-").startswith("run_dir=")
