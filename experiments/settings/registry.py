"""Every setting of every class that the shipped configs name, and what a variant asks of its data.

The classes stand in `entries`, by kind. A test ties them to the constructors' signatures; a class that is not there (a
user's own) takes what its file says.
"""

from importlib import import_module
from pkgutil import iter_modules

from datamodules.catalogue import KINDS
from experiments.settings import entries
from experiments.settings.schema import EVERY, SEED, Place, Schema
from experiments.settings.spec import Choice, Float, Int, ListOf, Node, OneOf, Optional, Path, Spec, Text

GROUPS = ("variant", "data", "network", "objective", "penalty", "init", "trainer", "metrics", "logger", "callbacks")


PRECISIONS = (*"auto 32-true bf16-mixed 16-mixed bf16-true 16-true 64-true bf16".split(), 16, 32, 64)


def _registered(help: str) -> Spec:
    """Dotted names, or classes with their settings."""
    return OneOf((Text(), ListOf(OneOf((Text(), Node())))), help=help)


TOP: dict[str, Spec] = {
    "seed": Int(min=0, max=2**32 - 1, help="of everything random"),
    "iterations": Int(min=1, help="training batches, all stages together"),
    "run_dir": Optional(Path(), help="where the run lives; null: runs/<variant>-<data>[-<choices>]-<seed>"),
    "data_dir": Path(help="where real data sets lie, or are downloaded to"),
    "resume": OneOf(
        (Choice(("auto", "never")), Path()), help="auto: continue what run_dir holds; never: refuse to; or a .ckpt file"
    ),
    "measures": _registered("measures of your own beside the usual ones: my_metrics.sharpness"),
    "pictures": _registered("pictures of your own beside the usual ones: my_pictures.Zoom"),
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
            {
                "every": EVERY,
                "samples": Optional(Int(min=2), help="null: as many as held-out samples"),
                "headline": Optional(Text(), help="the metric that chooses best.ckpt; null: the variant's own"),
            },
            given=("scoring",),
        ),
        target="lightning_gans.callbacks.evaluation.Evaluation",
        extra=("samples",),
    ),
    "callbacks.grids": Place(
        Schema({"every": EVERY, "rows": Int(min=1), "columns": Int(min=1), "seed": SEED}),
        target="lightning_gans.callbacks.grids.SampleGrids",
    ),
}


SCHEMAS: dict[str, Schema] = {}
for _module in iter_modules(entries.__path__, f"{entries.__name__}."):
    SCHEMAS |= import_module(_module.name).ENTRIES

SAMPLES = ("image", "planar")

# The kinds of data that a variant takes.
NEEDS: dict[str, tuple[str, ...]] = {
    "vanilla": SAMPLES,
    "dcgan": ("image",),
    "fgan": SAMPLES,
    "lsgan": SAMPLES,
    "geometric": SAMPLES,
    "wgan": SAMPLES,
    "wgan_gp": SAMPLES,
    "dragan": SAMPLES,
    "pacgan": SAMPLES,
    "sngan": ("image",),
    "r3gan": SAMPLES,
    "mcgan": SAMPLES,
    "cgan": ("image",),
    "acgan": ("image",),
    "projection": ("image",),
    "autoencoder": ("image",),
    "bigan": ("image",),
    "ali": ("image",),
    "infogan": ("image",),
    "vaegan": ("image",),
    "vae": ("image",),
    "energy": SAMPLES,
    "cyclegan": ("unpaired",),
    "dann": ("domains",),
    "dann_alternating": ("domains",),
    "triplegan": ("semi_supervised",),
    "disentangle": ("speech",),
    "disentangle_pairs": ("speech",),
    "irgan": ("retrieval",),
    "irgan_pairwise": ("retrieval",),
}

# The same for what measures a run.
METRICS_NEED: dict[str, tuple[str, ...]] = {
    "classifier": ("image", "semi_supervised", "unpaired"),
    "inception": ("image", "semi_supervised", "unpaired"),
    "planar": ("planar",),
    "own": tuple(KINDS),
    "none": tuple(KINDS),
}

# And for what D's inputs go through.
AUGMENT_NEEDS: dict[str, tuple[str, ...]] = {
    "recipe": tuple(KINDS),
    "none": tuple(KINDS),
    "diffaugment": ("image", "semi_supervised", "unpaired"),
    "adaptive": ("image",),
    "rising": ("image", "semi_supervised", "unpaired"),
}
