"""One run, from its resolved configuration to its summary. Everything heavy is imported here, after all is checked."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import EarlyStopping, LambdaCallback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from experiments.jobs import launch, requeue
from experiments.jobs.compiling import compile_networks
from experiments.jobs.devices import check_devices
from experiments.jobs.endings import advice, farewell, stopped_early
from experiments.jobs.instantiators import make_callbacks, make_loggers, make_profiler
from experiments.jobs.precision import choose, resolved
from experiments.report.of_run import leave
from experiments.runs.resume import source_of
from experiments.settings.trainer import check as check_flags
from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.callbacks.collapse import CollapseWatch
from lightning_gans.callbacks.embeddings import Embeddings
from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.memorisation import MemorisationWatch
from lightning_gans.callbacks.pictures import pictures
from lightning_gans.callbacks.progress import Progress
from lightning_gans.callbacks.stop import GracefulStop
from lightning_gans.callbacks.summary import RunSummary
from lightning_gans.callbacks.time_estimate import PaperBudget, TimeEstimate
from lightning_gans.callbacks.time_limit import TimeLimit
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.core import checkpoints
from lightning_gans.core.activity import activity, displayed
from lightning_gans.core.checkpoint_io import AtomicCheckpointIO
from lightning_gans.core.errors import Diverged, UserError
from lightning_gans.core.game import Game
from lightning_gans.core.interruption import Aborted, Interruption, StopRequested, requested
from lightning_gans.core.rng import seeded
from lightning_gans.evaluation.scoring import make_scoring
from lightning_gans.models import class_names
from lightning_gans.models.export import check_finite
from lightning_gans.models.spec import build
from lightning_gans.networks.initialization import Initialization
from lightning_gans.networks.spectral import estimate_norms
from lightning_gans.strategies.environment import GivenProcesses
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy

log = logging.getLogger("lightning_gans")


class Exit(IntEnum):
    """Exit code of a run."""

    DONE = 0
    REFUSED = 2
    DIVERGED = 3
    INTERRUPTED = 130


def run(
    config: Mapping[str, Any],
    *,
    checkpoint: Path | None = None,
    begin: Callable[[], None] | None = None,
    paper: tuple[str, int] | None = None,
    origin: Mapping[str, str] | None = None,
) -> Exit:
    """Train, evaluate and export what `config` (plain, resolved, `run_dir` set) describes.

    Args:
        checkpoint: a Lightning checkpoint to continue from.
        begin: called when everything is made and loaded, right before training.
        paper: training of the variant's paper, in words and in images, for an estimate of the time; None if unknown.
        origin: command and commit of the run, which loggers keep with its configuration.

    Raises:
        UserError: the pieces do not fit each other.
    """
    quiet_libraries()
    config = resolved(config)
    place = launch.place(config["trainer"])
    check_devices(config["trainer"], launched=place.launcher is not None)
    if config["trainer"]["precision"] == "auto" and place.leads:
        print(f"precision {config['names']['precision']}, chosen by trainer.precision=auto")
    # Lightning has taken it from any rank variable there is.
    rank_zero_only.rank = place.rank  # type: ignore[attr-defined]
    if config["trainer"]["threads"]:
        torch.set_num_threads(config["trainer"]["threads"])
    progress = Progress()
    with Interruption() as interruption, displayed(progress.task):
        try:
            interruption.check()
            return _run(config, checkpoint, begin, interruption, progress, paper, origin or {})
        except StopRequested:  # before training began, so there is nothing to save
            interruption.agreed = True
            if place.leads:
                print(
                    f"Stopped before training began; {config['run_dir']} keeps what it held. The same command starts "
                    "again."
                )
                _queue_again(config["trainer"], interruption, advanced=False)
            return Exit.INTERRUPTED
        except Aborted:
            return Exit.INTERRUPTED


def _run(
    config: Mapping[str, Any],
    checkpoint: Path | None,
    begin: Callable[[], None] | None,
    interruption: Interruption,
    progress: Progress,
    paper: tuple[str, int] | None,
    origin: Mapping[str, str],
) -> Exit:
    run_dir = Path(config["run_dir"])
    settings, flags = config["callbacks"], {**config["trainer"], "precision": config["names"]["precision"]}
    check_flags(config["trainer"])
    given = make_callbacks(settings)
    with activity("starting the loggers"):
        loggers = make_loggers(config["logger"]) if launch.place(flags).leads else []
    with activity("building the data module and the networks"):
        data = build(config["data"], trusted=True)
        game = make_game(config)
    if config["init_from"] and checkpoint is None:
        warm_start(game, Path(config["init_from"]))
    compile_networks(game, flags.get("compile", False), mode=flags.get("compile_mode"))
    summary = RunSummary()
    limit = TimeLimit(flags.get("max_time"))
    about: dict[str, Any] = {"variant": config["names"]["variant"], "data": config["names"]["data"]}
    about["seed"] = config["seed"]
    saving = Checkpoints(**settings["checkpoint"], spec=config["variant"]["model"], about=about)
    notes = LambdaCallback(setup=lambda trainer, module, stage: _tell(data, about["data"], trainer, saving.about))
    callbacks: list[pl.Callback] = [notes, GracefulStop(interruption), limit, TrainingLog(every=flags["log_every"])]
    callbacks += [CollapseWatch(), MemorisationWatch(), TimeEstimate(PaperBudget(*paper) if paper else None)]
    callbacks += [summary, progress]
    if config["metrics"]:  # behind its listeners: an evaluation that a start makes up for needs them ready
        evaluation = dict(settings["evaluation"])
        samples = {name: evaluation.pop(name, None) for name in ("samples", "test_samples")}
        scoring = make_scoring(config["metrics"], **samples, also=config["measures"])
        callbacks.append(Evaluation(**evaluation, scoring=scoring))
    elif any(isinstance(callback, EarlyStopping) for callback in given):
        raise UserError("EarlyStopping acts after an evaluation, which metrics=none turns off. Say metrics=own.")
    elif config["measures"]:
        raise UserError("measures= needs an evaluation, which metrics=none turns off. Say metrics=own.")
    callbacks += [*pictures(settings["grids"], config["pictures"]), Embeddings()]
    callbacks += [saving, *given]
    if begin is not None:
        write = begin
        callbacks.insert(0, LambdaCallback(on_train_start=lambda trainer, module: write()))
    every = settings["evaluation"]["every"] if config["metrics"] else None
    trainer = make_trainer(flags, run_dir, callbacks, loggers, evaluated_every=every)
    for logger in loggers:
        logger.log_hyperparams({**config, "choices": config["names"].get("choices", {}), **origin})
    if _processes(flags) > 1:
        progress.wait("starting the other processes")
    begun = 0
    if checkpoint is not None:
        with suppress(checkpoints.DamagedCheckpoint):  # loading it says what is wrong
            begun = checkpoints.iteration_of(checkpoint)  # now, since this sitting overwrites the file
    try:
        trainer.fit(game, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except Diverged as error:
        code = _diverged(error, trainer, game, summary)
        if trainer.is_global_zero and not interruption.received:
            leave(run_dir)
        return code
    except BaseException as error:
        refused = isinstance(error, UserError) and game.iteration == begun  # nothing was trained: the status stays
        if trainer.is_global_zero and game.iteration and not refused:
            with suppress(UserError):  # a full disk: the reason why it stopped is told all the same
                summary.write(trainer, game, "stopped" if requested(error) else "crashed")
        if isinstance(error, StopRequested | Aborted):
            _end_ranks(trainer)
        raise
    whole = game.iteration >= game.iterations and not interruption.agreed
    if trainer.is_global_zero:
        summary.write(trainer, game, "finished" if whole else "stopped")
        if not interruption.received:  # who asked for the end does not wait for pictures
            leave(run_dir)
        over = f"trainer.max_time={flags['max_time']} is over" if limit.over else ""
        why = "" if interruption.agreed else over or stopped_early(given)
        farewell(run_dir, game, whole=whole, why=f", because {why}" if why else "")
        if interruption.agreed:
            _queue_again(flags, interruption, advanced=game.iteration > begun)
    trainer.strategy.barrier()  # srun --kill-on-bad-exit ends all tasks with the first, and rank 0 has more to write
    return Exit.INTERRUPTED if interruption.agreed else Exit.DONE


def _queue_again(settings: Mapping[str, Any], interruption: Interruption, *, advanced: bool) -> None:
    """Queue a batch job of SLURM again, where its end is the reason to stop; from the first process alone."""
    if settings.get("requeue", True):
        requeue.queue_again(interruption.received, advanced=advanced)


def _tell(data: pl.LightningDataModule, name: str, trainer: pl.Trainer, about: dict[str, Any]) -> None:
    """Print what the data module found in its files, and the names of classes and conditions that are exported."""
    names = getattr(data, "classes", None)
    if names:
        about[class_names.KEY] = [str(one) for one in names]
    numbers = getattr(data, "condition_names", None)
    if numbers:
        about[class_names.CONDITIONS] = [str(one) for one in numbers]
    if not trainer.is_global_zero:
        return
    for note in getattr(data, "notes", list)():
        print(f"{name}: {note}")
    if names:
        print(f"classes: {class_names.listed(about[class_names.KEY])}")
    if numbers:
        print(f"conditions: {class_names.listed(about[class_names.CONDITIONS])}")


def _end_ranks(trainer: pl.Trainer) -> None:
    """End the processes that Lightning started for this run: they would wait for this one."""
    end = getattr(trainer.strategy.launcher, "kill", None)
    if callable(end):
        end(signal.SIGTERM)


def make_game(config: Mapping[str, Any]) -> Game:
    """The variant with its networks, initialised from the run's seed alone."""
    with seeded(config["seed"]):
        game = build(config["variant"], trusted=True)
        if not isinstance(game, Game):
            target = config["variant"].get("_target_")
            raise UserError(f"variant._target_={target} is no lightning_gans.core.game.Game.")
        if config["init"] is not None:
            initialize(game, build(config["init"], trusted=True))
    return game.to(memory_format=torch.channels_last)  # convolutions: a fifth faster on CPUs, more on GPUs in bf16


def initialize(game: Game, init: Initialization) -> None:
    """Draw every player's weights anew.

    Raises:
        UserError: there is no layer to initialise.
    """
    parts = [part for player in game.players().values() for part in player]
    if not sum(init(part) for part in parts if isinstance(part, nn.Module)):
        raise UserError(
            f"init= draws the weights of linear layers and convolutions, and {type(game).__name__}'s networks here "
            "have neither. Say init=own."
        )
    estimate_norms(game)
    game.ema.model.load_state_dict(game.model.state_dict())


def make_trainer(
    settings: Mapping[str, Any],
    run_dir: Path,
    callbacks: list[pl.Callback],
    loggers: list[Logger],
    *,
    evaluated_every: int | None = None,
) -> pl.Trainer:
    """Lightning's trainer: one epoch, which the data module makes as long as the run.

    Its processes are those of the launcher, where one started as many as the settings want, laid out as that launcher
    laid them out; otherwise Lightning starts them on this machine.

    Args:
        evaluated_every: iterations between two evaluations, which callbacks of Lightning take for its validation; None:
            there are none.

    Raises:
        UserError: Lightning refuses a setting, a callback, or what this machine lacks.
    """
    profiler = make_profiler(settings.get("profiler"), run_dir)
    place = launch.place(settings)
    several = _processes(settings) > 1
    players = settings["strategy"] == "players" or (settings["strategy"] == "auto" and several)
    if not torch.cuda.is_available():
        # Lightning's "1" has every optimizer step search the machine for a driver: a 25th of an iteration on points
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    try:
        return pl.Trainer(
            accelerator=settings["accelerator"],
            devices=_devices(settings, place),
            num_nodes=place.nodes,
            strategy=PlayerDDPStrategy() if players else settings["strategy"],
            precision=choose(settings["precision"], settings["accelerator"]),
            plugins=[AtomicCheckpointIO(), _environment(place)],
            profiler=profiler,
            detect_anomaly=settings.get("detect_anomaly", False),
            deterministic=settings.get("deterministic"),
            benchmark=settings.get("benchmark"),
            default_root_dir=run_dir,
            callbacks=callbacks,
            logger=loggers or False,
            max_epochs=1,
            enable_progress_bar=False,
            enable_checkpointing=True,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            # There is no validation loop. EarlyStopping and ModelCheckpoint read here that they are to act after each
            # evaluation (on_validation_end), not at the end of the one epoch.
            check_val_every_n_epoch=1 if evaluated_every is None else None,
            val_check_interval=evaluated_every,
        )
    except (MisconfigurationException, RuntimeError, ValueError, TypeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".!")
        raise UserError(f"Lightning's Trainer refuses these settings or callbacks: {reason}.") from error


def _processes(settings: Mapping[str, Any]) -> int:
    """The processes of the run, as far as its settings and its launcher tell."""
    return max(launch.place(settings).size, launch.processes(settings) or 1)


def _devices(settings: Mapping[str, Any], place: launch.Place) -> Any:
    """The devices of this machine, as Lightning takes them: how many, which, or "auto"."""
    if place.launcher is None or isinstance(settings["devices"], list):
        return settings["devices"]
    on_cuda = settings["accelerator"] in ("auto", "gpu", "cuda")
    # srun --gpus-per-task=1 shows each process its own GPU alone.
    return 1 if on_cuda and torch.cuda.device_count() == 1 else place.local_size


def _environment(place: launch.Place) -> GivenProcesses:
    return GivenProcesses(
        rank=place.rank,
        size=place.size,
        local_rank=place.local_rank,
        node=place.node,
        address=place.address,
        port=place.port,
    )


def warm_start(game: Game, source: Path) -> None:
    """Take over the weights of another run that fit by name and shape.

    Raises:
        UserError: no intact checkpoint there, none of its weights fits, or one is not finite.
    """
    path = source_of(source)
    theirs = checkpoints.load(path)["state_dict"]
    mine = game.state_dict()
    fitting = {
        name: value
        for name, value in theirs.items()
        if name in mine and isinstance(value, torch.Tensor) and mine[name].shape == value.shape
    }
    if not fitting:
        raise UserError(f"init_from={source}: none of its {len(theirs)} tensors fits this model by name and shape.")
    check_finite(fitting, path)
    game.load_state_dict(fitting, strict=False)
    if len(fitting) < len(mine):
        estimate_norms(game)  # a weight may have come without its u and v, or they without it
    log.warning("Starting from %d of %d tensors of %s.", len(fitting), len(mine), path)


_located = warnings.formatwarning


def _plain(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> str:
    """Format a warning; a UserWarning without path and line of the source, which do not help a user."""
    return f"{message}\n" if category is UserWarning else _located(message, category, *place, **more)


def quiet_libraries() -> None:
    """Our terminal is for the run: libraries speak up for warnings that a user can act on."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.formatwarning = _plain


def _diverged(error: Diverged, trainer: pl.Trainer, game: Game, summary: RunSummary) -> Exit:
    run_dir = Path(trainer.default_root_dir)
    last = run_dir / "checkpoints" / "last.ckpt"
    good = f"The last good checkpoint is {last}." if last.is_file() else "No checkpoint had been written yet."
    if trainer.is_global_zero:
        with suppress(UserError):
            summary.write(trainer, game, "diverged")
        print(f"error: {error} {good} {advice(error, trainer)}", file=sys.stderr)
    return Exit.DIVERGED
