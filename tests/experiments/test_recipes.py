"""The recipe and the metrics of a run follow what its data are."""

import pytest
from PIL import Image

from experiments.configuration.recipes import Facts, nearest, number
from experiments.jobs.preflight import preflight
from lightning_gans.core.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images(folder, count, size=(48, 40), mode="RGB"):
    folder.mkdir(parents=True)
    for place in range(count):
        Image.new(mode, size, place).save(folder / f"{place}.png")


def only(*arguments):
    (job,) = preflight([*arguments])
    return job


@pytest.mark.parametrize(
    "arguments, recipe",
    [
        ("variant=dcgan data=digits", "dcgan/digits"),  # its own
        ("variant=dcgan data=kmnist", "dcgan/mnist"),
        ("variant=dcgan data=svhn", "dcgan/mnist"),
        ("variant=cgan data=usps", "cgan/digits"),
        ("variant=energy data=mnist", "energy/digits"),  # the recipes for points are of another kind
        ("variant=dann data=mnist_to_usps", "dann/mnist_to_mnistm"),
        ("variant=dcgan data=kmnist recipe=none", "none"),
        ("variant=dcgan data=kmnist recipe=dcgan/digits", "dcgan/digits"),
        ("variant=wgan data=spiral", "wgan/spiral"),  # which there is not: densities keep the variant's own settings
    ],
)
def test_a_pair_without_a_recipe_has_that_of_the_nearest_data(arguments, recipe):
    assert only(*arguments.split()).choices["recipe"] == recipe


def test_the_nearest_recipe_is_in_no_name_and_another_one_is():
    assert only("variant=dcgan", "data=kmnist").name == "dcgan-kmnist-0"
    assert only("variant=dcgan", "data=kmnist", "penalty=none", "iterations=3").name == "dcgan-kmnist-0"
    assert only("variant=fgan", "data=kmnist", "objective=f_kl").name == "fgan-kmnist-f_kl-0"
    assert only("variant=dcgan", "data=kmnist", "data.image_size=16").name == "dcgan-kmnist-image_size16-0"
    assert only("variant=dcgan", "data=kmnist", "recipe=none").name == "dcgan-kmnist-recipe_none-0"


def test_the_command_line_goes_before_the_nearest_recipe():
    job = only("variant=dcgan", "data=kmnist", "iterations=7", "network.model.prior.dim=5")
    assert (job.config["iterations"], job.config["network"]["model"]["prior"]["dim"]) == (7, 5)


def test_an_experiment_is_given_no_recipe_of_other_data():
    job = only("experiment=paper/sngan_cifar10")
    assert job.choices["recipe"] == "sngan/cifar10"
    assert job.config["iterations"] == 250_000
    assert job.recipe.startswith("experiment paper/sngan_cifar10; ")


@pytest.mark.parametrize("folder, metrics", [(".", "pixels"), ("one", "pixels"), ("one two", "classifier")])
def test_images_without_labels_are_measured_on_pixels(folder, metrics, here):
    for name in folder.split():
        images(here / "photos" / name, 3)
    job = only("data=folder", "data.root=photos")
    assert (job.choices["metrics"], job.choices["recipe"]) == (metrics, "dcgan/digits")
    assert f"the nearest to {3 * len(folder.split())} RGB images of 44 pixels" in job.recipe
    assert f"metrics {metrics}" in job.recipe
    assert only("data=folder", "data.root=photos", "metrics=own").choices["metrics"] == "own"


def test_two_domains_are_counted_by_the_larger(here):
    images(here / "pair" / "trainA", 4)
    images(here / "pair" / "trainB", 9)
    job = only("variant=cyclegan", "data=unpaired", "data.root=pair")
    assert "recipe cyclegan/unpaired; metrics pixels; 4,000 iterations of 1, about 444 epochs" in job.recipe
    assert only("experiment=paper/cyclegan", "data.root=pair").config["iterations"] == 200 * 9
    job = only("variant=cyclegan", "data=unpaired", "data.a=mnist", "data.b=usps")
    assert job.paper == ("200 epochs", 200 * 55_000)


def test_the_line_tells_the_length_and_the_papers():
    job = only("variant=sngan", "data=cifar10")
    assert job.recipe.startswith("recipe sngan/mnist, the nearest to 45,000 RGB images of 32 pixels (recipe=none: ")
    assert f"{job.config['iterations']:,} iterations of 64, about" in job.recipe
    assert job.paper == ("250,000 iterations of 64", 16_000_000)
    assert only("variant=vanilla", "data=spiral").paper is None
    assert "recipe vanilla/spiral" in only("variant=vanilla", "data=spiral").recipe
    assert "recipe none for these data: the settings of wgan alone" in only("variant=wgan", "data=spiral").recipe


def test_the_nearest_by_number_size_and_channels():
    kind = ("SampleBatch",)
    assert nearest(Facts(kind, 200, 44, 3, None), ["digits", "mnist"]) == "digits"
    assert nearest(Facts(kind, 20_000, 28, 1, None), ["digits", "mnist"]) == "mnist"
    assert nearest(Facts(kind, None, 32, 3, None), ["digits_textured", "digits"]) == "digits_textured"
    assert nearest(Facts(kind, 10, 8, 1, None), ["ring", "grid"]) is None
    assert nearest(Facts(("UnpairedBatch",), 10, 8, 1, None), ["digits"]) is None
    assert [number(value) for value in (0.3333, 9.96, 43.6, 1234.5)] == ["0.33", "10", "44", "1,234"]


def test_a_run_from_before_says_how_it_goes_on(here):
    from experiments.runs.directory import CONFIG, config_text

    job = only("variant=dcgan", "data=kmnist", "recipe=none")
    run = here / "runs" / "dcgan-kmnist-0"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").touch()
    (run / "summary.json").write_text('{"status": "stopped", "iterations": 4}')
    names = {key: value for key, value in job.config["names"].items() if key != "recipe"}
    (run / CONFIG).write_text(config_text({**job.config, "names": names, "run_dir": str(run)}))
    with pytest.raises(UserError, match=r"add recipe=none run_dir=runs/dcgan-kmnist-0\."):
        preflight(["variant=dcgan", "data=kmnist"])
