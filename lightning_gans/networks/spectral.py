"""Spectral normalisation (Miyato et al. 2018, 1802.05957): weights with largest singular value 1."""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize
from torch.optim.optimizer import register_optimizer_step_post_hook

M = TypeVar("M", bound=nn.Module)

FIRST_ITERATIONS = 15  # power iterations on new weights: sigma to about 1 %, as in torch's own parametrization


class _Clock:
    """Counter of the optimizer steps of this process; fused optimizers leave no other trace on a weight."""

    def __init__(self) -> None:
        self.steps = 0
        register_optimizer_step_post_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.steps += 1


_clock = _Clock()


class SpectralNorm(nn.Module):
    """Spectral normalisation W -> W / sigma(W), sigma = u^T W v: W a matrix of one row per output, u and v constants.

    Algorithm 1 of the paper: one power iteration per update, from a u that is stored with the weights. New weights get
    `FIRST_ITERATIONS` of them, because u^T W v of a random u and v is noise around 0, by which W would be divided until
    D's first step. The iteration runs in the first forward pass after an optimizer step, in training mode, if the
    weight requires gradients. Evaluation, further passes and other players' updates leave u and v unchanged, so that
    neither the number of micro-batches nor a resume changes a run (torch.nn.utils.parametrizations.spectral_norm
    updates u in every forward pass).
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("v", torch.zeros_like(matrix[0]))
        self.estimate(weight)
        self._moved_at: int | None = None

    def estimate(self, weight: Tensor) -> None:
        """Estimate u and v of weights that do not come from an optimizer step: new, redrawn or partly loaded."""
        for _ in range(FIRST_ITERATIONS):
            self.iterate(weight)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """Power iteration: v = W^T u, u = W v, both of length 1."""
        matrix = weight.flatten(1)
        self.v.copy_(normalize(matrix.T @ self.u, dim=0, eps=1e-12))
        self.u.copy_(normalize(matrix @ self.v, dim=0, eps=1e-12))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):  # sigma needs more digits than bf16 has
            if self.training and weight.requires_grad and self._moved_at != _clock.steps:
                self.iterate(weight)
                self._moved_at = _clock.steps
            # copies: changes of u and v must not affect the graph of an earlier pass
            sigma = self.u.clone() @ (weight.flatten(1) @ self.v.clone())
            return weight / sigma


def spectrally_normalized(module: M) -> M:
    """Apply spectral normalisation to a convolution, linear layer or embedding; return it."""
    weight = module.weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"{type(module).__name__} has no weight to normalise")
    # unsafe: skips the forward pass that would check shapes, and change u
    parametrize.register_parametrization(module, "weight", SpectralNorm(weight), unsafe=True)
    return module


def estimate_norms(network: nn.Module) -> None:
    """Estimate u and v of every spectrally normalised weight of a network, after its weights were replaced."""
    for module in network.modules():
        if isinstance(module, parametrize.ParametrizationList):
            for parametrization in module:
                if isinstance(parametrization, SpectralNorm):
                    parametrization.estimate(module.original)
