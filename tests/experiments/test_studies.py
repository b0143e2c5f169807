"""Studies: many jobs of one command, and the command that reports on them."""

import json
import re

import pytest

from experiments.jobs.preflight import plan, preflight
from experiments.studies import adaptation, pages
from experiments.studies.__main__ import main as main_of_studies
from lightning_gans.core.errors import UserError
from tests.helpers.studied import coverage, covered, write


def lines(job):
    return {line.partition("=")[0]: line.partition("=")[2] for line in job.overrides}


def test_a_study_is_a_multirun_of_its_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/saturation", "seed=1,2"])
    assert [(lines(job)["objective"], job.config["seed"]) for job in jobs] == [
        ("minimax", 1),
        ("minimax", 2),
        ("non_saturating", 1),
        ("non_saturating", 2),
    ]
    assert plan(["experiment=study/saturation"]).study == "experiments.studies.saturation"
    assert jobs[0].name == "vanilla-ring-minimax-saturation-1"
    alone = plan(jobs[0].overrides)  # what the other processes of this job are started with
    assert ([job.config for job in alone.jobs], alone.study, alone.multirun) == ([jobs[0].config], None, False)


def test_the_command_line_has_the_last_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/disjoint_supports", "network.distance=3.0", "iterations=7"])
    assert [(job.config["network"]["distance"], job.config["iterations"]) for job in jobs] == [(3.0, 7)] * 2
    assert jobs[0].config["variant"]["training"]["players"]["G"]["optimizer"] is None


def test_the_command_line_chooses_among_a_studys_jobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def names(*argv):
        return [job.name.replace("-mode_coverage", "") for job in preflight(["experiment=study/mode_coverage", *argv])]

    assert names("variant=dragan,r3gan", "data=ring", "seed=6,7") == [
        *("dragan-ring-6", "dragan-ring-7", "r3gan-ring-6", "r3gan-ring-7")
    ]
    assert names("variant=fgan", "objective=f_kl", "data=grid") == ["fgan-grid-f_kl-0"]
    assert names("objective=f_kl") == ["fgan-ring-f_kl-0", "fgan-grid-f_kl-0"]
    assert names("variant=pacgan", "data=ring", "variant.packing=4") == ["pacgan-ring-packing4-0"]
    assert len(names()) == len(set(names())) > 40
    with pytest.raises(UserError, match=r"variant=dragan objective=f_kl: the study has these, but no job with all"):
        names("variant=dragan", "objective=f_kl")
    # what the study has nowhere: for every job, each once
    assert names("variant=dragan", "data=spiral") == ["dragan-spiral-0"]


def test_adaptations_jobs_are_two_bounds_and_two_games(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/adaptation", "data=digits_shift", "seed=1"])
    assert [adaptation.how(job.config) for job in jobs] == list(adaptation.ORDER)
    bounds = [preflight([f"experiment={name}"])[0].config for name in ("source_only", "on_target")]
    assert [adaptation.how(config) for config in bounds] == [adaptation.SOURCE_ONLY, adaptation.ON_TARGET]
    assert bounds[1]["data"]["source"] == bounds[1]["data"]["target"] == "digits_shifted"
    assert bounds[1]["iterations"] == 1500  # the recipe's


def test_a_page_from_runs_made_one_by_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    coverage(tmp_path / "runs", 1, 0.5)
    write(tmp_path / "runs" / "dcgan-digits-1", config={"names": {"group": "dcgan-digits"}, "seed": 1})
    assert main_of_studies(["mode_coverage"]) == 0
    page = (tmp_path / "studies" / "mode_coverage.md").read_text()
    assert "| lsgan | 1 | 5,000 |" in page
    assert "dcgan-digits" not in capsys.readouterr().out


def test_a_run_that_is_named_itself_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = coverage(tmp_path / "runs", 1, 0.5)
    config = covered(1) | {"names": {"data": "ring", "group": "pacgan-ring-paper"}}
    (other / "config.yaml").write_text(json.dumps(config))
    with pytest.raises(UserError, match="no run of this study"):
        main_of_studies(["mode_coverage", "runs"])
    assert main_of_studies(["mode_coverage", str(other)]) == 0
    assert "| pacgan-paper | 1 |" in (tmp_path / "studies" / "mode_coverage.md").read_text()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["mode_coverag", "runs"], "Did you mean mode_coverage?"),
        (["saturation", "runs"], "no run of this study in runs. Make them: python -m experiments.train -m experiment="),
        (["saturation", "rnus"], "rnus is not there"),
        (["mode_coverage", "runs", "out=a", "out=b"], "out= names one folder"),
        (["mode_coverage", "runs", "out="], "out= names one folder"),
        (["mode_coverage", "runs", "out=runs/../file"], "is a file"),
    ],
)
def test_what_no_page_can_be_made_of(argv, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coverage(tmp_path / "runs", 1, 0.5)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=re.escape(told)):
        main_of_studies(argv)
    assert not (tmp_path / "studies").exists()


def test_a_page_goes_where_out_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coverage(tmp_path / "runs", 1, 0.5)
    assert main_of_studies(["mode_coverage", "out=docs/studies", "runs"]) == 0
    assert (tmp_path / "docs" / "studies" / "mode_coverage.md").is_file()
    assert not (tmp_path / "studies").exists()


def test_a_study_ends_in_its_page(launcher):
    said = launcher.run(
        *("-m", "experiment=study/disjoint_supports", "network.distance=1.0", "iterations=20", "logger=none"),
        *("data.batch_size=8", "trainer.log_every=5"),
    )
    assert "studies/disjoint_supports.md" in said
    assert (launcher.folder / "studies/disjoint_supports.png").is_file()


def test_jobs_that_are_too_short_for_a_page_say_so_in_one_sentence(launcher):
    said = launcher.run(
        *("-m", "experiment=study/saturation", "seed=1", "iterations=2", "logger=none", "metrics=none"),
        *("data.batch_size=8", "objective=minimax"),
        code=2,
    )
    assert re.search(r"error: \S+\.csv has no value of .* too short", said)
    assert "Traceback" not in said
    assert not (launcher.folder / "studies").exists()


def test_a_study_of_one_job_ends_in_its_page_too(launcher):
    said = launcher.run(
        *("-m", "experiment=study/mode_coverage", "variant=vanilla", "network=planar", "data=ring", "iterations=2"),
        *("data.batch_size=8", "callbacks.evaluation.samples=64", "logger=none"),
    )
    assert "studies/mode_coverage.md" in said
    assert len((launcher.folder / "studies/mode_coverage.csv").read_text().splitlines()) == 2


def test_a_run_with_a_damaged_summary_is_left_out(tmp_path, capsys):
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    for folder in (whole, damaged):
        folder.mkdir()
        (folder / "summary.json").write_text('{"status": "finished"}')
    (damaged / "summary.json").write_bytes(b'{"status": "fini')
    assert pages.finished([damaged, whole]) == [whole]
    assert f"left out of the report: {damaged}" in capsys.readouterr().out
