"""R3GAN: a regularised relativistic GAN."""

from functools import cached_property
from math import inf
from typing import Any, ClassVar

from lightning_gans.core.schedules import cosine
from lightning_gans.losses.penalties import R1, R1R2, R2
from lightning_gans.variants.cgan import ConditionalGAN
from lightning_gans.variants.vanilla import GAN


class R3GAN(GAN):
    """R3GAN (Huang et al. 2025, 2501.05441): relativistic pairing loss, R1 and R2 in every step, cosine schedules.

    The game is GAN with another loss and penalty:

        D: E sp(D(G(z)) - D(x)) + gamma / 2 (E_p ||grad D||^2 + E_q ||grad D||^2)        G: E sp(D(x) - D(G(z)))

    It adds the schedules of section 4 and the authors' code. Over the run, gamma falls to a tenth (as in all of their
    settings), the half-life of the evaluated EMA rises from 0 to `training.ema_half_life`, and learning rates and
    Adam's beta2 follow `core.schedules.Cosine` if configured. Arguments are those of GAN.
    """

    gamma_end_factor: ClassVar[float] = 0.1

    @cached_property
    def gamma(self) -> float:
        """Initial gamma of the penalty."""
        return self.penalty.gamma if isinstance(self.penalty, R1 | R2 | R1R2) else 0.0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        progress = self.iteration / self.iterations
        if isinstance(self.penalty, R1 | R2 | R1R2):
            self.penalty.gamma = cosine(self.gamma, self.gamma_end_factor * self.gamma, progress)
        half_life = self.training_settings.ema_half_life
        if half_life is not None:
            self.ema.half_life, self.ema.ramp_up = cosine(0.0, half_life, progress), inf


class ConditionalR3GAN(R3GAN, ConditionalGAN):
    """Class-conditional R3GAN, on pairs (x, y) as in the paper's CIFAR-10 runs.

    In the authors' networks, G receives an embedding of the class in addition to z, and D's logit is <e_y, phi(x)>.
    Real and generated samples of a pair have the same class.
    """
