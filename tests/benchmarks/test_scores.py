"""Both sides of the benchmark measure the same."""

import re

import pytest

from benchmarks import scores
from lightning_gans.core.errors import UserError

pytest.importorskip("torch_fidelity")


@pytest.mark.filterwarnings("ignore:FID of fewer samples")
def test_values_of_both_sides_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert scores.main(["--samples", "60", "--features", "32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fid", "kid", "neighbours"]
    for line in lines:
        found = re.search(r"ratio ([\d.]+) values (\S+) (\S+)", line)
        assert found is not None
        assert float(found[2]) == pytest.approx(float(found[3]), rel=1e-3, abs=1e-4)


def test_an_unknown_metric() -> None:
    with pytest.raises(UserError, match="There is no metric is to time"):
        scores.main(["is"])
