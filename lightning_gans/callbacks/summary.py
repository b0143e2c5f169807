"""Run summary: metrics.csv and summary.json."""

import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_gans.callbacks.collapse import CollapseWatch
from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.memorisation import MemorisationWatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import Evidence
from lightning_gans.core.files import overwrite, write_atomically
from lightning_gans.core.game import Game
from lightning_gans.metrics.names import earlier
from lightning_gans.reporting.csv_files import CsvFile


class RunSummary(pl.Callback):
    """Writes a row of metrics.csv at every evaluation, and summary.json at every checkpoint and at the end.

    Seconds are those spent in training, evaluations included, over all sittings of the run.
    """

    def __init__(self) -> None:
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self._parameters: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds_before = float(state_dict["seconds"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self._started = time.monotonic()
        self._parameters = pl_module.parameter_counts()
        if trainer.is_global_zero:
            self._csv = CsvFile(Path(trainer.default_root_dir) / "metrics.csv")
            self._csv.rename(earlier(_suffix(trainer)))
            self._csv.resume(pl_module.iteration)
            self.write(trainer, pl_module, "running")

    def on_evaluation(self, trainer: pl.Trainer, game: Game, evidence: Evidence) -> None:
        if trainer.is_global_zero:
            row = {"iteration": game.iteration, "images": game.images, "seconds": round(self.seconds, 2)}
            self._csv.append(row | evidence.scores)
            self.write(trainer, game, "running")

    def write(self, trainer: pl.Trainer, game: Game, status: str) -> None:
        """Write summary.json (rank 0 only).

        On a full disk, the old file is overwritten in place; if even that fails, only status and iteration.

        Raises:
            UserError: no space for a new file, or no permission.
        """
        seconds = self.seconds
        classes = getattr(getattr(trainer, "datamodule", None), "classes", None)
        summary: dict[str, Any] = {
            "status": status,
            "iterations": game.iteration,
            "images": game.images,
            "seconds": round(seconds, 2),
            "images_per_second": float(f"{game.images / seconds:.4g}") if seconds > 0 else None,
            "parameters": self._parameters,
            "metrics": game.scores.state_dict(),
            "headline": game.headline,
            "classes": list(classes) if classes else None,
            "losses": game.latest,
        }
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, CollapseWatch | MemorisationWatch):
                summary.setdefault("warnings", []).extend(callback.warnings)
            if isinstance(callback, Evaluation):
                summary["evaluation"] = callback.facts()
                summary["test"] = callback.test
        path = Path(trainer.default_root_dir) / "summary.json"
        try:
            write_atomically(path, json.dumps(_plain(summary), indent=2) + "\n")
        except UserError:
            for known in (summary, _known(path) | {"status": status, "iterations": game.iteration}):
                if overwrite(path, json.dumps(_plain(known), separators=(",", ":")).encode()):
                    break
            raise


def _suffix(trainer: pl.Trainer) -> str:
    """Suffix in the names of this run's feature-based metrics."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback.scoring.suffix for callback in callbacks if isinstance(callback, Evaluation)), "")


def _known(path: Path) -> dict[str, Any]:
    """Content of an existing summary; empty if it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
