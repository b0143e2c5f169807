"""Metrics of latent codes: nearest neighbours, linear probes, and categories matched to classes."""

from collections.abc import Callable, Iterator

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

_ROWS = 1024  # queries with distances in memory at a time
_CELLS = 2**20  # standardised elements of the linear probe in memory at a time


Progress = Callable[[float], None]  # called with the share done, 0 to 1


def nearest_neighbour_accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, progress: Progress | None = None
) -> float:
    """Accuracy of 1-NN: share of `test` (M, d) whose Euclidean nearest neighbour in `train` (N, d) has its label.

    The protocol of BiGAN's table 1 (Donahue et al. 2016).
    """
    squares = train.square().sum(1)
    correct = done = 0
    for rows, labels in zip(test.split(_ROWS), test_labels.split(_ROWS), strict=True):
        # |a - b|^2 minus |a|^2, which is the same for all neighbours of a
        nearest = torch.addmm(squares, rows, train.T, alpha=-2).argmin(1).cpu()
        correct += int((train_labels[nearest] == labels).sum())
        done += len(rows)
        if progress is not None:
            progress(done / len(test))
    return correct / len(test)


def linear_probe_accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, progress: Progress | None = None
) -> float:
    """Accuracy on `test` (M, d) of multinomial logistic regression fitted to standardised `train` (N, d).

    Minimises the sum of the samples' cross-entropies plus half the squared norm of the weights, as scikit-learn's
    C = 1, with at most 200 steps of L-BFGS. Labels are (N,) and (M,). Deterministic: no random numbers are drawn.

    Memory beyond the features: one standardised part of 2^20 numbers (4 MiB) with its logits, and about 25 copies of
    the (d + 1) K weights in float64 (L-BFGS keeps ten steps).
    """
    probe = LinearProbe(train.float(), train_labels.to(train.device))
    probe.fit(progress)
    return probe.accuracy(test.float(), test_labels.to(test.device))


class LinearProbe:
    """Linear probe: multinomial logistic regression on standardised features (N, d), processed part by part.

    Products are in float32 on the device of the features; sums over parts and the steps of L-BFGS are in float64 on
    the CPU, so that the size of a part does not matter.

    Args:
        cells: elements in a part.
    """

    def __init__(self, x: Tensor, labels: Tensor, *, cells: int = _CELLS) -> None:
        self.x, self.cells = x, cells
        self.classes, self.labels = labels.unique(return_inverse=True)
        n, d = x.shape
        self.mean, self.scale = x.new_zeros(d), x.new_ones(d)
        for _ in range(2):  # the second pass corrects float32 errors in sums of features far from 0
            self.mean = (self.mean.cpu().double() + self._sum(lambda part: part.sum(0)) / n).to(x)
        deviation = self._sum(lambda part: part.square().sum(0)).div(n).sqrt()
        self.scale = torch.where(deviation > 0, deviation, 1).to(x)  # a constant feature stays at 0
        self.weights = torch.zeros(d + 1, len(self.classes), dtype=torch.float64)  # the last row: biases

    def fit(self, progress: Progress | None = None) -> None:
        """Fit the probe; `progress` receives the finished share of the allowed steps."""
        steps, evaluations = 200, 0
        # Gradients and the tolerance are of the mean over samples, as in scikit-learn.
        optimizer = torch.optim.LBFGS(
            [self.weights],
            max_iter=steps,
            max_eval=steps * 5 // 4,
            history_size=10,
            tolerance_grad=1e-4,
            tolerance_change=1e-9,
            line_search_fn="strong_wolfe",
        )

        def closure() -> float:
            nonlocal evaluations
            evaluations += 1
            loss, self.weights.grad = self._objective()
            if progress is not None:
                progress(min(evaluations / (steps * 5 // 4), 1.0))
            return loss

        optimizer.step(closure)

    def classify(self, x: Tensor) -> Tensor:
        """Predict the most likely class of each of x (M, d): (M,) int64."""
        weights = self.weights.to(x)
        found = [torch.addmm(weights[-1], part, weights[:-1]).argmax(1) for part in self._parts(x)]
        classes: Tensor = self.classes[torch.cat(found)]
        return classes

    def accuracy(self, x: Tensor, labels: Tensor) -> float:
        """Share of x (M, d) with predicted class `labels` (M,)."""
        return int((self.classify(x) == labels).sum()) / len(x)

    def _objective(self) -> tuple[float, Tensor]:
        """Mean cross-entropy plus the penalty over N, and its gradient."""
        n, weights = len(self.x), self.weights.to(self.x)
        gradient, loss = torch.zeros_like(self.weights), 0.0
        for part, labels in zip(self._parts(self.x), self.labels.split(self._rows), strict=True):
            logs = torch.addmm(weights[-1], part, weights[:-1]).log_softmax(1)
            loss -= float(logs.gather(1, labels[:, None]).sum())
            residual = logs.exp()
            residual[torch.arange(len(labels), device=labels.device), labels] -= 1
            gradient[:-1] += (part.T @ residual).cpu()
            gradient[-1] += residual.sum(0).cpu()
        gradient[:-1] += self.weights[:-1]
        return (loss + 0.5 * float(self.weights[:-1].square().sum())) / n, gradient / n

    @property
    def _rows(self) -> int:
        return max(self.cells // self.x.shape[1], 1)

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        """Yield standardised rows of x; each part is overwritten by the next."""
        held = x.new_empty(min(self._rows, len(x)), x.shape[1])
        for rows in x.split(self._rows):
            yield torch.sub(rows, self.mean, out=held[: len(rows)]).div_(self.scale)

    def _sum(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        total = torch.zeros(self.x.shape[1], dtype=torch.float64)
        for part in self._parts(self.x):
            total += of(part).cpu()
        return total


def category_classes(train: Tensor, train_labels: Tensor, categories: int) -> Tensor:
    """Class of each category, (categories,): the most frequent one of its training samples, (N,) and (N,).

    The class of a category without samples is -1.
    """
    counts = torch.zeros(categories, int(train_labels.max()) + 1, dtype=torch.int64)
    counts.index_put_((train, train_labels), torch.ones_like(train), accumulate=True)
    return torch.where(counts.sum(1) > 0, counts.argmax(1), -1)


def category_accuracy(stands_for: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Accuracy of categories: share of `test` (M,) whose category's class is the label (M,).

    InfoGAN's measure (Chen et al. 2016, section 7.2).
    """
    return float((stands_for[test] == test_labels).float().mean())


def normalised_mutual_information(categories: Tensor, labels: Tensor) -> float:
    """Normalised mutual information (NMI) of two partitions, (N,) each, over the mean entropy: 0 to 1."""
    return float(normalized_mutual_info_score(labels.numpy(), categories.numpy()))
