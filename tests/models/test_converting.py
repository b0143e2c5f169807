import torch
from torch import nn

from lightning_gans.core.protocols import Converts, Encodes, Samples
from lightning_gans.models import build, load_generator, save_generator
from lightning_gans.models.converting import ConvertingModel


class First(nn.Linear):
    """x (N, 4) -> its first or last two numbers."""

    def __init__(self, which):
        super().__init__(4, 2, bias=False)
        self.weight.data = torch.eye(4)[:2] if which == "first" else torch.eye(4)[2:]


class Joined(nn.Module):
    def forward(self, c, s):
        return torch.cat([c, s], dim=1)


def model():
    return ConvertingModel(content_encoder=First("first"), speaker_encoder=First("last"), decoder=Joined())


A, B = torch.arange(12.0).view(3, 4), 100 + torch.arange(12.0).view(3, 4)


def test_a_conversion_has_the_content_of_one_and_the_speaker_of_the_other():
    converting = model()
    assert isinstance(converting, Converts)
    assert not isinstance(converting, Samples | Encodes)
    assert torch.equal(converting.content(A), A[:, :2])
    assert torch.equal(converting.speaker(A), A[:, 2:])
    assert torch.equal(converting.convert(A, B), torch.cat([A[:, :2], B[:, 2:]], dim=1))


def test_what_it_gives_does_not_depend_on_the_mode_it_is_in():
    converting = model()
    converting.content_encoder = nn.Sequential(nn.Dropout(0.5), First("first"))
    converting.train()
    assert torch.equal(converting.content(A), A[:, :2])
    assert converting.training
    assert not converting.convert(A, B).requires_grad


def test_chunks_are_put_together_in_order():
    many = torch.arange(800.0).view(200, 4)
    assert torch.equal(model().convert(many, many.flip(0)), torch.cat([many[:, :2], many.flip(0)[:, 2:]], dim=1))


def test_an_export_converts_alone(tmp_path):
    speech = "lightning_gans.networks.speech."
    spec = {
        "_target_": "lightning_gans.models.converting.ConvertingModel",
        "content_encoder": {"_target_": f"{speech}ContentEncoder", "mels": 8, "width": 4, "content_dim": 2},
        "speaker_encoder": {"_target_": f"{speech}SpeakerEncoder", "mels": 8, "width": 4, "speaker_dim": 3},
        "decoder": {"_target_": f"{speech}SpeechDecoder", "mels": 8, "width": 4, "content_dim": 2, "speaker_dim": 3},
    }
    converting, x = build(spec), torch.rand(2, 8, 8)
    save_generator(converting, spec, tmp_path)
    assert torch.equal(load_generator(tmp_path).convert(x, x.flip(0)), converting.convert(x, x.flip(0)))
