"""Reconstruction error of models with an encoder."""

import torch

from lightning_gans.core.data import Data, SplitName
from lightning_gans.core.protocols import Reconstructs
from lightning_gans.evaluation.measures import lower, measure
from lightning_gans.evaluation.splits import held_out, read
from lightning_gans.metrics.estimate import Estimate, mean


@measure(
    lower("reconstruction_mse", "mean squared error of reconstructions, per pixel, images in [-1, 1]"),
    lower("reconstruction_ratio", "reconstruction_mse divided by the error between random pairs of images"),
    needs=Reconstructs,
)
def reconstruction(model: Reconstructs, data: Data, split: SplitName) -> dict[str, Estimate]:
    """`reconstruction_mse`, and `reconstruction_ratio`, its ratio to the error between random pairs of samples."""
    errors, count = [], 0
    total = squares = torch.zeros(())
    for batch in read(held_out(data, split)):
        x = batch.x.double()
        errors.append((model.reconstruct(batch.x).to(x) - x).square().flatten(1).mean(1).cpu())
        total, squares, count = total + x.sum(0), squares + x.square().sum(0), count + len(x)
    between = 2 * (squares / count - (total / count).square()).mean().item()  # of independent pairs: twice the variance
    mse, scale = mean(torch.cat(errors)), max(between, 1e-12)
    ratio = Estimate(mse.value / scale, mse.error / scale)
    return {"reconstruction_mse": mse, "reconstruction_ratio": ratio}
