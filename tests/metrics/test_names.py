import subprocess
import sys

import pytest

from lightning_gans.metrics.names import METRICS, is_better, metric

EXPECTED = """
fid fid_a2b fid_b2a fid_both intra_fid fid_floor kid is modes high_quality reverse_kl label_accuracy
label_accuracy_a2b label_accuracy_b2a reconstruction_mse reconstruction_ratio nmi cas knn_accuracy probe_accuracy
code_accuracy code_classes nll code_knn_accuracy code_probe_accuracy
target_accuracy source_accuracy domain_accuracy accuracy test_accuracy cycle_l1
precision_at_3 precision_at_5 precision_at_10
ndcg_at_3 ndcg_at_5 ndcg_at_10 map mrr content_probe speaker_probe speaker_from_content converted_content
converted_speaker converted classes_covered mode_score
"""
LOWER = """
fid fid_a2b fid_b2a fid_both intra_fid fid_floor kid reverse_kl reconstruction_mse reconstruction_ratio nll
domain_accuracy cycle_l1 speaker_from_content memorised
"""


def test_every_name_is_there_with_its_direction() -> None:
    assert set(METRICS) == set(EXPECTED.split())
    assert {name for name, entry in METRICS.items() if entry.better == "lower"} == set(LOWER.split())
    assert all(entry.help and "\n" not in entry.help for entry in METRICS.values())


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
