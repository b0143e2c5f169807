"""Lower bound of the step time: minimal loops on our networks, as fast as torch allows, without a run's extras."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.losses.penalties import GradientPenalty
from lightning_gans.losses.precision import exact
from lightning_gans.variants.vae import VAE
from lightning_gans.variants.vanilla import GAN


class Limit:
    """Copies of a game's networks, losses and optimizers: k steps of D and one of G, or a VAE's step.

    No logging, gradient norms, keyed noise or checks. Autocast covers only the forward passes.

    Args:
        game: a started game, with its networks in the memory format of training.
        real: the training set, (N, ...).
        autocast: mixed precision, or None for float32.
    """

    def __init__(self, game: Any, *, real: Tensor, autocast: torch.dtype | None) -> None:
        self.real, self.batch, self.autocast = real, game.training_settings.batch_size, autocast
        self.settings, self.prior = game.training_settings.players, game.model.prior
        self.average: nn.Module | None = None
        self.decay = 0.0
        if game.training_settings.ema_half_life is not None:
            self.decay = 0.5 ** (self.batch / game.training_settings.ema_half_life)
        if isinstance(game, VAE):
            self.model: Any = deepcopy(game.model)
            self.opt = self.optimizer("VAE", self.model.parameters())
            self.run: Callable[[], None] = self.step_vae
            if self.decay:
                self.average = deepcopy(game.model)
            return
        assert isinstance(game, GAN)
        if not isinstance(game.penalty, GradientPenalty | None) or game.augment is not None:
            raise UserError("The limit does not do what these settings ask for; write it there too.")
        self.loss, self.penalty, self.steps = game.loss, game.penalty, game.discriminator_steps
        self.g, self.d = deepcopy(game.model.generator), deepcopy(game.discriminator)
        self.opt_g, self.opt_d = self.optimizer("G", self.g.parameters()), self.optimizer("D", self.d.parameters())
        self.average = deepcopy(self.g) if self.decay else None
        self.run = self.step_gan

    def optimizer(self, player: str, parameters: Any) -> torch.optim.Optimizer:
        made: torch.optim.Optimizer = self.settings[player].optimizer(parameters)
        return made

    def mixed(self) -> Any:
        return nullcontext() if self.autocast is None else torch.autocast(self.real.device.type, self.autocast)

    def drawn(self) -> Tensor:
        return self.real[torch.randint(len(self.real), (self.batch,), device=self.real.device)]

    def noise(self) -> Tensor:
        return torch.randn(self.batch, self.prior.dim, device=self.real.device)

    def follow(self, newest: nn.Module) -> None:
        if self.average is not None:
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(newest.parameters()), 1 - self.decay)

    def step_vae(self) -> None:
        with self.mixed():
            x = self.drawn()
            x = self.model.likelihood.observe(x, lambda: torch.rand_like(x))  # binarisation is part of the likelihood
            log_prob, kl = self.model.elbo(x, self.noise())
            loss = kl.sum(1).mean() - log_prob.mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.follow(self.model)

    def step_gan(self) -> None:
        for _ in range(self.steps):
            self.step_d(self.drawn())
        self.d.requires_grad_(False)
        with self.mixed():
            on_fake = self.d(self.g(self.noise()))
            on_real = self.d(self.drawn()) if self.loss.needs_real else None
        loss = self.loss.generator(exact(on_fake), on_real)
        self.opt_g.zero_grad()
        loss.backward()
        self.opt_g.step()
        self.d.requires_grad_(True)
        self.follow(self.g)

    def step_d(self, real: Tensor) -> None:
        with self.mixed():
            with torch.no_grad():
                fake = self.g(self.noise())
            on_real, on_fake = self.d(real), self.d(fake)
            losses = self.loss.discriminator(on_real, on_fake)
            loss = reduce(add, losses.values())
            if self.penalty is not None:  # on interpolated points, in the precision of the rest
                between = torch.rand(len(real), 1, 1, 1, device=real.device)
                points = (between * real + (1 - between) * fake).requires_grad_()
                logits = self.d(points)
        if self.penalty is not None:
            (slope,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
            loss = loss + self.penalty.weight * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        self.opt_d.zero_grad()
        loss.backward()
        self.opt_d.step()
