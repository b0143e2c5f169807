"""The benchmark of metrics runs, and its check can fail."""

import re

import pytest

from benchmarks import scores
from lightning_gans.core.errors import UserError

SMALL = ["--samples", "60", "--features", "8", "--repeats", "1"]


def test_it_prints_a_ratio_for_each_metric(capsys):
    assert scores.main(SMALL) == 0
    found = dict(re.findall(r"ratio (\w+) 60x8: .* ([\d.]+)$", capsys.readouterr().out, re.MULTILINE))
    assert found.keys() == {"kid", "fid", "precision_recall"}


def test_a_check_names_what_is_above_its_bar(monkeypatch):
    monkeypatch.setattr(scores, "BARS", {"kid": 0.0, "fid": 0.0})
    with pytest.raises(UserError, match=r"Slower than torch-fidelity: kid, fid\."):
        scores.main([*SMALL, "--check"])
