import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_gans.core.errors import UserError
from lightning_gans.extractors import statistics_files
from lightning_gans.extractors.statistics_files import (
    read_features,
    read_statistics,
    write_features,
    write_statistics,
)
from lightning_gans.metrics.frechet import FeatureStatistics, fid


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_statistics_come_back_and_give_the_same_fid(tmp_path: Path) -> None:
    statistics = FeatureStatistics.of(normal(50, 6))
    write_statistics(tmp_path / "real.npz", statistics)
    with np.load(tmp_path / "real.npz") as arrays:  # as pytorch-fid reads them
        assert set(arrays.files) == {"mu", "sigma"}
        np.testing.assert_allclose(arrays["sigma"], statistics.cov.numpy())
    read = read_statistics(tmp_path / "real.npz")
    made = normal(40, 6, seed=1) + 1
    assert fid(read, made) == pytest.approx(fid(statistics, made), rel=1e-9)


def test_features_come_back(tmp_path: Path) -> None:
    features = normal(50, 6)
    write_features(tmp_path / "real_kid.npz", features)
    assert torch.equal(read_features(tmp_path / "real_kid.npz"), features)


MU, SIGMA = np.zeros(3), np.eye(3)
UNFIT = {
    "lacks sigma; it holds mu, n.": {"mu": MU, "n": np.array(5)},
    "lacks mu and sigma; it holds feats.": {"feats": SIGMA},
    r"mu of shape \(3,\) and sigma of shape \(2, 2\)": {"mu": MU, "sigma": np.eye(2)},
    r"mu of shape \(1, 3\)": {"mu": MU[None], "sigma": SIGMA},
    "NaN or infinity in mu": {"mu": MU * np.nan, "sigma": SIGMA},
    "NaN or infinity in sigma": {"mu": MU, "sigma": SIGMA + np.inf},
    "sigma of type int64": {"mu": MU, "sigma": np.eye(3, dtype=np.int64)},
    "cannot be read as .npz": {"mu": np.array([None]), "sigma": SIGMA},
    "not symmetric": {"mu": MU, "sigma": np.triu(np.ones((3, 3)))},
}


@pytest.mark.parametrize("message", UNFIT)
def test_files_that_hold_something_else(message: str, tmp_path: Path) -> None:
    path = tmp_path / "real.npz"
    np.savez(path, **UNFIT[message])  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"real\.npz .*{message}"):
        read_statistics(path)


def test_features_of_another_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", feats=MU)
    with pytest.raises(UserError, match=r"real.npz holds feats of shape \(3,\)"):
        read_features(tmp_path / "real.npz")


def test_missing_and_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"missing.npz is no file"):
        read_statistics(tmp_path / "missing.npz")
    path = tmp_path / "real.npz"
    write_statistics(path, FeatureStatistics.of(normal(50, 6)))
    data = path.read_bytes()
    for damaged in (b"", b"plain", data[: len(data) // 2], data[:200] + bytes(50) + data[250:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"real.npz cannot be read as .npz"):
            read_statistics(path)
    monkeypatch.setattr(statistics_files, "MOST_BYTES", 2**9)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mu.npy", bytes(100))
        file.writestr("sigma.npy", bytes(2**16))
    with pytest.raises(UserError, match="sigma of more than"):
        read_statistics(path)
