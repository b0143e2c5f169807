"""Every setting of every class that the shipped configs name, and what a variant asks of its data.

A test ties this page to the constructors' signatures; a class that is not here (a user's own) takes what its file says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from experiments.schemas.spec import (
    Bool,
    Choice,
    Float,
    Int,
    ListOf,
    Node,
    OneOf,
    Optional,
    Path,
    Spec,
    Table,
    Text,
)

GROUPS = ("variant", "data", "network", "objective", "penalty", "trainer", "metrics", "logger", "callbacks")


@dataclass(frozen=True)
class Schema:
    """settings: by name. given: arguments that the program fills in, so that no file names them."""

    settings: Mapping[str, Spec]
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Settings at a fixed place without a `_target_`. target: the class that takes them, where one class does."""

    schema: Schema
    target: str | None = None
    extra: tuple[str, ...] = ()  # settings that the program itself reads


SEED = Int(min=0, max=2**32 - 1)
WIDTH = Int(min=1, help="units or channels")
DEPTH = Int(min=0, help="hidden layers")
CLASSES = Optional(Int(min=1), help="that the network is told; null: it is told none")
PROBABILITY = Float(min=0, below=1)
SHAPE = ListOf(Int(min=1))
EVERY = Int(min=1, help="in iterations")

PRECISIONS = (*"auto 32-true bf16-mixed 16-mixed bf16-true 16-true 64-true bf16".split(), 16, 32, 64)

TOP: dict[str, Spec] = {
    "seed": Int(min=0, max=2**32 - 1, help="of everything random"),
    "iterations": Int(min=1, help="training batches, all stages together"),
    "run_dir": Optional(Path(), help="where the run lives; null: runs/<variant>-<data>[-<choices>]-<seed>"),
    "data_dir": Path(help="where real data sets lie, or are downloaded to"),
    "resume": OneOf(
        (Choice(("auto", "never")), Path()), help="auto: continue what run_dir holds; never: refuse to; or a .ckpt file"
    ),
    "init_from": Optional(Path(), help="a run's folder or .ckpt whose weights this run starts from"),
}

PLACES: dict[str, Place] = {
    "trainer": Place(
        Schema(
            {
                "accelerator": Choice(("auto", "cpu", "gpu", "cuda", "mps", "tpu"), help="what trains"),
                "devices": OneOf((Int(min=1), Choice(("auto",)), ListOf(Int(min=0))), help="how many, or which"),
                "num_nodes": Int(min=1, help="machines"),
                "strategy": Text(help="players: one process per device, every player's gradients averaged"),
                "precision": Choice(PRECISIONS, help="auto: bf16-mixed on CUDA, 32-true elsewhere"),
                "threads": Optional(Int(min=1), help="CPU threads per process; null: torch's choice"),
                "log_every": Int(min=1, help="iterations between two readings of losses"),
            }
        )
    ),
    "callbacks.checkpoint": Place(
        Schema(
            {"every": EVERY, "minutes": Float(above=0, help="at most this long without one")}, given=("spec", "about")
        ),
        target="lightning_gans.callbacks.checkpoints.Checkpoints",
    ),
    "callbacks.evaluation": Place(
        Schema(
            {"every": EVERY, "samples": Optional(Int(min=2), help="null: as many as held-out samples")},
            given=("quality",),
        ),
        target="lightning_gans.callbacks.evaluation.Evaluation",
        extra=("samples",),
    ),
    "callbacks.grids": Place(
        Schema({"every": EVERY, "rows": Int(min=1), "columns": Int(min=1), "seed": SEED}),
        target="lightning_gans.callbacks.grids.SampleGrids",
    ),
}

_BATCH = {"batch_size": Int(min=1, help="global: of all processes together")}
_IMAGES = _BATCH | {
    "image_size": Choice((8, 16, 32, 64, 128), help="pixels, wide and high"),
    "channels": Choice((1, 3), help="1 is grey, 3 is RGB"),
    "dequantize": Bool(help="add noise below one level to training images"),
}
_FILES = _IMAGES | {
    "root": Path(help="where the files lie"),
    "horizontal_flip": Bool(help="mirror at random in training"),
    "in_memory": Choice(("auto", True, False), help="hold all pixels in memory"),
    "workers": Int(min=0, help="reading processes where the pixels are not held in memory"),
}
_PLANE = _BATCH | {"dimension": Choice((2,))}
SHARE = Float(min=0, below=1)

DATA = {
    "Digits": Schema(_IMAGES),
    "Vision": Schema(_FILES | {"name": Text(), "download": Bool(help="fetch what is not in root")}),
    "Folder": Schema(
        _FILES
        | {
            "validation_share": SHARE,
            "test_share": SHARE,
            "on_bad_file": Choice(("skip", "error"), help="what an unreadable file does"),
        }
    ),
    "Ring": Schema(_PLANE | {"radius": Float(above=0), "std": Float(above=0)}),
    "Grid": Schema(_PLANE | {"std": Float(above=0)}),
    "Spiral": Schema(_PLANE | {"std": Float(min=0)}),
    "SwissRoll": Schema(_PLANE | {"std": Float(min=0)}),
    "TwoPoints": Schema(_PLANE | {"std": Float(min=0)}),
    "RefPair": Schema(_BATCH | {"dimension": Choice((1,))}),
}

_GAMMA = {"gamma": Float(min=0, help="weight; the paper's gamma")}
_WEIGHT = {"weight": Float(min=0, help="weight; the paper's lambda")}
_R3GAN: dict[str, Spec] = {
    "channels": Int(min=1),
    "image_size": Choice((8, 16, 32, 64, 128)),
    "width": Int(min=1, help="channels up to 32 px, halved with each doubling"),
    "blocks": Int(min=1, help="residual blocks at each size"),
    "cardinality": Int(min=1, help="groups of the 3x3 convolutions up to 32 px"),
    "expansion": Int(min=1, help="how many times wider a block is inside"),
    "classes": CLASSES,
}
_DIM = {"dim": Int(min=1, help="length of a code")}
_Q = {"q": Choice((1, 2, "inf"), help="the norm that means are matched in")}
_K = {"k": Int(min=1, help="singular values of the covariances' difference")}

DIVERGENCES = tuple("kl reverse_kl pearson neyman squared_hellinger jeffrey js weighted_js gan total_variation".split())
_GAN: dict[str, Spec] = {
    "model": Node(),
    "discriminator": Node(),
    "loss": Node(),
    "penalty": Optional(Node()),
    "constraint": Optional(Node(), help="what holds D's weights after each of its steps; null: nothing"),
    "augment": Optional(Node(), help="what D's inputs go through first; null: nothing"),
    "packing": Int(min=1, help="samples that D judges at a time"),
    "discriminator_steps": Int(min=1, help="steps of D for one of G"),
    "generator_steps": Int(min=1, help="steps of G for one of D"),
    "generator_batches": Int(min=1, help="batches of D that make one of G"),
    "training": Node(),
}

SCHEMAS: dict[str, Schema] = {
    **{f"datamodules.{name}": schema for name, schema in DATA.items()},
    "lightning_gans.variants.vanilla.GAN": Schema(_GAN),
    "lightning_gans.variants.fgan.FGAN": Schema(
        _GAN | {"divergence": Optional(Choice(DIVERGENCES), help="short for objective=f_<divergence>")}
    ),
    "lightning_gans.variants.r3gan.R3GAN": Schema(_GAN),
    "lightning_gans.variants.mcgan.McGAN": Schema(_GAN),
    "lightning_gans.networks.augment.Translation": Schema(
        {"ratio": Float(min=0, max=0.5, help="largest shift, as a share of the image")}
    ),
    "lightning_gans.networks.augment.Color": Schema({}),
    "lightning_gans.networks.augment.Cutout": Schema(
        {"ratio": Float(min=0, max=1, help="side of the square, as a share of the image")}
    ),
    "lightning_gans.networks.augment.Composition": Schema({"parts": ListOf(Node(), help="one after the other")}),
    "lightning_gans.networks.augment.Adaptive": Schema(
        {
            "parts": ListOf(Node(), help="one after the other, each with probability p"),
            "target": Float(min=-1, max=1, help="of the mean sign of D's logits on real samples"),
            "speed": Float(above=0, help="images that take p from 0 to 1"),
        }
    ),
    "lightning_gans.core.phase.Training": Schema(
        {
            "iterations": Int(min=1),
            "batch_size": Int(min=1),
            "players": Table(Node()),
            "seed": SEED,
            "ema_half_life": Optional(Float(above=0), help="of the evaluated weights, in images; null: the newest"),
            "accumulate": Int(min=1, help="micro-batches per step"),
        }
    ),
    "lightning_gans.core.phase.PlayerSettings": Schema(
        {
            "optimizer": Optional(Node(), help="null freezes the player"),
            "schedule": Optional(Node(), help="of the learning rate, stepped once an iteration"),
            "clip_norm": Optional(Float(above=0), help="gradients are scaled down to this norm"),
        }
    ),
    "lightning_gans.core.prior.Normal": Schema(_DIM),
    "lightning_gans.core.prior.Uniform": Schema(_DIM | {"bound": Float(above=0, help="U(-bound, bound)")}),
    "lightning_gans.core.prior.Categorical": Schema(_DIM),
    "lightning_gans.core.prior.Mixed": Schema({"parts": ListOf(Node())}),
    "lightning_gans.models.generative.GenerativeModel": Schema({"generator": Node(), "prior": Node()}),
    "lightning_gans.models.conditional.ConditionalGenerativeModel": Schema(
        {"generator": Node(), "prior": Node(), "classes": Int(min=1, help="of the data")}
    ),
    "lightning_gans.networks.mlp.MLPGenerator": Schema(
        {
            "latent_dim": Int(min=1),
            "sample_shape": SHAPE,
            "width": WIDTH,
            "depth": DEPTH,
            "batch_norm": Bool(),
            "output": Choice(("tanh", "linear"), help="tanh for images, linear for points"),
        }
    ),
    "lightning_gans.networks.mlp.MLPDiscriminator": Schema(
        {"sample_shape": SHAPE, "width": WIDTH, "depth": DEPTH, "dropout": PROBABILITY}
    ),
    "lightning_gans.networks.mlp.MaxoutDiscriminator": Schema(
        {
            "sample_shape": SHAPE,
            "units": WIDTH,
            "pieces": Int(min=1),
            "depth": DEPTH,
            "input_dropout": PROBABILITY,
            "hidden_dropout": PROBABILITY,
        }
    ),
    "lightning_gans.networks.mlp.AffineGenerator": Schema({"scale": ListOf(Float()), "shift": ListOf(Float())}),
    "lightning_gans.networks.dcgan.DCGANGenerator": Schema(
        {"latent_dim": Int(min=1), "channels": Int(min=1), "image_size": Choice((8, 16, 32, 64, 128)), "width": WIDTH}
    ),
    "lightning_gans.networks.dcgan.DCGANDiscriminator": Schema(
        {
            "channels": Int(min=1),
            "image_size": Choice((8, 16, 32, 64, 128)),
            "width": WIDTH,
            "norm": Choice(("batch", "layer", "instance", "none", "spectral"), help="gradient penalties: not batch"),
        }
    ),
    "lightning_gans.networks.resnet.ResNetGenerator": Schema(
        {
            "latent_dim": Int(min=1),
            "channels": Int(min=1),
            "image_size": Choice((8, 16, 32, 64, 128)),
            "width": WIDTH,
            "classes": CLASSES,
        }
    ),
    "lightning_gans.networks.resnet.ResNetDiscriminator": Schema(
        {
            "channels": Int(min=1),
            "image_size": Choice((8, 16, 32, 64, 128)),
            "width": WIDTH,
            "pool": Choice(("mean", "sum"), help="of the last maps"),
            "spectral_norm": Bool(help="of every weight"),
            "bias": Bool(help="of the last layer"),
            "classes": CLASSES,
        }
    ),
    "lightning_gans.networks.r3gan.R3GANGenerator": Schema({"latent_dim": Int(min=1)} | _R3GAN),
    "lightning_gans.networks.r3gan.R3GANDiscriminator": Schema(_R3GAN),
    "lightning_gans.losses.adversarial.Minimax": Schema({}),
    "lightning_gans.losses.adversarial.NonSaturating": Schema({}),
    "lightning_gans.losses.adversarial.LeastSquares": Schema(
        {
            "a": Float(help="D's label of fakes"),
            "b": Float(help="D's label of real samples"),
            "c": Float(help="what G pulls its samples to"),
        }
    ),
    "lightning_gans.losses.adversarial.Hinge": Schema({}),
    "lightning_gans.losses.adversarial.Wasserstein": Schema({}),
    "lightning_gans.losses.adversarial.RelativisticPairing": Schema({}),
    "lightning_gans.losses.adversarial.RelativisticAverage": Schema({}),
    **{
        f"lightning_gans.losses.divergences.{name}": Schema({})
        for name in (
            "KL ReverseKL Pearson Neyman SquaredHellinger Jeffrey JensenShannon GANDivergence TotalVariation".split()
        )
    },
    "lightning_gans.losses.divergences.WeightedJensenShannon": Schema(
        {"pi": Float(above=0, below=1, help="weight of the data in the mixture")}
    ),
    "lightning_gans.losses.matching.MeanMatching": Schema(_Q, given=("features",)),
    "lightning_gans.losses.matching.DualMeanMatching": Schema(_Q, given=("features",)),
    "lightning_gans.losses.matching.CovarianceMatching": Schema(_K, given=("features",)),
    "lightning_gans.losses.matching.DualCovarianceMatching": Schema(_K, given=("features",)),
    "lightning_gans.losses.matching.JointMatching": Schema({"mean": Node(), "covariance": Node()}, given=("features",)),
    "lightning_gans.losses.penalties.R1": Schema(_GAMMA),
    "lightning_gans.losses.penalties.R2": Schema(_GAMMA),
    "lightning_gans.losses.penalties.R1R2": Schema(_GAMMA),
    "lightning_gans.losses.penalties.GradientPenalty": Schema(
        _WEIGHT | {"one_sided": Bool(help="gradients shorter than 1 cost nothing")}
    ),
    "lightning_gans.losses.penalties.DRAGAN": Schema(_WEIGHT),
    "lightning_gans.losses.constraints.WeightClip": Schema(
        {"bound": Float(above=0, help="of every weight, either way")}
    ),
    "lightning_gans.extractors.factories.classifier": Schema({}, given=("data", "cache_dir", "device", "progress")),
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


def _like(target: str, **more: Spec) -> Schema:
    """The settings of another class, and some more."""
    return Schema(SCHEMAS[target].settings | more)


SCHEMAS |= {
    "lightning_gans.variants.cgan.ConditionalGAN": _like("lightning_gans.variants.vanilla.GAN"),
    "lightning_gans.variants.acgan.ACGAN": _like(
        "lightning_gans.variants.vanilla.GAN",
        discriminator_class_weight=Float(min=0, help="of the classes' cross-entropy in what D descends"),
        generator_class_weight=Float(min=0, help="of the classes' cross-entropy in what G descends"),
    ),
    **{
        f"lightning_gans.networks.{file}.{kind}{network}": _like(
            f"lightning_gans.networks.{home}", classes=Int(min=1, help="of the data")
        )
        for file, kind, home in (
            ("concatenation", "Conditional", "mlp.MLPGenerator"),
            ("concatenation", "Conditional", "mlp.MLPDiscriminator"),
            ("concatenation", "Conditional", "dcgan.DCGANGenerator"),
            ("concatenation", "Conditional", "dcgan.DCGANDiscriminator"),
            ("auxiliary", "Auxiliary", "mlp.MLPDiscriminator"),
            ("auxiliary", "Auxiliary", "dcgan.DCGANDiscriminator"),
        )
        for network in [home.partition(".")[2]]
    },
}

# What a variant asks of its data; a variant that is not here takes any.
NEEDS: dict[str, Literal["image", "planar", "any"]] = {
    "vanilla": "any",
    "dcgan": "image",
    "fgan": "any",
    "lsgan": "any",
    "geometric": "any",
    "wgan": "any",
    "wgan_gp": "any",
    "dragan": "any",
    "pacgan": "any",
    "sngan": "image",
    "r3gan": "any",
    "mcgan": "any",
    "cgan": "image",
    "acgan": "image",
    "projection": "image",
}

# The same for what measures a run.
METRICS_NEED: dict[str, Literal["image", "planar", "any"]] = {
    "classifier": "image",
    "inception": "image",
    "planar": "planar",
    "none": "any",
}

# And for what D's inputs go through.
AUGMENT_NEEDS: dict[str, Literal["image", "planar", "any"]] = {
    "recipe": "any",
    "none": "any",
    "diffaugment": "image",
    "adaptive": "image",
}
