"""Exponential moving average (EMA) of the networks that sample."""

import copy

import torch
from torch import Tensor, nn

# StyleGAN2's ramp-up: the half-life grows with the images seen, so that the average forgets the initial weights.
RAMP_UP = 0.05


class ExponentialMovingAverage(nn.Module):
    """Exponential moving average (EMA): a copy of `model` whose parameters are averaged over training.

    The half-life is in images: after that many more images the old average has weight 1/2, whatever the batch size.
    None: the copy has the newest weights. Buffers are copied when the average is read. Batch-norm statistics belong to
    the weights that produced them, so Game.evaluated_model re-estimates them for the averaged weights.
    """

    def __init__(self, model: nn.Module, *, half_life: float | None) -> None:
        super().__init__()
        self.half_life, self.ramp_up = half_life, RAMP_UP
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None

    def _parameters_of(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        if self._pairs is None:
            self._pairs = list(self.model.parameters()), [p.detach() for p in model.parameters()]
        return self._pairs

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        self._pairs = None  # moving a module may replace its tensors
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self, model: nn.Module, *, images: int, batch: int) -> None:
        """Move the average towards `model` after a step on `batch` images, `images` seen in all."""
        if self.half_life is None or not self._parameters_of(model)[0]:
            return
        decay = 0.5 ** (batch / max(min(self.half_life, self.ramp_up * images), 1e-8))
        averages, newest = self._parameters_of(model)
        torch._foreach_lerp_(averages, newest, 1 - decay)

    @torch.no_grad()
    def read(self, model: nn.Module) -> nn.Module:
        """Return the averaged copy in eval mode, with the present buffers of `model`."""
        averages, newest = self._parameters_of(model)
        if self.half_life is None and averages:
            torch._foreach_copy_(averages, newest)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)
        return self.model.eval()
