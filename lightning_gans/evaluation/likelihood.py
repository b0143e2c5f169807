"""Likelihood of held-out samples under a model with a density."""

import torch
from torch import Tensor

from lightning_gans.core.data import Data, SplitName
from lightning_gans.core.protocols import Evaluates
from lightning_gans.core.rng import stream_seed
from lightning_gans.evaluation.measures import metric
from lightning_gans.evaluation.splits import held_out, read
from lightning_gans.metrics.estimate import Estimate, mean

LIKELIHOODS = 500  # held-out samples for the density during training
IMPORTANCE_SAMPLES = {"validation": 64, "test": 128}  # codes per sample


@metric("nll", better="lower", help="negative log-likelihood of held-out data, in nats", needs=Evaluates)
def likelihood(model: Evaluates, data: Data, split: SplitName) -> Estimate:
    """Negative log-likelihood: mean of -log p(x) in nats, importance-sampled."""
    densities: list[Tensor] = []
    count = 0
    for batch in read(held_out(data, split, LIKELIHOODS)):
        found = model.log_likelihood(
            batch.x, samples=IMPORTANCE_SAMPLES[split], seed=stream_seed("likelihood", split), start=count
        )
        densities.append(-found.double().cpu())
        count += len(batch.x)
    return mean(torch.cat(densities))
