"""Wang et al. 2017: whose turn it is, what each descends, and what D's optimum says."""

import pytest
import torch
from torch import nn
from torch.nn.functional import logsigmoid

from experiments.jobs.preflight import preflight
from lightning_gans.core.batches import RetrievalBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.rng import Draws
from lightning_gans.evaluation.ranking import ranking
from lightning_gans.models.retrieval import RankingModel
from lightning_gans.variants.irgan import IRGAN, PairwiseIRGAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import Watch, play

TRUE = torch.tensor([True, False, True, False, False, True, True, False])
SCORES = torch.tensor([0.3, -1.0, 0.8, 0.0, 1.5, -0.4, 0.1, 0.9])


class Table(nn.Module):
    """The same free scores for every query."""

    def __init__(self, scores):
        super().__init__()
        self.scores = nn.Parameter(scores.clone())

    def forward(self, query):
        return self.scores.expand(len(query), -1)


def toy(kind=IRGAN, *, iterations=12, d_lr=0.5, **settings):
    players = {
        name: PlayerSettings(optimizer=lambda p, r=lr: torch.optim.SGD(p, lr=r))
        for name, lr in (("D", d_lr), ("G", 0.1))
    }
    training = Training(iterations=iterations, batch_size=1, players=players)
    model = RankingModel(generator=Table(SCORES))
    other = "generator" if kind is PairwiseIRGAN else "discriminator"
    settings |= {other: Table(torch.zeros(8))}
    return kind(model=model, dns=players["G"], training=training, **settings)


def batches(n):
    batch = RetrievalBatch(torch.zeros(1, dtype=torch.long), TRUE[None], torch.ones(1, 8).bool(), torch.tensor([7]))
    return [batch] * n


def test_d_learns_the_ratio_of_p_true_and_p_theta(tmp_path):
    game = toy(
        iterations=400,
        pretraining=0,
        rounds=1,
        discriminator_share=0.9999,
        resamplings=400,
        samples=4000,
        d_lr=4.0,
        negatives_temperature=0.7,
    )
    play(game, batches(400), tmp_path)
    true, drawn = TRUE / TRUE.sum(), (SCORES / 0.7).softmax(0)
    assert torch.allclose(game.discriminator.scores.sigmoid()[TRUE], (true / (true + drawn))[TRUE], atol=0.02)
    assert game.discriminator.scores[~TRUE].max() < -2.5
    assert torch.equal(game.model.generator.scores, SCORES)


def test_dns_comes_first_and_then_rounds_of_d_and_g(tmp_path):
    game = toy(iterations=24, pretraining=0.5, rounds=2, discriminator_share=0.66)
    last = {"D": game.discriminator.scores.detach().clone(), "G": SCORES.clone()}

    def moved(trainer, game):
        now = {"D": game.discriminator.scores.detach().clone(), "G": game.model.generator.scores.detach().clone()}
        names = "".join(name for name in now if not torch.equal(now[name], last[name]))
        last.update(now)
        return names

    watch = Watch(moved)
    play(game, batches(24), tmp_path, watch)
    assert "".join(watch.seen) == "G" * 12 + "DDDDGG" * 2


def test_both_players_of_pairs_begin_with_dns(tmp_path):
    game = toy(PairwiseIRGAN, iterations=4, pretraining=1)
    play(game, batches(4), tmp_path)
    assert (game.generator.scores[TRUE] > 0).all()
    assert (game.model.generator.scores[TRUE] > SCORES[TRUE]).all()
    assert game.read_losses().keys() >= {"D/loss", "G/loss"}


def test_the_initialisation_is_what_dns_alone_would_leave(tmp_path):
    config = composed("irgan", iterations=12)
    game = play(game_of(config), data_of(config), tmp_path)
    end = game.stage_batches()[0][1]
    alone = composed("irgan", "variant.pretraining=1", iterations=end)
    dns = play(game_of(alone), data_of(alone), tmp_path)
    baselines = game.baselines(data_of(config))
    assert 0 < end < 12
    for name, tensor in dns.model.state_dict().items():
        assert torch.equal(baselines["dns"].state_dict()[name], tensor)
    assert any(
        not torch.equal(game.model.state_dict()[name], tensor) for name, tensor in dns.model.state_dict().items()
    )


def test_a_query_keeps_its_negatives_until_they_are_drawn_anew(tmp_path):
    game = toy(iterations=40, pretraining=0, rounds=1, discriminator_share=0.5, resamplings=2, samples=50)
    (batch,) = batches(1)
    seen = Watch(lambda trainer, game: game.negatives(batch) if game.discriminators_turn() else None)
    play(game, batches(40), tmp_path, seen)
    first, later = seen.seen[0], seen.seen[10]
    assert torch.equal(seen.seen[8], first)
    assert torch.equal(seen.seen[18], later)
    assert not torch.equal(first, later)
    assert seen.seen[20] is None
    other = batch._replace(number=torch.tensor([8]))
    game.iteration = 1
    with torch.no_grad():
        game.model.generator.scores.copy_(SCORES)  # in its turn G has moved
    assert torch.equal(game.negatives(batch), first)
    assert not torch.equal(game.negatives(other), first)


def test_rewards():
    (batch,) = batches(1)
    f = torch.tensor([[0.0, 2.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    found = toy().reward(f, batch)
    assert found[0, :3].tolist() == pytest.approx([0.0, 0.7615942, -0.7615942])
    only = batch._replace(relevant=torch.arange(8)[None] == 2)
    game = toy(PairwiseIRGAN)
    game.draws = Draws(0)
    assert torch.allclose(game.reward(f, only), logsigmoid(f + 2))


def test_g_climbs_towards_what_d_rewards(tmp_path):
    game = toy(iterations=60, pretraining=0, rounds=1, discriminator_share=0.0001, samples=64)
    game.iteration = 0
    with torch.no_grad():
        game.discriminator.scores[3] = 3.0
    before = SCORES.softmax(0)[3]
    play(game, batches(60), tmp_path)
    assert game.model.score(torch.zeros(1).long()).softmax(1)[0, 3] > 1.5 * before


def test_users_and_items_of_a_file_are_factorised(tmp_path):
    lines = [f"{user}\t{item}\t{5 if (user + item) % 3 else 2}\t0" for user in range(1, 11) for item in range(1, 21)]
    (tmp_path / "u.data").write_text("\n".join(lines))
    config = composed("irgan", "data=movielens", f"data_dir={tmp_path}", "variant.rounds=2", iterations=12)
    game = play(game_of(config), data_of(config), tmp_path)
    assert game.model.generator.query.weight.shape == (944, 5)
    found = ranking(game.evaluated_model(), data_of(config), "test")
    assert found.keys() == ranking(game.baselines(data_of(config))["popularity"], data_of(config), "test").keys()
    assert 0 < found["map"] < 1


def test_letor_is_scored_by_its_features(tmp_path):
    rows = [
        f"{int(d == q % 3)} qid:{q} {q % 45 + 1}:0.{d + 1} 46:1 #docid={d}" for q in range(12) for d in range(4 + q % 2)
    ]
    rows.append("1 qid:99 1:0.5 #docid=0")  # nothing that is not relevant: no negative
    for name in ("train", "vali", "test"):
        (tmp_path / f"{name}.txt").write_text("\n".join(rows))
    config = composed("irgan_pairwise", "data=letor", f"data_dir={tmp_path}", iterations=12)
    game = play(game_of(config), data_of(config), tmp_path)
    assert set(game.baselines(data_of(config))) == {"dns"}
    assert 0 < ranking(game.evaluated_model(), data_of(config), "test")["mrr"] <= 1


@pytest.mark.parametrize(
    "data, network", [("digits_retrieval", "irgan"), ("movielens", "irgan_features"), ("digits_retrieval", "mlp")]
)
def test_a_network_for_other_documents_is_refused(data, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        preflight(["variant=irgan", f"data={data}", f"network={network}", "logger=none"])


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"pretraining": 1.5}, "variant.pretraining=1.5: must be from 0 to 1"),
        ({"importance_mix": -0.1}, "variant.importance_mix=-0.1"),
        ({"temperature": 0}, "variant.temperature=0: must be above 0"),
        ({"discriminator_share": 1.0}, "variant.discriminator_share=1.0"),
    ],
)
def test_refusals(settings, words):
    with pytest.raises(UserError, match=words):
        toy(**settings)
