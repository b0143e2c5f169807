"""Schedules of learning rates and of loss weights."""

from math import cos, pi, tanh

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count, Fraction, NonNegative, Positive


def cosine(start: float, end: float, progress: float) -> float:
    """Cosine schedule: `start` at progress 0, `end` from progress 1 on, half of a cosine between."""
    return end + (start - end) * (1 + cos(pi * min(max(progress, 0.0), 1.0))) / 2


def saturating(progress: float, *, steepness: float = 10.0) -> float:
    """Saturating schedule 2 / (1 + exp(-steepness p)) - 1: from 0 at p = 0 to 1 (Ganin et al. 2016, section 5.2.2)."""
    return tanh(steepness * progress / 2)


def budget(schedule: LRScheduler) -> int | None:
    """Return the length of a schedule in iterations; None if it has no end or an unknown one."""
    lengths = (getattr(schedule, name, None) for name in ("iterations", "total_iters", "T_max"))
    return next((int(length) for length in lengths if isinstance(length, int)), None)


class Cosine(LRScheduler):
    """Cosine schedule of the learning rate to `end_factor` of itself, and of Adam's beta2 to `beta2`, in closed form.

    Args:
        optimizer: Adam or another with `betas`, where beta2 is to change.
        iterations: iterations from the first value to the last.
        end_factor: share of the learning rate that is left at the end.
        beta2: Adam's beta2 at the end; None leaves it as it is.

    Raises:
        UserError: beta2 is to change and the optimizer has none.
    """

    def __init__(
        self, optimizer: Optimizer, *, iterations: Count, end_factor: NonNegative, beta2: Fraction | None = None
    ) -> None:
        if beta2 is not None and any("betas" not in group for group in optimizer.param_groups):
            raise UserError(f"schedule.beta2={beta2}: {type(optimizer).__name__} has no betas; say beta2=null.")
        self.iterations, self.end_factor, self.beta2 = iterations, end_factor, beta2
        self.base_beta2s = [group["betas"][1] if beta2 is not None else 0.0 for group in optimizer.param_groups]
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]
        progress = self.last_epoch / self.iterations
        return [cosine(float(lr), float(lr) * self.end_factor, progress) for lr in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        super().step()
        if self.beta2 is not None:
            for group, start in zip(self.optimizer.param_groups, self.base_beta2s, strict=True):
                beta2 = cosine(start, self.beta2, self.last_epoch / self.iterations)
                group["betas"] = (group["betas"][0], beta2)


class HoldThenDecay(LRScheduler):
    """Constant learning rate for a share of the run, then exponential decay to `end_factor` of itself.

    Args:
        optimizer: any optimizer.
        iterations: iterations of the whole run.
        hold: share of the iterations before the decay.
        end_factor: share of the learning rate that is left at the end.
    """

    def __init__(self, optimizer: Optimizer, *, iterations: Count, hold: Fraction, end_factor: Positive) -> None:
        if not (0 <= hold < 1 and end_factor > 0):
            raise UserError(f"schedule.hold={hold}, schedule.end_factor={end_factor}: 0 <= hold < 1, 0 < end_factor.")
        self.iterations, self.hold, self.end_factor = iterations, hold, end_factor
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]
        progress = (self.last_epoch / self.iterations - self.hold) / (1 - self.hold)
        factor = self.end_factor ** min(max(progress, 0.0), 1.0)
        return [float(lr) * factor for lr in self.base_lrs]


class HoldThenLinear(LRScheduler):
    """Constant learning rate for a share of the run, then linear decay to 0 (CycleGAN's: half and half).

    Args:
        optimizer: any optimizer.
        iterations: iterations of the whole run; the rate is 0 after them, and not yet in the last.
        hold: share of the iterations before the rate falls.
    """

    def __init__(self, optimizer: Optimizer, *, iterations: Count, hold: Fraction) -> None:
        if not 0 <= hold < 1:
            raise UserError(f"schedule.hold={hold}: a share of the run before the rate falls, 0 <= hold < 1.")
        self.iterations, self.hold = iterations, hold
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]
        left = (1 - self.last_epoch / self.iterations) / (1 - self.hold)
        return [float(lr) * min(max(left, 0.0), 1.0) for lr in self.base_lrs]


class InverseDecay(LRScheduler):
    """Inverse decay of the learning rate, mu_0 / (1 + steepness p)^power, p the finished share of the run.

    Ganin et al. 2016 (1505.07818), section 5.2.2: mu_0 = 0.01, steepness 10, power 0.75.

    Args:
        optimizer: any optimizer; its learning rate is mu_0.
        iterations: iterations of the whole run.
        steepness: alpha of (1 + alpha p)^-beta.
        power: beta of (1 + alpha p)^-beta.
    """

    def __init__(
        self, optimizer: Optimizer, *, iterations: Count, steepness: NonNegative = 10.0, power: NonNegative = 0.75
    ) -> None:
        if steepness < 0 or power < 0:
            raise UserError(f"schedule.steepness={steepness}, schedule.power={power}: both must be 0 or more.")
        self.iterations, self.steepness, self.power = iterations, steepness, power
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]
        factor = float((1 + self.steepness * self.last_epoch / self.iterations) ** -self.power)
        return [float(lr) * factor for lr in self.base_lrs]
