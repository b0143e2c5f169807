"""Scoring without a Trainer."""

import torch

from datamodules import Digits
from lightning_gans.core.prior import Normal
from lightning_gans.evaluation.scoring import make_scoring
from lightning_gans.models import GenerativeModel
from lightning_gans.networks.mlp import MLPGenerator


def model(data):
    generator = MLPGenerator(
        sample_shape=data.sample_shape, latent_dim=4, width=8, depth=1, batch_norm=False, output="tanh"
    )
    return GenerativeModel(generator=generator, prior=Normal(dim=4)).eval()


def test_a_model_is_scored_on_a_data_module():
    data = Digits(image_size=8)
    metrics = {"_target_": "lightning_gans.extractors.factories.classifier", "_partial_": True}
    scoring = make_scoring(metrics, samples=64)
    generator = model(data)
    scoring.prepare(generator, data, torch.device("cpu"))
    found = scoring(generator, data, "test").scores
    assert {
        "fid_classifier",
        "kid_classifier",
        "is_classifier",
        "recall_classifier",
        "evenness",
        "classes_covered",
    } <= set(found)
    assert found["fid_classifier"] > scoring.floor("test")["fid_classifier"]
    assert scoring.facts("test") == {
        "extractor": "classifier(digits)",
        "samples": 64,
        "reference": "train (1437 samples)",
        "floor_samples": 64,
        "classes": 10,
    }
    assert [scoring.named(name) for name in ("fid", "recall", "evenness")] == [
        *("fid_classifier", "recall_classifier", "evenness")
    ]
    assert data.trainer is None
