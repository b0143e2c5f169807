"""Folders of runs as a stranger might send them, and what tells whether their code was run."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

from lightning_gans.models import build, save_generator

MARKER = "MARKER"  # a payload that runs makes this file in the working directory
MODULE = f"""
from pathlib import Path
from torch import nn
Path({MARKER!r}).touch()
def run(**_): Path({MARKER!r}).touch()
class Net(nn.Module): pass
"""


class Payload:
    """Unpickling one makes the marker."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {MARKER}",)


SHELL = {"_target_": "os.system", "command": f"touch {MARKER}"}
TAGS = f"!!python/object/apply:os.system ['touch {MARKER}']"
GENERATOR = {
    "_target_": "lightning_gans.networks.concatenation.ConditionalMLPGenerator",
    "latent_dim": 2,
    "classes": 10,
    "sample_shape": [1, 8, 8],
    "width": 8,
    "depth": 1,
    "batch_norm": False,
    "output": "tanh",
}
CONDITIONAL = {
    "_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel",
    "classes": 10,
    "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 2},
    "generator": GENERATOR,
}
DIGITS = {"_target_": "datamodules.Digits", "batch_size": 8, "image_size": 8, "channels": 1, "dequantize": False}


def conditional_run(folder: Path) -> Path:
    """A conditional run on images, of which nothing was trained: what augment and a study read."""
    torch.manual_seed(0)
    model = build(CONDITIONAL).eval()
    save_generator(model, CONDITIONAL, folder / "generator", about={"iteration": 4})
    config = {
        "seed": 0,
        "iterations": 4,
        "data": DIGITS,
        "metrics": None,
        "network": {"model": CONDITIONAL},
        "variant": {"model": CONDITIONAL},
        "trainer": {"precision": "auto"},
        "names": {"variant": "dcgan", "data": "digits", "run": folder.name, "group": "dcgan-digits"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    summary = {"status": "finished", "iterations": 4, "metrics": {"fid": {"best": 2.0, "last": 3.0}}}
    (folder / "summary.json").write_text(json.dumps(summary | {"test": {"last": {"fid": 3.0}}}))
    state = {f"ema.model.{name}": tensor for name, tensor in model.state_dict().items()}
    for name in ("last", "best"):
        (folder / "checkpoints").mkdir(exist_ok=True)
        torch.save({"state_dict": state, "game": {"iteration": 4}}, folder / "checkpoints" / f"{name}.ckpt")
    return folder


def config(run: Path, **changes: Any) -> None:
    """Change settings; what is a dictionary there is joined, anything else replaced."""
    rewrite(run / "config.yaml", changes)


def rewrite(file: Path, changes: dict[str, Any]) -> None:
    content = yaml.safe_load(file.read_text())
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(content.get(key), dict)
        content[key] = {**content[key], **value} if both else value
    file.write_text(yaml.safe_dump(content, sort_keys=False) if file.suffix == ".yaml" else json.dumps(content))


def model(run: Path, **changes: Any) -> None:
    """Change the description of the exported model: its arguments, or all of it."""
    rewrite(run / "generator" / "model.yaml", {"model": changes})


def weights(run: Path, value: float) -> None:
    """Put a number in the place of every exported weight, and of the checkpoints' copies of them."""
    file = run / "generator" / "weights.safetensors"
    tensors = load_file(file)
    for tensor in filter(torch.is_floating_point, tensors.values()):
        tensor.fill_(value)
    save_file(tensors, file)
    for path in (run / "checkpoints").glob("*.ckpt"):
        content = torch.load(path, weights_only=True)
        for name, tensor in content["state_dict"].items():
            if name.startswith("ema.model.") and tensor.is_floating_point():
                tensor.fill_(value)
        torch.save(content, path)


def header(file: Path, shape: list[int]) -> None:
    """A safetensors file whose header declares a tensor that its few bytes do not hold."""
    size = 4
    for length in shape:
        size *= length
    text = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"1234")


def pickled(file: Path, *, zipped: bool = False) -> None:
    """A payload in the place of a file: a plain pickle, or an archive of torch.save."""
    if zipped:
        torch.save({"state_dict": {"x": torch.zeros(1)}, "game": Payload()}, file)
    else:
        file.write_bytes(pickle.dumps(Payload()))


def deflated(file: Path) -> None:
    """A checkpoint again as a compressed archive, which could hold a thousand times the file's size."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def linked(path: Path, target: Path) -> None:
    """A link in the place of a file or folder."""
    if path.is_dir():
        path.rename(target)
    elif path.exists():
        path.replace(target)
    path.symlink_to(target)


def python(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """`python ARGUMENTS` in a folder."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, timeout=120)
