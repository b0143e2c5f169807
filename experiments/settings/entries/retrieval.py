"""Retrieval: data, networks, the games."""

from experiments.settings.schema import WIDTH, Schema
from experiments.settings.spec import Choice, Float, Int, Node, Path, Spec, Text

_BATCH: dict[str, Spec] = {"batch_size": Int(min=1, help="queries, of all processes together")}
_SIZES: dict[str, Spec] = {
    "queries": Int(min=1, help="how many; their numbers are below this"),
    "documents": Int(min=1, help="how many; their numbers are below this"),
}
_SHARE = Float(above=0, below=1)
_FILES: dict[str, Spec] = {"root": Path(help="where the files lie"), "fold": Text(help="which of the set's own splits")}
_IRGAN: dict[str, Spec] = {
    "model": Node(),
    "discriminator": Node(),
    "dns": Node(help="how G is optimised before the game"),
    "training": Node(),
    "pretraining": Float(min=0, max=1, help="share of the iterations before the game; 1: no game"),
    "dns_negatives": Int(min=1, help="documents of which the best-scored is the negative"),
    "rounds": Int(min=1, help="of D and then G"),
    "discriminator_share": Float(above=0, below=1, help="D's part of each round"),
    "resamplings": Int(min=1, help="of D's negatives in each round"),
    "temperature": Float(above=0, help="of G's distribution where G moves"),
    "negatives_temperature": Float(above=0, help="of G's distribution where it draws D's negatives"),
    "importance_mix": Float(min=0, max=1, help="share of the positives in what G's step draws from"),
    "samples": Int(min=1, help="documents drawn for each query"),
}

ENTRIES: dict[str, Schema] = {
    "datamodules.DigitsRetrieval": Schema(
        _BATCH
        | _SIZES
        | {
            "positives": Int(min=1, help="of each query in training"),
            "noise": Float(min=0, help="standard deviation; white is 1, black 0"),
            "features": Choice((16, 64), help="of a pair: of all pixels, or of means of four"),
        }
    ),
    "datamodules.MovieLens": Schema(
        _BATCH
        | _SIZES
        | _FILES
        | {
            "threshold": Float(min=0, help="stars from which on an item is relevant"),
            "validation_share": _SHARE,
            "test_share": _SHARE,
        }
    ),
    "datamodules.Letor": Schema(_BATCH | _FILES | {"features": Int(min=1, help="numbers of a document")}),
    "lightning_gans.networks.retrieval.MatrixFactorisation": Schema(
        _SIZES | {"dim": Int(min=1, help="of the factors"), "initial": Float(min=0, help="factors begin as U(-i, i)")}
    ),
    "lightning_gans.networks.retrieval.FeatureScorer": Schema(
        {"features": Int(min=1), "width": WIDTH, "std": Float(above=0, help="of the initial weights")}
    ),
    "lightning_gans.models.retrieval.RankingModel": Schema({"generator": Node()}),
    "lightning_gans.variants.irgan.IRGAN": Schema(_IRGAN),
    "lightning_gans.variants.irgan.PairwiseIRGAN": Schema(_IRGAN),
}
