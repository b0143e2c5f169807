"""Memorisation of training images: distances of generated images to their nearest training images."""

from math import isfinite

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data, SplitName
from lightning_gans.core.protocols import Samples
from lightning_gans.core.rng import stream_seed
from lightning_gans.evaluation.measures import lower, measure
from lightning_gans.evaluation.splits import read
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.memorisation import memorised

SAMPLES = 1000  # generated images that are compared with the training images


@measure(
    lower("memorised", "share of samples that are copies: nearest training image below a third as far as the second"),
    needs=Samples,
)
def memorisation(model: Samples, data: Data, split: SplitName) -> dict[str, Estimate]:
    """`memorised` of the first 1,000 generated images, on the test split only, since it reads all training images.

    `metrics/memorisation.py` has the definition and the memory use. Samples other than images, and data with fewer than
    two distinct training images, have no value.
    """
    if split != "test" or len(data.sample_shape) != 3:
        return {}
    generated = model.sample(SAMPLES, seed=stream_seed("evaluation", split))
    with activity("nearest training images"):
        found = memorised(generated, (batch.x for batch in read(data.split("train")))).estimate
    return {"memorised": found} if isfinite(found.value) else {}
