"""Extractors, loggers, and what comes from torch."""

from experiments.settings.schema import Schema
from experiments.settings.spec import Bool, Choice, Float, Int, ListOf, Node, Optional, Path, Spec, Text

_TORCH_LOSS: dict[str, Spec] = {
    "size_average": Optional(Bool()),
    "reduce": Optional(Bool()),
    "reduction": Choice(("mean", "sum")),
    "weight": Optional(Node()),
}

ENTRIES: dict[str, Schema] = {
    "lightning_gans.extractors.factories.classifier": Schema({}, given=("data", "cache_dir", "device", "progress")),
    "lightning_gans.extractors.factories.own": Schema({}, given=("data", "cache_dir", "device", "progress")),
    "lightning_gans.extractors.factories.coordinates": Schema({}, given=("data", "cache_dir", "device", "progress")),
    "lightning_gans.extractors.factories.inception": Schema(
        {"weights": Optional(Path(), help="a file of weights; null: download")},
        given=("data", "cache_dir", "device", "progress"),
    ),
    "lightning_gans.loggers.wandb.WandbLogger": Schema(
        {
            "run_dir": Path(),
            "project": Text(),
            "group": Optional(Text()),
            "tags": ListOf(Text()),
            "offline": Optional(Bool(), help="true: never talk to the server; false: say so where that is impossible"),
        }
    ),
    "lightning_gans.loggers.tensorboard.TensorBoardLogger": Schema({"run_dir": Path()}),
    "torch.optim.lr_scheduler.LinearLR": Schema(
        {
            "start_factor": Float(above=0, max=1, help="of the learning rate, at the first iteration"),
            "end_factor": Float(min=0, max=1, help="of the learning rate, after total_iters"),
            "total_iters": Int(min=1, help="iterations from the one to the other"),
            "last_epoch": Int(min=-1),
        },
        given=("optimizer",),
    ),
    "torch.nn.functional.mse_loss": Schema(_TORCH_LOSS, given=("input", "target")),
    "torch.nn.functional.l1_loss": Schema(_TORCH_LOSS, given=("input", "target")),
    "torch.optim.SGD": Schema(
        {
            "lr": Float(min=0),
            "momentum": Float(min=0),
            "dampening": Float(),
            "weight_decay": Float(min=0),
            "nesterov": Bool(),
            "maximize": Bool(),
            "foreach": Optional(Bool()),
            "differentiable": Bool(),
            "fused": Optional(Bool()),
        },
        given=("params",),
    ),
    "torch.optim.RMSprop": Schema(
        {
            "lr": Float(min=0),
            "alpha": Float(min=0, below=1, help="smoothing of squared gradients"),
            "eps": Float(min=0),
            "weight_decay": Float(min=0),
            "momentum": Float(min=0),
            "centered": Bool(),
            "capturable": Bool(),
            "foreach": Optional(Bool()),
            "maximize": Bool(),
            "differentiable": Bool(),
        },
        given=("params",),
    ),
    "lightning_gans.core.schedules.Cosine": Schema(
        {
            "iterations": Int(min=1, help="from the first value to the last"),
            "end_factor": Float(min=0, help="what is left of the learning rate"),
            "beta2": Optional(Float(min=0, below=1), help="Adam's, at the end; null: as it is"),
        },
        given=("optimizer",),
    ),
    "torch.optim.Adam": Schema(
        {
            "lr": Float(min=0),
            "betas": ListOf(Float(min=0, below=1), length=2),
            "eps": Float(min=0),
            "weight_decay": Float(min=0),
            "amsgrad": Bool(),
            "foreach": Optional(Bool()),
            "maximize": Bool(),
            "capturable": Bool(),
            "differentiable": Bool(),
            "fused": Optional(Bool()),
            "decoupled_weight_decay": Bool(),
        },
        given=("params",),
    ),
}

ENTRIES |= {
    "lightning_gans.core.schedules.HoldThenDecay": Schema(
        {
            "iterations": Int(min=1, help="of the whole run"),
            "hold": Float(min=0, below=1, help="share of them before the decay"),
            "end_factor": Float(above=0, help="what is left of the learning rate"),
        },
        given=("optimizer",),
    ),
}
