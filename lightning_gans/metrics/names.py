"""Every metric that a run may report, with the direction that is better. Imports nothing heavy."""

import difflib
import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """What a reported number means: which direction is better, and one line on what it is."""

    direction: Literal["min", "max"]
    description: str


def _low(description: str) -> Metric:
    return Metric("min", description)


def _high(description: str) -> Metric:
    return Metric("max", description)


METRICS: dict[str, Metric] = {
    # How near generated samples are to real ones.
    "fid": _low("Frechet distance of real and generated features (extractor, samples and reference beside it)"),
    "fid_a2b": _low("FID of translations A to B against real B"),
    "fid_b2a": _low("FID of translations B to A against real A"),
    "fid_both": _low("mean of fid_a2b and fid_b2a"),
    "intra_fid": _low("mean over classes of the FID of that class alone"),
    "fid_floor": _low("FID of held-out real images against real training images: what a perfect generator would score"),
    "kid": _low("kernel distance of real and generated features: unbiased MMD^2, cubic kernel"),
    "is": _high("Inception Score: exp of the mean KL(p(y|x) || p(y)) under the extractor's classifier"),
    # Mode coverage.
    "modes": _high("modes that are the nearest centre of at least one high-quality sample"),
    "high_quality": _high("share of samples within three standard deviations of their nearest mode"),
    "reverse_kl": _low("KL of the histogram of samples over modes against the uniform one, in nats"),
    "mode_score": _high("high_quality times exp(-reverse_kl): .99 for a perfect sampler, low for blur and lost modes"),
    "classes_covered": _high("classes that the extractor's classifier finds among the generated samples"),
    # Conditional generation and codes.
    "label_accuracy": _high("share of conditional samples that the classifier assigns to the class asked for"),
    "label_accuracy_a2b": _high("share of translations A to B that keep the label of their source"),
    "label_accuracy_b2a": _high("share of translations B to A that keep the label of their source"),
    "nmi": _high("normalised mutual information of the categorical code and the classes"),
    "cas": _high("classification accuracy score: trained on generated samples alone, tested on real ones"),
    "code_accuracy": _high("share of images whose class is found from the categorical code, codes matched to classes"),
    "code_classes": _high("classes that a category of the code stands for"),
    "nll": _low("negative log-likelihood of held-out data, in nats"),
    # Encoders.
    "reconstruction_mse": _low("mean squared error of reconstructions, per pixel, images in [-1, 1]"),
    "reconstruction_ratio": _low("reconstruction_mse divided by the error between random pairs of images"),
    "knn_accuracy": _high("accuracy of nearest neighbours on the encoder's last hidden layer"),
    "probe_accuracy": _high("accuracy of a linear probe on the encoder's last hidden layer"),
    "code_knn_accuracy": _high("accuracy of nearest neighbours on codes"),
    "code_probe_accuracy": _high("accuracy of a linear probe on codes"),
    "cycle_l1": _low("mean absolute error of there-and-back translation, per pixel, images in [-1, 1]"),
    # Classification and domains.
    "target_accuracy": _high("accuracy on the held-out part of the target domain"),
    "source_accuracy": _high("accuracy on the held-out part of the source domain"),
    "domain_accuracy": _low("accuracy of the domain classifier on the features: chance means they are aligned"),
    "test_accuracy": _high("accuracy on the test split"),
    # Retrieval.
    "precision_at_3": _high("share of relevant items among the first 3"),
    "precision_at_5": _high("share of relevant items among the first 5"),
    "precision_at_10": _high("share of relevant items among the first 10"),
    "ndcg_at_3": _high("normalised discounted cumulative gain of the first 3"),
    "ndcg_at_5": _high("normalised discounted cumulative gain of the first 5"),
    "ndcg_at_10": _high("normalised discounted cumulative gain of the first 10"),
    "map": _high("mean average precision"),
    "mrr": _high("mean reciprocal rank of the first relevant item"),
    # Disentanglement.
    "content_probe": _high("accuracy of a fresh probe that reads the content from the content code"),
    "speaker_probe": _high("accuracy of a fresh probe that reads the speaker from the speaker code"),
    "speaker_from_content": _low(
        "accuracy of a fresh probe that reads the speaker from the content code: at best chance"
    ),
    "converted_content": _high("share of converted utterances that keep the content of their source"),
    "converted_speaker": _high("share of converted utterances that sound like the speaker asked for"),
    "converted": _high("share of converted utterances that do both"),
}


def metric(name: str) -> Metric:
    """The entry of `METRICS` under `name`.

    Raises:
        ValueError: no metric has that name; the message suggests the nearest ones.
    """
    if name in METRICS:
        return METRICS[name]
    nearest = difflib.get_close_matches(name, METRICS, n=3)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"known: {', '.join(METRICS)}."
    raise ValueError(f"There is no metric named {name!r}; {hint}")


def better(name: str, a: float, b: float) -> bool:
    """Whether `a` is a strictly better value of the metric `name` than `b`; a NaN is worse than any number.

    Raises:
        ValueError: no metric has that name.
    """
    lower = metric(name).direction == "min"
    if math.isnan(a) or math.isnan(b):
        return not math.isnan(a)
    return a < b if lower else a > b
