"""Two processes play the game that one plays: weights, scores, refusals, resumes."""

import os

import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gans.core.errors import Diverged, UserError
from lightning_gans.core.phase import Phase
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.quality import SampleQuality
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.losses.penalties import DRAGAN
from lightning_gans.metrics.scores import Reference
from lightning_gans.strategies.exchange import all_agree, any_says, average, processes
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy
from lightning_gans.variants.triplegan import TripleGAN
from tests.helpers.composed import VARIANTS, composed, data_of, game_of
from tests.helpers.duel import Duel, batches
from tests.helpers.play import SaveAt, play, trainer
from tests.helpers.ranks import on_ranks
from tests.helpers.scoring import RandomConvolutions

pytestmark = pytest.mark.ddp
ITERATIONS = 20
SAVED_AT = 9
CPU = torch.device("cpu")


def everything(folder, job):
    """On each rank: all that the tests below look at. One start of the processes serves them all."""
    found = {"world": 0}
    for variant, config in job["configs"].items():
        checkpoint = folder / f"{variant}.ckpt"
        found[variant] = trained(folder, config, SaveAt(SAVED_AT, checkpoint), devices=2)
        found[f"{variant} resumed"] = resumed(folder, config, checkpoint)
    found["world"] = processes()  # Lightning keeps them connected
    found["scores"] = scores(job["configs"])
    found["exchange"] = exchange()
    found["gathered"] = gathered(folder)
    found["gated"] = gated(folder)
    found["diverged"] = refusal(lambda: diverging(folder), Diverged)
    found["spoilt"] = refusal(lambda: spoilt(folder), Diverged)
    found["wrapped"] = refusal(lambda: wrapped(folder), UserError)
    found["undivided"] = refusal(lambda: undivided(folder, job["configs"]["vanilla"]), UserError)
    return found


def trained(folder, config, *callbacks, devices):
    """Weights, averages and losses after all iterations in float64."""
    options = {"devices": devices, "strategy": PlayerDDPStrategy()} if devices > 1 else {}
    game = play(game_of(config), data_of(config), folder, *callbacks, precision="64-true", **options)
    return weights(game) | {f"losses/{name}": torch.tensor(value) for name, value in game.read_losses().items()}


def weights(game):
    return {name: parameter.detach().clone() for name, parameter in game.named_parameters()}


def resumed(folder, config, checkpoint):
    options = {"precision": "64-true", "devices": 2, "strategy": PlayerDDPStrategy()}
    return weights(
        play(game_of(config, key="other weights"), data_of(config), folder, checkpoint=checkpoint, **options)
    )


def scores(configs):
    """Scores of untrained weights, by name of the measure."""
    images, points = game_of(configs["dcgan"]).evaluated_model(), game_of(configs["points"]).evaluated_model()
    return {
        "images": measure(RandomConvolutions(), torch.rand(400, 1, 8, 8, generator=stream("real")) * 2 - 1, images),
        "points": measure(CoordinateExtractor(), torch.randn(400, 2, generator=stream("real")), points),
    }


def measure(extractor, real, model):
    features = extractor(real).features
    held_out = {"validation": Reference.of(features[:150]), "test": Reference.of(features[150:300])}
    evidence = SampleQuality(extractor=extractor, reference=Reference.of(features), held_out=held_out).measure(model)
    return {**evidence.scores, "features": evidence.features}


def exchange():
    rank = torch.distributed.get_rank()
    return {
        "all": [all_agree(answer, CPU) for answer in (True, rank == 0, rank == 1, False)],
        "any": [any_says(answer, CPU) for answer in (True, rank == 0, rank == 1, False)],
        "average": average(torch.tensor([1.0 + rank, 10.0 * rank])),
    }


def gathered(folder, **options):
    """A loss of the whole batch: (sum of x times the number X)^2, over what all ranks see."""

    def plan(game):
        def loss(batch):
            everyone = game.gather(game.model.x * batch.x)
            return {"square": everyone.sum() ** 2 / 1000}

        return [Phase("X", loss, over="gathered")]

    whole = batches(1)
    world, rank = processes(), torch.distributed.get_rank() if processes() > 1 else 0
    mine = [batch._replace(x=batch.x.chunk(world)[rank]) for batch in whole]
    strategy = {"strategy": PlayerDDPStrategy()} if world > 1 else {}
    game = play(Duel(plan), mine, folder, devices=world, **strategy)
    return {"x": game.at[0], "norm": game.read_losses()["X/gradient_norm"]}


def gated(folder):
    """Rank 1 would sit the second iteration out, so both do."""

    def plan(game):
        def loss(batch):
            return None if game.iteration == 1 and game.global_rank == 1 else game.y_loss(batch)

        return [Phase("X", game.x_loss), Phase("Y", loss, gated=True)]

    start = 1.0 + torch.distributed.get_rank()  # each has its own idea of where to begin
    game = play(Duel(plan, iterations=3, x=start), batches(3), folder, devices=2, strategy=PlayerDDPStrategy())
    return {"log": "".join(game.log), "at": game.at, "averaged": game.ema.model.x.item()}


def diverging(folder):
    """The loss of rank 1 alone is NaN, and its gradient is not."""

    def plan(game):
        def loss(batch):
            bad = game.global_rank == 1 and game.iteration == 1
            return {"loss": game.model.x + torch.tensor(float("nan") if bad else 0.0)}

        return [Phase("X", loss)]

    game = play(Duel(plan, iterations=3), batches(3), folder, devices=2, strategy=PlayerDDPStrategy())
    game.read_losses()


def spoilt(folder):
    """The batch of rank 1 alone holds a NaN."""
    data = batches(3)
    if os.environ["LOCAL_RANK"] == "1":
        data[1].x[0] = float("nan")

    def plan(game):
        return [Phase("X", lambda batch: {"loss": game.model.x * batch.x.mean()})]

    play(Duel(plan, iterations=3), data, folder, devices=2, strategy=PlayerDDPStrategy()).read_losses()


def wrapped(folder):
    game = Duel(lambda game: [Phase("X", game.x_loss)])
    trainer(folder, devices=2, strategy="ddp").fit(game, DataLoader(batches(1), batch_size=None))


def undivided(folder, config):
    training = config["variant"]["training"] | {"batch_size": 7}
    config |= {"data": config["data"] | {"batch_size": 7}, "variant": config["variant"] | {"training": training}}
    play(game_of(config), data_of(config), folder, devices=2, strategy=PlayerDDPStrategy())


def refusal(attempt, kind):
    try:
        attempt()
    except kind as error:
        return str(error)
    return "not refused"


@pytest.fixture(scope="module")
def configs():
    return {variant: composed(variant, iterations=ITERATIONS) for variant in VARIANTS}


@pytest.fixture(scope="module")
def ranks(configs, tmp_path_factory):
    points = composed("vanilla", "data=ring", iterations=ITERATIONS)
    return on_ranks(everything, tmp_path_factory.mktemp("ranks"), {"configs": {**configs, "points": points}})


def relative(found, expected):
    return ((found - expected).norm() / expected.norm().clamp_min(1e-12)).item()


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_equal_one(ranks, configs, variant, tmp_path, monkeypatch):
    # What each process takes of its own part, one process takes of each micro-batch, where a run would be refused.
    monkeypatch.setattr(DRAGAN, "over", "mean")
    monkeypatch.setattr(TripleGAN, "balance_over", "mean")
    config = configs[variant]
    training = config["variant"]["training"] | {"accumulate": 2}  # each process's slice for batch statistics
    alone = config | {"variant": config["variant"] | {"training": training}}
    expected = trained(tmp_path, alone, devices=1)
    start = weights(game_of(config))
    for name, tensor in expected.items():
        assert relative(ranks[0][variant][name], tensor) < 1e-5, name
        if name.endswith("weight") and not name.startswith("ema."):
            assert relative(start[name], tensor) > 1e-4, name  # the iterations went a long way
    assert any(name.startswith("losses/") for name in expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_ranks_do_not_drift_apart(ranks, variant):
    first, second = ranks
    assert first[variant].keys() == second[variant].keys()
    assert all(torch.equal(second[variant][name], tensor) for name, tensor in first[variant].items())


@pytest.mark.parametrize("variant", VARIANTS)
def test_resumed_ranks_equal_straight_ones(ranks, variant):
    for rank in ranks:
        for name, tensor in rank[f"{variant} resumed"].items():
            assert torch.equal(tensor, rank[variant][name]), name


@pytest.mark.parametrize("what", ["images", "points"])
def test_scores_do_not_depend_on_the_processes(ranks, configs, what):
    expected = scores({**configs, "points": composed("vanilla", "data=ring")})[what]
    for rank in ranks:
        found = rank["scores"][what]
        assert found.keys() == expected.keys()
        assert torch.equal(found.pop("features"), expected["features"])
        assert found == pytest.approx({k: v for k, v in expected.items() if k != "features"}, rel=1e-6)
        assert found["fid" if what == "images" else "fid_coordinates"] > 1e-3


def test_messages_between_ranks(ranks):
    for rank in ranks:
        assert rank["world"] == 2
        assert rank["exchange"]["all"] == [True, False, False, False]
        assert rank["exchange"]["any"] == [True, True, True, False]
        assert rank["exchange"]["average"].tolist() == [1.5, 5.0]


def test_a_loss_over_the_gathered_batch_is_the_one_processes_loss(ranks, tmp_path):
    alone = gathered(tmp_path)
    assert alone["x"] < 0.999
    for rank in ranks:
        assert rank["gathered"] == pytest.approx(alone, rel=1e-6)


def test_one_rank_that_sits_out_takes_the_others_along(ranks):
    assert [rank["gated"]["log"] for rank in ranks] == ["XYXXY"] * 2


def test_all_ranks_begin_with_the_weights_of_the_first(ranks):
    first, second = (rank["gated"] for rank in ranks)
    assert first["at"] == second["at"]
    assert first["averaged"] == second["averaged"] == 1.0  # an average that is read at evaluations only
    assert first["at"][0] < 1.0


def test_what_goes_wrong_on_one_rank_is_said_by_all(ranks):
    for rank in ranks:
        assert rank["diverged"] == (
            "The loss term X/loss became NaN at iteration 2; the batch and the outputs of the networks before it were "
            "finite."
        )
        assert rank["spoilt"] == "The training batch (x) of iteration 2 holds NaN or infinite numbers."


def test_lightnings_own_ddp_is_refused(ranks):
    for rank in ranks:
        assert "DDPStrategy wraps the whole game" in rank["wrapped"]
        assert "trainer=ddp" in rank["wrapped"]


def test_a_batch_that_two_processes_cannot_share_is_refused(ranks):
    for rank in ranks:
        assert rank["undivided"].startswith("data.batch_size=7 is the batch of all processes together")
