"""Settings of every run that no constructor takes, and the classes that take those at fixed places."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.settings.signatures import REQUIRED, Signature, signature
from experiments.settings.spec import Bool, Choice, Int, ListOf, Node, OneOf, Optional, Path, Spec, Text

GROUPS = ("variant", "data", "network", "objective", "penalty", "init", "trainer", "metrics", "logger", "callbacks")
BUILT = ("variant", "data", "init", "metrics", "logger")  # the groups whose objects a run builds as they stand

PRECISIONS = (*"auto 32-true bf16-mixed 16-mixed bf16-true 16-true 64-true bf16".split(), 16, 32, 64)


class _Strategy(Choice):
    """Strategy of gradient exchange; strategies that divide a module's parameters are refused with the reason."""

    def problem(self, value: Any) -> str | None:
        found = super().problem(value)
        if found and str(value).startswith(("fsdp", "deepspeed")):
            return (
                f"{found}, because it divides parameters and optimizers over the processes as one set, while each "
                "phase of a game moves, exchanges and clips those of one player alone"
            )
        return found


def _registered(help: str) -> Spec:
    """Dotted names, or classes with their settings."""
    return OneOf((Text(), ListOf(OneOf((Text(), Node())))), help=help)


TOP: dict[str, Spec] = {
    "seed": Int(min=0, max=2**32 - 1, help="seed of all random numbers"),
    "iterations": Int(min=1, help="training batches, all stages together"),
    "run_dir": Optional(Path(), help="directory of the run; null: runs/<variant>-<data>[-<choices>]-<seed>"),
    "data_dir": Path(help="directory of the real data sets, also for downloads"),
    "resume": OneOf(
        (Choice(("auto", "never")), Path()),
        help="auto: resume the run in run_dir; never: refuse to resume; or a .ckpt file",
    ),
    "measures": _registered("additional measures: my_metrics.sharpness"),
    "pictures": _registered("additional pictures: my_pictures.Zoom"),
    "init_from": Optional(Path(), help="directory of a run, or .ckpt file, whose weights this run starts from"),
}


@dataclass(frozen=True)
class Place:
    """A group of settings without a `_target_`.

    own: settings that the program itself reads.
    target: the class that takes the others.
    """

    own: Mapping[str, Spec]
    target: str | None = None

    @property
    def signature(self) -> Signature | None:
        """The signature of the class at this place, if any."""
        return signature(self.target) if self.target else None

    @property
    def settings(self) -> dict[str, Spec]:
        """All settings there."""
        taken = self.signature.settings if self.signature else {}
        return {**{name: argument.spec for name, argument in taken.items()}, **self.own}

    @property
    def required(self) -> list[str]:
        """Those that no constructor has a default for."""
        taken = self.signature.settings if self.signature else {}
        return [*(name for name, argument in taken.items() if argument.default is REQUIRED), *self.own]


PLACES: dict[str, Place] = {
    "trainer": Place(
        {
            "accelerator": Choice(("auto", "cpu", "gpu", "cuda", "mps", "tpu"), help="kind of device"),
            "devices": OneOf(
                (Int(min=1), Choice(("auto",)), ListOf(Int(min=0), empty=False)), help="number of devices, or which"
            ),
            "num_nodes": Int(min=1, help="number of machines"),
            "strategy": _Strategy(
                ("auto", "players"),
                help="players: one process per device, every player's gradients averaged; auto: that for several "
                "processes. No strategy of Lightning's does so",
            ),
            "precision": Optional(
                Choice(PRECISIONS),
                help="null: bf16-mixed on CUDA, 32-true elsewhere; auto: bf16-mixed also on CPUs with AVX512-BF16 or "
                "AMX, for recipes that are as good in it",
            ),
            "compile": OneOf(
                (Bool(), ListOf(Text())),
                help="true: torch.compile for every network that it fits; or the players whose networks it is for: [G]",
            ),
            "compile_mode": Optional(
                Choice(("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")),
                help="mode of torch.compile; reduce-overhead and max-autotune use CUDA graphs on a GPU",
            ),
            "threads": Optional(Int(min=1), help="CPU threads per process; null: torch's choice"),
            "log_every": Int(min=1, help="iterations between two readings of losses"),
            "requeue": Bool(
                help="requeue a SLURM batch job after a pre-emption or its time limit; the run resumes there"
            ),
        }
    ),
    "callbacks.checkpoint": Place({}, "lightning_gans.callbacks.checkpoints.Checkpoints"),
    "callbacks.evaluation": Place(
        {
            "samples": Optional(Int(min=2), help="number of samples; null: as many as held-out samples"),
            "test_samples": Optional(Int(min=2), help="number of samples at the end, on the test split; null: samples"),
        },
        "lightning_gans.callbacks.evaluation.Evaluation",
    ),
    "callbacks.grids": Place({}, "lightning_gans.callbacks.grids.SampleGrids"),
}
