"""Inception network of published FID, KID and IS, through torchmetrics and torch-fidelity."""

import hashlib
import io
import os
import pickle
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lightning_gans.core.batches import ConditionedBatch, PairedBatch, SampleBatch, SemiSupervisedBatch, UnpairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import isolated
from lightning_gans.extractors.base import Features, in_chunks

State = dict[str, Tensor]
Resize = Literal["tf1", "clean"]

SIDE = 299  # pixels of the network's input

_NAME = "inception-v3-compat"
_FILE = "weights-inception-2015-12-05-6726825d.pth"

_PACKAGE = (
    "metrics=inception needs the package torch-fidelity, which is not installed. Type: pip install torch-fidelity "
    "(or install this package with its extra: pip install '.[inception]'); metrics=none needs nothing, and "
    "metrics=classifier, for labelled images, only the data."
)


class InceptionExtractor:
    """Inception extractor: pool3 features (2048) and unbiased logits (1008 classes) of the 2015 network, in one pass.

    Images become bytes; grey ones are repeated to three channels.

    Args:
        weights: the network's state dict, .safetensors or .pth (read as weights only, nothing is unpickled); None
            takes the one that torch-fidelity publishes, downloaded once into torch.hub's folder, which is
            ~/.cache/torch/hub/checkpoints, or $TORCH_HOME/hub/checkpoints.
        sha256: hexadecimal SHA-256 that the file of weights has to have. A file with a name like torch-fidelity's
            (weights-inception-2015-12-05-6726825d.pth) has to have the one that the name begins with, in any case.
        resize: how images become 299 pixels wide. "tf1": bilinear as in TensorFlow 1, not antialiased; the FID of
            torch-fidelity and of most papers. "clean": antialiased bicubic filter of PIL, channel by channel in
            float32, clipped to 0 ... 255; the one of clean-fid (Parmar et al. 2022, 2104.11222).

    Raises:
        UserError: torch-fidelity is missing, the weights cannot be had, have another hash, or are another network's.
    """

    batch: ClassVar[tuple[type, ...]] = (SampleBatch, SemiSupervisedBatch, UnpairedBatch, ConditionedBatch, PairedBatch)
    contents: ClassVar[tuple[str, ...]] = ("images",)
    feature_dim = 2048
    classes = 1008
    suffix = ""

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        sha256: str | None = None,
        resize: Resize = "tf1",
        device: torch.device | str = "cpu",
    ) -> None:
        if find_spec("torch_fidelity") is None:
            raise UserError(_PACKAGE)
        if resize not in get_args(Resize):
            raise UserError(f"metrics.resize={resize} is unknown. Choose tf1 or clean.")
        path = _downloaded() if weights is None else Path(weights)
        state = _read(path, sha256)
        self.resize: Resize = resize
        self.name = _NAME if resize == "tf1" else f"{_NAME}, resize {resize}"
        self.fingerprint = f"{self.name}-{_digest(state)}"
        self.device = torch.device(device)
        self.network = _network(state, path).to(self.device)
        self._clean: Tensor | None = None  # the network's input, instead of its own resized one
        if resize == "clean":
            self.network.Conv2d_1a_3x3.register_forward_pre_hook(lambda layer, given: (self._clean,))

    def to(self, device: torch.device | str) -> "InceptionExtractor":
        """Move the extractor to `device`; return itself."""
        self.device = torch.device(device)
        self.network.to(self.device)
        return self

    def __call__(self, x: Tensor) -> Features:
        """Extract from images (N, 1 or 3, H, W) in [-1, 1]: features (N, 2048), probabilities (N, 1008).

        Raises:
            UserError: another number of channels.
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

        data = data.expand(-1, 3, -1, -1)
        if self.resize == "clean":
            self._clean = (clean_resized(data).to(self.device) - 128) / 128
            data = data.new_zeros(1, 3, SIDE, SIDE)  # the network accepts only bytes
        # The parent's forward, since torchmetrics' own returns only the first of the features.
        features, logits = FeatureExtractorInceptionV3.forward(self.network, data)
        self._clean = None
        return features, logits.softmax(1)


def clean_resized(images: Tensor) -> Tensor:
    """Resize uint8 images (N, C, H, W) to float32 (N, C, 299, 299) in 0 ... 255 with clean-fid's filter, on the CPU."""
    channels = images.cpu().float().flatten(0, 1).numpy()
    resized = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in channels]
    clipped: Tensor = torch.from_numpy(np.stack(resized)).clamp_(0, 255).unflatten(0, images.shape[:2])
    return clipped


def _network(state: State, path: Path) -> Any:
    from torchmetrics.image.fid import NoTrainInceptionV3

    # The constructor unpickles its file, so it gets a new one with tensors only.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    try:
        with isolated("inception"):  # it draws weights before it reads its file
            return NoTrainInceptionV3(
                _NAME,
                ["2048", "logits_unbiased"],
                buffer,  # type: ignore[arg-type]  # anything that torch.load reads
                antialias=False,
            )
    except RuntimeError as error:
        raise UserError(
            f"metrics.weights={path} holds the weights of another network than the FID Inception "
            f"({str(error).splitlines()[0]}). Give torch-fidelity's file {_FILE}, or leave metrics.weights out to have "
            "it downloaded."
        ) from error


def _read(path: Path, sha256: str | None) -> State:
    if not path.is_file():
        raise UserError(
            f"metrics.weights={path} is no file. Give torch-fidelity's {_FILE} (or the same tensors as .safetensors), "
            "or leave metrics.weights out to have it downloaded."
        )
    _check_hash(path, sha256)
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, SafetensorError, EOFError, OSError, ValueError) as error:
        raise UserError(
            f"metrics.weights={path} cannot be read as weights: it is damaged, or holds more than tensors, which is "
            f"never loaded. Download {_FILE} anew from torch-fidelity's releases."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(
            f"metrics.weights={path} holds no state dict. Give torch-fidelity's {_FILE}, or leave metrics.weights out "
            "to have it downloaded."
        )
    return state


def _check_hash(path: Path, sha256: str | None) -> None:
    """Check the SHA-256 hash of a weights file against `sha256` and against the hash in its name."""
    expected = (sha256 or "").strip().lower()
    if expected and not re.fullmatch("[0-9a-f]{64}", expected):
        raise UserError(
            f"metrics.sha256={sha256} is no SHA-256. Give its 64 hexadecimal digits, as `sha256sum {path.name}` prints."
        )
    named = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    wanted = [*([expected] if expected else []), *([named[1]] if named else [])]
    if not wanted:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    for one in wanted:
        if not found.startswith(one):
            source = "metrics.sha256" if one == expected else "its name"
            raise UserError(
                f"{path} has the SHA-256 {found}, and {source} says {one}: the file is damaged or another one. Delete "
                f"it and fetch {_FILE} from torch-fidelity's releases, or correct metrics.sha256."
            )


def _downloaded() -> Path:
    """Return the file that torch-fidelity publishes, in torch.hub's folder; downloads it if it is missing."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = Path(torch.hub.get_dir(), "checkpoints", str(URL_INCEPTION_V3).rpartition("/")[2])
    if path.is_file():
        return path
    named = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=named[1] if named else None)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"metrics=inception needs the network's weights, and {URL_INCEPTION_V3} could not be fetched ({error}). "
            f"Fetch that file where there is a network, and put it into {path.parent} or say metrics.weights=FILE; "
            "metrics=classifier (labelled images) and metrics=none need no download."
        ) from error
    return path


def _digest(state: State) -> str:
    """Return a digest of names and values, so that equal weights in another file are the same extractor."""
    result = hashlib.sha256()
    for name in sorted(state):
        result.update(name.encode())
        result.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return result.hexdigest()
