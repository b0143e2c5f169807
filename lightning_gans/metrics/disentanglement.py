"""What can be read from a code by who was not there when it was made, and what a converted sample is taken for."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lightning_gans.metrics.representation import linear_probe_accuracy

WIDTH, EPOCHS, NEIGHBOURS = 128, 60, 5


class Recogniser:
    """A perceptron of one hidden layer of 128 on standardised samples, the same every time: Adam, 60 epochs."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        network = MLPClassifier((WIDTH,), max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0)
        self._fitted: Pipeline = make_pipeline(StandardScaler(), network)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the budget is part of the measure
            self._fitted.fit(_flat(x), labels.cpu().numpy())

    def __call__(self, x: Tensor) -> Tensor:
        """What samples (N, ...) are taken for: (N,) int64."""
        return torch.from_numpy(self._fitted.predict(_flat(x))).long()


def _flat(x: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    flat: np.ndarray[tuple[int, int], np.dtype[np.float32]] = x.detach().flatten(1).float().cpu().numpy()
    return flat


def fresh_probe_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Accuracy on `test` (M, d) of the best of three probes fitted to `train` (N, d), all on standardised codes.

    A linear one, a perceptron, and the five nearest neighbours: a code that keeps a speaker's utterances in small
    islands is at chance for the first two and not for the third. Labels are (N,) and (M,).
    """
    known, asked = train_labels.cpu(), test_labels.cpu()
    neighbours = make_pipeline(StandardScaler(), KNeighborsClassifier(NEIGHBOURS)).fit(_flat(train), known.numpy())
    return max(
        linear_probe_accuracy(train, known, test, asked),
        float((Recogniser(train, known)(test) == asked).float().mean()),
        float(neighbours.score(_flat(test), asked.numpy())),
    )
