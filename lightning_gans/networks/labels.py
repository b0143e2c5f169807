"""Checks of the labels that class-conditional networks are given."""

from torch import Tensor


def check_label(label: Tensor | None, classes: int | None) -> None:
    """Refuse labels where there are no classes, and none where there are.

    Raises:
        ValueError: says which.
    """
    if classes is None and label is not None:
        raise ValueError("this network knows no classes (classes=null), and was given labels")
    if classes is not None and label is None:
        raise ValueError(f"this network is told the class, one of {classes}, and was given no labels (N,)")
