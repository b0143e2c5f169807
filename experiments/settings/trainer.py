"""Arguments of `pytorch_lightning.Trainer` under `trainer.`: which a run passes on, and what replaces the others.

A game is one epoch in manual optimization with one optimizer a player, so it cannot honour every argument. Imports no
torch, so that a command is refused at once.
"""

from collections.abc import Mapping
from typing import Any

from experiments.settings.spec import Bool, Choice, Node, OneOf, Optional, Spec, plain
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

# Settings of conf/trainer/*.yaml: the run's own, whether Lightning has an argument of that name or not.
OWN = (
    *("accelerator", "devices", "num_nodes", "strategy", "precision", "compile", "compile_mode"),
    *("threads", "log_every", "requeue"),
)

PASSED: Mapping[str, str] = {
    "max_time": "time of one sitting, DD:HH:MM:SS; the run is saved then, and the same command continues it",
    "profiler": "simple, advanced, pytorch, or a node with a _target_; its report goes to the run directory",
    "detect_anomaly": "find the operation whose gradient is NaN; slow",
    "deterministic": "true, false or warn: deterministic algorithms of torch",
    "benchmark": "true: cuDNN chooses the fastest algorithm for each shape",
}

# What the values of these may be; max_time is read by `lightning_gans.callbacks.time_limit`.
WORDS: Mapping[str, tuple[str, ...]] = {"profiler": ("simple", "advanced", "pytorch"), "deterministic": ("warn",)}
VALUES: Mapping[str, Spec] = {
    "profiler": Optional(OneOf((Choice(WORDS["profiler"]), Node()))),
    "detect_anomaly": Bool(),
    "deterministic": Optional(Choice((True, False, "warn"))),
    "benchmark": Optional(Bool()),
}

_BUDGET = "the budget of a run is iterations=5000, and one epoch is the run."
_CLIPPING = "each player's gradients are clipped by themselves: variant.training.players.<player>.clip_norm=1."
_EVALUATION = "there is no validation loop: callbacks.evaluation.every=500 and callbacks.evaluation.samples=2000."
_TRAINING_DATA = "the budget is iterations=5000; for fewer samples, set it in the data module (--help data=NAME)."

# Sentences behind `trainer.NAME: `, each with the setting to use instead.
refused: Mapping[str, str] = {
    "gradient_clip_val": _CLIPPING,
    "gradient_clip_algorithm": _CLIPPING,
    "accumulate_grad_batches": "each phase accumulates its own gradients: variant.training.accumulate=4.",
    "max_steps": _BUDGET,
    "min_steps": _BUDGET,
    "max_epochs": _BUDGET,
    "min_epochs": _BUDGET,
    "fast_dev_run": "the budget of a run is iterations=3; metrics=none leaves the evaluation out.",
    "limit_train_batches": _TRAINING_DATA,
    "overfit_batches": _TRAINING_DATA,
    "limit_val_batches": _EVALUATION,
    "limit_test_batches": _EVALUATION,
    "limit_predict_batches": "samples are drawn by `python -m experiments.sample run=DIR n=64`.",
    "val_check_interval": _EVALUATION,
    "check_val_every_n_epoch": _EVALUATION,
    "num_sanity_val_steps": _EVALUATION,
    "inference_mode": _EVALUATION,
    "log_every_n_steps": "losses are read every trainer.log_every=25 iterations.",
    "reload_dataloaders_every_n_epochs": "batches are a function of the iteration, of data.batch_size=64 samples.",
    "use_distributed_sampler": "the data module divides data.batch_size=64 over the processes.",
    "sync_batchnorm": "each process normalises its own part of data.batch_size=64; a larger batch makes it larger.",
    "plugins": "checkpoints are verified, and processes are those of the launcher; a precision is trainer.precision=.",
    "barebones": "logger=none, metrics=none and callbacks.checkpoint.every=5000 leave out what takes time.",
    "logger": "loggers are a group: logger=wandb, logger=[wandb,tensorboard], or +logger.mine={_target_: ...}.",
    "callbacks": "callbacks are nodes of the group callbacks: +callbacks.mine={_target_: ...}.",
    "default_root_dir": "the directory of a run is run_dir=DIR.",
    "enable_checkpointing": "checkpoints are written every callbacks.checkpoint.every=500 iterations.",
    "enable_progress_bar": "`python -m experiments.train seed=0 | cat` prints lines in place of the bar.",
    "enable_model_summary": "summary.json counts parameters; for a table, "
    "+callbacks.table={_target_: pytorch_lightning.callbacks.RichModelSummary}.",
    "enable_autolog_hparams": "every logger is told the configuration; logger=none tells none.",
    "model_registry": "the exported model is the folder generator/ of run_dir=DIR.",
}


def problem(name: str) -> str | None:
    """The reason why `trainer.<name>` cannot be set, as one or two sentences; None where it can."""
    if name in OWN or name in PASSED:
        return None
    if name in refused:
        return f"trainer.{name} cannot be set: {refused[name]}"
    known = [*OWN, *PASSED]
    hint = did_you_mean(f"trainer.{other}" for other in nearest(name, known))
    return f"trainer.{name}: there is no such setting.{hint or ' Settings there: ' + ', '.join(known) + '.'}"


def value_problem(name: str, value: Any) -> str | None:
    """Why Lightning would refuse this value of an argument that is passed on, as a sentence; None where it fits."""
    spec = VALUES.get(name)
    wrong = spec.problem(value) if spec is not None else None
    if spec is None or wrong is None:
        return None
    words = [f"trainer.{name}={word}" for word in nearest(str(value), WORDS.get(name, ()))]
    return f"trainer.{name}={plain(value)} {wrong}; allowed: {spec.allowed()}.{did_you_mean(words)}"


def check(settings: Mapping[str, Any]) -> None:
    """Refuse arguments of the Trainer that a game cannot honour, and names that it does not have.

    Raises:
        UserError: names each one, and the setting to use instead.
    """
    found = [text for name, value in settings.items() if value is not None and (text := problem(name))]
    if found:
        raise UserError(" ".join(found))
