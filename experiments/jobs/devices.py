"""Check of the trainer's devices against those of this machine, before anything is built or written."""

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.accelerators import Accelerator, CUDAAccelerator, MPSAccelerator, XLAAccelerator

from experiments.settings.spec import plain
from lightning_gans.core.errors import UserError

# In the search order of Lightning's accelerator=auto, which is also that of accelerator=gpu.
KINDS: Mapping[str, tuple[type[Accelerator], str]] = {
    "tpu": (XLAAccelerator, "TPU core"),
    "mps": (MPSAccelerator, "Apple GPU"),
    "cuda": (CUDAAccelerator, "CUDA GPU"),
}


def check_devices(settings: Mapping[str, Any], *, launched: bool = False) -> None:
    """Refuse an accelerator or devices that this machine does not have.

    Args:
        settings: accelerator and devices of the trainer.
        launched: True if a launcher started the processes. It may make a single device visible to each process, so
            only the kind of device is checked.

    Raises:
        UserError: the settings do not fit this machine; the message lists its devices and a setting that fits.
    """
    accelerator, devices = settings["accelerator"], settings["devices"]
    counts = available()
    wanted = {"auto": [*KINDS], "gpu": ["mps", "cuda"], "cpu": []}.get(accelerator, [accelerator])
    kind = next((name for name in wanted if counts[name]), "cpu")
    if kind == "cpu" and accelerator not in ("auto", "cpu"):
        raise UserError(f"trainer.accelerator={accelerator}: {_has(counts)}{_without(accelerator)} {_say(counts)}")
    if kind == "cpu":
        if isinstance(devices, list):
            raise UserError(
                f"trainer.devices={plain(devices)} names devices by their numbers, and CPUs have none: {_has(counts)}. "
                f"Say trainer.devices={max(len(devices), 1)}, the number of processes on the CPU."
            )
        return
    count, numbers = counts[kind], devices if isinstance(devices, list) else []
    most = max(numbers) + 1 if numbers else devices if isinstance(devices, int) else 0
    if most > count and not launched:
        numbered = f", numbered 0 to {count - 1}" if numbers and count > 1 else ", number 0" if numbers else ""
        raise UserError(
            f"trainer.devices={plain(devices)}: {_has(counts)}{numbered}. Say trainer.devices="
            f"{'[0]' if numbers else count}, or trainer.accelerator=cpu for processes on the CPU."
        )


def available() -> dict[str, int]:
    """Count the devices of this machine that torch can use, by kind; CPUs are left out."""
    return {name: int(kind.auto_device_count()) if kind.is_available() else 0 for name, (kind, _) in KINDS.items()}


def _has(counts: Mapping[str, int]) -> str:
    found = [f"{count} {KINDS[name][1]}{'s' * (count > 1)}" for name, count in counts.items() if count]
    return f"this machine has {' and '.join(found)}" if found else "this machine has CPUs alone that torch can use"


def _without(accelerator: str) -> str:
    """Explain why this build of torch cannot use the accelerator, if it cannot."""
    if accelerator == "tpu":
        return ", and TPUs need the package torch_xla."
    if accelerator in ("cuda", "gpu") and torch.version.cuda is None and not torch.backends.mps.is_built():
        return f", and torch {torch.__version__} is built without CUDA."
    return "."


def _say(counts: Mapping[str, int]) -> str:
    others = [name for name, count in counts.items() if count]
    choices = " or ".join(f"trainer.accelerator={name}" for name in [*others, "cpu"])
    return f"Say {choices}, or leave it out: auto takes what there is."
