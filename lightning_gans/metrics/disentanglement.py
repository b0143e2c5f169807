"""Probes of frozen codes for a class, and a classifier of converted samples."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_curve
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import normalize

from lightning_gans.metrics.estimate import Estimate, share
from lightning_gans.metrics.representation import LinearProbe

WIDTH, EPOCHS, NEIGHBOURS, TREES = 128, 60, 5, 100
REPEATED = 0.5  # share of distinct codes below which codes are discrete

Probe = Callable[[Tensor], Tensor]  # codes (M, ...) -> classes (M,)
Fits = Callable[[Tensor, Tensor], Probe]  # codes (N, ...), classes (N,) -> a fitted probe


class Recogniser:
    """Recogniser: a perceptron with one hidden layer of 128 on standardised samples; Adam, 60 epochs, fixed seed."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        network = MLPClassifier((WIDTH,), max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0)
        self._fitted: Pipeline = make_pipeline(StandardScaler(), network)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the budget is part of the measure
            self._fitted.fit(_flat(x), labels.cpu().numpy())

    def __call__(self, x: Tensor) -> Tensor:
        """Predict the classes of samples (N, ...): (N,) int64."""
        return torch.from_numpy(self._fitted.predict(_flat(x))).long()


class Lookup:
    """Lookup probe: the most frequent class of each code, by exact equality; for unknown codes, of all codes."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        codes, rows = x.detach().flatten(1).cpu().unique(dim=0, return_inverse=True)
        counts = torch.zeros(len(codes), int(labels.max()) + 1, dtype=torch.int64)
        counts.index_put_((rows, labels.cpu()), torch.ones_like(rows), accumulate=True)
        self._classes = {
            code.numpy().tobytes(): found for code, found in zip(codes, counts.argmax(1).tolist(), strict=True)
        }
        self._otherwise = int(counts.sum(0).argmax())

    def __call__(self, x: Tensor) -> Tensor:
        """Predict the class of each code (M, ...): (M,) int64."""
        codes = x.detach().flatten(1).cpu()
        return torch.tensor([self._classes.get(code.numpy().tobytes(), self._otherwise) for code in codes])


def _flat(x: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    flat: np.ndarray[tuple[int, int], np.dtype[np.float32]] = x.detach().flatten(1).float().cpu().numpy()
    return flat


def _linear(x: Tensor, labels: Tensor) -> Probe:
    probe = LinearProbe(x.float(), labels)
    probe.fit()
    return lambda asked: probe.classify(asked.float())


def _neighbours(x: Tensor, labels: Tensor) -> Probe:
    classifier = KNeighborsClassifier(min(NEIGHBOURS, len(x)), algorithm="brute")
    fitted = make_pipeline(StandardScaler(), classifier).fit(_flat(x), labels.numpy())
    return lambda asked: torch.from_numpy(fitted.predict(_flat(asked))).long()


def _forest(x: Tensor, labels: Tensor) -> Probe:
    fitted = RandomForestClassifier(TREES, random_state=0, n_jobs=1).fit(_flat(x), labels.numpy())
    return lambda asked: torch.from_numpy(fitted.predict(_flat(asked))).long()


# In order of precedence among equal accuracies.
PROBES: Mapping[str, Fits] = {
    "linear": _linear,
    "perceptron": Recogniser,
    "neighbours": _neighbours,
    "forest": _forest,
    "lookup": Lookup,
}


def discrete(codes: Tensor) -> bool:
    """Return True if codes (N, ...) repeat: fewer than half of them are distinct."""
    return len(codes.flatten(1).unique(dim=0)) < REPEATED * len(codes)


def probe_accuracies(parts: list[tuple[Tensor, Tensor]], tests: list[tuple[Tensor, Tensor]]) -> dict[str, Estimate]:
    """Return the accuracy of each probe that predicts a class from codes, by the probe's name.

    A linear probe (logistic regression), a perceptron, five nearest neighbours and a random forest of 100 trees; for
    discrete codes also a lookup of the exact code, since codes may identify a speaker in a way that no smooth function
    finds. Linear probe, perceptron and neighbours use standardised codes.

    Args:
        parts: codes (N, ...) and classes (N,) that probes are fitted to; two parts for two folds.
        tests: for each part, the codes (M, ...) and classes (M,) of its test. Accuracies are over all tests together.
    """
    repeats = all(discrete(codes) for codes, _ in parts)
    found = {}
    for name, fits in PROBES.items():
        if name == "lookup" and not repeats:
            continue
        right = n = 0
        for (codes, classes), (asked, wanted) in zip(parts, tests, strict=True):
            answers = fits(codes.cpu(), classes.cpu())(asked.cpu())
            right, n = right + int((answers == wanted.cpu()).sum()), n + len(asked)
        found[name] = share(right, n)
    return found


def strongest(accuracies: Mapping[str, Estimate]) -> str:
    """Return the name of the probe with the highest accuracy; the first one among equals."""
    return max(accuracies, key=lambda name: accuracies[name].value)


def equal_error_rate(code: Tensor, speaker: Tensor) -> Estimate:
    """Equal error rate of speaker verification by cosine: the rate at which both kinds of errors are equally frequent.

    A trial is a pair of samples, classified as one speaker if the cosine of their codes is above the threshold.

    Args:
        code: (N, d), float.
        speaker: (N,), at least two speakers, one of them with two samples.

    Returns:
        The rate, in [0, 1]; 0.5 is chance. Its standard error is that of a share of N, since pairs are not independent.
    """
    unit = normalize(code.double(), dim=1)
    first, second = torch.triu_indices(len(code), len(code), offset=1)
    same = speaker[first] == speaker[second]
    accepted, right, _ = roc_curve(same.numpy(), (unit[first] * unit[second]).sum(1).numpy(), drop_intermediate=False)
    refused = 1 - right
    nearest = int(abs(refused - accepted).argmin())
    rate = float(refused[nearest] + accepted[nearest]) / 2
    return Estimate(rate, (rate * (1 - rate) / len(code)) ** 0.5)
