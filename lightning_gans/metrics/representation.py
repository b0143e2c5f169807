"""What can be read from a code: nearest neighbours, linear probes, and categories matched to classes."""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

_ROWS = 1024  # queries whose distances are held at a time


def nearest_neighbour_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Share of `test` (M, d) whose Euclidean nearest neighbour in `train` (N, d) has the same label (M,), (N,).

    The protocol of BiGAN's table 1 (Donahue et al. 2016).
    """
    squares = train.square().sum(1)
    correct = 0
    for rows, labels in zip(test.split(_ROWS), test_labels.split(_ROWS), strict=True):
        # |a - b|^2 less |a|^2, which is the same for all neighbours of a
        nearest = torch.addmm(squares, rows, train.T, alpha=-2).argmin(1).cpu()
        correct += int((train_labels[nearest] == labels).sum())
    return correct / len(test)


def linear_probe_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Accuracy on `test` (M, d) of multinomial logistic regression fitted to standardised `train` (N, d).

    L2 penalty of weight 1 on the weights, at most 200 steps of L-BFGS. Labels are (N,) and (M,).
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the budget is part of the measure
        probe.fit(train.cpu().numpy(), train_labels.numpy())
    return float(probe.score(test.cpu().numpy(), test_labels.numpy()))


def category_classes(train: Tensor, train_labels: Tensor, categories: int) -> Tensor:
    """The class that each category stands for, (categories,): the commonest of its samples in train, (N,) and (N,).

    A category that no sample has stands for no class, -1.
    """
    counts = torch.zeros(categories, int(train_labels.max()) + 1, dtype=torch.int64)
    counts.index_put_((train, train_labels), torch.ones_like(train), accumulate=True)
    return torch.where(counts.sum(1) > 0, counts.argmax(1), -1)


def category_accuracy(stands_for: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Share of `test` whose category (M,) stands for its class (M,).

    InfoGAN's measure (Chen et al. 2016, section 7.2).
    """
    return float((stands_for[test] == test_labels).float().mean())


def normalised_mutual_information(categories: Tensor, labels: Tensor) -> float:
    """Mutual information of two partitions, (N,) each, over the mean of their entropies: 0 to 1."""
    return float(normalized_mutual_info_score(labels.numpy(), categories.numpy()))
