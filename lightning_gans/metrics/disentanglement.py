"""What can be read from a code by who was not there when it was made, and what a converted sample is taken for."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lightning_gans.metrics.representation import linear_probe_accuracy

WIDTH, EPOCHS = 128, 60


class Recogniser:
    """A perceptron of one hidden layer of 128 on standardised samples, the same every time: Adam, 60 epochs."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        network = MLPClassifier((WIDTH,), max_iter=EPOCHS, random_state=0)
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
    """Accuracy on `test` (M, d) of the better of two probes fitted to `train` (N, d): a linear one and a perceptron.

    Labels are (N,) and (M,).
    """
    recognised = Recogniser(train, train_labels)(test)
    perceptron = float((recognised == test_labels.cpu()).float().mean())
    return max(perceptron, linear_probe_accuracy(train, train_labels.cpu(), test, test_labels.cpu()))
