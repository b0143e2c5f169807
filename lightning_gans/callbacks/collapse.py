"""Collapse watch: warnings about lost classes, narrow samples and a saturated discriminator."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.core.events import Evidence
from lightning_gans.metrics.diversity import classes_covered, pairwise_distance

log = logging.getLogger("lightning_gans")

SHARE = 0.2  # a class is covered with this share of the samples that a uniform generator would give it
NARROW = 1 / 3  # of the distance between real samples
PINNED = 0.99  # accuracy of D from which on it has nothing to learn from, or gives nothing
EVALUATIONS = 3  # that D has to be pinned for
ROWS = 512  # samples whose distances are measured: 131,000 pairs


class CollapseWatch(pl.Callback):
    """Warns, once until it has cleared, of what an evaluation shows to be going wrong.

    Fewer classes among the samples than there are; samples much nearer to each other than real ones (in feature
    space); a discriminator that is always right, or always wrong, at three evaluations running.
    """

    def __init__(self) -> None:
        self._accuracy: list[float] = []
        self._told: set[str] = set()

    def on_evaluation(self, trainer: Any, game: Any, evidence: Evidence) -> None:
        """Look at one evaluation; called on every rank, speaks on rank 0."""
        if "D/accuracy" in game.latest:
            self._accuracy = [*self._accuracy, float(game.latest["D/accuracy"])][-EVALUATIONS:]
        if not trainer.is_global_zero:
            return
        classes = getattr(getattr(trainer, "datamodule", None), "classes", None)
        signs = {
            "classes": _missing_classes(evidence.probabilities, classes),
            "distance": _narrow(evidence.features, evidence.real),
            "accuracy": _pinned(self._accuracy),
        }
        for name, text in signs.items():
            if text is not None and name not in self._told:
                log.warning("Iteration %s: %s", f"{game.iteration:,}", text)
        self._told = {name for name, text in signs.items() if text is not None}

    def state_dict(self) -> dict[str, Any]:
        return {"accuracy": list(self._accuracy), "told": sorted(self._told)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._accuracy, self._told = list(state_dict["accuracy"]), set(state_dict["told"])


def _missing_classes(probabilities: Tensor | None, names: tuple[str, ...] | None) -> str | None:
    if probabilities is None or not len(probabilities):
        return None
    classes = probabilities.shape[1]
    covered = classes_covered(probabilities, share=SHARE)
    if covered == classes:
        return None
    counts = torch.bincount(probabilities.detach().argmax(1).cpu(), minlength=classes)
    rarest = counts.argsort(stable=True)[: classes - covered].tolist()
    named = [str(names[i]) if names is not None and len(names) == classes else str(i) for i in sorted(rarest)]
    listed = ", ".join(named[:10]) + (" ..." if len(named) > 10 else "")
    return (
        f"the samples cover {covered} of {classes} classes (few or none of: {listed}). Early in a run that passes; "
        "when it stays it is mode collapse, G making the few things that D cannot yet reject (or these classes are "
        "rare in the data). Try a larger data.batch_size, or a penalty on D's gradient (penalty=r1, with a "
        "discriminator without batch norm)."
    )


def _narrow(features: Tensor | None, real: Tensor | None) -> str | None:
    if features is None or real is None or len(features) < 2 or len(real) < 2:
        return None
    ours, theirs = pairwise_distance(_spread(features)), pairwise_distance(_spread(real))
    if not ours < NARROW * theirs:
        return None
    return (
        f"samples are {ours / theirs:.0%} as far from each other as real ones (in feature space, mean over pairs). "
        "G is making variations of very few things: mode collapse, or a run that has hardly begun. Try a lower "
        "learning rate for G, or another seed; if it stays, a penalty on D's gradient (penalty=r1, with a "
        "discriminator without batch norm)."
    )


def _spread(features: Tensor) -> Tensor:
    """At most 512 rows at even distances: real samples may be sorted by class."""
    return features[torch.linspace(0, len(features) - 1, min(ROWS, len(features))).long()]


def _pinned(accuracy: list[float]) -> str | None:
    if len(accuracy) == EVALUATIONS and min(accuracy) > PINNED:
        return (
            f"D has told real from generated samples with an accuracy of {min(accuracy):.1%} or more at the last "
            f"{EVALUATIONS} evaluations. A D that is always right gives G little to learn from, and a small data set "
            "may be learnt by heart. Try a lower learning rate or a smaller network for D, or objective=non_saturating "
            "where it is minimax."
        )
    if len(accuracy) == EVALUATIONS and max(accuracy) < 1 - PINNED:
        return (
            f"D has been wrong about {1 - max(accuracy):.1%} or more of all samples at the last {EVALUATIONS} "
            "evaluations: worse than guessing, which means that G changes faster than D follows, or that the two "
            "terms of D's loss are exchanged. Try a lower learning rate for G, or more steps of D for each step of G."
        )
    return None
