"""Checks of the labels passed to class-conditional networks."""

from torch import Tensor


def check_label(label: Tensor | None, classes: int | None) -> None:
    """Refuse labels for a network without classes, and missing labels for a network with classes.

    Raises:
        ValueError: names the case.
    """
    if classes is None and label is not None:
        raise ValueError("this network knows no classes (classes=null), and was given labels")
    if classes is not None and label is None:
        raise ValueError(f"this network is told the class, one of {classes}, and was given no labels (N,)")
