"""Conditional GAN."""

from typing import Any, ClassVar, Literal

from torch import Tensor

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.data import Data
from lightning_gans.core.errors import UserError
from lightning_gans.losses.penalties import R1
from lightning_gans.models.conditional import ConditionalGenerativeModel
from lightning_gans.settings import Count
from lightning_gans.variants.vanilla import GAN


class ConditionalGAN(GAN):
    """Conditional GAN (Mirza & Osindero 2014, 1411.1784, eq. 2): generator G(z, y) and discriminator D(x, y).

    Labels are those of the batch: real pairs are (x, y), generated ones (G(z, y), y), with the same y for G and D. The
    networks define their use: concatenation to the input (networks.concatenation), or a projection in D and conditional
    batch-norm gains in G (Miyato & Koyama 2018, 1802.05637).

    Args:
        model: G and its prior, z (N, dim), y (N,) -> samples (N, ...).
        packing: samples that D classifies jointly; only 1, because the samples of a pack have different classes.
        discriminator: samples (N, ...), y (N,) -> logits.
        fake_labels: labels of generated samples: "batch", those of the real samples in the batch; "uniform", uniform
            over the classes (the code of Miyato & Koyama 2018). Penalties on generated points need "batch".
        settings: as GAN's.

    Raises:
        UserError: a model without labels, packing, or data that have no labels or others than the model.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    conditional: ClassVar[bool] = True
    model: ConditionalGenerativeModel

    def __init__(
        self,
        *,
        model: ConditionalGenerativeModel,
        packing: Count = 1,
        fake_labels: Literal["batch", "uniform"] = "batch",
        **settings: Any,
    ) -> None:
        if not isinstance(model, ConditionalGenerativeModel):
            raise UserError(
                f"{type(self).__name__} tells G the class, and a {type(model).__name__} takes none: its networks are "
                "of another variant. Leave network= out, or choose one whose model is a ConditionalGenerativeModel."
            )
        if packing != 1:
            raise UserError(
                f"variant.packing={packing}: {type(self).__name__} judges each sample by its own label, so samples "
                "are not packed. Say variant.packing=1, or choose variant=dcgan or vanilla."
            )
        super().__init__(model=model, **settings)
        if fake_labels not in ("batch", "uniform"):
            raise UserError(f"variant.fake_labels={fake_labels}: batch or uniform.")
        if fake_labels == "uniform" and not isinstance(self.penalty, R1 | None) and not self.auxiliary:
            raise UserError(
                f"variant.fake_labels=uniform: {type(self.penalty).__name__} judges generated samples by the labels of "
                "the real ones beside them. Leave the labels at batch, or choose penalty=r1 or none."
            )
        self.fake_labels = fake_labels

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if self._trainer is not None:
            self._check_classes(getattr(self.trainer, "datamodule", None))

    def _check_classes(self, data: Data | None) -> None:
        if data is None or not hasattr(data, "classes"):
            return  # another data module: the labels of its first batch are checked
        if data.classes is None:
            raise UserError(_no_labels(self, getattr(data, "why_unlabelled", "")))
        if len(data.classes) != self.model.classes:
            raise UserError(
                f"The model knows {self.model.classes} classes, and the data have {len(data.classes)}. Say "
                f"network.model.classes={len(data.classes)}."
            )

    def labels(self, batch: SampleBatch, n: int) -> Tensor:
        """Labels y of n generated samples: those of the batch, repeated as needed: (n,)."""
        if batch.label is None:
            raise UserError(_no_labels(self))
        return batch.label.repeat(n // len(batch.label))

    def places(self, batch: SampleBatch, *, batches: int = 1) -> SampleBatch:
        if self.fake_labels == "batch":
            return batch
        uniform = self.draws.uniform(batches * len(batch.x), 1)[:, 0]
        label = (uniform * self.model.classes).long().clamp(max=self.model.classes - 1)
        return SampleBatch(batch.x, label)

    def generated(self, batch: SampleBatch, *, batches: int = 1) -> Tensor:
        n = batches * len(batch.x)
        x: Tensor = self.model(self.noise(self.model.prior, n), self.labels(batch, n))
        return x

    def judge(self, x: Tensor, batch: SampleBatch) -> Tensor:
        logits: Tensor = self.discriminator(self.seen(x), self.labels(batch, len(x)))
        return logits

    def logits(self, x: Tensor) -> Tensor | None:
        """Return None: D needs the class as well as the sample."""
        return None


def _no_labels(game: ConditionalGAN, why: str = "") -> str:
    """Return the message of the error. why: the reason found in the data, in sentences."""
    why = f"{why} " if why else ""
    return (
        f"{type(game).__name__} learns p(x | y), and these data have no labels y. {why}Choose labelled "
        "data (digits, mnist, cifar10, ..., or a folder with one folder a class), or a variant that needs none, as "
        "variant=dcgan."
    )
