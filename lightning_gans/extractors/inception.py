"""The Inception network that FID, KID and IS are published with, through torchmetrics and torch-fidelity."""

import hashlib
import io
import os
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lightning_gans.core.batches import SampleBatch, SemiSupervisedBatch, UnpairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import isolated
from lightning_gans.extractors.base import Features, in_chunks

State = dict[str, Tensor]

_PACKAGE = (
    "metrics=inception needs the package torch-fidelity, which is not installed. Type: pip install torch-fidelity "
    "(or install this package with its extra: pip install '.[inception]'); metrics=none needs nothing, and "
    "metrics=classifier, for labelled images, only the data."
)


class InceptionExtractor:
    """pool3 features (2048) and unbiased logits (1008 classes) of the 2015 Inception, from one pass.

    Images become bytes and are resized to 299 as in the reference implementation (bilinear as in TensorFlow 1, not
    antialiased); grey images are repeated to three channels.

    Args:
        weights: the network's state dict, .safetensors or .pth (read as weights only, nothing is unpickled); None
            takes the one that torch-fidelity publishes, downloaded once into torch.hub's folder.

    Raises:
        UserError: torch-fidelity is missing, the weights cannot be had, or they are another network's.
    """

    batch: ClassVar[tuple[type, ...]] = (SampleBatch, SemiSupervisedBatch, UnpairedBatch)
    contents: ClassVar[tuple[str, ...]] = ("images",)
    name = "inception-v3-compat"
    feature_dim = 2048
    classes = 1008
    suffix = ""

    def __init__(self, weights: str | os.PathLike[str] | None = None, *, device: torch.device | str = "cpu") -> None:
        if find_spec("torch_fidelity") is None:
            raise UserError(_PACKAGE)
        state = _download() if weights is None else _read(Path(weights))
        self.fingerprint = f"{self.name}-{_digest(state)}"
        self.device = torch.device(device)
        self.network = _network(state, weights).to(self.device)

    def to(self, device: torch.device | str) -> "InceptionExtractor":
        """Itself, computing on `device` from now on."""
        self.device = torch.device(device)
        self.network.to(self.device)
        return self

    def __call__(self, x: Tensor) -> Features:
        """Images (N, 1 or 3, H, W) in [-1, 1] -> features (N, 2048), probabilities (N, 1008).

        Raises:
            UserError: images of another number of channels.
        """
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise UserError(
                f"metrics=inception takes grey or RGB images, and these samples have shape {tuple(x.shape[1:])}. "
                "Leave metrics out for the ones that fit this data, or say metrics=none."
            )
        return Features(*in_chunks(self._forward, x, self.device))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        data = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        # The parent's forward: torchmetrics' own returns the first of the features alone.
        features, logits = FeatureExtractorInceptionV3.forward(self.network, data.expand(-1, 3, -1, -1))
        return features, logits.softmax(1)


def _network(state: State, weights: str | os.PathLike[str] | None) -> Any:
    from torchmetrics.image.fid import NoTrainInceptionV3

    # The constructor unpickles the file it is given: it gets one made here, of tensors alone.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    try:
        with isolated("inception"):  # the weights it draws before it reads its file are no one's business
            return NoTrainInceptionV3(
                InceptionExtractor.name,
                ["2048", "logits_unbiased"],
                buffer,  # type: ignore[arg-type]  # whatever torch.load reads
                antialias=False,
            )
    except RuntimeError as error:
        raise UserError(
            f"metrics.weights={weights} holds the weights of another network than the FID Inception "
            f"({str(error).splitlines()[0]}). Give torch-fidelity's file weights-inception-2015-12-05-6726825d.pth, "
            "or leave metrics.weights out to have it downloaded."
        ) from error


def _read(path: Path) -> State:
    if not path.is_file():
        raise UserError(
            f"metrics.weights={path} is no file. Give torch-fidelity's weights-inception-2015-12-05-6726825d.pth (or "
            "the same tensors as .safetensors), or leave metrics.weights out to have it downloaded."
        )
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, SafetensorError, EOFError, OSError, ValueError) as error:
        raise UserError(
            f"metrics.weights={path} cannot be read as weights: it is damaged, or holds more than tensors, which is "
            "never loaded. Download weights-inception-2015-12-05-6726825d.pth anew from torch-fidelity's releases."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(
            f"metrics.weights={path} holds no state dict. Give torch-fidelity's weights-inception-2015-12-05-6726825d."
            "pth, or leave metrics.weights out to have it downloaded."
        )
    return state


def _download() -> State:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    try:
        return dict(
            torch.hub.load_state_dict_from_url(URL_INCEPTION_V3, map_location="cpu", check_hash=True, weights_only=True)
        )
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"metrics=inception needs the network's weights, and {URL_INCEPTION_V3} could not be fetched ({error}). "
            "Fetch that file where there is a network and say metrics.weights=FILE; metrics=classifier (labelled "
            "images) and metrics=none need no download."
        ) from error


def _digest(state: State) -> str:
    """Of names and values, so that the same weights in another file are the same extractor."""
    result = hashlib.sha256()
    for name in sorted(state):
        result.update(name.encode())
        result.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return result.hexdigest()
