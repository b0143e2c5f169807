"""The precision of a run: null and auto are resolved when it begins, and kept wherever it goes on."""

import pytest
import yaml

from experiments.jobs import precision
from experiments.jobs.precision import choose, kept, of_record, resolved
from experiments.jobs.preflight import preflight
from experiments.jobs.runner import run
from experiments.runs.directory import CONFIG, LAST
from lightning_gans.core.errors import UserError

RING = ["variant=vanilla", "data=ring", "logger=none"]


@pytest.fixture
def machine(monkeypatch):
    """A machine with these abilities, and without a GPU."""

    def made(*, bf16, checked=False):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
        monkeypatch.setattr(precision, "fast_bf16", lambda: bf16)
        monkeypatch.setattr(precision, "CHECKED", {"vanilla/ring": "planar"} if checked else {})

    return made


def config_of(run_dir, *overrides):
    (job,) = preflight([*RING, f"run_dir={run_dir}", *overrides])
    return job.config


def begun(run_dir, config):
    """A directory as a killed run leaves it."""
    (run_dir / LAST).parent.mkdir(parents=True)
    (run_dir / LAST).touch()
    (run_dir / CONFIG).write_text(yaml.safe_dump(config))
    return run_dir


@pytest.mark.parametrize(
    "word, bf16, checked, expected",
    [
        (None, True, True, "32-true"),  # bytes of default runs do not depend on the kind of CPU
        ("auto", True, True, "bf16-mixed"),
        ("auto", False, True, "32-true"),
        ("auto", True, False, "32-true"),
        ("bf16-mixed", False, False, "bf16-mixed"),
    ],
)
def test_a_run_on_a_cpu(tmp_path, machine, word, bf16, checked, expected):
    machine(bf16=bf16, checked=checked)
    said = [] if word is None else [f"trainer.precision={word}"]
    assert resolved(config_of(tmp_path / "run", *said))["names"]["precision"] == expected


def test_a_folder_that_is_there_decides_nothing(tmp_path, machine):
    machine(bf16=True, checked=True)
    (tmp_path / "run").mkdir()
    assert resolved(config_of(tmp_path / "run", "trainer.precision=auto"))["names"]["precision"] == "bf16-mixed"


def test_other_networks_than_the_checked_ones_stay_in_float32(tmp_path, machine):
    machine(bf16=True, checked=True)
    config = config_of(tmp_path / "run", "trainer.precision=auto", "network=moved_points")
    assert resolved(config)["names"]["precision"] == "32-true"


def test_a_gpu_has_bf16_either_way(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    assert choose(None, "auto") == choose("auto", "cuda") == "bf16-mixed"
    assert choose("auto", "cpu") == "32-true"


@pytest.mark.parametrize("word", ["auto", "null"])
def test_it_is_kept_on_another_machine(tmp_path, machine, word):
    machine(bf16=True, checked=True)
    first = resolved(config_of(tmp_path / "run", f"trainer.precision={word}"))
    begun(tmp_path / "run", first)
    machine(bf16=word == "null", checked=True)  # the opposite of what chose it
    monkeypatched = choose("auto" if word == "auto" else None, "cpu", checked=True)
    for said in ([], ["trainer.precision=auto"]):
        again = kept_config(tmp_path / "run", said)
        assert again["names"]["precision"] == first["names"]["precision"]
        assert again["trainer"]["precision"] == first["trainer"]["precision"]
    assert word == "null" or monkeypatched != first["names"]["precision"]


def kept_config(run_dir, said):
    """Configuration of a second command; the checks of a folder without intact checkpoints are not asked."""
    fresh = config_of(run_dir.parent / "elsewhere", *said)
    return resolved(kept({**fresh, "run_dir": str(run_dir)}))


def test_a_run_of_an_older_version_goes_on_as_it_began(tmp_path, machine):
    """It recorded auto for bf16-mixed on CUDA and float32 elsewhere."""
    machine(bf16=True, checked=True)
    first = config_of(tmp_path / "run")
    first["trainer"]["precision"] = "auto"
    begun(tmp_path / "run", first)
    for said in ([], ["trainer.precision=auto"]):
        again = kept_config(tmp_path / "run", said)
        assert again["trainer"]["precision"] is None
        assert again["names"]["precision"] == "32-true"


def test_another_precision_is_refused(tmp_path, machine):
    machine(bf16=True)
    first = resolved(config_of(tmp_path / "run"))
    begun(tmp_path / "run", first)
    with pytest.raises(UserError, match=r"trainer\.precision: null there, bf16-mixed here"):
        config_of(tmp_path / "run", "trainer.precision=bf16-mixed")
    again = kept_config(tmp_path / "run", ["trainer.precision=32-true"])  # the same in other words
    assert again["trainer"] == first["trainer"]


@pytest.mark.parametrize(
    "word, found, expected",
    [
        (None, "32-true", "auto"),  # records have always had auto for a default
        ("auto", "bf16-mixed", "bf16-mixed"),
        ("auto", None, "auto"),
        ("32-true", None, "32-true"),
    ],
)
def test_records_of_studies_tell_it(word, found, expected):
    names = {} if found is None else {"precision": found}
    assert of_record({"trainer": {"precision": word}, "names": names}) == expected


def test_a_run_tells_what_auto_has_chosen(tmp_path, machine, capsys):
    machine(bf16=True, checked=False)
    run(config_of(tmp_path / "run", "trainer.precision=auto", "metrics=none", "iterations=1"))
    assert "precision 32-true, chosen by trainer.precision=auto" in capsys.readouterr().out
