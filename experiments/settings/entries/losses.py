"""Objectives, penalties and constraints."""

from experiments.settings.schema import Schema
from experiments.settings.spec import Bool, Choice, Float, Int, Node

_GAMMA = {"gamma": Float(min=0, help="weight; the paper's gamma")}
_WEIGHT = {"weight": Float(min=0, help="weight; the paper's lambda")}
_Q = {"q": Choice((1, 2, "inf"), help="the norm that means are matched in")}
_K = {"k": Int(min=1, help="singular values of the covariances' difference")}


ENTRIES: dict[str, Schema] = {
    "lightning_gans.losses.adversarial.Minimax": Schema({}),
    "lightning_gans.losses.adversarial.NonSaturating": Schema({}),
    "lightning_gans.losses.adversarial.LeastSquares": Schema(
        {
            "a": Float(help="D's label of fakes"),
            "b": Float(help="D's label of real samples"),
            "c": Float(help="what G pulls its samples to"),
        }
    ),
    "lightning_gans.losses.adversarial.Hinge": Schema({}),
    "lightning_gans.losses.adversarial.Wasserstein": Schema({}),
    "lightning_gans.losses.adversarial.RelativisticPairing": Schema({}),
    "lightning_gans.losses.adversarial.RelativisticAverage": Schema({}),
    **{
        f"lightning_gans.losses.divergences.{name}": Schema({})
        for name in (
            "KL ReverseKL Pearson Neyman SquaredHellinger Jeffrey JensenShannon GANDivergence TotalVariation".split()
        )
    },
    "lightning_gans.losses.divergences.WeightedJensenShannon": Schema(
        {"pi": Float(above=0, below=1, help="weight of the data in the mixture")}
    ),
    "lightning_gans.losses.matching.MeanMatching": Schema(_Q, given=("features",)),
    "lightning_gans.losses.matching.DualMeanMatching": Schema(_Q, given=("features",)),
    "lightning_gans.losses.matching.CovarianceMatching": Schema(_K, given=("features",)),
    "lightning_gans.losses.matching.DualCovarianceMatching": Schema(_K, given=("features",)),
    "lightning_gans.losses.matching.JointMatching": Schema({"mean": Node(), "covariance": Node()}, given=("features",)),
    "lightning_gans.losses.penalties.R1": Schema(_GAMMA),
    "lightning_gans.losses.penalties.R2": Schema(_GAMMA),
    "lightning_gans.losses.penalties.R1R2": Schema(_GAMMA),
    "lightning_gans.losses.penalties.GradientPenalty": Schema(
        _WEIGHT | {"one_sided": Bool(help="gradients shorter than 1 cost nothing")}
    ),
    "lightning_gans.losses.penalties.DRAGAN": Schema(_WEIGHT),
    "lightning_gans.losses.constraints.WeightClip": Schema(
        {"bound": Float(above=0, help="of every weight, either way")}
    ),
}
