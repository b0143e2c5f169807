"""Warnings of mode collapse: uneven classes, low diversity, a saturated discriminator."""

import logging
from typing import Any

import pytorch_lightning as pl

from lightning_gans.callbacks.training_log import tell_alert
from lightning_gans.core.events import Evidence
from lightning_gans.metrics.diversity import class_counts, classes_covered

log = logging.getLogger("lightning_gans")

SHARE = 0.2  # a class is covered with this share of the samples that a uniform generator would give it
EVEN = 0.8  # least evenness, relative to real samples
RECALLED = 0.25  # least recall, relative to real samples
COVERED = 0.4  # least coverage, relative to real samples
PRECISE = 0.5  # precision, relative to real samples, from which samples count as realistic
PINNED = 0.99  # accuracy from which D is saturated
EVALUATIONS = 3  # consecutive evaluations with a saturated D
MOST = 50  # stored warnings


class CollapseWatch(pl.Callback):
    """Warns of mode collapse and of a saturated discriminator; a warning is repeated only after its cause has cleared.

    It warns if classes are missing or rare among the samples; if samples have low diversity (recall and coverage far
    below those of held-out real samples, while the samples themselves look real); and if the discriminator is always
    right, or always wrong, at three consecutive evaluations.

    Attributes:
        warnings: the last 50 of the run so far, for summary.json: {"iteration", "text"}.
    """

    def __init__(self) -> None:
        self.warnings: list[dict[str, Any]] = []
        self._accuracy: list[float] = []
        self._told: set[str] = set()

    def on_evaluation(self, trainer: Any, game: Any, evidence: Evidence) -> None:
        """Check one evaluation; called on every rank, prints on rank 0."""
        if "D/accuracy" in game.latest:
            self._accuracy = [*self._accuracy, float(game.latest["D/accuracy"])][-EVALUATIONS:]
        if not trainer.is_global_zero:
            return
        classes = getattr(getattr(trainer, "datamodule", None), "classes", None)
        signs = {
            "classes": uneven_classes(evidence, classes),
            "variety": little_variety(evidence),
            "accuracy": _pinned(self._accuracy),
        }
        for name, text in signs.items():
            if text is not None and name not in self._told:
                log.warning("Iteration %s: %s", f"{game.iteration:,}", text)
                tell_alert(trainer, "warning", f"Collapse watch: {name}", f"Iteration {game.iteration:,}: {text}")
                self.warnings = [*self.warnings, {"iteration": game.iteration, "text": text}][-MOST:]
        self._told = {name for name, text in signs.items() if text is not None}

    def state_dict(self) -> dict[str, Any]:
        return {"accuracy": list(self._accuracy), "told": sorted(self._told), "warnings": [*self.warnings]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._accuracy, self._told = list(state_dict["accuracy"]), set(state_dict["told"])
        self.warnings = [*state_dict.get("warnings", ())]  # checkpoints of version 0.1 have none


def uneven_classes(evidence: Evidence, names: tuple[str, ...] | None) -> str | None:
    """Return a warning if classes are missing among the samples or much more uneven than among real ones.

    names: names of the data's classes; if the classifier has others, there is no warning.
    """
    found = evidence.probabilities
    if found is None or not len(found) or names is None or len(names) != found.shape[1]:
        return None
    counts = class_counts(found)
    missing = len(names) - classes_covered(found, share=SHARE)
    even, real = evidence.scores.get("evenness"), evidence.floor.get("evenness", 1.0)
    if not missing and (even is None or not even < EVEN * real):
        return None
    order = counts.argsort(stable=True).tolist()
    rare = [str(names[i]) for i in sorted(order[: max(missing, 1)])]
    listed = ", ".join(rare[:10]) + (" ..." if len(rare) > 10 else "")
    share = f"{int(counts[order[-1]]) / len(found):.0%} are of class {names[order[-1]]}"
    evenness = "" if even is None else f"; evenness {even:.2f}, real samples {real:.2f}"
    return (
        f"the samples cover {len(names) - missing} of {len(names)} classes (few or none of: {listed}), and {share}"
        f"{evenness}. Early in a run that passes; when it stays it is mode collapse, G making the few things that D "
        "cannot yet reject (or these classes are rare in the data). Try a larger data.batch_size, or a penalty on D's "
        "gradient (penalty=r1, with a discriminator without batch norm)."
    )


def little_variety(evidence: Evidence) -> str | None:
    """Return a warning if precision is high and recall or coverage low: realistic samples with low diversity.

    Samples that do not look real yet also have a low coverage, which is no sign of collapse; precision separates the
    two cases.
    """
    scores, floor = evidence.scores, evidence.floor
    low = []
    for name, share in (("recall", RECALLED), ("coverage", COVERED)):
        key = f"{name}{evidence.suffix}"
        if key in scores and key in floor and scores[key] < share * floor[key]:
            low.append(f"{name} {scores[key]:.2f}, real samples {floor[key]:.2f}")
    precision = f"precision{evidence.suffix}"
    if not low or scores[precision] < PRECISE * floor[precision]:
        return None
    return (
        f"the samples cover little of what real ones do ({'; '.join(low)}): G makes variations of few things, mode "
        "collapse within or among classes. Try a lower learning rate for G, or another seed; if it stays, a penalty on "
        "D's gradient (penalty=r1, with a discriminator without batch norm)."
    )


def _pinned(accuracy: list[float]) -> str | None:
    if len(accuracy) == EVALUATIONS and min(accuracy) > PINNED:
        return (
            f"D has told real from generated samples with an accuracy of {min(accuracy):.1%} or more at the last "
            f"{EVALUATIONS} evaluations. A D that is always right gives G little to learn from, and it may "
            "memorise a small data set. Try a lower learning rate or a smaller network for D, or "
            "objective=non_saturating instead of minimax."
        )
    if len(accuracy) == EVALUATIONS and max(accuracy) < 1 - PINNED:
        return (
            f"D has been wrong about {1 - max(accuracy):.1%} or more of all samples at the last {EVALUATIONS} "
            "evaluations: worse than guessing, which means that G changes faster than D follows, or that the two "
            "terms of D's loss are exchanged. Try a lower learning rate for G, or more steps of D for each step of G."
        )
    return None
