"""Sample quality: FID and other feature-based metrics, or mode coverage, from one pass over the samples."""

import logging
from collections.abc import Callable, Mapping, Sequence
from math import exp, hypot, nan, sqrt

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Modes, SplitName
from lightning_gans.core.events import Evidence
from lightning_gans.core.interruption import poll
from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.core.rng import stream, stream_seed
from lightning_gans.evaluation.measures import flat, higher, lower, reports
from lightning_gans.extractors.base import Extractor
from lightning_gans.metrics.conditional import ClassReference, intra_fid, label_accuracy
from lightning_gans.metrics.diversity import classes_covered, evenness
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.modes import mode_coverage
from lightning_gans.metrics.names import ERROR
from lightning_gans.metrics.scores import Reference, distribution_scores
from lightning_gans.models.generative import CHUNK
from lightning_gans.strategies.exchange import processes, rank

log = logging.getLogger("lightning_gans")

SMALL = 512  # number of features with fast distances
Floors = Callable[[SplitName, int, Callable[[], dict[str, float]]], dict[str, float]]

DRAWS, DRAWN = 20, 20_000  # of real samples for a floor: as many draws, or fewer of as many samples in all, 4 at least


@reports(
    lower("fid", "Frechet distance of real and generated features", features=True),
    lower("intra_fid", "mean over classes of the FID of that class alone", features=True),
    lower("kid", "kernel distance of real and generated features: unbiased MMD^2, cubic kernel", features=True),
    higher("is", "Inception Score over the classifier's classes: exp of the mean KL(p(y|x) || p(y))", features=True),
    higher("precision", "share of samples among the real ones: within the radius of a 3rd neighbour", features=True),
    higher("recall", "share of real samples among generated ones: within a 3rd neighbour's radius", features=True),
    higher(
        "density", "real neighbourhoods (k = 5) that a sample lies in, over k: 1 for a perfect model", features=True
    ),
    higher("coverage", "share of real neighbourhoods (k = 5) with a sample in them: .97 is perfect", features=True),
    higher("evenness", "entropy of the classes of all samples over its largest value: 1 where all are as frequent"),
    higher("classes_covered", "classes that the classifier finds among the generated samples"),
    higher("label_accuracy", "share of conditional samples that the classifier assigns to the class asked for"),
    higher("modes", "modes that are the nearest centre of at least one high-quality sample"),
    higher("high_quality", "share of samples within three standard deviations of their nearest mode"),
    lower("reverse_kl", "KL of the histogram of samples over modes against the uniform one, in nats"),
    higher("mode_score", "high_quality times exp(-reverse_kl): .99 for a perfect sampler, low for blur and lost modes"),
)
class SampleQuality:
    """Scores of a model's samples against the real training distribution.

    The reference is the training split; the floor is the score of held-out real samples under the same protocol. Sample
    noise is keyed by the global index and differs between splits, so that test scores are not affected by selection.

    Args:
        extractor: samples -> features.
        reference: statistics and features of the training split.
        held_out: those of the splits "validation" and "test"; an empty split has no features.
        modes: centres and std of a density with known modes: its coverage is measured instead of distances.
        samples: number of generated samples; None: as many as held-out samples.
        test_samples: number of generated samples for the test split; None: as `samples`.
        classes: reference of each class, for a class-conditional model; None: no metrics per class.
        names: names of the data's classes; if the extractor has as many classes, their evenness is measured.
        floors: split, samples, computation -> the floor, from a cache if known; None: computed.
    """

    def __init__(
        self,
        *,
        extractor: Extractor,
        reference: Reference,
        held_out: Mapping[str, Reference],
        modes: Modes | None = None,
        samples: int | None = None,
        test_samples: int | None = None,
        classes: ClassReference | None = None,
        names: Sequence[str] | None = None,
        floors: Floors | None = None,
    ) -> None:
        self.extractor, self.reference, self.held_out, self.modes = extractor, reference, held_out, modes
        self.samples, self.test_samples, self.classes = samples, test_samples, classes
        self.suffix = extractor.suffix
        self.knows_classes = names is not None and 1 < len(names) == extractor.classes
        self._known: Floors = floors or (lambda split, samples, compute: compute())
        self._floors: dict[SplitName, dict[str, float]] = {}

    @property
    def headline(self) -> str:
        """Name of the metric that selects the best checkpoint."""
        return f"fid{self.suffix}" if self.modes is None else "mode_score"

    def count(self, split: SplitName) -> int:
        """Return the number of generated samples compared with `split`, or with the test split if it is empty."""
        chosen = self.test_samples if split == "test" and self.test_samples else self.samples
        return chosen or len(self.held_out[split].features) or len(self.held_out["test"].features)

    def floor_samples(self, split: SplitName) -> int:
        """Return the number of real samples in a draw of the floor: as many as generated samples, at most all."""
        return min(self.count(split), sum(len(part.features) for part in self.held_out.values()))

    def floor(self, split: SplitName) -> dict[str, float]:
        """Scores of as many held-out real samples as are generated: mean over draws, and standard deviation as `_se`.

        Draws are from `split`, or from both held-out splits together if it has less than two draws. If both have less,
        all their samples are one draw, and the deviation is its own standard error. Draws from a finite set overlap, so
        their deviation is divided by sqrt(1 - n / N) (finite population correction).
        """
        if split not in self._floors:
            self._floors[split] = self._known(split, self.count(split), lambda: self._floor(split))
        return self._floors[split]

    def _floor(self, split: SplitName) -> dict[str, float]:
        n, (pool, labels) = self.count(split), self._pool(split)
        total = len(pool.features)
        if total < 2:
            return {}
        if n > total / 2:
            return self._score(*_rows(pool, labels, slice(None, self.floor_samples(split))), real=True)
        draws = min(DRAWS, max(DRAWN // n, 4))
        with activity("floor of real samples", draws) as report:
            found = []
            for draw in range(draws):
                rows = torch.randperm(total, generator=stream("floor", split, draw))[:n]
                found.append(self._score(*_rows(pool, labels, rows), real=True))
                report(draw + 1)
        floor = {}
        for name in found[0]:
            values = torch.tensor([scores[name] for scores in found if name in scores], dtype=torch.float64)
            if not name.endswith(ERROR):
                floor[name] = values.mean().item()
            if f"{name}{ERROR}" in found[0]:
                floor[f"{name}{ERROR}"] = values.std().item() / sqrt(1 - n / total)
        return floor

    def _pool(self, split: SplitName) -> tuple[Reference, Tensor | None]:
        """Real samples from which a floor is drawn, with their labels if there are metrics per class."""
        enough = len(self.held_out[split].features) >= 2 * self.count(split)
        parts = [split] if enough else list(self.held_out)
        found = [self.held_out[part] for part in parts]
        likely = [part.probabilities for part in found if part.probabilities is not None]
        pool = Reference(
            self.held_out[split].statistics,
            torch.cat([part.features for part in found]),
            torch.cat(likely) if likely else None,
        )
        labels = None if self.classes is None else torch.cat([self.classes.held_out[part] for part in parts])
        return pool, labels

    def measure(self, model: nn.Module, split: SplitName = "validation", *, draw: int = 0) -> Evidence:
        """Scores of `model`'s samples; the same on any number of processes. Every rank calls it.

        A class-conditional model is measured with labels drawn uniformly. draw: 1 and above select other samples than
        those measured in training.
        """
        assert isinstance(model, Samples)
        n, seed = self.count(split), stream_seed("evaluation", split, *([draw] if draw else []))
        features, probabilities = self._features(model, n, seed=seed)
        labels = model.labels(n, seed=seed) if isinstance(model, SamplesByLabel) else None
        asked = labels if isinstance(model, SamplesByLabel) and model.classes == self.extractor.classes else None
        scores = self._score(features, probabilities, labels, asked=asked)
        real = self.held_out[split].features
        return Evidence(scores, features, probabilities, real, self.floor(split), self.suffix)

    def _score(
        self,
        features: Tensor,
        probabilities: Tensor | None,
        labels: Tensor | None,
        *,
        asked: Tensor | None = None,
        real: bool = False,
    ) -> dict[str, float]:
        """Scores of features (N, d). labels: classes of the samples; asked: classes that a classifier should find."""
        if self.modes is not None:
            return _modes(features, self.modes)
        if broken := int((~features.isfinite().all(1)).sum()):
            log.warning(
                "%d of %d samples have features that are not finite: they are not measured", broken, len(features)
            )
            return {f"fid{self.suffix}": nan}
        # A matrix of many features takes seconds, without any progress to report.
        with activity("distances of features", None if features.shape[1] > SMALL else 1.0):
            scores = dict(distribution_scores(self.reference, features, probabilities))
        if self.classes is not None and labels is not None:
            with activity("distances of features class by class"):
                distance = intra_fid(self.classes.statistics, features, labels)
            if distance is not None:
                scores["intra_fid"] = distance
        found = flat(scores, self.suffix)
        if probabilities is None:
            return found
        of_classes: dict[str, Estimate | float] = {}
        if self.knows_classes:
            of_classes = {"evenness": evenness(probabilities), "classes_covered": float(classes_covered(probabilities))}
        wanted = labels if real and self.knows_classes else asked
        if wanted is not None:
            of_classes["label_accuracy"] = label_accuracy(probabilities, wanted)
        return found | flat(of_classes)

    @torch.no_grad()
    def _features(self, model: Samples, n: int, *, seed: int) -> tuple[Tensor, Tensor | None]:
        """Features of samples 0 .. n - 1, in order; rank r generates chunks r, r + ranks, ..."""
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


def _rows(pool: Reference, labels: Tensor | None, rows: slice | Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    probabilities = None if pool.probabilities is None else pool.probabilities[rows]
    return pool.features[rows], probabilities, None if labels is None else labels[rows]


def _modes(points: Tensor, modes: Modes) -> dict[str, float]:
    found = mode_coverage(points, modes.centres, modes.std)
    high_quality = Estimate(found.high_quality, found.high_quality_error)
    reverse_kl = Estimate(found.reverse_kl, found.reverse_kl_error)
    evenness_of_modes = exp(-found.reverse_kl)
    score = found.high_quality * evenness_of_modes
    error = evenness_of_modes * hypot(high_quality.error, found.high_quality * reverse_kl.error)
    return flat(
        {
            "modes": float(found.modes),
            "high_quality": high_quality,
            "reverse_kl": reverse_kl,
            "mode_score": Estimate(score, error),
        }
    )


def _in_order(chunks: list[Tensor], world: int) -> Tensor:
    """Arrange every rank's chunks (each (64, d)) in global order, on the CPU."""
    mine = torch.stack(chunks)
    if world == 1:
        return mine.flatten(0, 1).cpu()
    everyone = [torch.empty_like(mine) for _ in range(world)]
    dist.all_gather(everyone, mine)
    return torch.stack(everyone, dim=1).flatten(0, 2).cpu()
