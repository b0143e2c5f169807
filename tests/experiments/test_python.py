"""README's Python section, the tutorial from Python and the notebooks run as they stand, with a smaller budget."""

import json
import re
import shlex
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch.optim import Adam

from datamodules import Digits
from experiments import sample
from lightning_gans import PlayerSettings, Training, load_generator, seeded
from lightning_gans.core import checkpoints
from lightning_gans.core.prior import Normal
from lightning_gans.losses import Hinge
from lightning_gans.models import GenerativeModel
from lightning_gans.networks import DCGANDiscriminator, DCGANGenerator
from lightning_gans.variants import GAN

ROOT = Path(__file__).parents[2]
BUDGET = "iterations=2000"
ITERATIONS = 20
QUICK = ("logger=none", "metrics=none", "trainer.accelerator=cpu", "trainer.threads=1", "run_dir=run")


def section():
    text = (ROOT / "README.md").read_text()
    return text.partition("## From Python\n")[2].partition("\n## ")[0]


def lines():
    (block,) = re.findall(r"```python\n(.*?)```", section(), flags=re.DOTALL)
    return block


def cells(name):
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    return [(cell["cell_type"], "".join(cell["source"]), cell) for cell in notebook["cells"]]


def executed(source, budget=BUDGET):
    assert source.count(budget) == 1
    names = {}
    exec(compile(source.replace(budget, f"iterations={ITERATIONS}"), "<page>", "exec"), names)
    return names


def assert_same_weights(game, run):
    theirs = checkpoints.load(run / "checkpoints" / "last.ckpt")["state_dict"]
    mine = game.state_dict()
    assert theirs.keys() == mine.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def test_the_lines_are_few():
    after = lines().rpartition("import GAN\n")[2]
    assert len([line for line in after.splitlines() if line.strip()]) <= 15


def test_the_lines_train_the_weights_of_the_command(folder, launcher):
    made = executed(lines())
    game = made["game"]
    assert game.iteration == ITERATIONS
    assert made["x"].shape == (64, 2)
    (command,) = re.findall(r"^    python -m experiments\.train (.*)$", section(), flags=re.MULTILINE)
    assert BUDGET in command
    arguments = shlex.split(command.replace(BUDGET, f"iterations={ITERATIONS}"))
    launcher.run(*arguments, *QUICK)
    assert_same_weights(game, folder / "run")
    assert torch.equal(made["x"], load_generator(folder / "run").sample(64, seed=0))


def test_convolutions_train_to_the_weights_of_the_command(folder, launcher):
    data = Digits(batch_size=8, image_size=8)
    with seeded(3):
        generator = DCGANGenerator(latent_dim=6, channels=1, image_size=8, width=4)
        discriminator = DCGANDiscriminator(channels=1, image_size=8, width=4, norm="batch")
    players = {
        name: PlayerSettings(optimizer=partial(Adam, lr=lr, betas=(0.5, 0.9), fused=True))
        for name, lr in {"D": 3e-4, "G": 1.5e-3}.items()
    }
    game = GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=6)),
        discriminator=discriminator,
        loss=Hinge(),
        training=Training(iterations=3, batch_size=8, seed=3, players=players, ema_half_life=10_000),
    )
    game.to(memory_format=torch.channels_last)
    pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False).fit(game, data)
    game.evaluated_model()
    launcher.run(
        *("variant=dcgan", "objective=hinge", "augment=none", "seed=3", "iterations=3", "data.batch_size=8"),
        *("data.image_size=8", "network.model.generator.width=4", "network.discriminator.width=4"),
        *("variant.training.players.D.schedule=null", "variant.training.players.G.schedule=null", *QUICK),
    )
    assert_same_weights(game, folder / "run")


def code_of(name):
    return "\n".join(source for kind, source, _ in cells(name) if kind == "code")


def test_the_first_notebook_runs(folder, capsys):
    made = executed(code_of("first_gan"))
    assert "'D/real': " in capsys.readouterr().out
    assert made["game"].iteration == ITERATIONS
    assert made["fake"].shape == (2000, 2)


def test_the_notebook_of_objectives_runs(folder):
    made = executed(code_of("comparing_objectives"))
    assert [game.iteration for game in made["games"].values()] == [ITERATIONS] * 3
    first, *others = (made["samples"][name] for name in made["objectives"])
    assert not any(torch.equal(first, other) for other in others)
    assert set(made["scores"]) == set(made["objectives"])


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")))
def test_a_notebook_holds_no_output_and_says_what_it_does(name):
    kinds = [kind for kind, _, _ in cells(name)]
    assert kinds.count("markdown") >= kinds.count("code")
    for kind, source, cell in cells(name):
        assert source.strip()
        if kind == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_the_tutorial_from_python_runs(folder, capsys):
    page = (ROOT / "docs/tutorials/from_python.md").read_text()
    (command,) = re.findall(r"^    python -m experiments\.sample (.*)$", page, re.M)
    assert not sample.main(shlex.split(command.replace("n=180", "n=8")))
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    made = executed("\n".join(blocks), budget="iterations=500")
    assert made["x"].shape == (16, 2)
    said = capsys.readouterr().out
    assert "fid_pixels" in said
    assert "'D/real': " in said
