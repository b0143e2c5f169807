"""Messages at the end of a run: the reason for an early end, advice after a divergence, and the results."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from experiments.runs.report import final_table
from lightning_gans.core.errors import Diverged
from lightning_gans.core.game import Game


def advice(error: Diverged, trainer: pl.Trainer) -> str:
    """Return advice on how to remove the cause of a divergence."""
    if error.cause == "data":
        bad = _bad_samples(trainer)
        found = f"In the training split it is {bad}. " if bad else ""
        return f"{found}No setting of the training mends that: repair or remove these samples and start a new run_dir."
    settings = f"variant.training.players.{error.player or '<player>'}"
    slower = f"a tenth of player {error.player}'s learning rate ({settings}.optimizer.lr=...)"
    exact = "" if trainer.precision in ("32-true", "64-true") else "trainer.precision=32-true, "
    if error.cause == "network":
        return f"To try in a new run_dir: {exact}{slower}, or clipped gradients ({settings}.clip_norm=1)."
    if error.cause == "loss":
        return (
            "A term does so by itself where it takes a logarithm, a root or a quotient outside its domain, or where "
            f"its logits have grown (losses.csv shows that). To try in a new run_dir: {exact}another objective, "
            f"another weight of that term, or {slower}."
        )
    return (
        "A finite loss has such a gradient where its slope is infinite (a root or a norm at 0, a logarithm near 0) or "
        f"where the gradients had grown (losses.csv shows that); clipping mends only the latter. To try in a new "
        f"run_dir: {exact}{slower}, or {settings}.clip_norm=1."
    )


def _bad_samples(trainer: pl.Trainer, *, shown: int = 3, seconds: float = 30.0) -> str:
    """Describe the first non-finite samples of the training split; "" if there are none or time is up."""
    data: Any = getattr(trainer, "datamodule", None)
    if not hasattr(data, "split"):
        return ""
    bad: list[int] = []
    start, until = 0, time.monotonic() + seconds
    for batch in data.split("train").batches(256):
        columns = [column for column in batch if isinstance(column, torch.Tensor) and column.is_floating_point()]
        rows = [~column.isfinite().flatten(1).all(1) for column in columns]
        bad += [start + i for i in torch.stack(rows).any(0).nonzero().flatten().tolist()] if rows else []
        start += len(batch[0])
        if len(bad) > shown or time.monotonic() > until:
            break
    if not bad:
        return ""
    more = " and more" if len(bad) > shown else ""
    return f"sample {', '.join(map(str, bad[:shown]))}{more} (the first is 0)"


def stopped_early(callbacks: list[pl.Callback]) -> str:
    """Return the reason for which an EarlyStopping callback ended the run; empty if none did."""
    reasons = (getattr(callback, "stopping_reason_message", None) for callback in callbacks)
    sentence = next((str(found) for found in reasons if found), "").partition(". ")[0]
    return sentence[:1].lower() + sentence[1:]


def farewell(run_dir: Path, game: Game, *, whole: bool, why: str) -> None:
    if whole:
        final_table(run_dir)
        return
    print(f"Stopped after iteration {game.iteration} of {game.iterations}{why}; everything is saved in {run_dir}.")
    print("The same command continues it.")
