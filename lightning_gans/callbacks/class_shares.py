"""Shares of classes: a chart of the classes of generated samples, as predicted by the classifier of the metrics."""

from typing import Any

import torch

from lightning_gans.callbacks.pictures import Pictures, picture
from lightning_gans.core.activity import activity
from lightning_gans.core.events import Evidence
from lightning_gans.reporting.charts import class_figure


@picture
class ClassShares(Pictures[Any]):
    """Draws classes.png at each evaluation: the share of each class, among generated and real samples.

    Classes of generated samples are the classifier's predictions (`metrics=classifier`), those of real samples the
    training labels.
    """

    def applies(self, game: Any, data: object) -> bool:
        return False  # drawn at evaluations, which have the probabilities, not at intervals

    def on_evaluation(self, trainer: Any, game: Any, evidence: Evidence) -> None:
        """Draw one evaluation, on the first process."""
        data: Any = getattr(trainer, "datamodule", None)
        names, probabilities = getattr(data, "classes", None), evidence.probabilities
        if not trainer.is_global_zero or not names or probabilities is None or probabilities.shape[1] != len(names):
            return
        labels = data.split("train").labels
        if labels is None or not len(probabilities):
            return
        generated, real = (
            torch.bincount(found[found >= 0].cpu(), minlength=len(names)) for found in (probabilities.argmax(1), labels)
        )
        with activity(f"drawing {self.title}"):
            chart = class_figure(generated, real, names, title=f"iteration {game.iteration:,}")
            self.save(trainer, chart, "classes", game.iteration)
