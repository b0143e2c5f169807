"""Mismatch loss: real outputs with a wrong condition count as fakes (Reed et al. 2016, 1605.05396, Algorithm 1)."""

from collections.abc import Mapping

from torch import Tensor


def with_wrong_pairs(terms: Mapping[str, Tensor], wrong: Mapping[str, Tensor], *, share: float) -> dict[str, Tensor]:
    """Loss terms of D with wrong pairs as part of the fakes: (1 - share) terms + share wrong, by name.

    Args:
        terms: terms of D's loss on real and generated pairs.
        wrong: terms of the same loss on real and wrong pairs.
        share: share of wrong pairs among the fakes, in [0, 1].
    """
    weighted = {name: (1 - share) * term for name, term in terms.items()}
    return weighted | {f"wrong_{name}": share * term for name, term in wrong.items()}
