"""Base class of all variants: a LightningModule whose subclasses define players, phases and losses."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce, wraps
from inspect import signature
from itertools import accumulate, chain
from operator import add
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gans.core.batches import split_batch
from lightning_gans.core.checks import check_batch_size, check_plan, check_trainer
from lightning_gans.core.data import Data
from lightning_gans.core.divergence import Label
from lightning_gans.core.ema import ExponentialMovingAverage
from lightning_gans.core.errors import UserError
from lightning_gans.core.honours import check_honoured
from lightning_gans.core.ownership import own
from lightning_gans.core.phase import Phase, PlayerSettings, Stage, Training, Update
from lightning_gans.core.prior import Prior
from lightning_gans.core.protocols import Calibrates, CalibratesOnSamples, FollowsRun
from lightning_gans.core.record import Record
from lightning_gans.core.rng import Draws, stream_seed
from lightning_gans.core.schedules import budget
from lightning_gans.core.scores import Scores
from lightning_gans.strategies.exchange import all_agree, average_gradients, processes

log = logging.getLogger(__name__)

CALIBRATION_SAMPLES = 1024
VERIFY_EVERY = 1000  # iterations after which losses are checked even if no callback reads them

P = ParamSpec("P")
R = TypeVar("R")


def shared(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Decorator: run a forward pass once for all phases of a simultaneous update; in other phases, at every call."""

    @wraps(method)
    def once(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._shared is None:
            return method(self, *args, **kwargs)
        key = method.__name__, *map(id, args), *((name, id(value)) for name, value in kwargs.items())
        before = self.draws.count
        if key in self._shared:
            self.draws.count += self._shared[key][1]  # later draws must not repeat those of the method
        else:
            result = method(self, *args, **kwargs)
            # keeps the arguments alive, so that their ids are not reused
            self._shared[key] = result, self.draws.count - before, args, kwargs
        shared_result: R = self._shared[key][0]
        return shared_result

    return once  # type: ignore[return-value]


class Game(pl.LightningModule):
    """Base class of games: an iteration is an ordered list of phases; subclasses define `players()` and `phases()`.

    `self.noise(prior, n)` draws noise; `self.monitor(name, value)` logs a scalar that is no loss.

    Args:
        model: the networks that are evaluated and exported; their average is kept.
        training: budget, batch, seed, and how each player is optimised.

    Raises:
        UserError: players overlap, a trainable parameter has no owner, or settings name an unknown player.
    """

    headline = "fid"  # metric that selects the best checkpoint; of the run's own extractor (`fid_classifier`)

    # Declarations of the data and settings that fit the game. They are read from the source, without importing it, and
    # inherited.
    batch: ClassVar[type]  # type of core.batches that it trains on; any if missing
    contents: ClassVar[tuple[str, ...]]  # data that fit: "images", "points"; either if missing
    conditional: ClassVar[bool] = False  # its networks receive the class label
    auxiliary: ClassVar[bool] = False  # its discriminator has a second head, a classifier
    lipschitz: ClassVar[bool | tuple[str, ...]] = False  # Lipschitz constraint of its own, or by these settings
    honours: ClassVar[tuple[str, ...]]  # inherited settings that it reads; inferred from its methods if missing

    def __init__(self, *, model: nn.Module, training: Training) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.training_settings = training
        self.iterations, self.seed = training.iterations, training.seed
        self.iteration = 0
        self.scores = Scores()
        self.latest: dict[str, float] = {}
        self.ema = ExponentialMovingAverage(model, half_life=training.ema_half_life)
        self._owned: dict[str, list[nn.Parameter]] = {}
        self._record = Record()
        self._shared: dict[Any, Any] | None = None
        self._evaluated_at = -1

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets its current hook some twenty times an iteration, and torch's __setattr__ is slow.
        if type(value) in (str, int):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # Defined by variants

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        """Return each player's modules or parameters, by the paper's letters ("G", "D")."""
        raise NotImplementedError

    def phases(self) -> Sequence[Phase | Update]:
        """Return the phases of an iteration, in order; a tuple of phases is one simultaneous update."""
        raise NotImplementedError

    def stages(self) -> Sequence[Stage]:
        """Return the stages of a run (pre-training, then the game); one by default."""
        return [Stage(self.phases())]

    def baselines(self, data: Data | None) -> Mapping[str, nn.Module]:
        """Baseline models by name, evaluated on the test split alongside this one (IRGAN: its supervised start)."""
        return {}

    # Used by variants

    def noise(self, prior: Prior, n: int) -> Tensor:
        """Sample n latent codes, (n, prior.dim); the phases of one simultaneous update share them."""
        return self.draws.sample(prior.sample, n)

    def monitor(self, name: str, value: Tensor) -> None:
        """Log the mean of a scalar beside the losses, e.g. "D/accuracy"; every rank calls it."""
        self._record.add(name, value)

    def gather(self, x: Tensor) -> Tensor:
        """Gather (n, ...) of all ranks to (n * ranks, ...) on each, in rank order, with gradients."""
        return torch.cat(all_gather(x)) if processes() > 1 else x

    # Read by callbacks

    @property
    def images(self) -> int:
        """Number of training samples seen, over all ranks."""
        return self.iteration * self.training_settings.batch_size

    def parameter_counts(self) -> dict[str, int]:
        """Number of trainable parameters of each player."""
        return {player: sum(p.numel() for p in parameters) for player, parameters in self._owned.items()}

    def learning_rates(self) -> dict[str, float]:
        """Learning rate of each player that moves in the stage of the newest iteration."""
        optimizers = self._optimizers[self.stage_at(max(self.iteration - 1, 0))]
        return {player: float(optimizer.param_groups[0]["lr"]) for player, optimizer in optimizers.items()}

    @torch.no_grad()
    def evaluated_model(self) -> nn.Module:
        """Return the averaged model in eval mode, with batch statistics re-estimated for it; the same on every rank.

        Every rank calls it.

        Raises:
            Diverged: a loss or gradient since the last check was NaN or infinite, on any rank.
        """
        if self._evaluated_at != self.iteration:
            self.verify_losses()
            averaged = self.ema.read(self.model)
            if isinstance(averaged, Calibrates):
                averaged.calibrate()
            if isinstance(averaged, CalibratesOnSamples) and (batches := self._calibration_batches()):
                averaged.calibrate_on(self.calibration_samples(batch) for batch in batches)
            self._evaluated_at = self.iteration
        return self.ema.model

    def calibration_samples(self, batch: Any) -> Tensor:
        """Samples of a batch that are used to re-estimate the batch statistics of averaged weights."""
        x: Tensor = batch.x
        return x

    def _calibration_batches(self) -> Iterator[Any] | None:
        """About 1,024 training samples, the same on every rank, with labels if the data has them."""
        data: Data | None = getattr(self.trainer, "datamodule", None)
        if data is None or not hasattr(data, "iteration_batches"):
            return None  # another data module: keep the statistics of training
        batches = max(1, CALIBRATION_SAMPLES // data.batch_size)
        return data.iteration_batches(0, batches, seed=self.seed, device=self.device)

    def invalidate_evaluated(self) -> None:
        """Mark the averaged copy as changed from outside, so that it is read again."""
        self._evaluated_at = -1

    def verify_losses(self) -> None:
        """Check that all losses and gradients so far were finite; the running means are kept.

        Every rank calls it.

        Raises:
            Diverged: one of them was not, on any rank.
        """
        self._record.verify()

    def read_losses(self) -> dict[str, float]:
        """Return the means of all loss terms, gradient norms and monitored values since the last reading, over ranks.

        Every rank calls it.

        Raises:
            Diverged: one of them was NaN or infinite, on any rank.
        """
        means = self._record.read()
        self.latest |= means
        return means

    # Set-up

    def setup(self, stage: str) -> None:
        if self._trainer is not None:
            check_trainer(self.trainer)
            check_batch_size(self.trainer, self.training_settings.batch_size)
            if self.trainer.precision == "64-true":
                self.double()  # Lightning would do it after loading a checkpoint, whose weights would be rounded first
        check_honoured(self, Game)
        self._release()  # an earlier fit may have ended in the middle of an update
        torch.nn.Module.requires_grad_(self.ema, False)
        self._owned = own(self, self.players())
        self._stages = [
            (stage, stage.updates, dict(self.training_settings.players) | dict(stage.players or {}))
            for stage in self.stages()
        ]
        check_plan(type(self).__name__, self._stages, self._owned, accumulate=self.training_settings.accumulate)
        shares = list(accumulate(stage.share for stage, _, _ in self._stages))
        self._ends = [round(self.iterations * share / shares[-1]) for share in shares]
        micro = self.training_settings.accumulate
        self.draws = Draws(self.seed, self.device, shards=processes() * micro)
        self._followers = [module for module in self.modules() if isinstance(module, FollowsRun)]

    def teardown(self, stage: str) -> None:
        self._release()

    def _release(self) -> None:
        """Make every player's parameters require gradients and clear shared results, which an update changes."""
        self._shared = None
        self._record.trail.leave()
        for parameter in chain.from_iterable(self._owned.values()):
            parameter.requires_grad_(True)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        self._optimizers: list[dict[str, Optimizer]] = []
        self._schedules: list[dict[str, LRScheduler]] = []
        for _, updates, settings in self._stages:
            moving = {phase.player for phase in chain.from_iterable(updates)}
            optimizers = {
                player: settings[player].optimizer(self._owned[player])  # type: ignore[misc]
                for player in self._owned
                if player in moving and self._can_move(player, settings)
            }
            schedules = {
                player: schedule(optimizer)
                for player, optimizer in optimizers.items()
                if (schedule := settings[player].schedule) is not None
            }
            self._optimizers.append(optimizers)
            self._schedules.append(schedules)
        # raised for a player that does not move in the first iterations, while its schedule goes on
        warnings.filterwarnings(
            "ignore", r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step", UserWarning
        )
        # loading a checkpoint restores the lengths of its own schedules
        self._budgets = [{player: budget(s) for player, s in schedules.items()} for schedules in self._schedules]
        if not any(self._optimizers):
            raise UserError(f"{type(self).__name__}: no player can move; give at least one an optimizer.")
        return (
            [optimizer for optimizers in self._optimizers for optimizer in optimizers.values()],
            [schedule for schedules in self._schedules for schedule in schedules.values()],
        )

    def _can_move(self, player: str, settings: Mapping[str, PlayerSettings]) -> bool:
        return settings[player].optimizer is not None and bool(self._owned[player])

    # The step

    def stage_at(self, iteration: int) -> int:
        """Index of the stage that the iteration belongs to."""
        return next((i for i, end in enumerate(self._ends) if iteration < end), len(self._ends) - 1)

    def stage_batches(self) -> list[tuple[str, int]]:
        """Training stream of each stage, and the iteration at which the stage ends."""
        return [(stage.batches, end) for (stage, _, _), end in zip(self._stages, self._ends, strict=True)]

    def on_train_start(self) -> None:
        self._record.to(self.device)
        self._record.trail.watch(self.players())
        if self.trainer.is_global_zero:
            self._tell_old_schedules()
        self.draws = Draws(self.seed, self.device, shards=processes() * self.training_settings.accumulate)

    def _tell_old_schedules(self) -> None:
        """Warn if the learning rates of a continued run still follow schedules of its first number of iterations."""
        old: dict[str, tuple[int, float]] = {}
        for stage in range(self.stage_at(self.iteration), len(self._stages)):
            for player, schedule in self._schedules[stage].items():
                length = budget(schedule)
                if length is not None and length != self._budgets[stage][player]:
                    old[player] = length, float(schedule.optimizer.param_groups[0]["lr"])
        if old:
            rates = ", ".join(f"player {player}'s is {rate:.2g} now" for player, (_, rate) in old.items())
            log.warning(
                "Learning rates keep the schedule of %s iterations that this run began with and do not follow "
                "iterations=%d (%s): for a fresh schedule, start a new run_dir with init_from=%s.",
                f"{max(length for length, _ in old.values()):,}",
                self.iterations,
                rates,
                self.trainer.default_root_dir,
            )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Skip Lightning's traversal of a batch that is on the device: it takes 2 % of an iteration on points."""
        if isinstance(batch, tuple) and all(x is None or (isinstance(x, Tensor) and x.device == device) for x in batch):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        index = self.stage_at(self.iteration)
        _, updates, settings = self._stages[index]
        parts = split_batch(batch, self.training_settings.accumulate)
        self._record.trail.batch(batch, self.iteration)
        for follower in self._followers:
            follower.follow(min(self.iteration / self.iterations, 1.0))
        for number, update in enumerate(updates):
            moving = [phase for phase in update if self._moves(phase, index)]
            if moving:
                self._update(number, moving, parts, self._optimizers[index], settings)
        for schedule in self._schedules[index].values():
            schedule.step()
        self.iteration += 1
        self.ema.update(self.model, images=self.images, batch=self.training_settings.batch_size)
        # Lightning counts optimizer steps; its global_step is kept at iterations, once each.
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        progress.increment_ready()
        progress.increment_completed()
        if self.iteration % VERIFY_EVERY == 0:
            self.verify_losses()  # without our callbacks, losses would pile up and NaN go unnoticed

    # Lightning reads it in every iteration, and computing it takes 1 % of an iteration on points.
    training_step.__signature__ = signature(training_step)  # type: ignore[attr-defined]

    def on_train_epoch_end(self) -> None:
        self.trainer.should_stop = True  # a run is one epoch, whatever max_epochs is

    def _moves(self, phase: Phase, stage: int) -> bool:
        due = (self.iteration + (not phase.opens)) % phase.every == 0
        return due and phase.player in self._optimizers[stage] and phase.active()

    def _update(
        self,
        number: int,
        moving: Sequence[Phase],
        parts: Sequence[Any],
        optimizers: Mapping[str, Optimizer],
        settings: Mapping[str, PlayerSettings],
    ) -> None:
        """Run one phase, or several at once: first compute every gradient, then take every step."""
        players = {phase.player for phase in moving}
        for player, parameters in self._owned.items():
            for parameter in parameters:
                parameter.requires_grad_(player in players)
                parameter.grad = None
        stepped: dict[str, Tensor] = {}
        for micro, part in enumerate(parts):
            for player, loss in self._backward(number, moving, part, micro, len(parts)).items():
                stepped[player] = stepped[player] + loss if player in stepped else loss
        for player, loss in stepped.items():
            self._prepare(player, loss, settings[player].clip_norm)
        for phase in moving:
            if phase.player in stepped:
                optimizers[phase.player].step()
                if phase.after is not None:
                    phase.after()

    def _backward(self, number: int, moving: Sequence[Phase], part: Any, micro: int, micros: int) -> dict[str, Tensor]:
        """Add the gradient of each moving phase on one micro-batch; return the descended losses, by player."""
        if len(moving) > 1:
            self._shared = {}
        shard = self.global_rank * micros + micro
        self._seed_layers(stream_seed(self.seed, "layers", self.iteration, number, shard))
        losses: dict[str, Tensor] = {}
        for phase in moving:
            self.draws.start(self.iteration, number, shard)
            self._record.trail.phase = phase.player
            terms = phase.loss(part)
            if phase.gated and not all_agree(terms is not None, self.device):
                continue
            if not terms:
                raise TypeError(f"The loss of player {phase.player} gave {terms}; only a gated phase may give None.")
            total = reduce(add, terms.values())
            losses[phase.player] = total / micros if micros > 1 else total
            for name, value in terms.items():
                scalar = self._record.add(f"{phase.player}/{name}", value)
                self._record.trail.note(Label("loss", phase.player, name), scalar)
            if len(terms) > 1:
                self._record.add(f"{phase.player}/loss", total)
        self._record.trail.phase = ""
        self._shared = None
        for left, (player, loss) in enumerate(losses.items(), start=1 - len(losses)):
            # `left` is 0 for the last one: until then the graph that the phases share is retained.
            # manual_backward would add loss scaling and the preparation of a wrapper, which check_trainer rules out,
            # and two rounds of callback hooks, a tenth of an iteration of small networks.
            loss.backward(inputs=self._owned[player], retain_graph=left < 0)
        return {player: loss.detach() for player, loss in losses.items()}

    def _seed_layers(self, seed: int) -> None:
        """Seed the global generator, which dropout and the like use, so that a resumed run draws the same numbers."""
        torch.default_generator.manual_seed(seed)
        if self.device.type in ("cuda", "mps"):
            torch.get_device_module(self.device).manual_seed(seed)

    def _prepare(self, player: str, loss: Tensor, clip_norm: float | None) -> None:
        """Exchange, measure and clip the player's gradients."""
        parameters = [p for p in self._owned[player] if p.grad is not None]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            raise TypeError(f"The loss of player {player} does not depend on any of its parameters.")
        average_gradients(gradients)
        # get_total_norm groups gradients by device first; a player is on one device
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # noqa: SLF001
        self._record.add(f"{player}/gradient_norm", norm)
        self._record.check(player, self.iteration, norm + loss)
        self._record.trail.note(Label("gradient", player, ""), norm)
        if clip_norm is not None:
            clip_grads_with_norm_(parameters, clip_norm, norm)

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["game"] = {
            "iteration": self.iteration,
            "scores": self.scores.state_dict(),
            "latest": dict(self.latest),
            "record": self._record.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint["game"]
        self.iteration = state["iteration"]
        self.scores.load_state_dict(state["scores"])
        self.latest = dict(state["latest"])
        if "record" in state:  # checkpoints of older versions have none
            self._record.load_state_dict(state["record"])
        self._evaluated_at = -1
        if "loops" in checkpoint:
            loop = checkpoint["loops"]["fit_loop"]
            # The run is one epoch, which does not end with the last batch of an earlier command.
            for progress in loop["epoch_progress"].values():
                progress["processed"] = progress["completed"] = 0
            # A finished run continues with a larger budget, but Lightning remembers that its last batch was seen.
            loop["epoch_loop.batch_progress"]["is_last_batch"] &= self.iteration >= self.iterations
