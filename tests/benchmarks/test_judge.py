"""The judge of generated digits: what it calls sharp, precise and varied."""

import json

import pytest
import torch
import yaml

from benchmarks import judge
from benchmarks.judge import Row, Verdict, judge_for, pixels, table
from lightning_gans import load_generator
from lightning_gans.core.errors import UserError
from lightning_gans.models import build
from lightning_gans.models.export import save_generator

SIZE = 8
PRIOR = {"_target_": "lightning_gans.core.prior.Normal", "dim": 4}
DCGAN = {"latent_dim": 4, "channels": 1, "image_size": SIZE, "width": 4}
UNCONDITIONAL = {
    "_target_": "lightning_gans.models.generative.GenerativeModel",
    "prior": PRIOR,
    "generator": {"_target_": "lightning_gans.networks.dcgan.DCGANGenerator", **DCGAN},
}
CONDITIONAL = {
    "_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel",
    "classes": 10,
    "prior": PRIOR,
    "generator": {
        "_target_": "lightning_gans.networks.concatenation.ConditionalDCGANGenerator",
        "classes": 10,
        **DCGAN,
    },
}


@pytest.fixture(scope="module")
def of_digits():
    return judge_for(image_size=SIZE, channels=1)


@pytest.fixture
def make_run(tmp_path):
    def make(model, *, seed, fid=1.5, target="datamodules.Digits"):
        folder = tmp_path / f"run-{seed}"
        save_generator(build(model), model, folder / "generator")
        data = {"_target_": target, "image_size": SIZE, "channels": 1}
        (folder / "config.yaml").write_text(yaml.safe_dump({"group": "mine", "data": data}))
        test = {"last": {"fid_classifier": fid}, "floor": {"fid_classifier": 0.5}}
        summary = {"status": "finished", "iterations": 1500, "seconds": 90 + seed, "test": test}
        (folder / "summary.json").write_text(json.dumps(summary))
        return folder

    return make


def test_pixels_are_averages_over_blocks_of_grey():
    x = torch.zeros(1, 3, 16, 16)
    x[0, 0, :2, :2] = torch.tensor([[3.0, 6], [9, 12]])  # red alone, in the first block
    assert pixels(x).shape == (1, 64)
    assert pixels(x)[0, 0] == pytest.approx(2.5)
    assert pixels(x)[0, 1:].abs().max() == 0


def test_held_out_digits_are_the_yardstick(of_digits):
    """The figures that runs are held against; an independent judge of these splits found about the same."""
    assert len(of_digits.held_out) == 360
    assert 0.83 <= of_digits.real.sharp <= 0.87
    assert of_digits.real.precision == pytest.approx(0.94, abs=0.03)
    assert of_digits.real.recall == pytest.approx(0.96, abs=0.03)
    assert of_digits.real.coverage == pytest.approx(0.66, abs=0.04)
    assert of_digits.real.native_recall == of_digits.real.pixel_recall == pytest.approx(0.97, abs=0.01)


def test_neither_noise_nor_blends_of_digits_are_sharp(of_digits):
    noise = torch.rand(360, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    verdict = of_digits(noise)
    assert verdict.sharp == 0
    assert verdict.precision < 0.2
    assert verdict.coverage < 0.05
    one, other = of_digits.held_out.chunk(2)
    assert of_digits.sharp((one + other) / 2).double().mean() < 0.3


def test_copies_of_few_digits_are_sharp_and_not_varied(of_digits):
    few = of_digits.held_out[of_digits.sharp(of_digits.held_out)][:20]
    verdict = of_digits(few.repeat(18, 1, 1, 1))
    assert (verdict.sharp, verdict.precision) == (1, pytest.approx(1, abs=0.1))
    assert max(verdict.recall, verdict.coverage, verdict.pixel_recall) < 0.1


def test_samples_are_judged_as_files_hold_them(of_digits):
    moved = of_digits.held_out + 0.003  # less than half of one of 255 steps
    assert of_digits(moved) == of_digits.real
    assert of_digits(of_digits.held_out * 0.5) != of_digits.real


@pytest.mark.parametrize("model", [UNCONDITIONAL, CONDITIONAL], ids=["unconditional", "conditional"])
def test_exported_runs(model, make_run, capsys):
    folders = [str(make_run(model, seed=1)), f"run={make_run(model, seed=2, fid=1.0)}"]
    assert judge.main([*folders, "--draws", "2"]) == 0
    header, _, real, line = capsys.readouterr().out.strip().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (header, real, line)]
    assert cells[0][:4] == ["run", "seconds", "FID / floor", "sharp"]
    assert cells[1][0] == "held-out real digits, 8 px"
    assert 0.83 <= float(cells[1][3]) <= 0.87
    assert cells[2][:3] == ["mine, 1,500 iterations (2)", "92 +- 1", "2.50 +- 0.71"]
    assert cells[2][3] == "0.00 +- 0.00"  # an untrained generator


def test_a_line_is_a_group_and_what_was_not_measured_is_left_out():
    real = Verdict(0.85, 0.95, 0.97, 0.65, 0.96, 0.7)
    rows = [
        Row("a", 100, None, Verdict(0.5, 0.6, 0.7, 0.8, 0.9, 0.1), 32, real),
        Row("b", 10, 1.25, Verdict(0, 0, 0, 0, 0, 0), 32, real),
        Row("a", 200, None, Verdict(0.7, 0.6, 0.7, 0.8, 0.9, 0.1), 32, real),
    ]
    lines = table(rows).splitlines()
    assert len(lines) == 5
    assert lines[3].startswith("| a (2) | 150 +- 71 |  | 0.60 +- 0.14 | 0.60 +- 0.00 |")
    assert lines[4].startswith("| b (1) | 10 | 1.25 | 0.00 |")


def test_a_runs_verdict_is_the_mean_over_sets_of_samples(make_run, of_digits):
    folder = make_run(CONDITIONAL, seed=1)
    model = load_generator(folder)
    of_each = [of_digits(model.sample(360, seed=seed)) for seed in range(2)]
    found = judge.judged(folder, draws=2).verdict
    assert found == pytest.approx([sum(pair) / 2 for pair in zip(*of_each, strict=True)])
    with pytest.raises(UserError, match="--draws 0"):
        judge.main([str(folder), "--draws", "0"])


def test_runs_of_other_data_are_refused(make_run):
    with pytest.raises(UserError, match="knows digits alone"):
        judge.main([str(make_run(UNCONDITIONAL, seed=1, target="datamodules.Vision"))])
