import subprocess
import sys

import pytest

from lightning_gans.extractors.classifier import ClassifierExtractor
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.extractors.inception import InceptionExtractor
from lightning_gans.extractors.pixels import PixelExtractor
from lightning_gans.metrics.names import EXTRACTORS, METRICS, declare_extractor, earlier, is_better, metric, suffix_of

EXPECTED = """
label_accuracy label_accuracy_a2b label_accuracy_b2a modes high_quality reverse_kl mode_score evenness classes_covered
reconstruction_mse reconstruction_ratio nmi cas memorised knn_accuracy probe_accuracy
code_accuracy code_classes nll code_knn_accuracy code_probe_accuracy
target_accuracy source_accuracy domain_accuracy target_information accuracy cycle_l1
precision_at_3 precision_at_5 precision_at_10
ndcg_at_3 ndcg_at_5 ndcg_at_10 map mrr content_probe speaker_probe speaker_from_content converted_content
converted_speaker converted speaker_eer content_eer output_l1 ssim psnr label_kept
condition_error r_precision
"""
FEATURES = "fid fid_a2b fid_b2a fid_both fid_output intra_fid kid is precision recall density coverage"
LOWER = """
fid fid_a2b fid_b2a fid_both fid_output output_l1 intra_fid kid reverse_kl reconstruction_mse reconstruction_ratio nll
memorised domain_accuracy cycle_l1 speaker_from_content speaker_eer condition_error
"""


def test_every_name_is_there_with_its_direction() -> None:
    of_extractors = {f"{name}_{word}": name for name in FEATURES.split() for word in EXTRACTORS}
    assert set(METRICS) == {*EXPECTED.split(), *FEATURES.split(), *of_extractors}
    lower = {name for name, entry in METRICS.items() if entry.better == "lower"}
    assert lower == {*LOWER.split(), *(name for name, bare in of_extractors.items() if bare in LOWER.split())}
    assert all(entry.help and "\n" not in entry.help for entry in METRICS.values())


def test_extractors_name_their_metrics() -> None:
    found = {extractor.suffix for extractor in (ClassifierExtractor, PixelExtractor, CoordinateExtractor)}
    assert found == {f"_{word}" for word in EXTRACTORS}
    assert InceptionExtractor.suffix == ""
    declare_extractor("dino")
    try:
        assert metric("fid_dino").better == "lower"
    finally:
        for name in [name for name in METRICS if name.endswith("_dino")]:
            del METRICS[name]


def test_names_of_earlier_versions() -> None:
    assert suffix_of("classifier(digits)") == "_classifier"
    assert suffix_of("inception-v3-compat") == suffix_of("") == ""
    renamed = earlier("_classifier")
    assert (renamed["fid"], renamed["kid_std"]) == ("fid_classifier", "kid_classifier_std")
    assert renamed["test_accuracy"] == "accuracy"
    assert earlier("") == {"test_accuracy": "accuracy"}


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("fid", 1.0, 2.0, True),
        ("fid", 2.0, 1.0, False),
        ("fid", 1.0, 1.0, False),
        ("is", 2.0, 1.0, True),
        ("is", 1.0, 2.0, False),
        ("is", 1.0, 1.0, False),
        ("fid", float("nan"), 1.0, False),
        ("fid", 1.0, float("nan"), True),
        ("is", float("nan"), float("nan"), False),
        ("fid", 1.0, float("inf"), True),
    ],
)
def test_better(name: str, a: float, b: float, expected: bool) -> None:
    assert is_better(metric(name).better, a, b) is expected


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'fid_a2c'; did you mean fid_a2b"):
        metric("fid_a2c")
    with pytest.raises(ValueError, match=r"known: fid, "):
        metric("qqqqqqq")


def test_imports_nothing_heavy() -> None:
    code = "import sys, lightning_gans.metrics.names; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
