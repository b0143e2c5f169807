"""Sample quality: FID, KID, Inception Score or mode coverage from one pass of generator and extractor."""

from math import exp

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Modes, SplitName
from lightning_gans.core.events import Evidence
from lightning_gans.core.interruption import poll
from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.core.rng import stream_seed
from lightning_gans.evaluation.measures import higher, lower, reports
from lightning_gans.extractors.base import Extractor
from lightning_gans.metrics.conditional import ClassReference, intra_fid, label_accuracy
from lightning_gans.metrics.diversity import classes_covered
from lightning_gans.metrics.modes import mode_coverage
from lightning_gans.metrics.scores import Reference, distribution_scores
from lightning_gans.models.generative import CHUNK
from lightning_gans.strategies.exchange import processes, rank

SMALL = 512  # features whose distances take no time


@reports(
    lower("fid", "Frechet distance of real and generated features (extractor, samples and reference beside it)"),
    lower("intra_fid", "mean over classes of the FID of that class alone"),
    lower("fid_floor", "FID of held-out real images against training images: a perfect generator's"),
    lower("kid", "kernel distance of real and generated features: unbiased MMD^2, cubic kernel"),
    higher("is", "Inception Score: exp of the mean KL(p(y|x) || p(y)) under the extractor's classifier"),
    higher("modes", "modes that are the nearest centre of at least one high-quality sample"),
    higher("high_quality", "share of samples within three standard deviations of their nearest mode"),
    lower("reverse_kl", "KL of the histogram of samples over modes against the uniform one, in nats"),
    higher("mode_score", "high_quality times exp(-reverse_kl): .99 for a perfect sampler, low for blur and lost modes"),
    higher("classes_covered", "classes that the extractor's classifier finds among the generated samples"),
    higher("label_accuracy", "share of conditional samples that the classifier assigns to the class asked for"),
)
class SampleQuality:
    """Scores of a model's samples against the real training distribution.

    The reference is the training split; the floor is what held-out real samples score under the same protocol. Sample
    noise is keyed by the global index and differs between splits, so that test figures owe nothing to selection.

    Args:
        extractor: samples -> features.
        reference: features of the training split.
        held_out: features (m, d) of the splits "validation" and "test".
        modes: centres and std of a density with known modes: its coverage is measured instead of distances.
        samples: how many; None: as many as held-out samples.
        classes: of each class, for a model that is told the class; None: classes are not measured apart.
    """

    def __init__(
        self,
        *,
        extractor: Extractor,
        reference: Reference,
        held_out: dict[str, Tensor],
        modes: Modes | None = None,
        samples: int | None = None,
        classes: ClassReference | None = None,
    ) -> None:
        self.extractor, self.reference, self.held_out, self.modes = extractor, reference, held_out, modes
        self.samples, self.classes = samples, classes

    @property
    def headline(self) -> str:
        """The metric by which one checkpoint is better than another."""
        return "fid" if self.modes is None else "mode_score"

    def count(self, split: SplitName) -> int:
        """How many samples are drawn to be compared with `split`."""
        return self.samples or len(self.held_out[split])

    def floor(self, split: SplitName) -> dict[str, float]:
        """What the real samples of `split` score, at most as many as are generated."""
        n = self.count(split)
        labels = None if self.classes is None else self.classes.held_out[split][:n]
        return self._score(self.held_out[split][:n], None, labels)

    def measure(self, model: nn.Module, split: SplitName = "validation", *, draw: int = 0) -> Evidence:
        """The scores of `model`'s samples; the same on any number of processes. Every rank calls it.

        A model that is told the class is measured with labels drawn uniformly. draw: 1 and on are other samples than
        those that training measures.
        """
        assert isinstance(model, Samples)
        n, seed = self.count(split), stream_seed("evaluation", split, *([draw] if draw else []))
        features, probabilities = self._features(model, n, seed=seed)
        labels = model.labels(n, seed=seed) if isinstance(model, SamplesByLabel) else None
        scores = self._score(features, probabilities, labels)
        if labels is not None and probabilities is not None and probabilities.shape[1] == model.classes:
            scores["label_accuracy"] = label_accuracy(probabilities, labels)
        return Evidence(scores, features, probabilities, self.held_out[split])

    def _score(self, features: Tensor, probabilities: Tensor | None, labels: Tensor | None) -> dict[str, float]:
        if self.modes is not None:
            coverage = mode_coverage(features, self.modes.centres, self.modes.std)
            return {
                "modes": float(coverage.modes),
                "high_quality": coverage.high_quality,
                "reverse_kl": coverage.reverse_kl,
                "mode_score": coverage.high_quality * exp(-coverage.reverse_kl),
            }
        # The square root of a large covariance takes seconds, and cannot tell how far it is.
        with activity("distances of features", None if features.shape[1] > SMALL else 1.0):
            scores = distribution_scores(self.reference, features, probabilities)
        if probabilities is not None:
            scores["classes_covered"] = float(classes_covered(probabilities))
        if self.classes is not None and labels is not None:
            with activity("distances of features class by class"):
                distance = intra_fid(self.classes.statistics, features, labels)
            if distance is not None:
                scores["intra_fid"] = distance
        return scores

    @torch.no_grad()
    def _features(self, model: Samples, n: int, *, seed: int) -> tuple[Tensor, Tensor | None]:
        """Features of samples 0 .. n - 1, in order: rank r makes chunks r, r + ranks, ..."""
        world, me = processes(), rank()
        rounds = -(-n // (CHUNK * world))
        made = []
        with activity("generated samples", n) as report:
            for turn in range(rounds):
                poll()
                made.append(self.extractor(model.sample(CHUNK, seed=seed, start=CHUNK * (world * turn + me))))
                report(min(CHUNK * world * (turn + 1), n))
        features = _in_order([part.features for part in made], world)[:n]
        if made[0].probabilities is None:
            return features, None
        return features, _in_order([p.probabilities for p in made if p.probabilities is not None], world)[:n]


def _in_order(chunks: list[Tensor], world: int) -> Tensor:
    """Every rank's chunks (each (64, d)) in global order, on the CPU."""
    mine = torch.stack(chunks)
    if world == 1:
        return mine.flatten(0, 1).cpu()
    everyone = [torch.empty_like(mine) for _ in range(world)]
    dist.all_gather(everyone, mine)
    return torch.stack(everyone, dim=1).flatten(0, 2).cpu()
