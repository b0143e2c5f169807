"""Generators and encoders as ONNX files."""

import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from lightning_gans import load_generator
from lightning_gans.core import extras
from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Normal
from lightning_gans.core.protocols import Encodes, SamplesByLabel, SamplesFromCodes
from lightning_gans.core.rng import isolated
from lightning_gans.models import GenerativeModel, build, onnx_export
from lightning_gans.models.onnx_export import export_onnx
from tests.helpers.composed import VARIANTS, composed


def of_variant(variant):
    with isolated("onnx"):
        return build(composed(variant)["variant"]["model"], trusted=True)


def run(path, **inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    return torch.from_numpy(found)


def check(model, folder):
    """The files compute the model's functions, at a batch size that the export has not seen."""
    model.train()
    path = folder / "g.onnx"
    written = export_onnx(model, path)
    assert model.training
    model.eval()
    with torch.no_grad():
        z = model.codes(1, seed=3)[:7]
        told = {"label": model.labels(7, seed=3)} if isinstance(model, SamplesByLabel) else {}
        x = model(z, *told.values())
        torch.testing.assert_close(run(path, z=z, **told), x, rtol=1e-4, atol=1e-4)
        assert list(written[path]) == ["z", *told, "x"]
        assert written[path]["x"] == ("n", *x.shape[1:])
        if isinstance(model, Encodes):
            encoder = folder / "g-encoder.onnx"
            torch.testing.assert_close(run(encoder, x=x), model.code(x), rtol=1e-4, atol=1e-4)
    assert sorted(folder.iterdir()) == sorted(written)
    return path


def test_a_generator_that_is_told_the_class(tmp_path):
    path = check(load_generator("zoo/digits"), tmp_path)
    described = onnx.load(path)
    assert [value.name for value in described.graph.input] == ["z", "label"]
    assert [value.name for value in described.graph.output] == ["x"]
    for word in (b"lightning", b".py", b"site-packages"):  # where it was made is nobody's business
        assert word not in path.read_bytes()
    before = path.read_bytes()
    export_onnx(load_generator("zoo/digits"), path)
    assert path.read_bytes() == before


def test_a_generator_of_points(tmp_path):
    check(load_generator("zoo/ring"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_generator_of_every_variant(variant, tmp_path):
    model = of_variant(variant)
    if not isinstance(model, SamplesFromCodes):
        with pytest.raises(UserError, match=f"onnx=: {type(model).__name__} is no function of a code"):
            export_onnx(model, tmp_path / "g.onnx")
        return
    check(model, tmp_path)


def test_a_model_with_an_encoder_has_two_files(tmp_path):
    check(of_variant("vae"), tmp_path)


def test_a_model_without_codes_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"onnx=: EnergyModel is no function of a code.*variant=dcgan"):
        export_onnx(of_variant("energy"), tmp_path / "g.onnx")


class Odd(nn.Module):
    """A generator that torch.export cannot trace: what it does depends on the numbers."""

    def forward(self, z):
        return z if float(z.sum()) > 0 else -z


def test_what_torch_cannot_export_is_told_in_a_sentence(tmp_path, capfd):
    model = GenerativeModel(generator=Odd(), prior=Normal(dim=2))
    with pytest.raises(UserError, match=r"g\.onnx: torch cannot export GenerativeModel \(\w+: .*\)\.$"):
        export_onnx(model, tmp_path / "g.onnx")
    assert list(tmp_path.iterdir()) == []
    assert "".join(capfd.readouterr()) == ""


def test_a_file_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    class Session:
        def __init__(self, *_, **__):
            pass

        def run(self, _, inputs):
            return (np.full((len(inputs["z"]), 2), 3e-4, np.float32),)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    model = GenerativeModel(generator=nn.Linear(2, 2), prior=Normal(dim=2))
    nn.init.zeros_(model.generator.weight)
    nn.init.zeros_(model.generator.bias)
    with pytest.raises(UserError, match=r"g\.onnx was not written: its outputs differ from torch's by 0\.0003"):
        export_onnx(model, tmp_path / "g.onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named_with_their_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if "onnx" in name else importlib.util.find_spec(name))
    with pytest.raises(
        UserError, match=r"onnx= needs the packages onnx and onnxscript.*pip install 'lightning-gans\[onnx\]'"
    ):
        export_onnx(load_generator("zoo/ring"), tmp_path / "g.onnx")


def test_without_onnxruntime_it_is_written_unchecked(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    export_onnx(load_generator("zoo/ring"), tmp_path / "g.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["g.onnx"]
