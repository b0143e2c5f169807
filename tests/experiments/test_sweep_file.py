"""Sweep files of W&B: its agent's command lines are accepted by `experiments.train`."""

import json
import shlex
from itertools import product
from pathlib import Path

import pytest
import yaml

from experiments import cli, sweep
from experiments.jobs import command
from experiments.jobs.preflight import preflight
from lightning_gans.core.errors import UserError

RING = ("variant=vanilla", "data=ring")
OPTIMIZER = "variant.training.players.D.optimizer"
LR = f"{OPTIMIZER}.lr"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Run the command in an empty folder; the content of the file that it writes."""
    monkeypatch.chdir(tmp_path)

    def make(*argv):
        assert sweep.main(argv) == cli.DONE
        return yaml.safe_load(Path("sweep.yaml").read_text())

    return make


def agents_commands(content, macro="args_no_hyphens"):
    """The command lines that W&B's agent makes of a sweep: of all values, or of ends and middle of a distribution."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    content = json.loads(json.dumps(content))  # it has been to the server
    parameters = content["parameters"]
    choices = [
        one.get("values") or [one["min"], one["max"], (one["min"] + one["max"]) / 2] for one in parameters.values()
    ]
    for values in product(*choices):
        arguments = {key: {"value": value} for key, value in zip(parameters, values, strict=True)}
        parts = create_sweep_command_args({"args": arguments})
        parts |= {"interpreter": ["python"], "program": [content["program"]], "env": ["/usr/bin/env"]}
        line = []
        for word in create_sweep_command([*content["command"]]):
            word = f"${{{macro}}}" if word == "${args_no_hyphens}" else word
            line += parts[word[2:-1]] if word.startswith("${") and word.endswith("}") else [word]
        yield line


@pytest.mark.parametrize(
    "arguments, jobs",
    [
        (("variant=bigan,wgan_gp", f"{LR}=2e-5", "seed=range(1,3)"), 4),
        ((*RING, f"{LR}=tag(log,interval(1e-5,1e-3))", "variant.packing=1,2"), 6),
        ((*RING, "objective=glob(least_s*)", "--seed=1,2", f"{OPTIMIZER}.betas=[0.5,0.9],[0,0.99]"), 4),
        ((*RING, "trainer.detect_anomaly=true,false", 'run_dir="runs/a b/${seed}-${trainer.detect_anomaly}"'), 2),
        ((*RING, "+callbacks.mine={_target_: mine.Callback, every: 2}", "~callbacks.mine.every", "seed=1,2"), 2),
    ],
)
def test_the_agents_command_lines_are_accepted(made, arguments, jobs):
    content = made(*arguments)
    found = list(agents_commands(content))
    directories = set()
    for line in found:
        assert line[:4] == ["/usr/bin/env", "python", "-m", "experiments.train"]
        (job,) = preflight(line[4:])
        directories.add(job.run_dir)
    assert len(directories) == len(found) == jobs
    with_hyphens = agents_commands(content, "args")  # the agent's own default, --key=value
    assert [command.parse(line[4:]).overrides for line in with_hyphens] == [
        command.parse(line[4:]).overrides for line in found
    ]


def test_the_file(made, capsys):
    content = made("variant=bigan,wgan_gp", "trainer=ddp", "seed=1,2,3", f"{LR}=1e-4,2e-5")
    assert content == {
        "program": "experiments.train",
        "method": "grid",
        "project": "lightning-gans",
        "metric": {"name": "eval/fid_classifier", "goal": "minimize"},
        "parameters": {
            "variant": {"values": ["bigan", "wgan_gp"]},
            "seed": {"values": [1, 2, 3]},
            LR: {"values": [1e-4, 2e-5]},
        },
        "command": ["${env}", "${interpreter}", "-m", "${program}", "trainer=ddp", "${args_no_hyphens}"],
    }
    said = capsys.readouterr().out
    assert "grid, minimize eval/fid_classifier" in said
    assert "  wandb sweep sweep.yaml\n  wandb agent ID" in said


def test_ranges_methods_and_metrics(made, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "digits")
    monkeypatch.setenv("WANDB_ENTITY", "team")
    content = made(*RING, f"{LR}=interval(0.1,0.2)", "variant.packing=int(interval(1,4))", "--runs", "20")
    assert (content["method"], content["run_cap"]) == ("random", 20)
    assert (content["project"], content["entity"]) == ("digits", "team")
    assert content["metric"] == {"name": "eval/mode_score", "goal": "maximize"}
    assert content["parameters"] == {
        LR: {"distribution": "uniform", "min": 0.1, "max": 0.2},
        "variant.packing": {"distribution": "int_uniform", "min": 1, "max": 4},
    }
    content = made(*RING, "seed=1,2", "--method", "bayes", "--metric", "reverse_kl", "logger.wandb.project=mine")
    assert (content["method"], content["project"]) == ("bayes", "mine")
    assert content["metric"] == {"name": "eval/reverse_kl", "goal": "minimize"}
    content = made(*RING, "seed=1,2", "--metric", "train/G/loss", "--goal", "minimize")
    assert content["metric"] == {"name": "train/G/loss", "goal": "minimize"}
    assert "metric" not in made(*RING, "seed=1,2", "metrics=none")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("seed=1",), r"Nothing is swept\. .*seed=1,2,3"),
        (("objectiv=minimax,hinge",), r"objectiv.*Did you mean objective"),
        (("seed=1,x",), r"Job 2 of 2 \(.*seed=x\): seed=x"),
        ((f"{LR}=interval(-1,1)",), r"Job 1 of 2 .*lr=-1"),
        ((f"{LR}=interval(1,0.1)",), r"the range is empty"),
        ((f"{LR}=tag(log,interval(0,1))",), r"logarithmic range .*=1,2,4,8"),
        ((f"{LR}=interval(0.1,1)", "--method=grid"), r"--method grid .* is a range\. Say --method random"),
        (("seed=1,2", "logger=none"), r"would not log to W&B.*logger=wandb"),
        (("seed=1,2", "metrics=none", "--method", "bayes"), r"needs a metric .*--metric eval/NAME"),
        (("seed=1,2", "--metric", "eval/fdi"), r"Did you mean --metric eval/fid\?.*--goal minimize"),
        (("seed=1,2", "hydra/launcher=joblib"), r"hydra/launcher=joblib: W&B's agents start the jobs"),
        (("seed=1,2", "run_dir=runs/one"), r"Jobs 1 and 2 .*runs/one"),
        (("seed=1,2", "--runs", "0"), r"at least one run"),
        (("seed=1,2", "--methd", "grid"), r"--methd"),
        (("seed=1,2", "logger.wandb.project=p${seed}"), r"in one project"),
        (("seed=1,2", "--out", "."), r"is a folder"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(made, arguments, said):
    with pytest.raises(UserError, match=said):
        made(*RING, *arguments)
    assert not list(Path().iterdir())


def test_a_study_is_refused(made):
    with pytest.raises(UserError, match="A study has jobs of its own"):
        made("experiment=study/saturation", "seed=1,2")


def test_a_file_of_the_users_own_is_not_written_over(made):
    made(*RING, "seed=1,2")
    made(*RING, "seed=1,2,3")
    Path("sweep.yaml").write_text("method: grid\n")
    with pytest.raises(UserError, match=r"sweep\.yaml exists .* --out FILE\.yaml"):
        made(*RING, "seed=1,2")


def test_a_folder_of_configs_goes_with_the_agents(made):
    Path("mine/variant").mkdir(parents=True)
    Path("mine/variant/ours.yaml").write_text("# @package _global_\ndefaults: [vanilla]\n")
    content = made("--config-dir", "mine", "variant=ours", "data=ring", "seed=1,2")
    for line in agents_commands(content):
        assert f"--config-dir {Path.cwd() / 'mine'}" in shlex.join(line)
        (job,) = preflight(line[4:])
        assert job.choices["variant"] == "ours"


def test_a_line_break_stays_in_the_comment(made):
    content = made(*RING, "seed=1,2", "logger.wandb.notes='a\nmethod: x'")
    assert content["method"] == "grid"
    (line, *_) = agents_commands(content)
    (job,) = preflight(line[4:])
    assert job.config["logger"]["wandb"]["notes"] == "a\nmethod: x"
