"""Losses, penalties and constraints on logits, codes and scores. Accessing one imports only its module."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_gans.losses.adversarial import (
        AdversarialLoss,
        Hinge,
        LeastSquares,
        Minimax,
        NonSaturating,
        RelativisticAverage,
        RelativisticPairing,
        SeparableLoss,
        Wasserstein,
    )
    from lightning_gans.losses.constraints import Constraint, WeightClip
    from lightning_gans.losses.critics import Binary, Critic, Judged, ThreeWay
    from lightning_gans.losses.divergences import (
        KL,
        FDivergence,
        GANDivergence,
        Jeffrey,
        JensenShannon,
        Neyman,
        Pearson,
        ReverseKL,
        SquaredHellinger,
        TotalVariation,
        WeightedJensenShannon,
    )
    from lightning_gans.losses.information import (
        categorical_entropy,
        categorical_log_density,
        gaussian_log_density,
        normal_entropy,
        uniform_entropy,
    )
    from lightning_gans.losses.matching import (
        CovarianceMatching,
        DualCovarianceMatching,
        DualMeanMatching,
        JointMatching,
        Matching,
        MeanMatching,
    )
    from lightning_gans.losses.mismatch import with_wrong_pairs
    from lightning_gans.losses.penalties import (
        DRAGAN,
        R1,
        R1R2,
        R2,
        GradientPenalty,
        Penalty,
        SamplePenalty,
        squared_gradient_norm,
    )
    from lightning_gans.losses.precision import on_exact
    from lightning_gans.losses.ranking import importance_mixture, log_policy, pairwise_logistic, policy_gradient
    from lightning_gans.losses.reversal import reverse_gradient
    from lightning_gans.losses.variational import kl_of_dimensions, kl_to_standard_normal, with_free_bits

_MODULES = {
    "adversarial": (
        "AdversarialLoss SeparableLoss Minimax NonSaturating LeastSquares Hinge Wasserstein "
        "RelativisticPairing RelativisticAverage"
    ),
    "constraints": "Constraint WeightClip",
    "critics": "Judged Critic Binary ThreeWay",
    "divergences": (
        "FDivergence KL ReverseKL Pearson Neyman SquaredHellinger Jeffrey JensenShannon "
        "WeightedJensenShannon GANDivergence TotalVariation"
    ),
    "information": "categorical_log_density gaussian_log_density categorical_entropy uniform_entropy normal_entropy",
    "matching": "Matching MeanMatching DualMeanMatching CovarianceMatching DualCovarianceMatching JointMatching",
    "mismatch": "with_wrong_pairs",
    "penalties": "Penalty SamplePenalty squared_gradient_norm R1 R2 R1R2 GradientPenalty DRAGAN",
    "precision": "on_exact",
    "ranking": "log_policy importance_mixture policy_gradient pairwise_logistic",
    "reversal": "reverse_gradient",
    "variational": "kl_of_dimensions kl_to_standard_normal with_free_bits",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "DRAGAN",
    "KL",
    "R1",
    "R1R2",
    "R2",
    "AdversarialLoss",
    "Binary",
    "Constraint",
    "CovarianceMatching",
    "Critic",
    "DualCovarianceMatching",
    "DualMeanMatching",
    "FDivergence",
    "GANDivergence",
    "GradientPenalty",
    "Hinge",
    "Jeffrey",
    "JensenShannon",
    "JointMatching",
    "Judged",
    "LeastSquares",
    "Matching",
    "MeanMatching",
    "Minimax",
    "Neyman",
    "NonSaturating",
    "Pearson",
    "Penalty",
    "RelativisticAverage",
    "RelativisticPairing",
    "ReverseKL",
    "SamplePenalty",
    "SeparableLoss",
    "SquaredHellinger",
    "ThreeWay",
    "TotalVariation",
    "Wasserstein",
    "WeightClip",
    "WeightedJensenShannon",
    "categorical_entropy",
    "categorical_log_density",
    "gaussian_log_density",
    "importance_mixture",
    "kl_of_dimensions",
    "kl_to_standard_normal",
    "log_policy",
    "normal_entropy",
    "on_exact",
    "pairwise_logistic",
    "policy_gradient",
    "reverse_gradient",
    "squared_gradient_norm",
    "uniform_entropy",
    "with_free_bits",
    "with_wrong_pairs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
