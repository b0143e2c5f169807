import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lightning_gans.extractors.cache import Kept, digest, kept

CALLS: list[int] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def prepare() -> Kept:
    CALLS.append(1)
    return Kept({"a": torch.arange(6.0).reshape(2, 3).T}, {"what": "a test", "accuracy": 0.5})


def check(found: Kept) -> None:
    assert torch.equal(found.tensors["a"], torch.arange(6.0).reshape(2, 3).T)
    assert (found.record["what"], found.record["accuracy"]) == ("a test", 0.5)


def test_prepared_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.safetensors"
    for _ in range(3):
        check(kept(path, prepare))
    assert len(CALLS) == 1
    assert json.loads(path.with_suffix(".json").read_text())["accuracy"] == 0.5


@pytest.mark.parametrize(
    "damage", ["cut", "bit", "empty", "gone", "record cut", "record gone", "record other", "record bit"]
)
def test_damage_is_mended(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.safetensors"
    record = path.with_suffix(".json")
    kept(path, prepare)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-5])
    elif damage == "bit":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "gone":
        path.unlink()
    elif damage == "record cut":
        record.write_text(record.read_text()[:10])
    elif damage == "record gone":
        record.unlink()
    elif damage == "record bit":
        record.write_text(record.read_text().replace("0.5", "0.7"))
    else:
        record.write_text("[1]")
    check(kept(path, prepare))
    assert len(CALLS) == 2
    check(kept(path, prepare))
    assert len(CALLS) == 2


def test_one_prepares_while_the_others_wait(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: kept(path, prepare), range(8)):
            check(found)
    assert len(CALLS) == 1


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x.safetensors"
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"Could not write .* computed again next time"):
            check(kept(path, prepare))
    assert len(CALLS) == 2


def test_digest() -> None:
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})
    assert len({digest("a", 1), digest("a", 2), digest("a1"), digest("a", "1"), digest("b", 1)}) == 5
