import ast
import functools
import importlib
import inspect
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Mixed, Normal, Prior
from lightning_gans.losses.adversarial import Minimax
from lightning_gans.models import GenerativeModel, build
from lightning_gans.models.spec import exportable
from lightning_gans.networks.mlp import MLPGenerator

GENERATOR = {
    "_target_": "lightning_gans.networks.mlp.MLPGenerator",
    "latent_dim": 3,
    "sample_shape": [2],
    "width": 4,
    "depth": 1,
    "batch_norm": False,
    "output": "linear",
}
PRIOR = {"_target_": "lightning_gans.core.prior.Normal", "dim": 3}
MODEL = {"_target_": "lightning_gans.models.generative.GenerativeModel", "generator": GENERATOR, "prior": PRIOR}


def test_a_description_is_built_from_the_inside_out():
    model = build(MODEL)
    assert type(model) is GenerativeModel
    assert type(model.generator) is MLPGenerator
    assert model.generator.sample_shape == (2,)
    assert model.prior.dim == 3
    assert "prior" in MODEL  # the description is left as it was
    assert MODEL["generator"] is GENERATOR


def test_lists_and_plain_dictionaries_are_built_too():
    mixed = build({"_target_": "lightning_gans.core.prior.Mixed", "parts": [PRIOR, PRIOR]})
    assert type(mixed) is Mixed
    assert [type(part) for part in mixed.parts] == [Normal, Normal]
    built = build({"players": {"D": PRIOR, "G": None}, "rate": 0.1, "shape": (1, 2)})
    assert type(built["players"]["D"]) is Normal
    assert (built["players"]["G"], built["rate"], built["shape"]) == (None, 0.1, [1, 2])


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.nn.Linear",
        "torch.load",
        "lightning_gans.core.game.Game",
        "lightning_gans.core.files.write_atomically",
        "lightning_gans.networksish.Evil",
        "lightning_gans",
        "Normal",
        "",
    ],
)
def test_names_off_the_list_are_refused(target):
    with pytest.raises(UserError, match=r"is not among the classes an exported model may name.*allow="):
        build({"_target_": target})


@pytest.mark.parametrize(
    "target",
    [
        "lightning_gans.networks.mlp.prod",  # a function that the module imported
        "lightning_gans.networks.mlp.torch",
        "lightning_gans.networks.mlp.nn",
        "lightning_gans.networks.dcgan.initialize_dcgan",
        "lightning_gans.networks.dcgan.IMAGE_SIZES",
        "lightning_gans.models.spec.build",
        "lightning_gans.models.export.build",
        "lightning_gans.models.export.Path",
        "lightning_gans.models.GenerativeModel",  # not where it is defined
        "lightning_gans.core.prior.sqrt",
    ],
)
def test_what_is_no_network_defined_there_is_refused(target):
    with pytest.raises(UserError, match="is not a network, prior or model defined in"):
        build({"_target_": target})


@pytest.mark.parametrize(
    "target",
    [
        "lightning_gans.networks.mlp.Nothing",
        "lightning_gans.networks.nothing.MLP",
        "lightning_gans.networks.mlp.nn.Linear",
        "lightning_gans.networks.mlp.os.system",
        "lightning_gans.networks..mlp.MLPGenerator",
        "lightning_gans.networks.",
    ],
)
def test_names_of_nothing_are_refused(target):
    with pytest.raises(UserError, match="Is the package installed and the name right"):
        build({"_target_": target})


def test_refusals_reach_into_descriptions():
    for hidden in ({**MODEL, "generator": {"_target_": "os.getcwd"}}, {"models": [{"_target_": "os.getcwd"}]}):
        with pytest.raises(UserError, match=r"os\.getcwd is not among"):
            build(hidden)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"widht": 4}, "MLPGenerator.*widht"),
        ({"output": "sigmoid"}, "MLPGenerator.*output='sigmoid'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message):
    for trusted in (False, True):
        with pytest.raises(UserError, match=message):
            build({**GENERATOR, **change}, trusted=trusted)


def test_a_missing_argument_is_named():
    with pytest.raises(UserError, match=r"Normal.*dim"):
        build({"_target_": "lightning_gans.core.prior.Normal"})
    target = "lightning_gans.networks.dcgan.DCGANDiscriminator"
    with pytest.raises(UserError, match="image_size=12"):
        build({"_target_": target, "channels": 1, "image_size": 12, "width": 4})


def test_a_package_of_ones_own_can_be_allowed():
    spec = {"_target_": "torch.nn.modules.linear.Linear", "in_features": 2, "out_features": 1}
    with pytest.raises(UserError):
        build(spec)
    assert type(build(spec, allow=["torch.nn.modules."])) is nn.Linear
    with pytest.raises(UserError, match="is not a network, prior or model"):  # and still nothing but networks
        build(
            {"_target_": "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present"}, allow=["torch.nn.modules."]
        )


def test_allowing_ends_at_a_dot():
    spec = {"_target_": "torch.nn.modules.linear.Linear", "in_features": 2, "out_features": 1}
    for allow in ("torch.nn.modules", "torch.nn.modules.linear.Linear"):
        assert type(build(spec, allow=[allow])) is nn.Linear
    for allow in ("torch.nn.mod", "", ".", "torch.nn.modules.linear.Lin"):
        with pytest.raises(UserError, match="is not among"):
            build(spec, allow=[allow])


def test_names_are_looked_up_and_never_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "payload.py").write_text(f"open({str(tmp_path / 'MARKER')!r}, 'w')\n")
    for target in ("payload.Net", "payload", "lightning_gans.networks.payload.Net", "lightning_gans.models..payload.x"):
        with pytest.raises(UserError):
            build({"_target_": target})
    assert not (tmp_path / "MARKER").exists()


def test_listed_classes_are_those_of_their_names_and_read_no_files():
    """Constructors on the list take numbers, words and other parts, and no place of a file."""
    assert len(exportable()) > 60
    for name, found in exportable().items():
        module, _, last = name.rpartition(".")
        assert getattr(importlib.import_module(module), last) is found
        assert issubclass(found, (nn.Module, Prior))
        for parameter in inspect.signature(found).parameters.values():
            assert parameter.annotation is not str, name
            assert "Path" not in str(parameter.annotation), name
        source = ast.parse(Path(inspect.getfile(found)).read_text())
        called = {ast.unparse(node.func) for node in ast.walk(source) if isinstance(node, ast.Call)}
        assert not called & {"open", "eval", "exec", "torch.load", "import_module", "load_file", "Path"}, name


def test_parts_that_do_not_fit_are_named():
    for change in ({"generator": 5}, {"prior": [1]}, {"generator": GENERATOR | {"width": "wide"}}):
        with pytest.raises(UserError, match="_target_ lightning_gans"):
            build({**MODEL, "_target_": "lightning_gans.models.infogan.InfoGANModel", "codes": [], **change})


def test_a_trusted_description_may_name_anything():
    assert type(build({"_target_": "lightning_gans.losses.adversarial.Minimax"}, trusted=True)) is Minimax
    optimizer = build({"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.5}, trusted=True)
    assert isinstance(optimizer, functools.partial)
    assert optimizer([torch.zeros(1, requires_grad=True)]).defaults["lr"] == 0.5
    with pytest.raises(UserError, match="'rate'"):
        build({"_target_": "torch.optim.Adam", "_partial_": True, "rate": 0.5}, trusted=True)
    with pytest.raises(UserError, match="not a class or function"):
        build({"_target_": "math.pi"}, trusted=True)


def test_a_call_left_open_takes_trust():
    with pytest.raises(UserError, match="dim"):
        build({"_target_": "lightning_gans.core.prior.Normal", "_partial_": True})
