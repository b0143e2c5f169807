import csv
from pathlib import Path
from typing import Any

import pytest

from lightning_gans.core.errors import UserError
from lightning_gans.reporting.csv_files import CsvFile


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def row(iteration: int, **values: Any) -> dict[str, Any]:
    return {"iteration": iteration, "images": 8 * iteration, "seconds": 0.5, **values}


def test_a_name_that_comes_later_widens_the_table(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "losses.csv")
    table.append(row(1, **{"D/loss": 0.1}))
    table.append({"D/loss": 2.0, "seconds": None, "images": 16, "iteration": 2})
    table.append(row(3, **{"G/loss": 1e-9, "name": 'a, "b"'}))
    text = table.path.read_text().splitlines()
    assert text[0] == "iteration,images,seconds,D/loss,G/loss,name"
    assert text[1:] == ["1,8,0.5,0.1,,", "2,16,,2,,", '3,24,0.5,,1e-09,"a, ""b"""']
    assert [p.name for p in tmp_path.iterdir()] == ["losses.csv"]


def test_float32_values_come_back_exactly(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    value = torch.tensor(0.1234567, dtype=torch.float32)
    table = CsvFile(tmp_path / "a.csv")
    table.append(row(1, x=value.item(), y=float("nan"), z=10**12))
    (found,) = rows(table.path)
    assert torch.tensor(float(found["x"])) == value
    assert (found["y"], found["z"]) == ("nan", str(10**12))


@pytest.mark.parametrize("torn", ["", "60,480", "60,480,0.5,1.0", "no number,1,2,3\n", "60,480\n"])
def test_a_resumed_run_has_every_row_once(torn: str, tmp_path: Path) -> None:
    first = CsvFile(tmp_path / "a.csv")
    for iteration in range(10, 60, 10):
        first.append(row(iteration, x=float(iteration)))
    with first.path.open("a") as file:
        file.write(torn)
    second = CsvFile(tmp_path / "a.csv")
    second.resume(30)
    for iteration in range(40, 80, 10):
        second.append(row(iteration, x=float(iteration), y=1.0))
    found = rows(second.path)
    assert [int(r["iteration"]) for r in found] == [10, 20, 30, 40, 50, 60, 70]
    assert [r["x"] for r in found] == ["10", "20", "30", "40", "50", "60", "70"]
    assert [r["y"] for r in found] == [""] * 3 + ["1"] * 4


def test_a_new_run_begins_with_nothing(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "a.csv")
    table.resume(0)
    assert not table.path.exists()
    table.append(row(1, old=1.0))
    table.resume(0)
    table.append(row(1, new=2.0))
    assert table.path.read_text() == "iteration,images,seconds,new\n1,8,0.5,2\n"


def test_a_file_of_something_else_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("something\nelse\n")
    CsvFile(path).append(row(1))
    assert path.read_text() == "iteration,images,seconds\n1,8,0.5\n"


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "a.csv")
    table.append(row(1))
    table.path.unlink()
    table.path.mkdir()
    with pytest.raises(UserError, match=r"Could not write .*a\.csv"):
        table.append(row(2))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00\x80" * 9, b"iterat", b"\x00" * 5000, b"[1, 2]\nnull\n", b'"' + b"x" * 200_000 + b"\n"],
)
def test_a_damaged_table_never_blocks_a_run(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert CsvFile(path).newest() == 0
    table = CsvFile(path)
    table.resume(20)
    table.append(row(30, x=1.0))
    assert [int(r["iteration"]) for r in rows(path)] == [30]
    aside = path.with_name("a.csv.damaged")
    assert not content or aside.read_bytes() == content


@pytest.mark.parametrize("damage", [b"\xff", b"\0" * 9, b'"', "²".encode(), b"\n"])
def test_of_a_table_that_is_damaged_in_between_the_rest_is_kept(damage: bytes, tmp_path: Path) -> None:
    first = CsvFile(tmp_path / "a.csv")
    for iteration in range(10, 60, 10):
        first.append(row(iteration, x=0.5))
    text = first.path.read_bytes()
    at = text.index(b"50,400")
    first.path.write_bytes(text[:at] + damage + text[at + len(damage) :])
    second = CsvFile(first.path)
    second.resume(50)
    second.append(row(60, x=0.5))
    assert [int(r["iteration"]) for r in rows(first.path)][:4] == [10, 20, 30, 40]
    assert second.newest() == 60


def test_a_table_that_is_removed_while_it_grows_has_its_columns_again(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "a.csv")
    table.append(row(1, x=1.0))
    table.path.unlink()
    table.append(row(2, x=1.0))
    assert table.path.read_text() == "iteration,images,seconds,x\n2,16,0.5,1\n"


def test_columns_of_an_earlier_version_get_their_present_names(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "metrics.csv")
    table.append({"iteration": 1, "fid": 3.0, "accuracy": 0.5, "test_accuracy": 0.5})
    fresh = CsvFile(tmp_path / "metrics.csv")
    fresh.rename({"fid": "fid_classifier", "test_accuracy": "accuracy"})
    fresh.append({"iteration": 2, "fid_classifier": 2.0, "accuracy": 0.75})
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == ["iteration,images,seconds,fid_classifier,accuracy", "1,,,3,0.5", "2,,,2,0.75"]
    before = (tmp_path / "metrics.csv").stat().st_mtime_ns
    fresh.rename({"fid": "fid_classifier"})
    assert (tmp_path / "metrics.csv").stat().st_mtime_ns == before  # nothing to rename
    CsvFile(tmp_path / "none.csv").rename({"fid": "fid_classifier"})
    assert not (tmp_path / "none.csv").exists()
