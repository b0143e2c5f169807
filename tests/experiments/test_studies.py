"""Studies: many jobs of one command, and the page that reports on them."""

import csv
import json
import re
from math import log
from statistics import fmean

import pytest
from matplotlib.figure import Figure

from experiments.preflight import preflight
from experiments.studies import (
    adaptation,
    disjoint_supports,
    every_game,
    inference,
    mode_coverage,
    saturation,
    why_a_discriminator,
)
from experiments.studies.__main__ import main as main_of_studies
from experiments.studies.pages import settled, spread
from experiments.studies.record import as_curve, of_curve
from lightning_gans.core.errors import UserError


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
    assert {job.study for job in jobs} == {"experiments.studies.saturation"}
    assert jobs[0].name == "vanilla-ring-minimax-saturation-1"
    (alone,) = preflight(jobs[0].overrides)  # what the other processes of this job are started with
    assert (alone.config, alone.study) == (jobs[0].config, None)


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


def write(folder, *, config, losses=None, metrics=None, status="finished"):
    folder.mkdir()
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "summary.json").write_text(json.dumps({"status": status}))
    for name, columns in (("losses.csv", losses), ("metrics.csv", metrics)):
        if columns is not None:
            rows = zip(*columns.values(), strict=True)
            text = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
            (folder / name).write_text("\n".join(text) + "\n")
    return folder


def test_supports_that_share_no_point(tmp_path):
    runs = [
        write(
            tmp_path / f"{name}{distance}",
            config={
                "objective": {"_target_": f"losses.{name}"},
                "penalty": {"weight": 10.0} if name == "Wasserstein" else None,
                "network": {"distance": distance},
            },
            losses={"iteration": [10, 100], f"D/{key}": [0.0, value]},
        )
        for name, key, value in (("NonSaturating", "js", 0.69), ("Wasserstein", "wasserstein", 1.05))
        for distance in (1.0, 2.0)
    ]
    disjoint_supports.report(runs, tmp_path / "docs")
    page = (tmp_path / "docs" / "disjoint_supports.md").read_text()
    assert "| 1 | 0.690 | 1.050 | 1.050 |" in page
    assert "| 2 | 0.690 | 1.050 | 2.200 |" in page
    assert f"{log(2):.6f}" in page
    assert (tmp_path / "docs" / "disjoint_supports.png").read_bytes().startswith(b"\x89PNG")


def test_saturation(tmp_path):
    runs = [
        write(
            tmp_path / name,
            config={"objective": {"_target_": f"losses.{name}"}, "seed": 4},
            losses={"iteration": [10, 20, 100], "G/gradient_norm": [1e-3, 1e-5, 2.0]},
            metrics={"iteration": [50, 100], "modes": [1, 3]},
        )
        for name in ("Minimax", "NonSaturating")
    ]
    saturation.report(runs, tmp_path)
    assert "| minimax | 4 | 1.00e-05 | 2.00e+00 | 3 |" in (tmp_path / "saturation.md").read_text()


def covered(seed, *, iterations=5000, network=None):
    """The configuration of a run of the study of mode coverage."""
    return {
        "network": network,
        "names": {"data": "ring", "group": "lsgan-ring-mode_coverage"},
        "data": {"batch_size": 256},
        "seed": seed,
        "iterations": iterations,
        "variant": {"training": {"seed": seed, "iterations": iterations}},
        "callbacks": {"evaluation": {"every": 100 * seed}},
        "run_dir": f"runs/lsgan-ring-{seed}",
        "trainer": {"precision": "32-true", "threads": seed},
    }


def test_mode_coverage_takes_the_last_evaluation_and_leaves_out_what_did_not_end(tmp_path, capsys):
    metrics = {"iteration": [50, 100], "modes": [8, 7], "high_quality": [0.9, 0.8], "reverse_kl": [0.1, 0.2]}
    done = write(tmp_path / "a", config=covered(1), metrics=metrics)
    lost = write(tmp_path / "b", config=covered(2), metrics=metrics, status="diverged")
    stopped = write(tmp_path / "c", config=covered(3), metrics=metrics, status="interrupted")
    mode_coverage.report([done, lost, stopped], tmp_path)
    page = (tmp_path / "mode_coverage.md").read_text()
    assert "| lsgan | 1 (1 diverged) | 5,000 | 7.0 | 80.0 | 0.200 | 0 of 2 |" in page
    assert "PacGAN2, published" in page
    assert f"{stopped} (interrupted)" in capsys.readouterr().out


def coverage(folder, seed, share, **settings):
    metrics = {"iteration": [100], "modes": [8], "high_quality": [share], "reverse_kl": [0.1]}
    folder.mkdir(exist_ok=True)
    run = write(folder / f"{seed}-{share}", config=covered(seed, **settings), metrics=metrics)
    (run / "command.txt").write_text(f"python\ncommit {share}\nversions\nLinux, 2 cores of X\n")
    return run


def test_a_record_grows_from_one_call_to_the_next(tmp_path):
    mode_coverage.report([coverage(tmp_path, 1, 0.5), coverage(tmp_path, 2, 0.6)], tmp_path)
    mode_coverage.report([coverage(tmp_path, 2, 0.8), coverage(tmp_path, 10, 0.8)], tmp_path)
    page = (tmp_path / "mode_coverage.md").read_text()
    assert "| lsgan | 3 | 5,000 | 8.0 ± 0.0 | 70.0 ± 17.3 |" in page  # .5 .8 .8
    with (tmp_path / "mode_coverage.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["seed"], line["commit"]) for line in lines] == [("1", "0.5"), ("2", "0.8"), ("10", "0.8")]
    assert {(line["machine"], line["batch_size"]) for line in lines} == {("2 cores of X", "256")}


def test_data_without_modes_are_left_out(tmp_path, capsys):
    spiral = coverage(tmp_path, 1, 0.5)
    config = covered(1) | {"names": {"data": "spiral", "group": "lsgan-spiral-mode_coverage"}}
    (spiral / "config.yaml").write_text(json.dumps(config))
    mode_coverage.report([spiral, coverage(tmp_path, 2, 0.6)], tmp_path)
    assert "| lsgan | 1 | 5,000 | 8.0 | 60.0 |" in (tmp_path / "mode_coverage.md").read_text()
    assert f"{spiral} (its data have no modes to count)" in capsys.readouterr().out


def test_two_recipes_of_a_game_are_two_rows(tmp_path):
    mode_coverage.report([coverage(tmp_path, 1, 0.5), coverage(tmp_path, 2, 0.5)], tmp_path)
    mode_coverage.report([coverage(tmp_path, 1, 0.9, iterations=9000)], tmp_path)
    rows = [row for row in (tmp_path / "mode_coverage.md").read_text().splitlines() if row.startswith("| lsgan (")]
    assert sorted(row.split(" | ")[:5] for row in rows) == [
        ["| lsgan (5,000 x 256)", "2", "5,000", "8.0 ± 0.0", "50.0 ± 0.0"],
        ["| lsgan (9,000 x 256)", "1", "9,000", "8.0", "90.0"],
    ]
    assert len((tmp_path / "mode_coverage.csv").read_text().splitlines()) == 4


def test_recipes_of_one_budget_are_told_by_their_digests(tmp_path):
    mode_coverage.report([coverage(tmp_path, 1, 0.5), coverage(tmp_path, 1, 0.6, network={"width": 9})], tmp_path)
    with (tmp_path / "mode_coverage.csv").open() as file:
        recipes = {line["recipe"] for line in csv.DictReader(file)}
    page = (tmp_path / "mode_coverage.md").read_text()
    assert len(recipes) == 2
    assert all(f"| lsgan ({recipe}) | 1 |" in page for recipe in recipes)


def test_another_file_is_no_record(tmp_path):
    (tmp_path / "mode_coverage.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"mode_coverage\.csv: not the record of this study"):
        mode_coverage.report([coverage(tmp_path, 1, 0.5)], tmp_path)
    assert (tmp_path / "mode_coverage.csv").read_text() == "a,b\n1,2\n"


def test_a_page_from_runs_made_one_by_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    coverage(tmp_path / "runs", 1, 0.5)
    write(tmp_path / "runs" / "dcgan-digits-1", config={"names": {"group": "dcgan-digits"}, "seed": 1})
    assert main_of_studies(["mode_coverage"]) == 0
    page = (tmp_path / "docs" / "studies" / "mode_coverage.md").read_text()
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
    assert "| pacgan-paper | 1 |" in (tmp_path / "docs" / "studies" / "mode_coverage.md").read_text()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["mode_coverag", "runs"], "Did you mean mode_coverage?"),
        (["saturation", "runs"], "no run of this study in runs. Make them: python -m experiments.train -m experiment="),
        (["saturation", "rnus"], "rnus is not there"),
    ],
)
def test_what_no_page_can_be_made_of(argv, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coverage(tmp_path / "runs", 1, 0.5)
    with pytest.raises(UserError, match=re.escape(told)):
        main_of_studies(argv)
    assert not (tmp_path / "docs").exists()


def test_a_study_ends_in_its_page(launcher):
    said = launcher.run(
        *("-m", "experiment=study/disjoint_supports", "network.distance=1.0", "iterations=20", "logger=none"),
        *("data.batch_size=8", "trainer.log_every=5"),
    )
    assert "docs/studies/disjoint_supports.md" in said
    assert (launcher.folder / "docs/studies/disjoint_supports.png").is_file()


def test_a_study_of_one_job_ends_in_its_page_too(launcher):
    said = launcher.run(
        *("-m", "experiment=study/mode_coverage", "variant=vanilla", "network=planar", "data=ring", "iterations=2"),
        *("data.batch_size=8", "callbacks.evaluation.samples=64", "logger=none"),
    )
    assert "docs/studies/mode_coverage.md" in said
    assert len((launcher.folder / "docs/studies/mode_coverage.csv").read_text().splitlines()) == 2


def test_categories_are_scored_seed_by_seed(launcher):
    said = launcher.run(
        *("-m", "experiment=study/categories", "seed=1,2", "iterations=2", "data.batch_size=8", "logger=none"),
        *("metrics=own", "network.model.generator.width=2", "callbacks.evaluation.every=1"),
    )
    assert "docs/studies/categories_digits.md" in said
    with (launcher.folder / "docs/studies/categories_digits.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["seed"] for line in lines] == ["1", "2"]
    assert [of_curve(line["code_accuracy_curve"])[0] for line in lines] == [[1, 2]] * 2
    (row,) = [
        row
        for row in (launcher.folder / "docs/studies/categories_digits.md").read_text().splitlines()
        if row.startswith("| infogan")
    ]
    cells = row.split(" | ")
    errors = [100 * (1 - float(line["code_accuracy"])) for line in lines]
    assert cells[1:5] == ["2", "2", f"{min(errors):.1f}", f"{fmean(errors):.1f}"]


def test_inference_is_followed_over_training(launcher):
    said = launcher.run(
        *("-m", "experiment=study/inference", "data=digits", "variant=bigan", "iterations=2", "data.batch_size=8"),
        *("data.image_size=8", "network.model.generator.width=4", "callbacks.evaluation.every=1", "logger=none"),
        "metrics=own",
    )
    assert "docs/studies/inference_digits.md" in said
    with (launcher.folder / "docs/studies/inference_digits.csv").open() as file:
        (line,) = csv.DictReader(file)
    iterations, ratios = of_curve(line["reconstruction_ratio_curve"])
    assert iterations == [1, 2]
    assert ratios[-1] > 0.1
    page = (launcher.folder / "docs/studies/inference_digits.md").read_text()
    assert f"| bigan | 1 | 2 of 8 | {float(line['knn_accuracy']):.4f} |" in page
    assert "study/inference variant=bigan data=digits iterations=2 trainer.precision=32-true seed" in page


def test_runs_that_measured_nothing_are_left_out(tmp_path, capsys):
    run = write(tmp_path / "a", config={})
    with pytest.raises(UserError, match="nothing to report"):
        inference.report([run], tmp_path)
    assert f"{run} (measured nothing" in capsys.readouterr().out


def test_a_curve_is_read_as_it_was_written():
    assert of_curve(as_curve([100, 200], [0.5, 0.75])) == ([100, 200], [0.5, 0.75])
    assert of_curve(as_curve([], [])) == ([], [])


def test_numbers_of_several_runs():
    assert spread([1.0]) == "1.000"
    assert spread([1.0, 3.0], 1) == "2.0 ± 1.4"  # the sample's deviation, as experiments.compare has it


def test_what_a_run_settled_at(tmp_path):
    run = write(tmp_path / "a", config={}, losses={"iteration": [10, 90, 95, 100], "x": [9, 9, 1, 2]})
    assert settled(run, "x") == pytest.approx(1.5)


def test_every_game(tmp_path):
    runs = []
    for variant, fid in (("dcgan", 3.0), ("lsgan", 2.0)):
        run = write(
            tmp_path / variant,
            config={
                "names": {"variant": variant, "data": "digits"},
                "seed": 1,
                "iterations": 500,
                "data": {"batch_size": 64},
                "trainer": {"precision": "bf16-mixed" if variant == "lsgan" else "auto"},
            },
        )
        summary = {
            "status": "finished",
            "seconds": 12.0,
            "metrics": {"fid": {"last": fid, "best": 1.0}},
            "evaluation": {"floor": {"fid": 0.8}},
        }
        (run / "summary.json").write_text(json.dumps(summary))
        runs.append(run)
    every_game.report(runs, tmp_path)
    page = (tmp_path / "every_game_digits.md").read_text()
    assert page.index("| lsgan | 1 | 2.000 |") < page.index("| dcgan | 1 | 3.000 |")
    assert "500 iterations of 64" in page
    assert "study/every_game trainer.precision=bf16-mixed seed" in page
    assert "0.800" in page


def adapted(folder, name, target, *, source="digits", weight=1.0, on_target=0.5, data="digits_shift", seed=1):
    run = write(
        folder / name,
        config={
            "names": {"data": data},
            "variant": {"_target_": f"variants.{target}", "adaptation_weight": weight},
            "data": {"source": source, "target": "digits_shifted", "batch_size": 64},
            "iterations": 1500,
            "seed": seed,
            "trainer": {"precision": "bf16-mixed"},
        },
    )
    test = {"target_accuracy": on_target, "source_accuracy": 0.9, "domain_accuracy": 0.6}
    summary = {"status": "finished", "seconds": 12.0, "metrics": {}, "test": {"last": test}}
    (run / "summary.json").write_text(json.dumps(summary))
    return run


def test_adaptation(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(adaptation, "_draw_features", lambda axes, run_dir: drawn.append(run_dir.name))
    runs = [
        adapted(tmp_path, "low", "DANN", weight=0.0, on_target=0.5),
        adapted(tmp_path, "reversal", "DANN", on_target=0.75),
        adapted(tmp_path, "again", "DANN", on_target=0.85, seed=2),
        adapted(tmp_path, "turns", "DANNAlternating", on_target=0.7),
        adapted(tmp_path, "high", "DANN", source="digits_shifted", weight=0.0, on_target=0.9),
    ]
    adaptation.report(runs, tmp_path)
    page = (tmp_path / "adaptation_digits_shift.md").read_text()
    assert "| source only | 1 | 0.500 | 0.900 | 0.600 |  | 12 |" in page
    assert "| gradient reversal | 2 | 0.800 ± 0.071 | 0.900 ± 0.000 | 0.600 ± 0.000 | 75% | 12 |" in page
    assert "| alternating | 1 | 0.700 | 0.900 | 0.600 | 50% | 12 |" in page
    assert "| on target | 1 | 0.900 |" in page
    assert "study/adaptation data=digits_shift trainer.precision=bf16-mixed seed=1,2\n" in page
    assert drawn == ["low", "reversal"]
    adaptation.report([*runs, adapted(tmp_path, "mnist", "DANN", data="mnist_to_mnistm")], tmp_path)
    page = (tmp_path / "adaptation.md").read_text()
    assert "| published |  | 0.5225 / 0.7666 / 0.9596 |  |  | 56% |  |" in page
    assert (tmp_path / "adaptation.png").read_bytes().startswith(b"\x89PNG")


def decoded(folder, name, variant, *, fid, seed=1, **settings):
    run = write(
        folder / name,
        config={
            "names": {"data": "mnist", "variant": variant},
            "network": {"model": {"prior": {"dim": 16}}},
            "variant": settings,
            "data": {"batch_size": 64, "download": True},
            "iterations": 1500,
            "seed": seed,
            "trainer": {"precision": "auto"},
        },
    )
    (run / "summary.json").write_text(json.dumps({"status": "finished", "test": {"last": {"fid": fid}}}))
    return run


def test_a_discriminator_of_two_and_one_of_three_are_two_rows(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(why_a_discriminator, "_figure", lambda runs, ways: drawn.extend(ways) or Figure())
    runs = [
        decoded(tmp_path, "vaegan-1", "vaegan", fid=2.0, discriminator="binary"),
        decoded(tmp_path, "vaegan-2", "vaegan", fid=4.0, seed=2, discriminator="binary"),
        decoded(tmp_path, "three", "vaegan", fid=1.0, discriminator="three_way"),
        decoded(tmp_path, "vae", "vae", fid=5.0),
        decoded(tmp_path, "dcgan", "dcgan", fid=0.5, discriminator={"_target_": "a.network"}),
    ]
    why_a_discriminator.report(runs, tmp_path)
    page = (tmp_path / "why_a_discriminator_mnist.md").read_text()
    assert "| VAE-GAN | 2 | 3.000 ± 1.414 |" in page
    assert "| VAE-GAN, three-way | 1 | 1.000 |" in page
    assert "study/why_a_discriminator data=mnist data_dir=DIR seed=1,2\n" in page
    assert "| GAN (DCGAN) | 1 | 0.500 |" in page
    assert drawn == ["vae", "vaegan", "vaegan, three_way", "dcgan"]
    with pytest.raises(UserError, match=r"of autoencoder, vae, .*these runs are of lsgan"):
        why_a_discriminator.report([decoded(tmp_path, "lsgan", "lsgan", fid=1.0)], tmp_path)


def test_adaptations_jobs_are_two_bounds_and_two_games(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/adaptation", "data=digits_shift", "seed=1"])
    assert [adaptation.how(job.config) for job in jobs] == list(adaptation.ORDER)
    bounds = [preflight([f"experiment={name}"])[0].config for name in ("source_only", "on_target")]
    assert [adaptation.how(config) for config in bounds] == [adaptation.SOURCE_ONLY, adaptation.ON_TARGET]
    assert bounds[1]["data"]["source"] == bounds[1]["data"]["target"] == "digits_shifted"
    assert bounds[1]["iterations"] == 1500  # the recipe's
