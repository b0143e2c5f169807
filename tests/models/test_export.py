import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

import lightning_gans
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.core.rng import isolated
from lightning_gans.models import build, export, load_generator, save_generator

SPEC = {
    "_target_": "lightning_gans.models.generative.GenerativeModel",
    "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 5},
    "generator": {
        "_target_": "lightning_gans.networks.dcgan.DCGANGenerator",
        "latent_dim": 5,
        "channels": 1,
        "image_size": 8,
        "width": 4,
    },
}


def model(key="exported"):
    with isolated(key):
        made = build(SPEC)
        made.calibrate()
    return made


@pytest.fixture
def folder(tmp_path):
    save_generator(model(), SPEC, tmp_path / "generator", about={"iteration": 12, "variant": "dcgan"})
    return tmp_path / "generator"


def test_what_is_loaded_is_what_was_saved(folder):
    loaded, saved = load_generator(folder), model()
    assert not loaded.training
    assert loaded.state_dict().keys() == saved.state_dict().keys()
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert torch.equal(loaded.sample(70, seed=5), saved.sample(70, seed=5))
    assert not torch.equal(loaded.sample(4, seed=5), model("another").sample(4, seed=5))


def test_saving_what_was_loaded_gives_the_same_bytes(folder, tmp_path):
    save_generator(load_generator(folder), SPEC, tmp_path / "again", about={"iteration": 12, "variant": "dcgan"})
    for name in ("weights.safetensors", "model.yaml", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.yaml", "weights.safetensors"]


def test_a_runs_folder_will_do(folder):
    assert torch.equal(load_generator(folder.parent).sample(2), load_generator(str(folder)).sample(2))
    assert torch.equal(lightning_gans.load_generator(folder).sample(2), model().sample(2))


def test_the_files_are_plain(folder):
    description = yaml.safe_load((folder / "model.yaml").read_text())
    assert description == {"format": 1, "model": SPEC, "about": {"iteration": 12, "variant": "dcgan"}}
    assert set(load_file(folder / "weights.safetensors")) == set(model().state_dict())


def test_double_precision_comes_back(tmp_path):
    save_generator(model().double(), SPEC, tmp_path)
    loaded = load_generator(tmp_path)
    assert loaded.sample(2).dtype == torch.float64
    assert torch.equal(loaded.sample(2), model().double().sample(2))


def test_an_empty_place_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no exported generator"):
        load_generator(tmp_path)
    with pytest.raises(UserError, match="holds no exported generator"):
        load_generator(tmp_path / "nowhere")


def rewrite(folder, **changes):
    description = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump(description | changes))


@pytest.mark.parametrize("target", ["os.system", "torch.nn.Linear", "lightning_gans.networks.mlp.prod"])
def test_a_file_may_not_name_what_it_likes(folder, target):
    rewrite(folder, model={**SPEC, "generator": {"_target_": target, "command": "true"}})
    with pytest.raises(UserError, match=target):
        load_generator(folder)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "no model: here", "!!python/object/apply:os.getcwd []"])
def test_a_file_that_is_no_description_is_refused(folder, text):
    (folder / "model.yaml").write_text(text)
    with pytest.raises(UserError, match="is not a model description"):
        load_generator(folder)


def test_a_file_of_bytes_is_refused(folder):
    (folder / "model.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not a model description"):
        load_generator(folder)


def test_a_description_of_something_else_is_refused(folder):
    rewrite(folder, model=SPEC["prior"])
    with pytest.raises(UserError, match="describes a Normal, not a model"):
        load_generator(folder)


@pytest.mark.parametrize("damage", ["other", "cut", "missing"])
def test_weights_that_do_not_fit_are_refused(folder, damage):
    weights = folder / "weights.safetensors"
    if damage == "other":
        rewrite(folder, model={**SPEC, "generator": {**SPEC["generator"], "width": 8}})
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    else:
        weights.unlink()
    with pytest.raises(UserError, match="does not hold this model's weights"):
        load_generator(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 400_000}, r"model\.yaml says width=400000, and weights\.safetensors holds [0-9,]+ numbers"),
        ({"image_size": 10**12}, "says image_size=10*,"),
        ({"width": -(10**9)}, "says width=-10*,"),
        ({"channels": [4000] * 3}, r"says channels=\[4000, 4000, 4000\]"),
        ({"width": 8}, "does not hold this model's weights"),
        ({"width": "4"}, "_target_ lightning_gans.networks.dcgan.DCGANGenerator"),
        ({"width": 0}, "does not hold this model's weights|_target_"),
    ],
)
def test_sizes_are_compared_before_memory_is_taken(folder, monkeypatch, change, says):
    """All is refused by a model on the meta device: no tensor of these sizes is made."""
    monkeypatch.setattr("lightning_gans.models.export.load_weights", None)
    rewrite(folder, model={**SPEC, "generator": {**SPEC["generator"], **change}})
    with pytest.raises(UserError, match=says):
        load_generator(folder)


def test_a_network_of_more_layers_than_weights_is_refused(tmp_path):
    """Small weights beside a description of ten thousand layers, which its numbers would allow."""
    deep = {"_target_": "lightning_gans.networks.mlp.MLPGenerator", "latent_dim": 5, "sample_shape": [2], "width": 1}
    deep |= {"batch_norm": False, "output": "linear"}
    spec = {**SPEC, "generator": deep | {"depth": 1}}
    save_generator(build(spec), spec, tmp_path)
    save_file({"x": torch.zeros(20_000)}, tmp_path / "weights.safetensors")
    rewrite(tmp_path, model={**SPEC, "generator": deep | {"depth": 10_000}})
    with pytest.raises(UserError, match="more layers than it has weights"):
        load_generator(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, value):
    broken = model()
    broken.generator.layers[0].weight.data.view(-1)[0] = value
    save_generator(broken, SPEC, folder)
    with pytest.raises(UserError, match=r"weights that are NaN or infinite \(generator\.layers\.0\.weight\)"):
        load_generator(folder)


def test_weights_of_another_kind_of_number_are_refused(folder):
    tensors = {name: t.to(torch.float8_e4m3fn) for name, t in load_file(folder / "weights.safetensors").items()}
    save_file(tensors, folder / "weights.safetensors")
    with pytest.raises(UserError, match="float8"):
        load_generator(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.yaml", "."])
def test_links_out_of_the_folder_are_refused(folder, name):
    there, outside = folder / name, folder.parent.parent / f"outside-{folder.parent.name}"
    there.resolve().rename(outside)
    (folder if name == "." else there).symlink_to(outside)
    with pytest.raises(UserError, match="is a symbolic link out of"):
        load_generator(folder.parent)


def test_loading_draws_no_more_random_numbers_than_building(folder):
    torch.manual_seed(0)
    build(SPEC)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_generator(folder)
    assert torch.equal(torch.rand(1), expected)


class Doubled(nn.Module):
    """A user's own generator."""

    def __init__(self, *, generator):
        super().__init__()
        self.generator = generator


def test_code_of_ones_own_can_be_allowed(folder, tmp_path):
    spec = {"_target_": f"{__name__}.Doubled", "generator": SPEC["generator"]}
    save_generator(Doubled(generator=model().generator), spec, tmp_path / "own")
    with pytest.raises(UserError, match="allow="):
        load_generator(tmp_path / "own")
    assert type(load_generator(tmp_path / "own", allow=[f"{__name__}."])) is Doubled


def test_sampling_needs_neither_lightning_nor_hydra(folder):
    code = f"""
import sys, lightning_gans, lightning_gans.core
assert "torch" not in sys.modules, "the package imports torch"
model = lightning_gans.load_generator({str(folder)!r})
print(model.sample(2, seed=5).sum().item())
heavy = {{name.partition(".")[0] for name in sys.modules}}
print(heavy & {{"pytorch_lightning", "lightning", "lightning_fabric", "hydra", "omegaconf", "torchmetrics", "wandb",
               "sklearn", "torchvision", "experiments", "datamodules"}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    total, heavy = done.stdout.splitlines()
    assert heavy == "set()"
    assert float(total) == model().sample(2, seed=5).sum().item()


def test_a_flipped_bit_of_the_weights_is_noticed(folder):
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    for place in range(8, len(whole), 41):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        weights.write_bytes(data)
        try:
            loaded = load_generator(folder)
        except UserError:
            continue
        # The digest's own name, or spaces: what is loaded is still what was saved.
        assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model().state_dict().items())


def test_a_flipped_bit_of_a_tensor_is_said_to_be_damage(folder):
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    with pytest.raises(UserError, match=r"weights\.safetensors is damaged: the digest.*Restore it"):
        load_generator(folder)


def test_an_older_export_without_a_digest_is_loaded(folder):
    save_file(load_file(folder / "weights.safetensors"), folder / "weights.safetensors")
    assert torch.equal(load_generator(folder).sample(2), model().sample(2))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("spec", [SPEC, {**SPEC, "prior": {"_target_": "lightning_gans.core.prior.Uniform", "dim": 5}}])
def test_a_kill_between_the_two_files_leaves_weights_and_description_of_one_model(folder, spec, monkeypatch):
    def kill_after(count):
        left = iter(range(count))

        def write(path, data):
            if next(left, None) is None:
                raise Killed
            write_atomically(path, data)

        monkeypatch.setattr(export, "write_atomically", write)
        with pytest.raises(Killed):
            save_generator(model("another"), spec, folder)

    kill_after(0)
    kill_after(1)
    if spec == SPEC:
        assert torch.equal(load_generator(folder).sample(2), model("another").sample(2))
    else:
        with pytest.raises(UserError, match="holds no exported generator"):
            load_generator(folder)
