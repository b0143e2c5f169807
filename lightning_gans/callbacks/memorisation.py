"""Warning of an overfitted discriminator, which has memorised a small training set."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch

from lightning_gans.core.batches import ConditionedBatch, SampleBatch
from lightning_gans.core.events import Evidence
from lightning_gans.core.protocols import DetectsMemorisation, Samples, SamplesByCondition, SamplesByLabel

log = logging.getLogger("lightning_gans")

SMALL = 20_000  # training samples; larger sets are not memorised
SAMPLES = 256  # of each kind, as input of D
MEMORISED = 0.6  # r_v; the number that Karras et al. 2020 take as the target of r_t
EVALUATIONS = 2  # consecutive
LEAST = 10  # held-out samples


class MemorisationWatch(pl.Callback):
    """Warns once if D judges held-out real samples as generated, but not its training samples (overfitting).

    At each evaluation of a run on at most 20,000 training samples, D judges 256 training, held-out and generated
    samples. It warns if r_v of Karras et al. 2020 (2006.06676) is above 0.6 at two consecutive evaluations.

    Attributes:
        warnings: the warning, for summary.json: {"iteration", "text"}; empty before.
    """

    def __init__(self) -> None:
        self.warnings: list[dict[str, Any]] = []
        self._values: list[float] = []
        self._told = False

    def on_evaluation(self, trainer: Any, game: Any, evidence: Evidence) -> None:
        """Check one evaluation, on rank 0 only."""
        data = getattr(trainer, "datamodule", None)
        able = isinstance(game, DetectsMemorisation)
        if not trainer.is_global_zero or self._told or not able or data is None:
            return
        train, held_out = data.split("train"), data.split("validation")
        if not len(held_out) >= LEAST or len(train) > SMALL:
            return
        real = [next(split.at_most(SAMPLES).batches(SAMPLES)) for split in (train, held_out)]
        batches = [_on(game.device, batch) for batch in real]
        generated = _generated(game.evaluated_model(), game.device)
        if generated is None:
            return
        value = game.memorisation(*batches, generated)
        self._values = [*self._values, value][-EVALUATIONS:]
        if len(self._values) == EVALUATIONS and all(value > MEMORISED for value in self._values):
            self._told = True
            augmented = getattr(game, "augment", None) is not None
            more = "a stronger augmentation (augment=adaptive)" if augmented else "augmentation (augment=diffaugment)"
            text = (
                f"D has memorised the {len(train):,} training samples (r_v = {value:.2f}: held-out real samples "
                f"look generated to it). Add {more}, or stop here: best.ckpt holds the best weights so far."
            )
            log.warning("Iteration %s: %s", f"{game.iteration:,}", text)
            self.warnings = [{"iteration": game.iteration, "text": text}]

    def state_dict(self) -> dict[str, Any]:
        return {"values": list(self._values), "told": self._told, "warnings": [*self.warnings]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._values, self._told = list(state_dict["values"]), bool(state_dict["told"])
        self.warnings = [*state_dict.get("warnings", ())]  # checkpoints of version 0.1 have none


def _generated(model: Any, device: torch.device) -> Any:
    """Samples with the classes or conditions that they were drawn for, on the device of D."""
    if not isinstance(model, Samples):
        return None
    x = model.sample(SAMPLES)
    if isinstance(model, SamplesByCondition):
        return _on(device, ConditionedBatch(x, model.conditions(SAMPLES)))
    return _on(device, SampleBatch(x, model.labels(SAMPLES) if isinstance(model, SamplesByLabel) else None))


def _on(device: torch.device, batch: Any) -> Any:
    """Move a batch to a device."""
    return type(batch)(*(None if column is None else column.to(device) for column in batch))
