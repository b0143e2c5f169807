"""Queries and documents: who is relevant, who is hidden, and what a file has to say."""

import pytest
import torch

from datamodules import DigitsRetrieval, MovieLens
from datamodules.retrieval import dense, filled, numbered_splits
from lightning_gans.core.errors import UserError

SPLITS = "train", "validation", "test"


def tables(data):
    """{split: (numbers, relevant, candidate)}, of all queries."""
    found = {}
    for name in SPLITS:
        batches = list(data.split(name).batches(64))
        found[name] = tuple(
            torch.cat([getattr(batch, column) for batch in batches]) for column in ("number", "relevant", "candidate")
        )
    return found


def test_rows_of_numbers_become_tables():
    rows = filled([[2, 0], [], [1]])
    assert rows.tolist() == [[2, 0], [-1, -1], [1, -1]]
    assert dense(rows, 3).tolist() == [[True, False, True], [False] * 3, [False, True, False]]


def test_batches_follow_iteration_and_rank():
    data = DigitsRetrieval(batch_size=8)
    whole = next(data.iteration_batches(3, 4, seed=1))
    halves = [next(data.iteration_batches(3, 4, seed=1, rank=rank, world=2)) for rank in range(2)]
    assert whole.positive is None  # of the stream "positives" alone
    for column, *parts in zip(whole[:4], *(half[:4] for half in halves), strict=True):
        assert torch.equal(column, torch.cat(parts))
    assert not torch.equal(whole.number, next(data.iteration_batches(4, 5, seed=1)).number)


def test_digits_know_few_of_their_class_and_the_rest_is_held_out():
    data = DigitsRetrieval()
    found = tables(data)
    train, validation, test = (found[name] for name in SPLITS)
    assert [part[0].tolist() for part in (train, validation, test)] == [list(range(100))] * 3
    assert set(train[1].sum(1).tolist()) == {5}
    assert set((test[1].sum(1) - validation[1].sum(1)).tolist()) == {0, 1}
    assert test[1].sum(1).min() > 15
    assert (train[1].int() + validation[1].int() + test[1].int()).max() == 1
    assert train[2].all()  # what is held out is in training what nobody has judged
    assert torch.equal(validation[2], ~train[1])
    assert torch.equal(test[2], ~(train[1] | validation[1]))
    assert data.popularity.sum() == 500


def test_digits_are_described_by_the_differences_of_their_pixels():
    data = DigitsRetrieval()
    batch = next(data.split("validation").at_most(3).batches(3))
    images, documents = data.query_images[batch.number], data.document_images
    assert torch.allclose(batch.query, (images[:, None] - documents).abs().flatten(2) / 2, atol=1e-6)
    coarse = next(DigitsRetrieval(features=16).split("validation").at_most(3).batches(3))
    assert coarse.query.shape == (3, 600, 16)
    assert torch.equal(coarse.relevant, batch.relevant)


def test_too_many_digits_are_refused():
    with pytest.raises(UserError, match=r"are 1,800 digits, and there are 1,797. Say data.documents=797 or fewer"):
        DigitsRetrieval(queries=1000, documents=800)


def test_a_query_without_a_negative_is_not_trained_on():
    parts = {"train": {0: [1, 2, 3], 1: [1]}, "validation": {1: [2]}, "test": {1: [3]}}
    splits = numbered_splits(parts, documents=4, never=[0])
    assert splits["train"].numbers.tolist() == [1]
    with pytest.raises(UserError, match="No training query has a negative"):
        numbered_splits({"train": {0: [1, 2, 3]}}, documents=4, never=[0])


# MovieLens

BASE = "1\t1\t5\t881250949\n1\t2\t3\t881250949\n1\t3\t4\t881250949\n2\t3\t4\t1\n2\t4\t5\t1\n3\t1\t1\t1\n"
TEST = "1\t4\t5\t1\n1\t5\t2\t1\n2\t1\t4\t1\n3\t5\t4\t1\n"


def movielens(folder, **settings):
    settings = {"root": str(folder), "queries": 5, "documents": 8, "validation_share": 0.5} | settings
    return MovieLens(**settings)


def test_a_fold_of_movielens(tmp_path):
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u1.base").write_text(BASE)
    (tmp_path / "ml-100k" / "u1.test").write_text(TEST)
    found = tables(movielens(tmp_path))
    train, validation, test = (found[name] for name in SPLITS)
    assert train[0].tolist() == [1, 2]
    assert test[0].tolist() == [1, 2, 3]
    known = train[1] | validation[1]  # half of the training file's positives each
    assert [row.nonzero().flatten().tolist() for row in known] == [[1, 3], [3, 4]]
    assert not (train[1] & validation[1]).any()
    assert [row.nonzero().flatten().tolist() for row in test[1]] == [[4], [1], [5]]
    assert [row.nonzero().flatten().tolist() for row in test[2]] == [[2, 4, 5], [1, 2, 5], [1, 2, 3, 4, 5]]
    # in training, what is not known is a candidate, a test item like any other
    assert [row.nonzero().flatten().tolist() for row in train[2]] == [[1, 2, 3, 4, 5]] * 2
    assert not (train[1] & test[1][:2]).any()
    assert movielens(tmp_path).popularity.tolist() == train[1].sum(0).tolist()


def test_one_file_is_split_user_by_user(tmp_path):
    lines = [f"{user}\t{item}\t{5 if item < 11 else 1}\t0" for user in range(1, 4) for item in range(1, 15)]
    (tmp_path / "u.data").write_text("\n".join(lines) + "\n")
    found = tables(movielens(tmp_path, documents=16, validation_share=0.25))
    for name, count in (("train", 6), ("validation", 2), ("test", 2)):
        assert found[name][1].sum(1).tolist() == [count] * 3
    overlap = sum(found[name][1].int() for name in SPLITS)
    assert overlap.max() == 1
    assert overlap.sum(1).tolist() == [10] * 3
    assert found["test"][2].sum(1).tolist() == [14 - 8] * 3
    assert found["validation"][2].sum(1).tolist() == [14 - 6] * 3
    again = tables(movielens(tmp_path, documents=16, validation_share=0.25))
    assert all(torch.equal(a, b) for name in SPLITS for a, b in zip(found[name], again[name], strict=True))


def test_plain_lists(tmp_path):
    (tmp_path / "mine-train.txt").write_text("0 1\n0 2\n\n1 2\n1 3\n")
    (tmp_path / "mine-test.txt").write_text("0 3\n1 1 4.5\n1 2\n")
    found = tables(movielens(tmp_path))
    assert [row.nonzero().flatten().tolist() for row in found["test"][1]] == [[3], [1]]  # 2 was 1's before


@pytest.mark.parametrize(
    "line, words",
    [
        ("1\tfour\t5\t0", ["line 2", "'1\\tfour\\t5\\t0' is no rating", "user item rating"]),
        ("1", ["line 2", "no rating"]),
        ("1 2 3 4 5", ["line 2", "no rating"]),
        ("1 2 nan", ["line 2", "no rating"]),
        ("9 2 5", ["users up to 9", "data.queries=5", "Say data.queries=10 or more"]),
        ("1 8 5", ["items up to 8", "data.documents=8", "Say data.documents=9 or more"]),
        ("9 8 5", ["users up to 9 and items up to 8", "Say data.queries=10 data.documents=9 or more"]),
        ("1 -1 5", ["line 2", "item -1 is below 0"]),
    ],
)
def test_a_bad_rating_is_refused_with_its_line(tmp_path, line, words):
    (tmp_path / "u.data").write_text(f"1\t1\t5\t0\n{line}\n")
    with pytest.raises(UserError) as caught:
        movielens(tmp_path).setup()
    assert [word for word in [*words, "u.data"] if word not in str(caught.value)] == []


RATED = [(user, item, 5 if item < 11 else 1) for user in range(1, 4) for item in range(1, 15)]


def test_ratings_of_movielens_1m(tmp_path):
    lines = [f"{user}\t{item}\t{rating}\t0" for user, item, rating in RATED]
    (tmp_path / "u.data").write_text("\n".join(lines) + "\n")
    expected = tables(movielens(tmp_path, documents=16))
    (tmp_path / "u.data").unlink()
    (tmp_path / "ml-1m").mkdir()
    (tmp_path / "ml-1m" / "ratings.dat").write_text("\n".join(lines).replace("\t", "::"))
    data = movielens(tmp_path, documents=16)
    found = tables(data)
    assert all(torch.equal(a, b) for name in SPLITS for a, b in zip(found[name], expected[name], strict=True))
    assert data.notes() == [
        f"ratings.dat: 3 training, 3 validation, 3 test users, {int((data.popularity > 0).sum())} items that are liked "
        "in training"
    ]
    with pytest.raises(UserError, match=r"items up to 14, and data\.documents=8 .* Say data\.documents=15 or more"):
        movielens(tmp_path).setup()


def test_ratings_as_csv_are_counted_through(tmp_path):
    lines = [f"{user * 1000},{item * 100},{rating}.0,964982703" for user, item, rating in RATED]
    path = tmp_path / "ml-latest-small" / "ratings.csv"
    path.parent.mkdir()
    path.write_text("userId,movieId,rating,timestamp\n" + "\n".join(lines))
    found = tables(movielens(tmp_path, documents=14))
    assert found["train"][0].tolist() == [0, 1, 2]
    known = sum(found[name][1].int() for name in SPLITS)
    assert known.tolist() == [[1] * 10 + [0] * 4] * 3
    path.write_text("user,item\n" + "\n".join(lines))
    with pytest.raises(UserError, match=r"ratings\.csv, line 1: 'user,item' is not MovieLens' header"):
        movielens(tmp_path).setup()
    path.write_text("userId,movieId,rating,timestamp\n1;2;3;4\n")
    with pytest.raises(UserError, match=r"line 2: '1;2;3;4' is no rating. A line is `user,item,rating,time`"):
        movielens(tmp_path).setup()


def test_a_folder_without_ratings_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no ratings there, .* It holds u2\.base .* ratings\.dat .* ratings\.csv"):
        movielens(tmp_path, fold="u2").setup()
    (tmp_path / "u.data").write_text("1\t1\t2\t0\n")
    with pytest.raises(UserError, match="No query has a relevant document in the train part"):
        movielens(tmp_path).setup()
    with pytest.raises(UserError, match=r"data\.test_share=1 "):
        movielens(tmp_path, test_share=1)
