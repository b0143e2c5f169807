"""Whether two sets of images can be compared. Imports no torch."""

from typing import NamedTuple

from lightning_gans.core.errors import UserError


class Shaped(NamedTuple):
    """A set as messages name it (generated=samples/), and its images' shape (C, H, W); None where it is not known."""

    name: str
    shape: tuple[int, int, int] | None


def check_pair(generated: Shaped, reference: Shaped, metrics: str) -> None:
    """Refuse grey against RGB images, and sizes that the extractor cannot compare.

    Raises:
        UserError: says which setting makes the sets alike.
    """
    if generated.shape is None or reference.shape is None:
        return
    (channels, *size), (others, *other) = generated.shape, reference.shape
    if channels != others:
        kind = {1: "grey", 3: "RGB"}
        raise UserError(
            f"{generated.name} holds {kind[channels]} images and {reference.name} {kind[others]} ones. Say "
            "data.channels=3 to bring both to RGB, or data.channels=1 to bring both to grey."
        )
    if metrics != "inception" and size != other:
        raise UserError(
            f"metrics={metrics} compares images of one size: those of {generated.name} are {size[1]}x{size[0]} and "
            f"those of {reference.name} {other[1]}x{other[0]}. Say data.image_size=32 to bring both to 32x32 pixels; "
            "metrics=inception takes any sizes."
        )
    if metrics == "classifier" and other[0] != other[1]:
        raise UserError(
            f"metrics=classifier takes square images, and those of {reference.name} are {other[1]}x{other[0]}. Say "
            "data.image_size=32 for the square in their centre."
        )
    if metrics == "classifier" and other[0] < 8:
        raise UserError(
            f"metrics=classifier takes images of 8 pixels or more; those of {reference.name} are {other[0]}."
        )


def check_samples(name: str, held: int, wanted: int, why: str) -> None:
    """Refuse a set that is too small.

    Raises:
        UserError: says how many it holds.
    """
    if held < wanted:
        raise UserError(
            f"{name} holds {held:,} images, and {why} takes {wanted:,}. Name a larger set, or say samples={held} to "
            "compare as many as there are; the results will say so."
        )
