"""The command line before anything heavy: what it runs, and what it says of what cannot be run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from experiments import cli, train
from experiments.configuration import resolvers
from experiments.jobs.preflight import preflight
from experiments.runs.resume import flatten
from experiments.settings import defaults
from lightning_gans.core.errors import Diverged, UserError
from tests.helpers.composed import VARIANTS
from tests.helpers.damage import write_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test sees the runs of another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def only(*argv):
    (job,) = preflight(argv)
    return job


def refusal(*argv):
    with pytest.raises(UserError) as caught:
        preflight(argv)
    return str(caught.value)


def test_no_arguments_are_acgan_on_digits():
    job = only()
    assert (job.choices["variant"], job.choices["data"]) == ("acgan", "digits")
    assert job.run_dir == Path("runs/acgan-digits-0")
    assert job.group == "acgan-digits"
    assert job.resume.mode == "new"
    names = job.config["names"]
    assert names.pop("choices") == {**job.choices, "recipe": "acgan/digits"}
    assert names == {
        "variant": "acgan",
        "data": "digits",
        "run": "acgan-digits-0",
        "group": "acgan-digits",
        "recipe": "acgan/digits",
    }


@pytest.mark.parametrize(
    "argv, variant",
    [
        ("data=digits", "acgan"),
        ("data=mnist", "acgan"),
        ("data=cifar100", "acgan"),
        ("data=folder data.root=mine", "dcgan"),  # whether it has labels is not known before its files are read
        ("data=celeba", "dcgan"),
        ("data=folder data.root=mine variant=acgan network.model.classes=3", "acgan"),
        ("data=digits variant=dcgan", "dcgan"),
        ("variant=vanilla data=ring", "vanilla"),
        ("experiment=infogan_steady", "infogan"),  # an experiment's own variant and data
        ("experiment=infogan_steady data=digits", "infogan"),
        ("experiment=paper/sngan_cifar10", "sngan"),
    ],
)
def test_the_usual_variant_follows_the_data(argv, variant):
    job = only(*argv.split())
    assert job.choices["variant"] == job.config["names"]["variant"] == variant
    assert job.name.startswith(f"{variant}-")
    assert only(*job.overrides).config == job.config
    assert "choose" not in job.config


def test_settings_may_have_the_dashes_that_agents_of_other_sweepers_write():
    job = only("--seed=3", "--data.batch_size=32", "variant=vanilla", "--data=ring")
    assert (job.config["seed"], job.config["data"]["batch_size"]) == (3, 32)
    assert job.run_dir == Path("runs/vanilla-ring-batch_size32-3")
    assert only(*job.overrides).config == job.config
    assert [job.config["seed"] for job in preflight(["-m", "--seed=1,2"])] == [1, 2]


def test_every_job_of_a_sweep_follows_its_own_data():
    names = [job.name for job in preflight(["-m", "data=digits,celeba,kmnist", "seed=1"])]
    assert names == ["acgan-digits-1", "dcgan-celeba-1", "acgan-kmnist-1"]


def test_the_usual_variants_own_networks_and_recipe_are_meant():
    assert only("network=mlp").choices["network"] == "acgan_mlp"
    assert only("network=mlp", "data=celeba").choices["network"] == "mlp"
    assert only("experiment=infogan_steady", "network=mlp").choices["network"] == "infogan_mlp"
    assert only("data=digits").config == only("data=digits", "variant=acgan").config
    assert only().config["callbacks"]["grids"]["rows"] == 10  # of recipe/acgan/digits
    assert "class_weight" in refusal("data=celeba", "variant.generator_class_weight=0.1")


def test_labels_of_data_of_ones_own_are_not_known(own):
    (own / "data").mkdir()
    text = (ROOT / "experiments" / "conf" / "data" / "digits.yaml").read_text()
    (own / "data" / "pictures.yaml").write_text(text)
    assert only("--config-dir", str(own), "data=pictures").choices["variant"] == "dcgan"


def test_another_main_config_keeps_its_own_default(tmp_path):
    (tmp_path / "mine.yaml").write_text("defaults:\n  - train\n  - override variant: wgan\n  - _self_\n")
    (tmp_path / "same.yaml").write_text("defaults:\n  - train\n  - _self_\n")
    of = ("--config-dir", str(tmp_path), "--config-name")
    assert only(*of, "mine").choices["variant"] == "wgan"
    assert only(*of, "same").choices["variant"] == "acgan"


def test_the_configuration_is_plain_and_resolved():
    config = only("variant=vanilla", "data=ring", "seed=7").config
    assert type(config["variant"]["training"]["players"]) is dict
    assert config["network"]["model"]["generator"]["sample_shape"] == [2]
    assert config["variant"]["training"]["seed"] == config["seed"] == 7


def test_the_shape_of_images_has_their_channels_first():
    config = only("variant=vanilla", "data.image_size=16").config
    assert config["network"]["model"]["generator"]["sample_shape"] == [1, 16, 16]


@pytest.mark.parametrize(
    "argv, said",
    [
        ("variant=dcgna", ["no such variant", "Did you mean variant=dcgan", "vanilla"]),
        ("data=ringg", ["no such data", "data=ring?", "celeba"]),
        ("penalty=null", ["penalty=none", "r1"]),
        ("variant=dcgan variant=vanilla", ["variant is chosen twice"]),
        ("a/b=c", ["no group a/b", "objective"]),
        # keys
        ("data.batchsize=3", ["data.batchsize: there is no such setting", "data.batch_size?"]),
        # names of other programs
        ("epochs=3", ["epochs: there is no such setting. Did you mean iterations?"]),
        ("max_epochs=3", ["Did you mean iterations?"]),
        ("max_steps=3", ["Did you mean iterations?"]),
        ("num_workers=3 data=celeba", ["Did you mean data.workers?"]),
        ("gpus=1", ["Did you mean trainer.devices?"]),
        ("device=cuda", ["Did you mean trainer.devices or trainer.accelerator?"]),
        ("--learning_rate=0.1", ["players.D.optimizer.lr or variant.training.players.G.optimizer.lr?"]),
        (
            "lr=0.1 variant=triplegan",
            ["players.D.optimizer.lr or", "players.G.optimizer.lr or", "players.C.optimizer.lr?"],
        ),
        ("--seed 3", ["Unrecognized arguments: --seed", "A setting is written seed=VALUE."]),
        # arguments of the Trainer
        ("trainer.devices=[]", ["trainer.devices=[] is empty"]),
        ("trainer.strategy=fsdp", ["trainer.strategy=fsdp is no choice, because it divides", "auto or players."]),
        ("trainer.strategy=deepspeed_stage_2", ["is no choice, because it divides parameters"]),
        ("trainer.strategy=ddp", ["trainer.strategy=ddp is no choice; allowed: auto or players."]),
        ("trainer.profiler=simpel", ["trainer.profiler=simpel", "Did you mean trainer.profiler=simple?"]),
        ("trainer.deterministic=maybe", ["trainer.deterministic=maybe is no choice; allowed: true, false or warn"]),
        ("trainer.benchmark=3", ["trainer.benchmark=3 is not of the right type; allowed: true or false"]),
        ("-cn foo", ["--config-name foo: there is no such main config", "There are train;"]),
        ("-cn trian", ["Did you mean --config-name train?"]),
        ("batch_size=4", ["batch_size: there is no such setting", "data.batch_size?"]),
        ("iteratons=5", ["Did you mean iterations?"]),
        ("optimizer.lr=1", ["variant.training.players.D.optimizer.lr", "players.G"]),
        ("+new.key=1", ["new: there is no such setting"]),
        ("+data.foo=1", ["data.foo: there is no such setting", "batch_size, image_size, channels"]),
        ("~callbacks.grids", ["callbacks.grids=null", "a group of settings"]),
        ("variant.loss._target_=x", ["variant.loss._target_ follows another setting: say objective._target_=x"]),
        ("variant.model.prior.dim=3", ["say network.model.prior.dim=3"]),
        # values
        ("iterations=abc", ["iterations=abc", "right type", "a whole number of at least 1"]),
        ("iterations=1.5", ["iterations=1.5", "right type"]),
        ("iterations=0", ["iterations=0 is out of range"]),
        ("seed=-1", ["seed=-1 is out of range", "from 0 to 4294967295"]),
        ("seed=", ["seed=''", "a whole number"]),
        ("run_dir=", ["run_dir='' is empty", "a path"]),
        ("data_dir=''", ["data_dir='' is empty"]),
        ("data.image_size=33", ["data.image_size=33 is no choice", "8, 16, 32, 64 or 128"]),
        ("network.model.generator.width=0", ["network.model.generator.width=0 is out of range"]),
        ("variant.training.players.D.optimizer.betas=[0.5]", ["1 entries", "a list of 2"]),
        ("trainer.precision=half", ["trainer.precision=half", "bf16-mixed"]),
        ("variant.training.batch_size=3", ["follows data.batch_size, which is 64"]),
        # the command line itself
        ("foo", ["'foo' is not a setting: write foo=VALUE"]),
        ("=3", ["the name before = is missing"]),
        ("run_dir=a(b", ["""'run_dir="a(b"'"""]),
        ("seed=1,2", ["add -m"]),
        ("--config-dir nowhere", ["--config-dir nowhere: there is no such folder"]),
        ("--confg x", ["Unrecognized arguments: --confg", "--cfg"]),
        ("--experimental-rerun x", ["pickled"]),
        ("hydra.run.dir=x", ["run_dir=DIR"]),
        # parts that do not fit each other
        ("data=ring", ["variant=dcgan needs images", "digits, folder, mnist", "variant=vanilla"]),
        ("variant=vanilla data=ring metrics=classifier", ["metrics=classifier needs images", "metrics=planar"]),
        ("variant=vanilla data=ring augment=adaptive", ["augment=adaptive needs images", "augment=recipe or none"]),
        ("variant=vanilla data=ring network=dcgan", ["data.channels", "network=dcgan and data=ring do not fit"]),
        ("trainer=ddp data.batch_size=63", ["data.batch_size=63", "trainer.devices=2", "62 or 64"]),
        ("trainer.devices=[0,1,2]", ["trainer.devices=3", "63 or 66"]),
        ("variant.training.accumulate=5", ["variant.training.accumulate=5", "60 or 65"]),
        (
            "variant=dcgan network=cgan",
            ["network=cgan is told the class", "variant=acgan, cgan, projection or r3gan_conditional"],
        ),
        ("variant=cgan network=acgan", ["network=acgan does not go with variant=cgan", "network=cgan, cgan_mlp"]),
        ("variant=acgan network=cgan", ["network=cgan does not go with variant=acgan", "network=acgan or"]),
        ("variant=mcgan objective=hinge", ["objective= has no effect on variant=mcgan"]),
        ("variant=cyclegan network=dcgan", ["network=dcgan does not go with variant=cyclegan", "cyclegan_resnet6"]),
        ("variant=vanilla network=cyclegan", ["network=cyclegan is made for variant=cyclegan"]),
        ("variant=cyclegan data=digits", ["variant=cyclegan needs images of two domains", "digits_unpaired, unpaired"]),
        ("matching=covariance", ["matching= chooses nothing here"]),
        ("variant=r3gan init=orthogonal", ["init=orthogonal", "Fix-up", "init=own, or choose network=resnet"]),
        ("init.std=0.1", ["init"]),
        ("init=normal init.std=0", ["init.std=0", "above 0"]),
        ("init=orthogonl", ["orthogonal"]),
        # the run's directory
        ("resume=nver", ["resume=nver: there is no such file", "resume=never?"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_paragraph(argv, said):
    message = refusal(*argv.split())
    for part in said:
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "argv, name",
    [
        (
            "seed=3 iterations=9 logger=none data_dir=elsewhere trainer.threads=1 callbacks.grids.every=7",
            "acgan-digits-3",
        ),
        ("metrics=none", "acgan-digits-0"),
        ("augment=adaptive augment.speed=1000", "acgan-digits-adaptive-speed1000-0"),
        ("objective=non_saturating data.batch_size=64", "acgan-digits-0"),  # as the recipe has it
        ("objective=minimax data.batch_size=128", "acgan-digits-batch_size128-minimax-0"),
        ("data.batch_size=128 objective=minimax seed=2", "acgan-digits-batch_size128-minimax-2"),
        ("data={batch_size:128}", "acgan-digits-batch_size128-0"),
        ("variant.training.players.D.optimizer.lr=1e-3", "acgan-digits-D.optimizer.lr0.001-0"),
        ("variant.training.players.D.optimizer._target_=torch.optim.AdamW", "acgan-digits-D.optimizerAdamW-0"),
        ("+variant.training.players.D.optimizer.eps=1e-6", "acgan-digits-eps1e-06-0"),
        ("variant=vanilla data=ring network.discriminator.width=64", "vanilla-ring-discriminator.width64-0"),
    ],
)
def test_a_run_is_called_after_what_differs_from_its_recipe(argv, name):
    assert only(*argv.split()).name == name


def test_folders_are_data_of_their_own():
    names = {only("data=folder", f"data.root={root}").name for root in ("a/train", "b/train", "b/./train")}
    assert len(names) == 2
    assert all(name.startswith("dcgan-folder-root_train.") for name in names)


def test_an_explicit_run_dir_is_taken_as_it_is_and_survives_quoting():
    job = only('run_dir="my runs/a=(b)"')
    assert job.run_dir == Path("my runs/a=(b)")
    again = only(*job.overrides)
    assert again.config == job.config


def test_composition_is_hydras_own():
    argv = [
        "variant=vanilla",
        "data=ring",
        "objective=minimax",
        "data.batch_size=32",
        "+callbacks.grids.seed=1",
        "seed=4",
    ]
    config = only(*argv, "run_dir=here").config
    resolvers.register()
    with initialize_config_module("experiments.conf", version_base="1.3"):
        theirs = compose("train", [*argv, "run_dir=here", "+group=vanilla-ring-batch_size32-minimax"])
    del theirs.choose, theirs.usual_network  # Composer's own
    assert "eps" not in theirs.variant.training.players.D.optimizer
    defaults.fill(theirs)
    theirs = dict(flatten(OmegaConf.to_container(theirs, resolve=True)))
    ours = dict(flatten({key: value for key, value in config.items() if key != "names"}))
    assert theirs == ours
    assert "variant.training.players.D.optimizer.eps" in ours


# Multirun


def test_a_multirun_is_every_combination_the_last_fastest():
    jobs = preflight(["-m", "seed=1,2", "data.batch_size=32,64"])
    assert [(job.config["seed"], job.config["data"]["batch_size"]) for job in jobs] == [
        (1, 32),
        (1, 64),
        (2, 32),
        (2, 64),
    ]
    assert len({job.run_dir for job in jobs}) == 4
    assert {job.group for job in jobs} == {"acgan-digits", "acgan-digits-batch_size32"}
    assert "seed=2" in jobs[3].overrides


def test_sweeps_may_be_ranges_choices_and_globs():
    assert [job.config["seed"] for job in preflight(["-m", "seed=range(1,4)"])] == [1, 2, 3]
    assert [job.config["seed"] for job in preflight(["seed=choice(5,9)", "--multirun"])] == [5, 9]
    assert [job.choices["variant"] for job in preflight(["-m", "variant=glob(wgan*)"])] == ["wgan", "wgan_gp"]


def test_a_multirun_never_shares_a_directory():
    assert "Jobs 1 and 2" in refusal("-m", "seed=1,2", "run_dir=mine")
    jobs = preflight(["-m", "seed=1,2", "run_dir=mine-${seed}"])
    assert [str(job.run_dir) for job in jobs] == ["mine-1", "mine-2"]


def test_a_multirun_says_which_job_does_not_fit():
    assert refusal("-m", "seed=1,-1").startswith("Job 2 of 2 (seed=-1): seed=-1 is out of range")
    assert "no such variant" in refusal("-m", "variant=dcgan,nope")
    assert "nothing fits" in refusal("-m", "variant=glob(zzz*)")


def test_a_diverged_run_never_ends_a_sweep_and_cannot_be_repeated_alone():
    (job,) = preflight(["seed=1"])
    write_run(job, '{"status": "diverged", "iterations": 5}')
    first, second = preflight(["-m", "seed=1,2"])
    assert (first.resume.mode, second.resume.mode) == ("diverged", "new")
    assert "diverged" in refusal("seed=1")


def write_run(job, summary):
    from experiments.runs.directory import CONFIG, config_text

    job.run_dir.mkdir(parents=True)
    (job.run_dir / CONFIG).write_text(config_text(job.config))
    (job.run_dir / "summary.json").write_text(summary)


def test_a_used_directory_is_continued_refused_or_finished():
    job = only("iterations=10")
    write_run(job, '{"status": "stopped", "iterations": 4}')
    last = job.run_dir / "checkpoints" / "last.ckpt"
    write_checkpoint(last)
    again = only("iterations=10")
    assert (again.resume.mode, again.resume.checkpoint) == ("continue", last)
    assert only("iterations=20", "logger=none").resume.mode == "continue"
    assert "iterations: 10 there, 5 here" in refusal("iterations=5")
    assert "resume=never" in refusal("iterations=10", "resume=never")
    (job.run_dir / "summary.json").write_text('{"status": "finished", "iterations": 10}')
    assert only("iterations=10").resume.mode == "finished"
    assert only("iterations=5").resume.mode == "finished"
    assert only("iterations=20").resume.mode == "continue"


def test_other_processes_find_what_the_first_one_began(monkeypatch):
    settings = ("resume=never", "trainer=ddp")
    job = only(*settings)
    write_run(job, '{"status": "running", "iterations": 0}')
    assert "resume=never" in refusal(*settings)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert "resume=never" in refusal(*settings), "a rank without a group is not another process"
    for name, value in {"NODE_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4000"}.items():
        monkeypatch.setenv(name, value)
    assert only(*settings).resume.mode == "new"


# A variant of one's own


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    (folder / "variant").mkdir(parents=True)
    (folder / "variant" / "mine.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /data: ring\n  - override /network: planar\n"
        "variant: {_target_: my_package.Mine, strength: 3, training: {players: {}}}\n"
        "remarks: on ${hydra:runtime.choices.data}\n"
    )
    return folder


def test_a_variant_of_ones_own_takes_what_its_file_says(own):
    job = only("--config-dir", str(own), "variant=mine", "variant.strength=4", "seed=2")
    assert job.config["variant"] == {"_target_": "my_package.Mine", "strength": 4, "training": {"players": {}}}
    assert job.name == "mine-ring-strength4-2"
    assert job.config["remarks"] == "on ring"
    assert only(*job.overrides).config == job.config
    assert only("--config-dir", str(own), "variant=mine", "+variant.more=1").config["variant"]["more"] == 1


def test_its_names_are_suggested_too(own):
    assert "variant.strength?" in refusal("--config-dir", str(own), "variant=mine", "variant.strenght=4")
    assert "variant=mine?" in refusal("--config-dir", str(own), "variant=mne")
    assert f"Choices: {', '.join(VARIANTS)}." in refusal("variant=mine")


# What only prints


def test_help_says_what_there_is(capsys):
    with pytest.raises(SystemExit) as left:
        preflight(["--help", "variant=vanilla", "data=ring"])
    assert left.value.code == 0
    page = capsys.readouterr().out
    for part in (" vanilla*", "data.radius=1.0", "seed=0", "a whole number", "Exit codes", "minimax"):
        assert part in page
    assert max(map(len, page.splitlines())) <= 120


def test_help_names_choices_of_ones_own(own, capsys):
    with pytest.raises(SystemExit):
        preflight(["--config-dir", str(own), "--help"])
    assert " acgan* " in (page := capsys.readouterr().out)
    assert "mine" in page.split()


def test_cfg_job_prints_the_composed_configuration(capsys):
    with pytest.raises(SystemExit) as left:
        preflight(["--cfg", "job", "seed=5", "--resolve"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "seed: 5" in printed
    assert "${" not in printed
    assert "give one of the two" in refusal("-m", "--cfg", "job").lower()


# How it ends


def test_an_error_is_one_line_and_exit_code_2(capsys):
    assert cli.run(lambda: len(preflight(["variant=dcgna"]))) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: variant=dcgna")
    assert captured.err.count("\n") == 1


def test_full_errors_are_tracebacks(capsys, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert cli.run(lambda: len(preflight(["data.batch_size=3("]))) == 2
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "direct cause" in text  # what Hydra said is there too


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    "error, code, said",
    [
        (Diverged("D is not finite."), 3, "error: D is not finite."),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (OSError(28, "No space left on device", "x/y"), 2, "error: x/y: No space left on device. Free some space"),
    ],
)
def test_exit_codes(error, code, said, capsys):
    assert cli.run(raising(error)) == code
    assert said in capsys.readouterr().err


def test_what_is_no_users_error_passes():
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda: 1 // 0)
    assert cli.run(lambda: None) == 0


def python(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60)


def test_nothing_heavy_is_imported():
    script = (
        "import sys\n"
        "from experiments.jobs.preflight import preflight\n"
        "from experiments import compare, train\n"
        "assert preflight(['variant=vanilla', 'data=ring', 'objective=minimax'])[0].name\n"
        "heavy = {'torch', 'pytorch_lightning', 'lightning', 'pandas', 'matplotlib', 'sklearn', 'wandb'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = python("-c", script)
    assert ran.stdout.strip() == "[]", ran.stderr


@pytest.mark.parametrize(
    "argv, said",
    [
        ("data=folder data.root=nowhere", r"data\.root=nowhere is not a folder"),
        ("-m variant=disentangle data=speech data.root=nowhere seed=1,2", r"data\.root=nowhere is not a folder"),
        ("variant=dann data=mnist_to_mnistm data.photos=nowhere", r"data\.photos=nowhere is not a folder"),
    ],
)
def test_a_folder_that_is_not_there_is_told_before_the_job_begins(argv, said, monkeypatch, tmp_path):
    monkeypatch.setattr(train, "train", lambda job: pytest.fail("the job begins"))
    with pytest.raises(UserError, match=said):
        train.main(argv.split())
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_with_exit_code_2():
    ran = python("-m", "experiments.train", "variant=dcgna")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: variant=dcgna")
    assert "Traceback" not in ran.stderr


def test_another_optimizer_is_not_given_the_settings_of_the_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = "variant.training.players.D.optimizer"
    (job,) = preflight([f"optimizer@{place}=rmsprop", f"{place}.alpha=0.8"])  # the recipe of acgan says Adam's betas
    optimizer = job.config["variant"]["training"]["players"]["D"]["optimizer"]
    assert optimizer["_target_"] == "torch.optim.RMSprop"
    assert (optimizer["alpha"], optimizer["lr"]) == (0.8, 3e-4)
    assert "betas" not in optimizer
    with pytest.raises(UserError, match="betas"):
        preflight([f"optimizer@{place}=rmsprop", f"{place}.betas=[0.5,0.9]"])


def test_a_misspelt_setting_of_ones_own_choice_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penalty").mkdir()
    (tmp_path / "penalty" / "mine.yaml").write_text("_target_: lightning_gans.losses.penalties.R1\ngama: 0.1\n")
    with pytest.raises(UserError, match=r"penalty\.gama"):
        preflight(["--config-dir", str(tmp_path), "variant=r3gan", "penalty=mine"])


def test_another_network_is_not_given_what_the_recipe_means_for_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=energy", "network=resnet"])  # the recipe says norm and width of DCGAN's layers
    discriminator = job.config["network"]["discriminator"]
    assert "norm" not in discriminator
    assert discriminator["width"] == 32
    with pytest.raises(UserError, match="norm: there is no such setting"):
        preflight(["variant=energy", "network=resnet", "network.discriminator.norm=none"])


@pytest.mark.parametrize(
    ("arguments", "target", "lost"),
    [
        (["variant=r3gan", "penalty=gradient_penalty"], "penalties.GradientPenalty", "gamma"),
    ],
)
def test_another_choice_is_not_given_the_settings_of_the_recipes(arguments, target, lost, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group = arguments[1].partition("=")[0]
    (usual,), (job,) = preflight(arguments[:1]), preflight(arguments)
    assert job.config[group]["_target_"].endswith(target)
    assert lost in usual.config[group]
    assert lost not in job.config[group]


@pytest.mark.parametrize(
    ("arguments", "target", "settings"),
    [
        ([], "penalties.R1R2", {"gamma": 0.5, "every": 1}),
        (["penalty.gamma=2"], "penalties.R1R2", {"gamma": 2, "every": 1}),
        (["penalty=gradient_penalty"], "penalties.GradientPenalty", {"weight": 0.1, "one_sided": False}),
        (["penalty=none"], None, None),
    ],
)
def test_a_recipe_chooses_where_the_command_does_not(arguments, target, settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=fgan", "data=grid", *arguments])  # choose: {penalty: r1_r2}
    assert "choose" not in job.config
    penalty = job.config["penalty"]
    if target is None:
        assert penalty is None
        return
    assert penalty.pop("_target_").endswith(target)
    assert penalty == settings


def test_none_of_a_group_takes_none_of_its_recipes_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=r3gan", "penalty=none"])  # its recipe says gamma
    assert job.config["penalty"] is None


@pytest.mark.parametrize(
    ("arguments", "network"),
    [
        (["variant=autoencoder", "network=mlp"], "autoencoder_mlp"),
        (["variant=cgan", "network=mlp"], "cgan_mlp"),
        (["network=mlp"], "acgan_mlp"),
        (["variant=dcgan", "network=mlp"], "mlp"),
        (["variant=cgan", "network=cgan_mlp"], "cgan_mlp"),
    ],
)
def test_a_games_own_perceptrons_go_before_the_plain_ones(arguments, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(arguments)
    assert job.choices["network"] == network


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["variant=bigan", "network=dcgan"], "network=bigan, bigan_mlp or bigan_planar"),
        (["variant=dann", "network=dcgan"], "network=dann, dann_mnist or dann_svhn"),
        (["variant=dann_alternating", "network=bigan"], "network=dann, dann_mnist or dann_svhn"),
        (["variant=vanilla", "network=dann"], "made for variant=dann or dann_alternating"),
        (["variant=dann", "data=mnist"], "Data that fit: digits_shift, "),
        (["variant=autoencoder", "network=resnet"], "network=autoencoder, autoencoder_mlp or autoencoder_planar"),
        (["variant=vaegan", "network=ali"], "network=vaegan, vaegan_mlp or vaegan_planar"),
        (["variant=infogan", "network=dcgan"], "network=infogan, infogan_mlp or infogan_planar"),
        (["variant=vae", "network=autoencoder"], "network=vae, vae_mlp or vae_planar"),
        (["variant=dcgan", "network=bigan"], "made for variant=bigan"),
        (["variant=vanilla", "network=infogan_mlp"], "made for variant=infogan"),
        (
            ["variant=triplegan", "network=mlp"],
            "does not go with variant=triplegan. Choose network=triplegan, triplegan_dcgan or ",
        ),
        (["variant=triplegan", "data=digits"], "data=digits gives images. Data that fit: digits_semi"),
    ],
)
def test_networks_with_an_encoder_go_with_their_own_games(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=word):
        preflight(arguments)
