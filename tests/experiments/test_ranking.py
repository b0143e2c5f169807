"""`experiments.sample rank=`: the best documents for queries."""

import csv

import numpy as np
import pytest
import torch

import lightning_gans
from experiments import sample
from lightning_gans.core.errors import UserError
from lightning_gans.models import build, save_generator
from tests.helpers.composed import composed

NETWORKS = {
    "numbers": {"_target_": "lightning_gans.networks.retrieval.MatrixFactorisation", "queries": 9, "documents": 20},
    "features": {"_target_": "lightning_gans.networks.retrieval.FeatureScorer", "features": 3, "width": 4},
}


def export(folder, network):
    spec = {"_target_": "lightning_gans.models.retrieval.RankingModel", "generator": NETWORKS[network]}
    torch.manual_seed(0)
    save_generator(build(spec).eval(), spec, folder / "generator", about={"iteration": 1500})
    return folder


@pytest.fixture
def users(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return export(tmp_path / "users", "numbers")


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return export(tmp_path / "pairs", "features")


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


def rows(file):
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_numbered_queries(users, tmp_path, capsys):
    assert ask(run=users, rank="7,0,7", n=4, out=tmp_path / "found.csv") == 0
    scores = lightning_gans.load_generator(users).score(torch.tensor([7, 0, 7]))
    best = scores.topk(4)
    found = rows(tmp_path / "found.csv")
    assert [int(row["query"]) for row in found] == [7] * 4 + [0] * 4 + [7] * 4
    assert [int(row["rank"]) for row in found] == [1, 2, 3, 4] * 3
    assert [int(row["document"]) for row in found] == best.indices.flatten().tolist()
    assert [float(row["score"]) for row in found] == pytest.approx(best.values.flatten().tolist(), rel=1e-6)
    said = capsys.readouterr().out
    assert f"3 queries ranked by {users} (iteration 1,500)" in said
    assert f"query 0: {' '.join(map(str, best.indices[1].tolist()))}\n" in said


@pytest.mark.parametrize("text", ["3\n5\n", "3, 5", "3;5\r\n", "\t3 5"])
def test_a_text_file_of_numbers_and_the_usual_n_and_place(users, tmp_path, text):
    (tmp_path / "queries.txt").write_text(text)
    assert ask(run=users, rank="queries.txt") == 0
    found = rows(users / "samples" / "ranking.csv")
    assert [int(row["query"]) for row in found] == [3] * 10 + [5] * 10


def test_more_documents_than_there_are(users, tmp_path):
    assert ask(run=users, rank=8, n=1000, out=tmp_path / "found.csv") == 0
    assert sorted(int(row["document"]) for row in rows(tmp_path / "found.csv")) == list(range(20))


def test_described_queries(pairs, tmp_path):
    x = np.random.default_rng(0).random((70, 5, 3), np.float32)
    np.savez_compressed(tmp_path / "asked.npz", queries=x.astype(np.float64), other=np.zeros(3))
    assert ask(run=pairs, rank="asked.npz", n=2, out=tmp_path / "found.csv") == 0
    best = lightning_gans.load_generator(pairs).best(torch.from_numpy(x), 2)
    found = rows(tmp_path / "found.csv")
    assert [int(row["document"]) for row in found] == best.flatten().tolist()
    assert [int(row["query"]) for row in found[::2]] == list(range(70))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rank": "3,9"}, "rank=9: the queries of run=users are numbered 0 to 8"),
        ({"rank": "3,-1"}, "no such file"),
        ({"rank": ","}, "holds no number of a query"),
        ({"rank": "9" * 30}, "is not the number of a query"),
        ({"rank": "querys.txt"}, r"Did you mean queries\.txt"),
        ({"rank": "queries.txt"}, "'film' is not the number of a query"),
        ({"rank": "empty.txt"}, "holds no number of a query"),
        ({"rank": "binary.txt"}, "not a text file of numbers"),
        ({"rank": "users"}, "one text file of them, or one .npz"),
        ({"rank": "asked.npz"}, r"the queries of run=users are numbers\. Say rank=1,2,3"),
        ({"n": 0}, "n=0"),
        ({"seed": 1}, "Leave seed=1 out"),
        ({"out": "found.txt"}, r"say out=found\.csv"),
        (
            {"run": "pairs", "rank": "3"},
            r"described by 3 features .* array `queries` of shape \(queries, documents, 3\)",
        ),
        ({"run": "pairs", "rank": "asked.npz"}, r"`queries` is float32 of shape \(2, 3, 4\), and queries are"),
        ({"run": "pairs", "rank": "flat.npz"}, r"`queries` is float32 of shape \(3,\), and queries are"),
        ({"run": "pairs", "rank": "nan.npz"}, "NaN or infinite"),
        ({"run": "pairs", "rank": "none.npz"}, "holds no array `queries`"),
        ({"run": "pairs", "rank": "no_query.npz"}, "its shape is"),
    ],
)
def test_slips_are_answered(users, tmp_path, given, said):
    export(tmp_path / "pairs", "features")
    (tmp_path / "queries.txt").write_text("1 2\nfilm 3\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    arrays = {
        "asked": np.zeros((2, 3, 4)),
        "flat": np.zeros(3),
        "nan": np.full((1, 2, 3), np.nan),
        "no_query": np.zeros((0, 2, 3)),
    }
    for name, array in arrays.items():
        np.savez(tmp_path / f"{name}.npz", queries=array.astype(np.float32))
    np.savez(tmp_path / "none.npz", samples=np.zeros((1, 2, 3)))
    asked = {"run": "users", "rank": "1", "out": "found.csv"} | given
    with pytest.raises(UserError, match=said):
        ask(**asked)
    assert not (tmp_path / "found.csv").exists()


def test_a_model_that_does_not_rank_is_refused(users, tmp_path):
    spec = composed("dann")["variant"]["model"]
    save_generator(build(spec), spec, tmp_path / "dann" / "generator")
    with pytest.raises(UserError, match=r"does not rank documents\. Name a run of variant=irgan or irgan_pairwise"):
        ask(run="dann", rank=3)
    with pytest.raises(UserError, match="has nothing to sample: say rank=QUERIES"):
        ask(run=users, n=4)
