import pytest
import torch

from lightning_gans.core.rng import isolated, stream
from lightning_gans.networks.speech import (
    ContentEncoder,
    PairDiscriminator,
    SpeakerClassifier,
    SpeakerEncoder,
    SpeechDecoder,
)

X = torch.rand(5, 12, 16, generator=stream("speech networks")) * 2 - 1


@pytest.fixture(autouse=True)
def weights():
    with isolated("weights"):
        yield


@pytest.mark.parametrize("frames, steps", [(16, 4), (8, 2), (4, 1)])
def test_shapes(frames, steps):
    x = X[:, :, :frames]
    c = ContentEncoder(mels=12, width=6, content_dim=3)(x)
    s = SpeakerEncoder(mels=12, width=6, speaker_dim=2)(x)
    assert (c.shape, s.shape) == ((5, 3, steps), (5, 2))
    assert SpeechDecoder(mels=12, width=6, content_dim=3, speaker_dim=2)(c, s).shape == x.shape
    assert SpeakerClassifier(content_dim=3, frames=frames, speakers=7, width=4)(c).shape == (5, 7)
    assert PairDiscriminator(content_dim=3, frames=frames, width=4)(c, c.flip(0)).shape == (5,)


def test_a_content_code_cannot_hide_in_a_small_scale():
    encoder = ContentEncoder(mels=12, width=6, content_dim=3)
    with torch.no_grad():
        for parameter in encoder.head.parameters():
            parameter.mul_(0.1)  # what a classifier would no longer see
        code = encoder(X).flatten(1)
    assert torch.allclose(code.mean(1), torch.zeros(5), atol=1e-5)
    assert torch.allclose(code.square().mean(1), torch.ones(5), atol=0.05)


def test_instance_norm_forgets_gain_and_offset_of_a_band():
    first = ContentEncoder(mels=12, width=6, content_dim=3, norm="instance").layers[0]
    plain = ContentEncoder(mels=12, width=6, content_dim=3).layers[0]
    louder = 1.7 * X
    assert torch.allclose(first(louder), first(X), atol=1e-2)
    assert not torch.allclose(plain(louder), plain(X), atol=1e-2)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm='batch'"):
        ContentEncoder(mels=12, width=6, content_dim=3, norm="batch")


def test_a_speaker_code_is_of_the_whole_segment():
    encoder = SpeakerEncoder(mels=12, width=6, speaker_dim=2)
    x = X.clone().requires_grad_(True)
    encoder(x).sum().backward()
    assert (x.grad.abs().sum((0, 1)) > 0).all()
