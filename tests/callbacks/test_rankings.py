"""How rankings are measured and drawn."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from datamodules.retrieval import Judged, filled
from lightning_gans.callbacks.rankings import Rankings, framed, ranking
from lightning_gans.core.protocols import Ranks
from lightning_gans.models.retrieval import FixedRanking, RankingModel
from lightning_gans.networks.retrieval import MatrixFactorisation


def data(queries=4):
    numbers = torch.arange(queries)
    rows = filled([[1]] * (queries - 1) + [[3]])
    split = Judged(numbers, rows, filled([[0]] * queries), documents=5, numbers=numbers)
    images = torch.zeros(5, 1, 8, 8)
    return SimpleNamespace(split=lambda name: split, query_images=images, document_images=images)


def test_a_ranking_is_measured_over_candidates():
    model = FixedRanking(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0]))
    found = ranking(model, data(), "test")
    assert found["mrr"] == pytest.approx((3 + 1 / 3) / 4)
    assert found["precision_at_3"] == pytest.approx(1 / 3)
    assert found["precision_at_5"] == pytest.approx(1 / 5)
    assert ranking(nn.Linear(1, 1), data(), "test") == {}


def test_fewer_queries_are_looked_at_while_training_goes_on(monkeypatch):
    monkeypatch.setattr("lightning_gans.callbacks.rankings.VALIDATION", 0)
    assert len(data(700).split("x").at_most(500)) == 500
    seen = data(2)
    monkeypatch.setattr("lightning_gans.callbacks.rankings.VALIDATION", 1)
    values = {
        ranking(FixedRanking(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0])), seen, name)["mrr"]
        for name in ("validation", "test")
    }
    assert len(values) == 2


def test_a_model_ranks_in_eval_mode_and_leaves_out_nothing():
    model = RankingModel(generator=MatrixFactorisation(queries=3, documents=5, initial=1.0)).train()
    assert isinstance(model, Ranks)
    scores = model.score(torch.tensor([2, 0]))
    assert scores.shape == (2, 5)
    assert not scores.requires_grad
    assert model.training
    assert torch.equal(model.best(torch.tensor([2]), 2), scores[:1].topk(2).indices)


def test_frames_say_what_is_relevant():
    image = torch.rand(1, 8, 8)
    for relevant, strongest in ((True, 1), (False, 0)):
        picture = framed(image, relevant)
        assert picture.shape == (3, 28, 28)
        assert picture[:, 0, 0].argmax() == strongest
        assert torch.equal(picture[:, 2:5, 2:5], image[:, :1, :1].expand(3, 3, 3))


def test_pictures_are_drawn_when_due(tmp_path):
    model = FixedRanking(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0]))
    game = SimpleNamespace(iteration=4, iterations=9, model=model, evaluated_model=lambda: model)
    trainer = SimpleNamespace(datamodule=data(), is_global_zero=True, default_root_dir=tmp_path, loggers=[])
    Rankings(every=3).on_train_batch_end(trainer, game, None, None, 0)
    assert not (tmp_path / "samples").exists()
    game.iteration = 6
    Rankings(every=3).on_train_batch_end(trainer, game, None, None, 0)
    assert (tmp_path / "samples" / "rankings-00000006.png").is_file()
