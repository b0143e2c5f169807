"""Files of feature statistics that pytorch-fid and clean-fid write: .npz with `mu` and `sigma`, or with `feats`."""

import io
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.metrics.frechet import FeatureStatistics

MOST_BYTES = 2**32  # of an array in a file

_ASYMMETRY = 1e-4  # largest difference of sigma and its transpose, relative to its largest element


def read_statistics(path: str | os.PathLike[str]) -> FeatureStatistics:
    """Read mean `mu` (d,) and covariance `sigma` (d, d) from a file, for the Frechet distance.

    Such files do not contain the number of samples.

    Raises:
        UserError: the file is missing or damaged, lacks an array, or holds arrays of other shapes or NaN.
    """
    arrays = _read(Path(path), ("mu", "sigma"))
    mean, cov = arrays["mu"], arrays["sigma"]
    if mean.dim() != 1 or cov.shape != (len(mean), len(mean)):
        raise UserError(
            f"{path} holds mu of shape {tuple(mean.shape)} and sigma of shape {tuple(cov.shape)}. A file of statistics "
            "holds a mean (d,) and a covariance (d, d); write it anew with pytorch-fid or clean-fid."
        )
    if (cov - cov.T).abs().max() > _ASYMMETRY * cov.abs().max():
        raise UserError(f"{path} holds a sigma that is not symmetric, so no covariance. Write the file anew.")
    return FeatureStatistics.from_moments(mean, (cov + cov.T) / 2)


def write_statistics(path: str | os.PathLike[str], statistics: FeatureStatistics) -> None:
    """Write mean and covariance as pytorch-fid and clean-fid do.

    Raises:
        UserError: the file cannot be written.
        ValueError: statistics of fewer than two samples.
    """
    _write(Path(path), mu=statistics.mean, sigma=statistics.cov)


def read_features(path: str | os.PathLike[str]) -> Tensor:
    """Read features `feats` (N, d) from a file that clean-fid writes for KID.

    Raises:
        UserError: the file is missing or damaged, lacks the array, or holds one of another shape or NaN.
    """
    features = _read(Path(path), ("feats",))["feats"]
    if features.dim() != 2:
        raise UserError(
            f"{path} holds feats of shape {tuple(features.shape)}. A file of features holds an array (N, d); write it "
            "anew with clean-fid."
        )
    return features


def write_features(path: str | os.PathLike[str], features: Tensor) -> None:
    """Write features (N, d) as clean-fid does for KID.

    Raises:
        UserError: the file cannot be written.
    """
    _write(Path(path), feats=features)


def _read(path: Path, names: tuple[str, ...]) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"{path} is no file. Give the .npz that pytorch-fid or clean-fid wrote.")
    try:
        with zipfile.ZipFile(path) as file:
            kept = {member.filename: member.file_size for member in file.infolist()}
        missing = [name for name in names if f"{name}.npy" not in kept]
        if missing:
            there = ", ".join(sorted(name.removesuffix(".npy") for name in kept)[:8]) or "nothing"
            raise UserError(
                f"{path} lacks {' and '.join(missing)}; it holds {there}. FID needs mu and sigma, KID needs feats: "
                "give the other file, or write it anew with pytorch-fid or clean-fid."
            )
        large = [name for name in names if kept[f"{name}.npy"] > MOST_BYTES]
        if large:
            raise UserError(f"{path} holds {large[0]} of more than {MOST_BYTES >> 30} GiB, which is not read.")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise UserError(
            f"{path} cannot be read as .npz ({error}): it is damaged, or holds more than numbers, which is never "
            "loaded. Write or download it anew."
        ) from error
    for name, array in found.items():
        if array.dtype.kind != "f":
            raise UserError(f"{path} holds {name} of type {array.dtype}, and floats are needed. Write the file anew.")
        if not np.isfinite(array).all():
            raise UserError(
                f"{path} holds NaN or infinity in {name}. Compute the statistics anew from finite features."
            )
    return {
        name: torch.from_numpy(array.astype(np.float64 if name != "feats" else np.float32))
        for name, array in found.items()
    }


def _write(path: Path, **arrays: Tensor) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array.detach().cpu().numpy() for name, array in arrays.items()})  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())
