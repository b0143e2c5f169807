"""Files of FID statistics: mean and covariance of features (.npz), as pytorch-fid and clean-fid write them."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.metrics.frechet import FeatureStatistics

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def read_statistics(path: Path) -> FeatureStatistics:
    """Mean and covariance in a file; nothing is unpickled.

    Raises:
        UserError: it is no such file, is damaged, or holds numbers that are not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mean, cov = (np.asarray(arrays[name], dtype=np.float64) for name in ("mu", "sigma"))
        found = FeatureStatistics.from_moments(torch.from_numpy(mean), torch.from_numpy(cov))
    except _UNREADABLE as error:
        raise UserError(
            f"{path} holds no statistics that can be read ({error}). Such a file has the arrays mu (d,) and sigma "
            "(d, d), as pytorch-fid and clean-fid write them; statistics=FILE.npz writes one."
        ) from error
    if not found.finite:
        raise UserError(f"{path} holds statistics that are NaN or infinite. Make them anew with statistics=FILE.npz.")
    return found


def write_statistics(path: Path, found: FeatureStatistics) -> None:
    """Write mean and covariance.

    Raises:
        UserError: the file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, mu=found.mean.numpy(), sigma=found.cov.numpy())
    write_atomically(path, buffer.getvalue())
