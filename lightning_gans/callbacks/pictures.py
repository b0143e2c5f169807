"""Pictures: callbacks that draw the evaluated model into a run's samples/ folder."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytorch_lightning as pl
from PIL import Image

from lightning_gans.core.activity import activity
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import due
from lightning_gans.core.interruption import stopping
from lightning_gans.core.registry import Registry
from lightning_gans.models.spec import build
from lightning_gans.reporting.images import save_png

HALVINGS = 5  # number of halvings of the first interval, for early pictures

Read = TypeVar("Read")  # the data that `draw` reads


class Pictures(pl.Callback, Generic[Read]):
    """Base class of pictures: draws every `every` iterations and at the end, on the first process only.

    A subclass defines the games that it supports (`applies`) and the picture (`draw`); the decorator `@picture`
    registers it. Pictures of a `series` have the iteration in their name, NAME-00002000.png; a resumed run removes
    those that it draws again. If a stop is requested, the picture is drawn when the run continues (`pending`).

    Args:
        every: iterations.
        rows, columns: of a picture.
        seed: of what is drawn by chance.
    """

    series: ClassVar[tuple[str, ...]] = ()
    animated: ClassVar[bool] = False

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        for name, value in (("every", every), ("rows", rows), ("columns", columns)):
            if value < 1:
                raise UserError(f"callbacks.grids.{name}={value}: must be at least 1.")
        self.every, self.rows, self.columns, self.seed = every, rows, columns, seed
        self.pending = False

    def state_dict(self) -> dict[str, Any]:
        return {"pending": self.pending}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pending = bool(state_dict["pending"])

    def applies(self, game: Any, data: object) -> bool:
        """Return True if the picture can be drawn for this game and data (None: batches without a data module)."""
        raise NotImplementedError

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: Read) -> None:
        """Draw `model`, the evaluated weights."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """Title of the picture: the name of the class."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            for name in self.series:
                for path in drawn(trainer, name):
                    if iteration_of(path) > pl_module.iteration:
                        path.unlink(missing_ok=True)
        if self.pending or (self.animated and not pl_module.iteration):
            self._picture_due(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if due(pl_module, self.every) or (self.animated and pl_module.iteration in early(self.every)):
            self._picture_due(trainer, pl_module)

    def _picture_due(self, trainer: pl.Trainer, game: Any) -> None:
        data: Any = getattr(trainer, "datamodule", None)
        self.pending = stopping()
        if not self.pending and self.applies(game, data):
            model = game.evaluated_model()  # on every rank, so that they stay equal
            if trainer.is_global_zero:
                with activity(f"drawing {self.title}"):
                    self.draw(trainer, game, model, data)

    def save(
        self, trainer: pl.Trainer, picture: Image.Image, name: str, iteration: int, *, told: str | None = None
    ) -> Path:
        """Write samples/NAME.png, NAME-00002000.png of a series, and send it to loggers as samples/NAME or `told`."""
        file = f"{name}-{iteration:08d}" if name in self.series else name
        path = save_png(picture, folder(trainer) / f"{file}.png")
        log_picture(trainer, f"samples/{told or name}", path, iteration)
        return path


Class = TypeVar("Class", bound=type[Pictures[Any]])

PICTURES: Registry[type[Pictures[Any]]] = Registry("picture", "lightning_gans.callbacks")


def picture(target: Class) -> Class:
    """Register a subclass of `Pictures`; a decorator."""
    if not issubclass(target, Pictures):
        raise UserError(f"{target.__module__}.{target.__qualname__}: @picture registers subclasses of Pictures alone.")
    PICTURES.add(target)
    return target


def pictures(settings: Mapping[str, Any], also: str | Sequence[str | Mapping[str, Any]] = ()) -> list[Pictures[Any]]:
    """Make one of each shipped picture, and of those named in `also`.

    Args:
        settings: `every`, `rows`, `columns` and `seed` of all.
        also: dotted names of registered pictures or of modules that register some ("my_pictures.Zoom"); a mapping
            changes settings: {"_target_": "my_pictures.Zoom", "every": 100}. They are imported, so they must come from
            the user's own command line or configuration.

    Raises:
        UserError: a name that cannot be imported or registers no picture, or settings that do not fit.
    """
    made = [target(**settings) for target in PICTURES.shipped()]
    for entry in [also] if isinstance(also, str) else also:
        if isinstance(entry, str):
            made += [target(**settings) for target in PICTURES.named(entry)]
        else:
            PICTURES.named(str(entry.get("_target_")))
            made.append(build({**settings, **entry}, trusted=True))
    return made


def early(every: int) -> set[int]:
    """Return the iterations of the pictures between 0 and `every`; each is half of the next."""
    return {every >> halvings for halvings in range(1, HALVINGS + 1)} - {0}


def folder(trainer: pl.Trainer) -> Path:
    """Return the folder of a run's pictures."""
    return Path(trainer.default_root_dir) / "samples"


def drawn(trainer: pl.Trainer, name: str) -> list[Path]:
    """Return the pictures of a series so far, in the order of their iterations."""
    found = folder(trainer).glob(f"{name}-*.png")
    return sorted((path for path in found if path.stem.removeprefix(f"{name}-").isdigit()), key=iteration_of)


def iteration_of(path: Path) -> int:
    """Return the iteration in a picture's name."""
    return int(path.stem.rpartition("-")[2])


def log_picture(trainer: Any, name: str, path: Path, iteration: int) -> None:
    """Send a picture's file to every logger that accepts pictures; called on rank 0, which has written it."""
    for logger in trainer.loggers:
        if hasattr(logger, "log_picture"):
            logger.log_picture(name, path, iteration)
