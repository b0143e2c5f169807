"""LETOR: queries with a list of described documents, of their own file or of a pool."""

import pytest
import torch

from datamodules import Letor
from lightning_gans.core.errors import UserError

LINES = (
    "2 qid:10 1:0.5 3:1.0 #docid = GX1 inc = 1 prob = 0.1\n"
    "0 qid:10 1:0.25 2:0.5 3:0 #docid = GX2\n"
    "-1 qid:11 1:1 2:1 3:1\n"
    "-1 qid:12 1:0.1\n"
    "1 qid:12 2:0.2\n"
    "-1 qid:12 3:0.3\n"
)


def letor(folder, **settings):
    return Letor(**{"root": str(folder), "features": 3, "batch_size": 2} | settings)


def fold(folder, text=LINES):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "vali", "test"):
        (folder / f"{name}.txt").write_text(text)


def test_letor(tmp_path):
    fold(tmp_path / "Fold1")
    data = letor(tmp_path)
    (batch,) = data.split("test").batches(5)
    assert batch.query.shape == (2, 3, 3)  # qid 11 has nothing relevant
    assert torch.equal(batch.query[0], torch.tensor([[0.5, 0, 1], [0.25, 0.5, 0], [0, 0, 0]]))
    assert batch.relevant.tolist() == [[True, False, False], [False, True, False]]
    assert batch.candidate.tolist() == [[True, True, False], [True, True, True]]
    assert data.popularity is None
    assert data.notes() == ["2 training, 2 validation, 2 test queries; left out: 3 without a relevant document"]
    assert len(list(data.iteration_batches(0, 3))) == 3


@pytest.mark.parametrize(
    "line, words",
    [
        ("1 10 1:0.1", ["is no judged document"]),
        ("1 qid:10 1:x", ["is no judged document"]),
        ("1 qid:10 1:inf", ["is no judged document"]),
        ("1 qid:10 0:1", ["is no judged document"]),
        ("1.5 qid:10 1:1", ["is no judged document"]),
        ("1", ["is no judged document"]),
        ("1 qid:10 4:1", ["feature 4 is beyond data.features=3", "data.features=4"]),
    ],
)
def test_a_bad_document_is_refused_with_its_line(tmp_path, line, words):
    fold(tmp_path, LINES + line + "\n")
    with pytest.raises(UserError) as caught:
        letor(tmp_path).setup()
    assert [word for word in [*words, "train.txt, line 7"] if word not in str(caught.value)] == []


def test_a_folder_without_a_fold_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no train\.txt, vali\.txt and test\.txt there, nor in its folder Fold3"):
        letor(tmp_path, fold="Fold3").setup()
    fold(tmp_path, "0 qid:1 1:1\n")
    with pytest.raises(UserError, match="none of its 1 queries has a document with a label of 1"):
        letor(tmp_path).setup()


def lines(query, *labels, first=1):
    """A line for each label, of documents GX1, GX2, ... with feature 1 of 0.1, 0.2, ..."""
    return "".join(
        f"{label} qid:{query} 1:0.{i} #docid = GX{i} inc = 0.5 prob = 0.1\n" for i, label in enumerate(labels, first)
    )


def test_a_query_with_relevant_documents_alone_is_evaluated_and_not_trained_on(tmp_path):
    fold(tmp_path, lines(1, 1, 0) + lines(2, 1, 2))
    data = letor(tmp_path)
    assert [len(data.split(split)) for split in ("train", "validation", "test")] == [1, 2, 2]
    (batch,) = data.iteration_batches(0, 1)
    assert batch.relevant.tolist() == [[True, False]] * 2
    assert data.notes() == [
        "1 training, 2 validation, 2 test queries; left out: 1 in training with relevant documents alone"
    ]
    fold(tmp_path, lines(2, 1, 2))
    with pytest.raises(UserError, match=r"train\.txt: no query has a document that is not relevant beside"):
        letor(tmp_path).setup()


# The pool of the authors' code (geek-ai/irgan)


def pooled(folder):
    """Query 1 is trained on and its test document is new; queries 2 and 3 are of one split each."""
    for name, text in {
        "train": lines(1, 1, 0, -1) + lines(4, 0, 0),
        "vali": lines(2, 0, 1),
        "test": lines(1, 1, 0, 1) + lines(3, 1),
    }.items():
        (folder / f"{name}.txt").write_text(text)
    # of other features than the lists have; a document that comes twice is described by its last line
    pool = lines(3, -1, -1, first=1) + lines(1, -1, -1, -1, -1) + lines(2, -1, -1, -1) + lines(9, -1)
    pool = pool.replace("1:0.", "3:0.") + "-1 qid:3 3:0.7 #docid = GX2 inc = 0.5 prob = 0.1\n"
    (folder / "Large_norm.txt").write_text(pool)


def test_queries_are_ranked_over_the_pool_less_their_training_positives(tmp_path):
    pooled(tmp_path)
    data = letor(tmp_path)
    (train,) = data.split("train").batches(5)
    assert train.query[0, :, 2].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert not train.query[..., :2].any()
    assert train.relevant.tolist() == [[True, False, False, False]]
    assert train.candidate.all()
    (validation,) = data.split("validation").batches(5)
    assert validation.relevant.tolist() == [[False, True, False]]
    (test,) = data.split("test").batches(5)
    assert test.relevant.tolist() == [[False, False, True, False], [True, False, False, False]]
    assert test.candidate.tolist() == [[False, True, True, True], [True, True, False, False]]
    assert test.query[1, :, 2].tolist() == pytest.approx([0.1, 0.7, 0, 0])
    assert data.notes() == [
        "1 training, 1 validation, 2 test queries; left out: 1 without a relevant document; documents of Large_norm.txt"
    ]


def test_the_pool_is_part_of_the_data(tmp_path):
    pooled(tmp_path)
    before = letor(tmp_path).fingerprint
    with (tmp_path / "Large_norm.txt").open("a") as text:
        text.write(lines(1, -1, first=5))
    assert letor(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    "name, line, words",
    [
        ("vali", lines(2, 1, first=7), ["vali.txt", "document GX7 of query 2", "Large_norm.txt"]),
        ("test", lines(8, 1), ["test.txt", "document GX1 of query 8", "Large_norm.txt"]),
        ("train", "1 qid:1 1:0.1\n", ["train.txt, line 6", "#docid"]),
        ("Large_norm", "-1 qid:1 1:0.1 #GX8\n", ["Large_norm.txt, line 12", "#docid"]),
        ("Large_norm", "-1 qid:1 1:x #docid = GX8\n", ["Large_norm.txt, line 12", "is no judged document"]),
        ("Large_norm", "-1 1:x #docid = GX8\n", ["Large_norm.txt, line 12", "is no judged document"]),
    ],
)
def test_a_pool_that_does_not_fit_is_refused(tmp_path, name, line, words):
    pooled(tmp_path)
    with (tmp_path / f"{name}.txt").open("a") as text:
        text.write(line)
    with pytest.raises(UserError) as caught:
        letor(tmp_path).setup()
    assert [word for word in words if word not in str(caught.value)] == []
