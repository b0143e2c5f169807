"""Pages of studies about their runs."""

import csv
import json
from math import log
from statistics import fmean

import pytest
from matplotlib.figure import Figure

from experiments.studies import adaptation, disjoint_supports, every_game, inference, saturation, why_a_discriminator
from experiments.studies.pages import settled, spread
from experiments.studies.record import of_curve
from lightning_gans.core.errors import UserError
from tests.helpers.studied import write


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


def test_runs_without_a_value_to_draw_are_refused(tmp_path):
    run = write(
        tmp_path / "run",
        config={"objective": {"_target_": "losses.Minimax"}, "seed": 4},
        losses={"iteration": [], "G/gradient_norm": []},
        metrics={"iteration": [], "modes": []},
    )
    with pytest.raises(UserError, match=r"losses\.csv has no value of G/gradient_norm"):
        saturation.report([run], tmp_path)
    (run / "summary.json").write_text('{"status": "running"}')
    with pytest.raises(UserError, match="No run of these finished"):
        saturation.report([run], tmp_path)


def test_categories_are_scored_seed_by_seed(launcher):
    said = launcher.run(
        *("-m", "experiment=study/categories", "seed=1,2", "iterations=2", "data.batch_size=8", "logger=none"),
        *("metrics=own", "network.model.generator.width=2", "callbacks.evaluation.every=1"),
    )
    assert "studies/categories_digits.md" in said
    with (launcher.folder / "studies/categories_digits.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["seed"] for line in lines] == ["1", "2"]
    assert [of_curve(line["code_accuracy_curve"])[0] for line in lines] == [[1, 2]] * 2
    (row,) = [
        row
        for row in (launcher.folder / "studies/categories_digits.md").read_text().splitlines()
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
    assert "studies/inference_digits.md" in said
    with (launcher.folder / "studies/inference_digits.csv").open() as file:
        (line,) = csv.DictReader(file)
    iterations, ratios = of_curve(line["reconstruction_ratio_curve"])
    assert iterations == [1, 2]
    assert ratios[-1] > 0.1
    page = (launcher.folder / "studies/inference_digits.md").read_text()
    assert f"| bigan | 1 | 2 of 8 | {float(line['knn_accuracy']):.4f} |" in page
    assert "study/inference variant=bigan data=digits iterations=2 trainer.precision=32-true seed" in page


def test_runs_that_measured_nothing_are_left_out(tmp_path, capsys):
    run = write(tmp_path / "a", config={})
    with pytest.raises(UserError, match="nothing to report"):
        inference.report([run], tmp_path)
    assert f"{run} (measured nothing" in capsys.readouterr().out


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
            "metrics": {"fid_classifier": {"last": fid, "best": 1.0}},
            "evaluation": {"floor": {"fid_classifier": 0.8}},
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
    (run / "summary.json").write_text(json.dumps({"status": "finished", "test": {"last": {"fid_classifier": fid}}}))
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
    assert "* The **VAE**" in page
    assert "auto-encoder" not in page
    with pytest.raises(UserError, match=r"of autoencoder, vae, .*these runs are of lsgan"):
        why_a_discriminator.report([decoded(tmp_path, "lsgan", "lsgan", fid=1.0)], tmp_path)
