"""Bounds and help for arguments of other libraries, whose annotations give only the types."""

from collections.abc import Mapping

from experiments.settings.spec import Choice, Float, Int, ListOf, Spec

_RATE = Float(min=0, help="learning rate")
_DECAY = Float(min=0, help="weight decay")
_EPS = Float(min=0, help="number that the root of squared gradients is added to")
_MOMENTUM = Float(min=0, help="momentum")
_ADAM: dict[str, Spec] = {
    "lr": _RATE,
    "betas": ListOf(Float(min=0, below=1), length=2, help="smoothing of gradients and of their squares"),
    "eps": _EPS,
    "weight_decay": _DECAY,
}
_LOSS: dict[str, Spec] = {"reduction": Choice(("mean", "sum"), help="reduction over all numbers")}

LIBRARIES: Mapping[str, Mapping[str, Spec]] = {
    "torch.optim.Adam": _ADAM,
    "torch.optim.AdamW": _ADAM,
    "torch.optim.SGD": {"lr": _RATE, "momentum": _MOMENTUM, "weight_decay": _DECAY},
    "torch.optim.RMSprop": {
        "lr": _RATE,
        "alpha": Float(min=0, below=1, help="smoothing of squared gradients"),
        "eps": _EPS,
        "weight_decay": _DECAY,
        "momentum": _MOMENTUM,
    },
    "torch.optim.lr_scheduler.LinearLR": {
        "start_factor": Float(above=0, max=1, help="factor of the learning rate at the first iteration"),
        "end_factor": Float(min=0, max=1, help="factor of the learning rate after total_iters"),
        "total_iters": Int(min=1, help="iterations from the one to the other"),
        "last_epoch": Int(min=-1, help="iteration to continue from; -1: from the first"),
    },
    "torch.nn.functional.mse_loss": _LOSS,
    "torch.nn.functional.l1_loss": _LOSS,
}
