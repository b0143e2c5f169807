"""Compatibility as classes declare it, classes outside the tree included, checked before torch is imported."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from datamodules.catalogue import CATALOGUE
from experiments.jobs.preflight import preflight
from experiments.settings import compatibility, fitting, offered
from experiments.settings.declarations import holds, names, required_model, says, subject, suits
from experiments.settings.honoured import ignored
from lightning_gans.core.errors import UserError
from lightning_gans.losses.penalties import R1
from tests.helpers.composed import VARIANTS, data_of, game_of
from tests.helpers.play import play

GAMES = '''
from typing import ClassVar

import torch
from torch import Tensor

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase
from lightning_gans.core.protocols import Encodes
from lightning_gans.models.inference import InferenceModel
from lightning_gans.strategies.exchange import average
from lightning_gans.variants.vanilla import GAN


class FisherGAN(GAN):
    """Mroueh & Sercu 2017 (1705.09675), Algorithm 1: E_p f - E_q f where (E_p f^2 + E_q f^2) / 2 = 1."""

    lipschitz: ClassVar[bool] = True

    def __init__(self, *, rho: float = 1e-3, **settings) -> None:
        super().__init__(**settings)
        self.rho = rho
        self.register_buffer("multiplier", torch.zeros(()))
        self.register_buffer("slack", torch.zeros(()))

    def discriminator_loss(self, batch):
        with torch.no_grad():
            fake = self.generated(batch)
        on_real, on_fake = self.judge(batch.x, batch), self.judge(fake, batch)
        slack = 1 - (on_real.square().mean() + on_fake.square().mean()) / 2
        self.slack = slack.detach()
        terms = self.loss.discriminator(on_real, on_fake)
        terms |= {"multiplier": -self.multiplier * slack, "augmentation": self.rho / 2 * slack.square()}
        return self.completed(terms, on_real, on_fake, batch, fake)

    def after_discriminator(self) -> None:
        super().after_discriminator()
        self.multiplier = self.multiplier - self.rho * average(self.slack)


class LSGAN(GAN):
    """Overrides past most of what it inherits."""

    def phases(self):
        return [Phase("D", self.discriminator_loss), Phase("G", self.generator_loss)]

    def discriminator_loss(self, batch):
        with torch.no_grad():
            fake = self.generated(batch)
        return {
            "real": (self.discriminator(batch.x) - 1).square().mean() / 2,
            "fake": self.discriminator(fake).square().mean() / 2,
        }

    def generator_loss(self, batch):
        return {"loss": (self.discriminator(self.generated(batch)) - 1).square().mean() / 2}


class Losses(GAN):
    """Descends losses of its own, on what it inherits."""

    def discriminator_loss(self, batch):
        with torch.no_grad():
            fake = self.generated(batch)
        on_real, on_fake = self.judge(batch.x, batch), self.judge(fake, batch)
        terms = {"real": (on_real - 1).square().mean() / 2, "fake": on_fake.square().mean() / 2}
        return self.completed(terms, on_real, on_fake, batch, fake)

    def generator_loss(self, batch):
        on_fake = self.judge(self.generated(batch, batches=self.generator_batches), batch)
        return {"loss": (on_fake - 1).square().mean() / 2}


class Child(LSGAN):
    """Inherits what is ignored."""


class Restored(LSGAN):
    def phases(self):
        return super(LSGAN, self).phases()


class Deeper(LSGAN):
    def discriminator_loss(self, batch):
        return help_with(self, batch)


class Elsewhere(LSGAN):
    def generator_loss(self, batch):
        return torch.compile(self)


class Declared(LSGAN):
    honours: ClassVar[tuple[str, ...]] = ("penalty", "packing")


class Encoding(GAN):
    model: InferenceModel


class AnyEncoder(GAN):
    model: Encodes


class OfPoints(GAN):
    contents: ClassVar[tuple[str, ...]] = ("points",)


def help_with(game, batch):
    return {"loss": game.seen(batch.x).sum()}
'''

DATA = """
from typing import ClassVar

from datamodules.base import DataModule
from lightning_gans.core.batches import SampleBatch


class Points(DataModule):
    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[str] = "points"

    def __init__(self, *, batch_size: int = 8, dimension: int = 2) -> None:
        super().__init__(batch_size=batch_size)
"""

GAME_OF = {
    "fisher": "FisherGAN",
    "mine": "LSGAN",
    "losses": "Losses",
    "encoding": "Encoding",
    "any_encoder": "AnyEncoder",
    "of_points": "OfPoints",
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A package and a folder of configs that are not this project's; the package can be imported."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "other_gans").mkdir()
    for name, text in {"__init__": "", "games": GAMES, "data": DATA}.items():
        (folder / "other_gans" / f"{name}.py").write_text(text)
    conf = folder / "conf"
    for group in ("variant", "data"):
        (conf / group).mkdir(parents=True)
    for variant, game in GAME_OF.items():
        (conf / "variant" / f"{variant}.yaml").write_text(
            f"# @package _global_\ndefaults:\n  - vanilla\nvariant: {{_target_: other_gans.games.{game}}}\n"
        )
    (conf / "data" / "points.yaml").write_text(
        "# @package _global_\n"
        "defaults: [override /metrics: planar, override /network: planar]\n"
        "data: {_target_: other_gans.data.Points, batch_size: 8, dimension: 2}\n"
    )
    sys.path.insert(0, str(folder))
    yield str(conf)
    sys.path.remove(str(folder))


@pytest.fixture
def command(outside, tmp_path, monkeypatch):
    """A command line's job, or the sentence that refuses it."""
    monkeypatch.chdir(tmp_path)

    def check(line):
        try:
            (job,) = preflight(["--config-dir", outside, *line.split()])
        except UserError as error:
            return str(error)
        return job

    return check


# Settings that a subclass overrides past

READERS = ["loss", "penalty", "constraint", "augment", "packing"]
STEPS = ["discriminator_steps", "discriminator_warm_up", "generator_steps", "generator_batches"]


@pytest.mark.parametrize(
    "game, expected",
    [
        ("LSGAN", [*READERS, *STEPS]),
        ("Child", [*READERS, *STEPS]),
        ("Losses", ["loss"]),
        ("FisherGAN", []),
        ("Restored", ["loss", "penalty", "augment", "packing", "generator_batches"]),
        ("Deeper", ["loss", "penalty", "constraint", *STEPS]),
        ("Elsewhere", []),
        ("Declared", ["discriminator", "loss", "constraint", "augment", *STEPS]),
    ],
)
def test_settings_that_no_method_reads_any_more(game, expected, outside):
    assert sorted(ignored(f"other_gans.games.{game}")) == sorted(expected)


def test_the_shipped_games_read_all_they_inherit():
    for variant in VARIANTS:
        assert ignored(offered.variant_class(variant)) == {}


@pytest.mark.parametrize(
    "setting",
    [
        "penalty=r1",
        "augment=diffaugment",
        "variant.discriminator_steps=5",
        "variant.packing=2",
        "objective=hinge",
        "variant.generator_batches=2",
    ],
)
def test_a_setting_that_has_no_effect_is_refused(setting, command):
    refusal = command(f"variant=mine {setting}")
    assert refusal.startswith(f"{setting} has no effect on variant=mine: LSGAN inherits the setting")
    assert "overrides phases, discriminator_loss and generator_loss" in refusal
    job = command(f"variant=losses {setting}")
    assert isinstance(job, str) == (setting == "objective=hinge")


def test_settings_at_their_defaults_are_never_refused(command):
    assert command("variant=mine").name == "mine-digits-0"
    assert command("variant=mine penalty=none augment=none variant.packing=1").choices["variant"] == "mine"


def test_the_class_itself_refuses_what_it_does_not_read(outside, command, tmp_path):
    config = command("variant=mine data=ring metrics=planar network=planar iterations=1").config
    assert play(game_of(config), data_of(config), tmp_path).iteration == 1
    config["variant"]["packing"] = 2
    with pytest.raises(UserError, match="packing has no effect on LSGAN"):
        play(game_of(config), data_of(config), tmp_path)
    config = command("variant=losses data=ring metrics=planar network=planar iterations=1").config
    game = game_of(config)
    game.penalty = R1(gamma=1.0)
    assert play(game, data_of(config), tmp_path).read_losses()["D/penalty"] > 0


# The Lipschitz constraint


def test_a_game_that_holds_its_critic_itself_takes_the_wasserstein_objective(command, tmp_path):
    own = "variant=fisher data=ring metrics=planar network=planar iterations=3 logger=none"
    config = command(f"{own} objective=wasserstein").config
    game = play(game_of(config), data_of(config), tmp_path)
    assert game.multiplier != 0
    assert "D/augmentation" in game.read_losses()
    assert command(own).choices["variant"] == "fisher"


def test_other_games_have_to_say_so(command):
    refusal = command("variant=losses data=ring metrics=planar network=planar objective=minimax penalty=r1")
    assert "objective=minimax has no effect" in refusal
    refusal = command("variant=encoding network=bigan objective=wasserstein")
    assert refusal.startswith("objective=wasserstein: nothing here holds the critic Lipschitz")
    assert "lipschitz = True in other_gans.games.Encoding" in refusal


@pytest.mark.parametrize(
    "node, held",
    [
        ({"_target_": "lightning_gans.losses.penalties.R1", "gamma": 1.0}, True),
        ({"_target_": "lightning_gans.losses.constraints.WeightClip", "bound": 0.1}, True),
        ({"_target_": "lightning_gans.networks.dcgan.DCGANDiscriminator", "norm": "spectral"}, True),
        ({"_target_": "lightning_gans.networks.dcgan.DCGANDiscriminator"}, False),
        ({"_target_": "lightning_gans.networks.resnet.ResNetDiscriminator", "spectral_norm": True}, True),
        ({"_target_": "lightning_gans.networks.resnet.ResNetDiscriminator", "spectral_norm": False}, False),
        ({"_target_": "lightning_gans.variants.energy.EnergyBased", "magnitude_weight": 0.0}, False),
        ({"_target_": "lightning_gans.variants.energy.EnergyBased", "magnitude_weight": 1.0}, True),
        ({"_target_": "torch.nn.Linear"}, False),
    ],
)
def test_a_declaration_may_depend_on_settings(node, held):
    assert holds(node, "lipschitz") == held


def test_a_setting_that_is_not_given_has_the_constructors_value():
    network = "lightning_gans.networks.dcgan.DCGANDiscriminator"
    assert holds({"_target_": network}, "batch_statistics")
    assert not holds({"_target_": network, "norm": "layer"}, "batch_statistics")


# Models


@pytest.mark.parametrize(
    "line, refused",
    [
        ("variant=encoding network=bigan", None),
        (
            "variant=encoding network=dcgan",
            "variant=encoding, which has networks of its own: network=bigan, bigan_mlp or bigan_planar",
        ),
        ("variant=any_encoder network=bigan", None),
        ("variant=any_encoder network=infogan", None),
        ("variant=any_encoder network=dcgan", "network=dcgan does not go with variant=any_encoder"),
        ("variant=fisher network=bigan", "`model: BoundedInferenceModel` in other_gans.games.FisherGAN"),
        ("variant=fisher network=cgan", "variant=fisher tells none"),
        ("variant=cgan network=dcgan", "choose network=cgan, cgan_mlp, projection or r3gan_conditional."),
        ("variant=acgan network=dcgan", "choose network=acgan or acgan_mlp."),
        ("variant=triplegan network=cgan", "Choose network=triplegan, triplegan_dcgan or triplegan_small."),
        ("variant=bigan network=energy", "network=energy does not go with variant=bigan"),
    ],
)
def test_a_model_is_what_the_game_says_it_needs(line, refused, command):
    found = command(line)
    assert isinstance(found, str) == (refused is not None)
    assert refused is None or refused in found


def test_a_variant_has_the_network_of_the_file_it_builds_on(command):
    assert command("variant=fisher").choices["network"] == "mlp"
    assert command("variant=fisher data=ring metrics=planar").choices["network"] == "planar"
    assert command("variant=fisher network=dcgan").choices["network"] == "dcgan"
    assert command("variant=lsgan").choices["network"] == "dcgan"


def test_every_shipped_network_suits_a_game_and_only_those_of_its_task():
    for network in offered.files("network"):
        model = offered.model_class(network)
        fits = [name for name in VARIANTS if model and suits(model, required_model(offered.variant_class(name)))]
        assert fits or not model
        usual = [name for name in VARIANTS if offered.usual_network(name) == network]
        assert set(usual) <= set(fits) or not model


# Data


def test_a_data_module_of_ones_own_declares_what_it_gives(command):
    assert command("variant=vanilla data=points").choices["data"] == "points"
    assert command("variant=of_points data=points").choices["data"] == "points"
    assert "variant=cgan needs images, and data=points gives points" in command(
        "variant=cgan data=points network=cgan_mlp"
    )
    assert "variant=of_points needs points of the plane or the line" in command("variant=of_points")
    assert "metrics=classifier needs images" in command("variant=vanilla data=points metrics=classifier")
    assert "augment=diffaugment needs images" in command("variant=vanilla data=points augment=diffaugment")


def test_an_augmentation_that_a_game_takes_nowhere_is_refused(command):
    refusal = command("variant=dann augment=diffaugment")
    assert refusal.startswith("augment=diffaugment has no effect on variant=dann: DANN takes no augmentation.")


def test_an_extractors_factory_declares_by_what_it_returns():
    of = "lightning_gans.extractors.factories"
    assert subject(f"{of}.coordinates") == "lightning_gans.extractors.coordinates.CoordinateExtractor"
    batches = ("SampleBatch", "SemiSupervisedBatch", "UnpairedBatch", "ConditionedBatch", "PairedBatch")
    assert names(f"{of}.classifier", "batch") == batches
    assert names(f"{of}.own", "batch") == ()


def test_declarations_are_those_of_the_classes():
    """Declarations read in the source equal those that Python finds, inherited ones included."""
    import importlib

    found = {offered.variant_class(name) for name in VARIANTS} | {offered.data_class(name) for name in CATALOGUE}
    for target in found:
        module, _, name = target.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        assert names(target, "batch") == (cls.batch.__name__,)
        contents = getattr(cls, "contents", ())
        assert names(target, "contents") == ((contents,) if isinstance(contents, str) else contents)
        assert says(target, "conditional") == getattr(cls, "conditional", False)


def test_every_variant_plays_on_the_data_of_its_recipes():
    for variant, data in product(VARIANTS, CATALOGUE):
        if data in offered.recipes(variant):
            assert fitting.plays(variant, offered.data_class(data))
    assert not fitting.plays("dcgan", offered.data_class("ring"))  # its networks are convolutions


def test_compatibility_needs_no_torch():
    code = f"import sys, {compatibility.__name__}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
