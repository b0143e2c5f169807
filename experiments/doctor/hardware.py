"""Checks of processor, GPUs, threads and precision, as reported by torch."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from experiments.doctor.finding import Finding, hint
from experiments.jobs.precision import FEATURES, choose, fast_bf16

DRIVER = Path("/dev/nvidiactl")  # exists if NVIDIA's driver is loaded
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # CPU quota of a container: microseconds per period, or "max"


def processor() -> Finding:
    """Compare the threads of a process with the cores that it may use."""
    cores, threads = usable_cores(), torch.get_num_threads()
    bf16 = [name for name in FEATURES if _instructions().get(name)]
    text = ", ".join([f"{cores} cores", f"{threads} threads", torch.backends.cpu.get_cpu_capability(), *bf16])
    if threads > cores:
        return hint("CPU", text, f"More threads than cores are slow: say trainer.threads={cores}")
    if threads < cores and "OMP_NUM_THREADS" in os.environ:
        return hint("CPU", text, f"OMP_NUM_THREADS leaves cores idle: unset it, or say trainer.threads={cores}")
    return Finding("CPU", text)


def usable_cores() -> int:
    """Count the cores that this process may use: those of its affinity mask, limited by a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, QUOTA.read_text(encoding="ascii").split())
    except (OSError, ValueError):  # no such quota
        return cores
    return min(cores, max(quota // period, 1))


def gpus() -> Iterator[Finding]:
    """List the GPUs that torch can use, or the reason why it can use none."""
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            one = torch.cuda.get_device_properties(number)
            yield Finding(f"GPU {number}", f"{one.name}, {one.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "Apple GPU (MPS)")
    elif not DRIVER.exists():
        yield Finding("GPU", "none; runs train on the CPU")
    elif torch.version.cuda is None:
        remedy = "Install a build of torch with CUDA: https://pytorch.org/get-started/locally"
        yield hint("GPU", f"NVIDIA GPU, which torch {torch.__version__} cannot use: built without CUDA", remedy)
    else:
        remedy = f"Update the driver for CUDA {torch.version.cuda}, or install a torch built for an older CUDA."
        yield hint("GPU", f"NVIDIA GPU, which torch {torch.__version__} cannot use", remedy)


def precision() -> Finding:
    """Report the default of `trainer.precision` on this machine, and recommend another one if it is better."""
    usual = choose(None, "auto")
    if torch.cuda.is_available():
        if usual == "bf16-mixed" and not torch.cuda.is_bf16_supported(including_emulation=False):
            return hint("precision", f"{usual} by default, emulated by this GPU", "Say trainer.precision=32-true")
        return Finding("precision", f"{usual} by default; trainer.precision=32-true is slower and exact")
    if torch.backends.mps.is_available():
        return Finding("precision", f"{usual} by default")
    if fast_bf16():
        return Finding("precision", f"{usual} by default; trainer.precision=bf16-mixed may be faster for wide networks")
    return Finding("precision", f"{usual} by default; bf16-mixed is slower on this processor")


def _instructions() -> Mapping[str, object]:
    """Map names of instruction sets to whether the processor has them."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # not in the oldest supported torch
    return ask() if ask else {}
