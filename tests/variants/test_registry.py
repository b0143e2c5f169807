"""Tests of every registered variant from its own configuration; a new variant needs no list."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from experiments.settings import fitting, offered
from lightning_gans.core.protocols import GeneratesFromImages, Samples, Translates
from lightning_gans.evaluation.scoring import make_scoring
from lightning_gans.models import build, load_generator, save_generator
from lightning_gans.variants.irgan import IRGAN
from tests.helpers.composed import CONF, VARIANTS, composed, data_of, game_of
from tests.helpers.play import Watch, play
from tests.helpers.waits import Waits

ITERATIONS = 12
SAVED_AT = 5


class Movements(pl.Callback):
    """Parameters that every optimizer step changed.

    steps: (the optimizer's player, {player: names of its parameters that changed}). strays: parameters that moved
    between two steps and were not of the player who had just moved, who may project them.
    """

    def __init__(self):
        self.steps, self.strays = [], set()

    def on_train_start(self, trainer, pl_module):
        names = {id(parameter): name for name, parameter in pl_module.named_parameters()}
        self.parameters = dict(pl_module.named_parameters())
        self.owned = {
            player: {
                names[id(p)]
                for part in parts
                for p in ([part] if isinstance(part, torch.Tensor) else part.parameters())
            }
            for player, parts in pl_module.players().items()
        }
        self.last, self.mover = self._snapshot(), None
        for optimizer in trainer.optimizers:
            name = names[id(optimizer.param_groups[0]["params"][0])]
            player = next(player for player, owned in self.owned.items() if name in owned)
            optimizer.register_step_pre_hook(lambda *_, player=player: self._before(player))
            optimizer.register_step_post_hook(lambda *_, player=player: self._after(player))

    def _snapshot(self):
        played = set().union(*self.owned.values())
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items() if name in played}

    def _changed(self):
        now = self._snapshot()
        changed = {name for name, value in now.items() if not torch.equal(value, self.last[name])}
        self.last = now
        return changed

    def _before(self, player):
        self.strays |= self._changed() - self.owned.get(self.mover, set())

    def _after(self, player):
        changed = self._changed()
        whose = {owner: changed & names for owner, names in self.owned.items() if changed & names}
        self.steps.append((player, whose))
        self.mover = player


@pytest.fixture(scope="module", params=VARIANTS)
def run(request, tmp_path_factory):
    """One run of twelve iterations, which everything below looks at."""
    folder = tmp_path_factory.mktemp(request.param)
    config = composed(request.param, iterations=ITERATIONS)
    game, movements = game_of(config), Movements()
    start = {name: parameter.detach().clone() for name, parameter in game.named_parameters()}

    def look(trainer, game):
        if game.iteration == SAVED_AT:
            trainer.save_checkpoint(folder / "last.ckpt")
        return trainer.global_step, game.iteration

    watch, waits, step = Watch(look), Waits(), game.training_step

    def training_step(batch, batch_idx):
        with waits:
            return step(batch, batch_idx)

    game.training_step = training_step
    play(game, data_of(config), folder, movements, watch)
    losses = dict(game.read_losses())
    game.evaluated_model()
    return SimpleNamespace(
        config=config,
        game=game,
        folder=folder,
        movements=movements,
        start=start,
        counts=watch.seen,
        losses=losses,
        waits=waits.seen,
    )


def movers(run):
    players = run.config["variant"]["training"]["players"]
    return {player for player, settings in players.items() if settings["optimizer"]}


def test_only_the_phases_player_moves(run):
    assert run.movements.steps
    for player, changed in run.movements.steps:
        assert set(changed) <= {player}
    assert run.movements.strays == set()


def test_every_player_moves_with_all_its_parameters(run):
    moved = {}
    for player, changed in run.movements.steps:
        moved.setdefault(player, set()).update(changed.get(player, set()))
    assert set(moved) == movers(run)
    assert moved == {player: run.movements.owned[player] for player in movers(run)}


def test_iterations_are_counted(run):
    assert run.counts == [(i, i) for i in range(1, ITERATIONS + 1)]
    assert run.game.images == ITERATIONS * run.config["data"]["batch_size"]


def test_no_step_waits_for_the_device(run):
    waits = isinstance(run.game, IRGAN)  # draws the negatives that a row keeps on the host, by the row's number
    assert bool(run.waits) is waits, run.waits


def test_every_mover_reports_finite_losses_and_gradients(run):
    assert all(abs(value) < 1e6 for value in run.losses.values())
    assert {name.partition("/")[0] for name in run.losses} == movers(run)
    for player in movers(run):
        assert run.losses[f"{player}/gradient_norm"] > 0
        assert f"{player}/loss" in run.losses


def test_players_own_every_parameter(run):
    counts = run.game.parameter_counts()
    trained = [p for name, p in run.game.named_parameters() if not name.startswith("ema.")]
    assert sum(counts.values()) == sum(parameter.numel() for parameter in trained)
    assert all(parameter.requires_grad for parameter in trained)


def test_a_resumed_run_equals_a_straight_one(run):
    checkpoint = torch.load(run.folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == SAVED_AT
    again = game_of(run.config, key="other weights")
    play(again, data_of(run.config), run.folder, checkpoint=run.folder / "last.ckpt")
    again.evaluated_model()
    expected, found = run.game.state_dict(), again.state_dict()
    assert found.keys() == expected.keys()
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []
    assert any(not torch.equal(checkpoint["state_dict"][name], tensor) for name, tensor in expected.items())


def test_what_chooses_the_best_weights_is_measured(run):
    model = run.game.evaluated_model()
    if run.game.headline.startswith("fid"):  # of an extractor's features
        assert isinstance(model, Samples | Translates | GeneratesFromImages)
        return
    own = {"_target_": "lightning_gans.extractors.factories.own", "_partial_": True}
    scoring = make_scoring(own, samples=None, task=lambda title: nullcontext(lambda share: None))
    data = data_of(run.config)
    scoring.prepare(model, data, torch.device("cpu"))
    assert run.game.headline in scoring(model, data, "validation").scores


def test_what_is_exported_samples_as_the_game_does(run):
    model = run.game.evaluated_model()
    save_generator(model, run.config["variant"]["model"], run.folder / "generator")
    loaded = load_generator(run.folder)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    if isinstance(model, Samples):
        assert torch.equal(loaded.sample(5, seed=3), model.sample(5, seed=3))
        assert loaded.sample(5).shape == (5, *data_of(run.config).sample_shape)


def test_runs_are_repeated_by_their_seed_and_changed_by_another(run, tmp_path):
    config = run.config | {"seed": 1}
    training = config["variant"]["training"]
    config["variant"] = config["variant"] | {"training": training | {"seed": 1, "iterations": 2}}
    same = [play(game_of(config), data_of(config), tmp_path).state_dict() for _ in range(2)]
    assert all(torch.equal(tensor, same[1][name]) for name, tensor in same[0].items())
    names = [name for name in run.start if not name.startswith("ema.")]
    assert not all(torch.equal(same[0][name], run.game.state_dict()[name]) for name in names)


# Choices that go with any variant


@pytest.mark.parametrize("objective", sorted(path.stem for path in CONF.glob("objective/*.yaml")))
def test_every_objective_is_a_game_on_logits(objective):
    loss = build(composed("vanilla", f"objective={objective}")["objective"], trusted=True)
    on_real, on_fake = torch.linspace(-3, 3, 7, requires_grad=True), torch.linspace(-2, 1, 7, requires_grad=True)
    terms = loss.discriminator(on_real, on_fake)
    assert loss.estimate(sum(terms.values())).isfinite()
    for term in (*terms.values(), loss.generator(on_fake, on_real)):
        assert term.shape == ()
        gradients = torch.autograd.grad(term, (on_real, on_fake), allow_unused=True, retain_graph=True)
        gradient = torch.cat([gradient for gradient in gradients if gradient is not None])
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("penalty", sorted({path.stem for path in CONF.glob("penalty/*.yaml")} - {"none"}))
def test_every_penalty_is_a_term_of_ds_loss(penalty, tmp_path):
    config = composed("vanilla", f"penalty={penalty}", iterations=2)
    game = play(game_of(config), data_of(config), tmp_path)
    losses = game.read_losses()
    assert losses["D/penalty"] > 0
    assert losses["D/loss"] == pytest.approx(losses["D/real"] + losses["D/fake"] + losses["D/penalty"], rel=1e-5)


# Networks that go with one kind of data, or with images of some sizes alone.
DATA_OF = {"planar": "ring", "pacgan_planar": "ring", "moved_points": "two_points", "ref_pair": "ref_pair"}
NEEDS_SIZE = {"dann_mnist": 16}
OF_FILES = {"irgan"}  # of data that a user has to bring
USUAL = {offered.usual_network(variant) for variant in VARIANTS}  # which the tests above play


@pytest.mark.parametrize("network", sorted({path.stem for path in CONF.glob("network/*.yaml")} - OF_FILES - USUAL))
def test_every_network_plays(network, tmp_path):
    variant = network.partition("_")[0]  # a network of its own that a game asks for
    variant = variant if variant in VARIANTS else "vanilla"
    images = fitting.takes(offered.variant_class(variant), offered.data_class("digits"))
    data = [f"data={DATA_OF.get(network, 'digits')}"] if images else []  # else the game's own
    config = composed(variant, *data, f"network={network}", iterations=2, image_size=NEEDS_SIZE.get(network, 8))
    game = play(game_of(config), data_of(config), tmp_path)
    assert game.iteration == 2
    model = game.evaluated_model()
    if isinstance(model, Samples):
        assert model.sample(3).shape == (3, *data_of(config).sample_shape)
