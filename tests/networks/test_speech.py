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


def test_a_classifier_reads_what_is_written_small_beside_a_constant():
    classifier = SpeakerClassifier(content_dim=3, frames=8, speakers=4, width=6)
    pairs = PairDiscriminator(content_dim=3, frames=8, width=6)
    c = torch.randn(20, 3, 2, generator=stream("codes"))
    small = 5 + 0.1 * c
    assert torch.allclose(classifier(small), classifier(c), atol=1e-2)
    assert torch.allclose(pairs(small, small.flip(0)), pairs(c, c.flip(0)), atol=1e-2)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_codes_of_levels_are_the_nearest_ones_and_have_the_gradient_of_tanh(levels):
    encoder = ContentEncoder(mels=12, width=6, content_dim=3, levels=levels)
    real = ContentEncoder(mels=12, width=6, content_dim=3)
    with torch.no_grad():
        encoder.head.weight.mul_(20)  # so that all levels occur
    real.load_state_dict(encoder.state_dict())
    c, soft = encoder(X), real(X).tanh()
    grid = torch.linspace(-1, 1, levels)
    nearest = grid[(soft[..., None] - grid).abs().argmin(-1)]
    assert len(c.unique()) == levels
    assert torch.allclose(c, nearest, atol=1e-6)
    c.square().sum().backward()
    expected = torch.autograd.grad((2 * c.detach() * soft).sum(), real.head.weight)[0]
    assert torch.allclose(encoder.head.weight.grad, expected, rtol=1e-4, atol=1e-5)


def test_a_pooled_code_is_of_the_whole_segment_and_told_to_every_frame():
    encoder = ContentEncoder(mels=12, width=6, content_dim=3, pool=True)
    decoder = SpeechDecoder(mels=12, width=6, content_dim=3, speaker_dim=2, frames=16)
    x = X.clone().requires_grad_(True)
    c, s = encoder(x), torch.zeros(5, 2)
    c.sum().backward()
    assert c.shape == (5, 3, 1)
    assert (x.grad.abs().sum((0, 1)) > 0).all()
    assert torch.equal(decoder(c, s), decoder(c.repeat(1, 1, 4), s))
    assert SpeakerClassifier(content_dim=3, frames=16, speakers=7, width=4, pool=True)(c).shape == (5, 7)
    assert PairDiscriminator(content_dim=3, frames=16, width=4, pool=True)(c, c.flip(0)).shape == (5,)


def test_instance_norm_forgets_the_gain_of_a_segment():
    normed = ContentEncoder(mels=12, width=6, content_dim=3, norm="instance").layers[:2]
    plain = ContentEncoder(mels=12, width=6, content_dim=3).layers[:1]
    assert torch.allclose(normed(1.7 * X), normed(X), atol=1e-2)
    assert not torch.allclose(plain(1.7 * X), plain(X), atol=1e-2)


@pytest.mark.parametrize("key, value", [("norm", "batch"), ("levels", 1)])
def test_what_a_content_encoder_does_not_have_is_refused(key, value):
    with pytest.raises(ValueError, match=f"{key}={value!r}"):
        ContentEncoder(**{"mels": 12, "width": 6, "content_dim": 3, key: value})


def test_a_speaker_code_is_of_the_whole_segment():
    encoder = SpeakerEncoder(mels=12, width=6, speaker_dim=2)
    x = X.clone().requires_grad_(True)
    encoder(x).sum().backward()
    assert (x.grad.abs().sum((0, 1)) > 0).all()
