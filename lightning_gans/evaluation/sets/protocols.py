"""Published evaluation protocols, as data. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lightning_gans.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Sample counts, reference and metrics of published scores, all of Inception's features (resize=tf1).

    samples: generated samples.
    distance_samples: number of samples for FID and the other distances; None: all.
    split: split of the reference data, which are complete: no image is held out for validation.
    reference: number of real images; None: all of the split.
    metrics: published metrics; None: all.
    source: source of the protocol.
    """

    name: str
    samples: int
    distance_samples: int | None = None
    split: Literal["train", "test"]
    reference: int | None = None
    metrics: tuple[str, ...] | None = None
    source: str

    def counts(self, samples: int | None) -> tuple[int, int]:
        """Number of samples, and of samples for distances. samples: replaces the published number if given."""
        total = self.samples if samples is None else samples
        return total, min(self.distance_samples or total, total)

    def called(self, samples: int | None) -> str:
        """Name of the protocol in results, with the number of samples if that is not the published one."""
        return self.name if samples in (None, self.samples) else f"{self.name} with {samples:,} samples"


_ALL = (
    Protocol(
        name="fid50k",
        samples=50_000,
        split="train",
        source="FID of 50,000 samples against all training images (StyleGAN, StudioGAN and most papers since 2019)",
    ),
    Protocol(
        name="sngan",
        samples=50_000,
        distance_samples=5_000,
        split="test",
        reference=10_000,
        metrics=("fid", "is"),
        source="FID of 5,000 samples against 10,000 test images, Inception Score of 50,000 (Miyato et al. 2018)",
    ),
    Protocol(
        name="mimicry",
        samples=50_000,
        split="train",
        reference=50_000,
        metrics=("fid", "kid", "is"),
        source="FID, KID and Inception Score of 50,000 samples against 50,000 training images (mimicry)",
    ),
)
PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
FIXED = {"metrics": "inception", "metrics.resize": "tf1", "data.holdout": "0"}  # in every protocol


def check_given(protocol: Protocol, given: Mapping[str, str]) -> None:
    """Refuse values that contradict the protocol.

    given: values by the names of FIXED.

    Raises:
        UserError: names the value of the protocol.
    """
    for key, value in FIXED.items():
        said = given.get(key)
        if said is not None and said != value:
            raise UserError(
                f"protocol={protocol.name} fixes {key}={value}, and {key}={said} contradicts it. Leave {key}={said} "
                "out, or leave protocol out and choose everything yourself."
            )


def check_split(protocol: Protocol, reference: str, split: str) -> None:
    """Refuse a split of the reference other than the protocol's.

    reference: the set as given by the user. split: the split that it names, or its only one.

    Raises:
        UserError: names the split of the protocol.
    """
    if split == protocol.split:
        return
    name, _, said = reference.rpartition(":")
    if said == split:
        what, fits = f"reference={reference} names another", f"Say reference={name}:{protocol.split}"
    else:
        what, fits = f"reference={reference} has none", f"Add a folder {protocol.split}/"
    raise UserError(
        f"protocol={protocol.name} compares with the {protocol.split} split, and {what}. {fits}, or leave protocol out "
        "and choose everything yourself."
    )
