"""Training loops in the style of other libraries, written from their publications; contains no code of theirs.

mimicry (Lee & Town 2020, 2005.02494): residual networks of 32 px, power iteration in every forward pass, a mean of
logits and losses fetched as floats in each step. PyTorch-GAN: its DCGAN. pythae (Chadebec et al. 2022, 2206.08309): a
VAE of perceptrons. All are in float32 with torch's default Adam and memory format, and keep no average of weights.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, mse_loss, relu, softplus
from torch.nn.utils import spectral_norm

# mimicry


def convolution(inputs: int, outputs: int, size: int, *, norm: bool) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    return spectral_norm(layer) if norm else layer


class Up(nn.Module):
    """Batch norm, ReLU, bilinear x2, convolution, batch norm, ReLU, convolution; beside them bilinear x2 and 1x1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.first, self.second = (convolution(width, width, 3, norm=False) for _ in range(2))
        self.beside = convolution(width, width, 1, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(self.doubled(relu(self.norms[0](x))))
        h = self.second(relu(self.norms[1](h)))
        maps: Tensor = h + self.beside(self.doubled(x))
        return maps

    @staticmethod
    def doubled(x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Down(nn.Module):
    """(ReLU,) convolution, ReLU, convolution, mean of 2x2; beside them a 1x1 convolution."""

    def __init__(self, inputs: int, width: int, *, norm: bool, halve: bool, first: bool = False) -> None:
        super().__init__()
        self.halve, self.first = halve, first
        self.one = convolution(inputs, width, 3, norm=norm)
        self.two = convolution(width, width, 3, norm=norm)
        self.beside = convolution(inputs, width, 1, norm=norm) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.two(relu(self.one(x if self.first else relu(x))))
        if self.first:
            beside = self.beside(avg_pool2d(x, 2))
        else:
            beside = self.beside(x)
            beside = avg_pool2d(beside, 2) if self.halve else beside
        maps: Tensor = (avg_pool2d(h, 2) if self.halve else h) + beside
        return maps


class UpNetwork(nn.Module):
    """z (N, 128) -> images (N, 3, 32, 32)."""

    def __init__(self, width: int, latent_dim: int = 128) -> None:
        super().__init__()
        self.width, self.latent_dim = width, latent_dim
        self.input = nn.Linear(latent_dim, 16 * width)
        self.blocks = nn.Sequential(*(Up(width) for _ in range(3)), nn.BatchNorm2d(width), nn.ReLU())
        self.output = convolution(width, 3, 3, norm=False)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.output(self.blocks(self.input(z).view(len(z), self.width, 4, 4))).tanh()
        return images


class DownNetwork(nn.Module):
    """Images (N, 3, 32, 32) -> logits (N, 1)."""

    def __init__(self, width: int, *, norm: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            Down(3, width, norm=norm, halve=True, first=True),
            Down(width, width, norm=norm, halve=True),
            Down(width, width, norm=norm, halve=False),
            Down(width, width, norm=norm, halve=False),
            nn.ReLU(),
        )
        self.output = spectral_norm(nn.Linear(width, 1)) if norm else nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.output(self.blocks(x).sum((2, 3)))
        return logits


class Mimicry:
    """SNGAN, DCGAN or WGAN-GP of 32 px: `run` is 5 steps of D and one of G.

    Args:
        kind: "hinge" with spectral normalisation, "softplus" without, or "wasserstein" with a gradient penalty of 10.
        width: widths of G's and D's maps; 256 (WGAN-GP: 128) and 128 in mimicry.
        real: (N, 3, 32, 32), the training set.
    """

    def __init__(
        self,
        kind: Literal["hinge", "softplus", "wasserstein"],
        *,
        width: tuple[int, int],
        real: Tensor,
        batch: int,
        discriminator_steps: int = 5,
    ) -> None:
        self.kind, self.real, self.batch, self.discriminator_steps = kind, real, batch, discriminator_steps
        self.g, self.d = UpNetwork(width[0]), DownNetwork(width[1], norm=kind == "hinge")
        self.opt_g, self.opt_d = (torch.optim.Adam(net.parameters(), 2e-4, (0.0, 0.9)) for net in (self.g, self.d))
        self.metrics: dict[str, float] = {}

    def drawn(self) -> Tensor:
        return self.real[torch.randint(len(self.real), (self.batch,))]

    def fake(self) -> Tensor:
        images: Tensor = self.g(torch.randn(self.batch, self.g.latent_dim))
        return images

    def run(self) -> None:
        for step in range(self.discriminator_steps):
            self.step_d(self.drawn())
            if step == self.discriminator_steps - 1:
                self.step_g()

    def step_d(self, real: Tensor) -> None:
        self.d.zero_grad()
        fake = self.fake().detach()
        on_real, on_fake = self.d(real), self.d(fake)
        if self.kind == "hinge":
            loss = relu(1 - on_real).mean() + relu(1 + on_fake).mean()
        elif self.kind == "softplus":
            loss = softplus(-on_real).mean() + softplus(on_fake).mean()
        else:
            between = torch.rand(len(real), 1, 1, 1)
            points = (between * real + (1 - between) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(self.d(points).sum(), points, create_graph=True)
            loss = on_fake.mean() - on_real.mean() + 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        loss.backward()
        self.opt_d.step()
        self.metrics |= {
            "errD": loss.item(),
            "D(x)": torch.sigmoid(on_real).mean().item(),
            "D(G(z))": torch.sigmoid(on_fake).mean().item(),
        }

    def step_g(self) -> None:
        self.g.zero_grad()
        on_fake = self.d(self.fake())
        loss = softplus(-on_fake).mean() if self.kind == "softplus" else -on_fake.mean()
        loss.backward()
        self.opt_g.step()
        self.metrics["errG"] = loss.item()


# PyTorch-GAN


class PlainGenerator(nn.Module):
    """z (N, 100) -> images (N, channels, 32, 32): nearest x2 and convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Linear(100, 128 * 64)
        self.layers = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.BatchNorm2d(128, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, padding=1),
            nn.BatchNorm2d(64, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(self.input(z).unflatten(1, (128, 8, 8)))
        return images


class PlainDiscriminator(nn.Module):
    """Images (N, channels, 32, 32) -> logits (N, 1): four strided convolutions with dropout and batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((channels, 16), (16, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.25)]
            if outputs > 16:
                layers.append(nn.BatchNorm2d(outputs, 0.8))
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


class PyTorchGAN:
    """DCGAN: one batch of fakes for both players, G first, cross entropy of probabilities; `run` is one iteration."""

    def __init__(self, *, real: Tensor, batch: int) -> None:
        self.real, self.batch = real, batch
        self.g, self.d = PlainGenerator(real.shape[1]), PlainDiscriminator(real.shape[1])
        self.opt_g, self.opt_d = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (self.g, self.d))
        self.loss, self.printed = nn.BCELoss(), ""

    def run(self) -> None:
        real = self.real[torch.randint(len(self.real), (self.batch,))]
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        self.opt_g.zero_grad()
        fake = self.g(torch.randn(len(real), 100))
        loss_g = self.loss(self.d(fake).sigmoid(), ones)
        loss_g.backward()
        self.opt_g.step()
        self.opt_d.zero_grad()
        on_real, on_fake = self.d(real).sigmoid(), self.d(fake.detach()).sigmoid()
        loss_d = (self.loss(on_real, ones) + self.loss(on_fake, zeros)) / 2
        loss_d.backward()
        self.opt_d.step()
        self.printed = f"[D loss: {loss_d.item()}] [G loss: {loss_g.item()}]"


# pythae


class Pythae:
    """A VAE of perceptrons with a squared error: `run` is one step, its three losses fetched as floats."""

    def __init__(self, *, real: Tensor, batch: int, widths: tuple[int, int] = (500, 500), latent_dim: int = 40) -> None:
        self.real, self.batch, self.losses = real, batch, (0.0, 0.0, 0.0)
        pixels, (first, second) = real[0].numel(), widths
        self.encoder = nn.Sequential(nn.Linear(pixels, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(second, latent_dim), nn.Linear(second, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, second),
            nn.ReLU(),
            nn.Linear(second, first),
            nn.ReLU(),
            nn.Linear(first, pixels),
            nn.Sigmoid(),
        )
        parts = self.encoder, self.mean, self.log_variance, self.decoder
        self.optimizer = torch.optim.Adam([p for part in parts for p in part.parameters()], 1e-3)

    def run(self) -> None:
        x = self.real[torch.randint(len(self.real), (self.batch,))]
        h = self.encoder(x.flatten(1))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = 0.5 * mse_loss(self.decoder(z), x.flatten(1), reduction="none").sum(-1)
        kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)
        loss = (error + kl).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses = loss.item(), error.mean().item(), kl.mean().item()
