"""One run, from its resolved configuration to its summary. Everything heavy is imported here, after all is checked."""

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from experiments import launch
from experiments.report import final_table
from experiments.scoring import make_scoring
from lightning_gans.callbacks.atomic_io import AtomicCheckpointIO
from lightning_gans.callbacks.chains import Chains
from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.callbacks.collapse import CollapseWatch
from lightning_gans.callbacks.conversions import Conversions
from lightning_gans.callbacks.domains import Embeddings
from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.grids import SampleGrids
from lightning_gans.callbacks.progress import Progress
from lightning_gans.callbacks.rankings import Rankings
from lightning_gans.callbacks.reconstructions import Reconstructions
from lightning_gans.callbacks.stop import GracefulStop
from lightning_gans.callbacks.summary import RunSummary
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.callbacks.translation import Translations
from lightning_gans.callbacks.unprofiled import Unprofiled
from lightning_gans.core.errors import Diverged, UserError
from lightning_gans.core.game import Game
from lightning_gans.core.rng import isolated
from lightning_gans.models.spec import build
from lightning_gans.networks.initialization import Initialization
from lightning_gans.strategies.environment import GivenProcesses
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy

log = logging.getLogger("lightning_gans")

# Each draws what a model can do, and nothing of one that cannot.
PICTURES = (SampleGrids, Reconstructions, Translations, Conversions, Chains, Rankings)


class Exit(IntEnum):
    """What the process says when it ends."""

    DONE = 0
    REFUSED = 2
    DIVERGED = 3
    INTERRUPTED = 130


def run(config: Mapping[str, Any], *, checkpoint: Path | None = None) -> Exit:
    """Train, evaluate and export what `config` (plain, resolved, `run_dir` set) describes.

    Args:
        checkpoint: a Lightning checkpoint to continue from.

    Raises:
        UserError: the pieces do not fit each other.
    """
    quiet_libraries()
    # Lightning has taken it from any rank variable there is.
    rank_zero_only.rank = launch.place(config["trainer"]).rank  # type: ignore[attr-defined]
    run_dir = Path(config["run_dir"])
    if config["trainer"]["threads"]:
        torch.set_num_threads(config["trainer"]["threads"])
    data = build(config["data"], trusted=True)
    game = make_game(config)
    if config["init_from"] and checkpoint is None:
        warm_start(game, Path(config["init_from"]))
    progress, stop, summary = Progress(), GracefulStop(), RunSummary()
    settings = config["callbacks"]
    callbacks: list[pl.Callback] = [stop, TrainingLog(every=config["trainer"]["log_every"])]
    if config["metrics"]:
        samples = settings["evaluation"]["samples"]
        scoring = make_scoring(config["metrics"], samples=samples, task=progress.task)
        callbacks.append(Evaluation(every=settings["evaluation"]["every"], scoring=scoring))
    callbacks += [*(picture(**settings["grids"]) for picture in PICTURES), Embeddings()]
    callbacks += [CollapseWatch(), summary, progress]
    about = {"variant": config["names"]["variant"], "data": config["names"]["data"], "seed": config["seed"]}
    callbacks.append(Checkpoints(**settings["checkpoint"], spec=config["variant"]["model"], about=about))
    trainer = make_trainer(config["trainer"], run_dir, callbacks, make_loggers(config))
    try:
        trainer.fit(game, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except Diverged as error:
        return _diverged(error, trainer, game, summary)
    except BaseException:
        if trainer.is_global_zero and game.iteration:
            summary.write(trainer, game, "stopped")
        raise
    if trainer.is_global_zero:
        summary.write(trainer, game, "stopped" if stop.stopped else "finished")
    return _farewell(run_dir, game, stopped=stop.stopped, leads=trainer.is_global_zero)


def make_game(config: Mapping[str, Any]) -> Game:
    """The variant with its networks, initialised from the run's seed alone."""
    with isolated(config["seed"], "init"):
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
    game.ema.model.load_state_dict(game.model.state_dict())


def make_trainer(
    settings: Mapping[str, Any], run_dir: Path, callbacks: list[pl.Callback], loggers: list[Any]
) -> pl.Trainer:
    """Lightning's trainer: one epoch, which the data module makes as long as the run.

    Its processes are those of the launcher, where one started as many as the settings want, laid out as that launcher
    laid them out; otherwise Lightning starts them on this machine.
    """
    place = launch.place(settings)
    several = max(place.size, launch.processes(settings) or 1) > 1
    players = settings["strategy"] == "players" or (settings["strategy"] == "auto" and several)
    if not torch.cuda.is_available():
        # Lightning's "1" has every optimizer step search the machine for a driver: a 25th of an iteration on points
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return pl.Trainer(
        accelerator=settings["accelerator"],
        devices=_devices(settings, place),
        num_nodes=place.nodes,
        strategy=PlayerDDPStrategy() if players else settings["strategy"],
        precision=_precision(settings),
        plugins=[AtomicCheckpointIO(), _environment(place)],
        profiler=Unprofiled(),
        default_root_dir=run_dir,
        callbacks=callbacks,
        logger=loggers or False,
        max_epochs=1,
        enable_progress_bar=False,
        enable_checkpointing=True,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


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


def _precision(settings: Mapping[str, Any]) -> Any:
    if settings["precision"] != "auto":
        return settings["precision"]
    on_cuda = settings["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"


def make_loggers(config: Mapping[str, Any]) -> list[Any]:
    """The logger of this run, told its configuration; none on other ranks than the first."""
    if not config["logger"] or not launch.place(config["trainer"]).leads:
        return []
    logger = build(config["logger"], trusted=True)
    logger.log_hyperparams(dict(config))
    return [logger]


def warm_start(game: Game, source: Path) -> None:
    """Take over the weights of another run that fit by name and shape.

    Raises:
        UserError: no checkpoint there, or none of its weights fits.
    """
    path = source / "checkpoints" / "last.ckpt" if source.is_dir() else source
    if not path.is_file():
        raise UserError(f"init_from={source}: no checkpoint there; name a run's folder or a .ckpt file.")
    theirs = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    mine = game.state_dict()
    fitting = {name: value for name, value in theirs.items() if name in mine and mine[name].shape == value.shape}
    if not fitting:
        raise UserError(f"init_from={source}: none of its {len(theirs)} tensors fits this model by name and shape.")
    game.load_state_dict(fitting, strict=False)
    log.warning("Starting from %d of %d tensors of %s.", len(fitting), len(mine), path)


def quiet_libraries() -> None:
    """Our terminal is for the run: libraries speak up for warnings that a user can act on."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")


def _diverged(error: Diverged, trainer: pl.Trainer, game: Game, summary: RunSummary) -> Exit:
    run_dir = Path(trainer.default_root_dir)
    last = run_dir / "checkpoints" / "last.ckpt"
    good = f"The last good checkpoint is {last}." if last.is_file() else "No checkpoint had been written yet."
    if trainer.is_global_zero:
        summary.write(trainer, game, "diverged")
        print(
            f"error: {error} {good} Two things to try in a new run_dir: a tenth of that player's learning rate "
            "(variant.training.players.<player>.optimizer.lr=...), or clipped gradients "
            "(variant.training.players.<player>.clip_norm=1).",
            file=sys.stderr,
        )
    return Exit.DIVERGED


def _farewell(run_dir: Path, game: Game, *, stopped: bool, leads: bool) -> Exit:
    if leads and not stopped:
        final_table(run_dir)
    if leads and stopped:
        print(f"Stopped after iteration {game.iteration} of {game.iterations}; everything is saved in {run_dir}.")
        print("The same command continues it.")
    return Exit.INTERRUPTED if stopped else Exit.DONE
