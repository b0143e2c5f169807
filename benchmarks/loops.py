"""Plain PyTorch training loops, the baselines of the training step's benchmark."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lightning_gans.core.phase import PlayerSettings
from lightning_gans.core.protocols import DiscriminatorAugmentation


class BareLoop:
    """Goodfellow et al. 2014, Algorithm 1 with k = 1, carefully written by hand for one data set in memory.

    The computation equals ours: fresh noise for each player, two passes of D, no unused gradients, and an average of
    G's weights. No logging, gradient norms, keyed noise or resumption.

    Args:
        generator, discriminator: copied, and trained from their present weights.
        augment: augmentation of D's input, or None.
        settings: settings of the players D and G.
        real: the whole training set as network input, (N, ...), on the networks' device.
        autocast: mixed precision, or None for float32.
    """

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        augment: DiscriminatorAugmentation | None,
        settings: Mapping[str, PlayerSettings],
        real: Tensor,
        batch: int,
        latent_dim: int,
        ema_half_life: float,
        autocast: torch.dtype | None,
    ) -> None:
        self.g, self.d, self.average = deepcopy(generator), deepcopy(discriminator), deepcopy(generator)
        self.real, self.batch, self.latent_dim, self.autocast = real, batch, latent_dim, autocast
        self.augment, self.decay = augment, 0.5 ** (batch / ema_half_life)
        self.opt_d, self.opt_g = (
            settings[player].optimizer(network.parameters())  # type: ignore[misc]
            for player, network in (("D", self.d), ("G", self.g))
        )
        pairs = (settings["D"].schedule, self.opt_d), (settings["G"].schedule, self.opt_g)
        self.schedules = [schedule(optimizer) for schedule, optimizer in pairs if schedule is not None]
        self.batches = self._batches()

    def _batches(self) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(len(self.real), device=self.real.device)
            for start in range(0, len(order) - self.batch + 1, self.batch):
                yield self.real[order[start : start + self.batch]]

    def run(self, iterations: int) -> int:
        """Train; return the number of images seen."""
        for _ in range(iterations):
            self.step(next(self.batches))
        return iterations * self.batch

    def judge(self, x: Tensor) -> Tensor:
        if self.augment is not None:
            x = self.augment(x, torch.rand(len(x), self.augment.numbers, device=x.device))
        logits: Tensor = self.d(x)
        return logits

    def step(self, x: Tensor) -> None:
        with torch.autocast(x.device.type, self.autocast, enabled=self.autocast is not None):
            with torch.no_grad():
                fake = self.g(torch.randn(len(x), self.latent_dim, device=x.device))
            loss_d = softplus(-self.judge(x)).mean() + softplus(self.judge(fake)).mean()
        self.opt_d.zero_grad()
        loss_d.backward()
        self.opt_d.step()

        self.d.requires_grad_(False)
        with torch.autocast(x.device.type, self.autocast, enabled=self.autocast is not None):
            loss_g = softplus(-self.judge(self.g(torch.randn(len(x), self.latent_dim, device=x.device)))).mean()
        self.opt_g.zero_grad()
        loss_g.backward()
        self.opt_g.step()
        self.d.requires_grad_(True)

        for schedule in self.schedules:
            schedule.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.g.parameters()), 1 - self.decay)


class PictureDigits(Dataset[Any]):
    """n of scikit-learn's digits as 8x8 PIL pictures in memory, transformed one by one as in torchvision."""

    def __init__(self, n: int, *, image_size: int, channels: int) -> None:
        images = (load_digits().images[:n] * (255 / 16)).round().astype(np.uint8)
        self.pictures = [Image.fromarray(image).convert("L" if channels == 1 else "RGB") for image in images]
        self.transform = transforms.Compose(
            [transforms.Resize(image_size), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.transform(self.pictures[index])
        return image


def plain(network: nn.Module) -> nn.Module:
    """Return a copy with torch's own convolutions and memory format, which computes the same function."""
    copy = deepcopy(network).to(memory_format=torch.contiguous_format)
    for module in copy.modules():
        for kind in (nn.Conv2d, nn.ConvTranspose2d):
            if isinstance(module, kind):
                module.__class__ = kind
    return copy


class CommonLoop:
    """The widespread way to train a DCGAN, after dcgan/main.py of the PyTorch examples.

    Per-sample PIL transforms in a DataLoader with workers, float32, cross entropy against tensors of labels, losses and
    mean outputs fetched as floats in every iteration. Both players share one batch of fakes; there is no augmentation
    and no weight average.
    """

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        lr: float,
        betas: tuple[float, float],
        data: Dataset[Any],
        batch: int,
        latent_dim: int,
        device: torch.device,
        workers: int,
    ) -> None:
        self.g, self.d = plain(generator), plain(discriminator)
        self.opt_d = torch.optim.Adam(self.d.parameters(), lr=lr, betas=betas)
        self.opt_g = torch.optim.Adam(self.g.parameters(), lr=lr, betas=betas)
        self.loss, self.latent_dim, self.device = nn.BCEWithLogitsLoss(), latent_dim, device
        self.loader: DataLoader[Any] = DataLoader(
            data, batch_size=batch, shuffle=True, num_workers=workers, drop_last=True
        )
        self.metrics: dict[str, float] = {}

    def run(self) -> int:
        """Train for one epoch; return the number of images seen."""
        images = 0
        for x in self.loader:
            self.step(x.to(self.device))
            images += len(x)
        return images

    def step(self, x: Tensor) -> None:
        ones, zeros = torch.ones(len(x), 1, device=self.device), torch.zeros(len(x), 1, device=self.device)
        self.d.zero_grad()
        on_real = self.d(x)
        loss_real = self.loss(on_real, ones)
        loss_real.backward()
        fake = self.g(torch.randn(len(x), self.latent_dim, device=self.device))
        on_fake = self.d(fake.detach())
        loss_fake = self.loss(on_fake, zeros)
        loss_fake.backward()
        self.opt_d.step()

        self.g.zero_grad()
        on_fake_after = self.d(fake)
        loss_g = self.loss(on_fake_after, ones)
        loss_g.backward()
        self.opt_g.step()

        self.metrics = {
            "loss_D": (loss_real + loss_fake).item(),
            "loss_G": loss_g.item(),
            "D_x": on_real.mean().item(),
            "D_G_z1": on_fake.mean().item(),
            "D_G_z2": on_fake_after.mean().item(),
        }
