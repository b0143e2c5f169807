"""Base class of data modules: a training batch is a pure function of seed and iteration.

A checkpoint therefore holds no position in the data, only their identity.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from datamodules import checks
from datamodules.findings import listed
from datamodules.order import Order
from datamodules.sources import Source, Split
from datamodules.survey import SPLITS, SplitName
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError

log = logging.getLogger("lightning_gans")

__all__ = ["SPLITS", "DataModule", "IterationLoader", "Modes", "SplitName"]


class Modes(NamedTuple):
    """The modes of a planar density. centres: (K, d); std: standard deviation of each mode, in every direction."""

    centres: Tensor
    std: float


class DataModule(pl.LightningDataModule):
    """Data module with three splits, and training batches in an order that is a pure function of (seed, iteration).

    Subclasses define `read()`, `sample_shape`, `classes` and `fingerprint`. They override `finish` if the stored format
    differs from the network's input, and `augment` to augment training batches.

    Attributes:
        batch: type of the training batches, from lightning_gans.core.batches.
        contents: "images" or "points", if `batch` may hold either.
        batch_size: the global batch, over all processes.
        sample_shape: (C, H, W) or (d,).
        classes: names of the labels 0, 1, ..., or None without labels.
        fingerprint: sha256 (hex) of content and preprocessing; the same in every process.
        modes: planar densities with modes only.
    """

    batch: ClassVar[type]
    contents: ClassVar[str]
    sample_shape: tuple[int, ...]
    modes: Modes | None = None

    def __init__(self, *, batch_size: int) -> None:
        super().__init__()
        self.batch_size = checks.whole("batch_size", batch_size, least=1)
        self._resident: dict[tuple[str, torch.device], Source] = {}

    @property
    def classes(self) -> tuple[str, ...] | None:
        return None

    @property
    def why_unlabelled(self) -> str:
        """Return the reason why a user's files have no labels, in sentences; empty if there is none."""
        return ""

    @property
    def fingerprint(self) -> str:
        raise NotImplementedError(f"{type(self).__name__} needs a fingerprint: text that changes whenever samples do.")

    def read(self) -> Mapping[str, Source]:
        """Return the three splits as stored; called once, at the first use."""
        raise NotImplementedError

    def finish(self, raw: Tensor) -> Tensor:
        """Convert stored samples to the network's input."""
        return raw

    def augment(self, raw: Tensor, *, seed: int, iteration: int, rows: slice) -> Tensor:
        """Augment stored training samples; `rows` are their positions in the global batch of this iteration."""
        return raw

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        return self.read()

    def split(self, name: SplitName) -> Split:
        """Return the samples of one split: deterministic, disjoint from the other two, the same for every seed."""
        return Split(self.sources[checks.one_of("split", name, SPLITS)], self.finish)

    def iteration_batches(
        self,
        start: int,
        stop: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
        stream: str = "train",
    ) -> Iterator[SampleBatch]:
        """Yield this rank's part of the training batches of iterations start .. stop - 1, on `device`.

        stream: key of `sources` to draw from; a stage of a game may use another one than "train".

        Raises:
            UserError: the global batch cannot be divided equally over `world` processes.
        """
        self._check_world(world)
        if stream not in self.sources:
            raise UserError(f"{type(self).__name__} has no batches of {stream!r}; it has {', '.join(self.sources)}.")
        return self._batches(start, stop, seed, rank, world, torch.device(device), stream)

    def _batches(
        self, start: int, stop: int, seed: int, rank: int, world: int, device: torch.device, stream: str
    ) -> Iterator[SampleBatch]:
        if (stream, device) not in self._resident:
            self._resident[stream, device] = self.sources[stream].on(device)
        source = self._resident[stream, device]
        order = Order(len(source), batch=self.batch_size, seed=seed, rank=rank, world=world, device=source.device)
        rows = slice(order.offset, order.offset + order.rows)
        indices = (order.indices(iteration) for iteration in range(start, stop))
        for iteration, (raw, label) in enumerate(source.batches(indices, device), start):
            raw = self.augment(raw, seed=seed, iteration=iteration, rows=rows)
            yield SampleBatch(self.finish(raw), label)

    def _check_world(self, world: int) -> None:
        if self.batch_size % world:
            fits = max(world, self.batch_size // world * world)
            raise UserError(
                f"data.batch_size={self.batch_size} is the batch of all processes together and cannot be divided "
                f"equally over {world} of them. Say data.batch_size={fits}, or another number of processes."
            )

    def setup(self, stage: str | None = None) -> None:
        """Read the data, so that problems are reported before training starts."""
        _ = self.sources

    def notes(self) -> list[str]:
        """Return findings in a user's files, one per line, for the terminal; available after `setup`.

        These are counts and unexpected facts, such as images that are mostly cropped away or unrecognised classes.
        """
        return []

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint,
            "classes": list(self.classes or ()),
            "samples": len(self.sources["train"]),
        }

    def state_dict(self) -> dict[str, Any]:
        """Identity of the data for a checkpoint: fingerprint, names of classes, number of training samples."""
        return dict(self._identity)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Compare the data with those of a checkpoint, and warn if they have changed.

        Raises:
            UserError: the classes have other names or another order, so labels would mean other classes.
        """
        now = self._identity
        then = {**now, **state}
        if then["classes"] != now["classes"]:
            sides = {"Then": then["classes"], "Now": now["classes"]}
            texts = [listed(when, names or ["none"]) for when, names in sides.items()]
            raise UserError(
                f"The classes of the data have changed since the checkpoint. {'. '.join(texts)}. In a resumed run, "
                "labels would mean other classes. Restore the classes, or start another run with run_dir=ANOTHER."
            )
        if then["fingerprint"] != now["fingerprint"] and (self.trainer is None or self.trainer.is_global_zero):
            log.warning(
                "The data have changed since the checkpoint (training samples: %s then, %s now). The run resumes with "
                "the present data, so its result will differ from that of an uninterrupted run.",
                f"{then['samples']:,}",
                f"{now['samples']:,}",
            )

    def train_dataloader(self) -> "IterationLoader":
        assert self.trainer is not None
        _ = self._identity  # every checkpoint holds it: a data module without a fingerprint fails before training
        self._check_world(self.trainer.world_size)
        return IterationLoader(self)


class IterationLoader:
    """Loader of a run's training batches, of the length of the run, starting at the game's current iteration.

    Stateful for Lightning (a run may resume within its single epoch), but with an empty state: the game's iteration
    determines the position.
    """

    def __init__(self, data: DataModule) -> None:
        self.data = data

    def __len__(self) -> int:
        return int(self._game.iterations)

    def __iter__(self) -> Iterator[SampleBatch]:
        trainer, game = self.data.trainer, self._game
        assert trainer is not None
        start = game.iteration
        for stream, end in game.stage_batches():
            yield from self.data.iteration_batches(
                start,
                end,
                game.seed,
                trainer.global_rank,
                trainer.world_size,
                trainer.strategy.root_device,
                stream,
            )
            start = max(start, end)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass

    @property
    def _game(self) -> Any:
        assert self.data.trainer is not None
        return self.data.trainer.lightning_module
