import numpy as np
import pytest
import torch

from datamodules.vowels import BANDWIDTHS, FORMANTS, FUNDAMENTALS, WORDS, Vowels, sound, utterances, voices

RATE = 16000
SMALL = {"speakers": 2, "sample_rate": 8000, "mels": 16, "frames": 4}


def test_the_table_is_petersons_and_barneys():
    # 1952, table II: some of its corners
    assert FORMANTS.shape == (3, 3, 10)
    assert FUNDAMENTALS.shape == (3, 10)
    assert FORMANTS[0, :, WORDS.index("heed")].tolist() == [270, 2290, 3010]
    assert FORMANTS[1, :, WORDS.index("had")].tolist() == [860, 2050, 2850]
    assert FORMANTS[2, :, WORDS.index("heard")].tolist() == [560, 1820, 2160]
    assert FUNDAMENTALS.mean(1).round().tolist() == [132, 223, 264]


@pytest.mark.parametrize("group, vowel", [(0, "heed"), (0, "hod"), (1, "had"), (2, "head")])
def test_the_spectrum_peaks_at_the_formants(group, vowel):
    # at a pitch of 40 Hz the harmonics lie close enough to show the resonances
    formants = np.append(FORMANTS[group, :, WORDS.index(vowel)], [4200, 5200])
    wave = sound(np.full(RATE, 40.0), formants, sample_rate=RATE)
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    for formant, width in zip(formants[:3], BANDWIDTHS, strict=False):
        near = np.abs(frequency - formant) < min(250, formant / 3)
        peak = frequency[near][power[near].argmax()]
        assert abs(peak - formant) < max(40, width), (formant, peak)


@pytest.mark.parametrize("pitch", [100.0, 260.0])
def test_a_voice_has_harmonics_of_its_pitch_alone(pitch):
    wave = sound(np.full(RATE, pitch), np.array([500.0, 1500, 2500, 3300, 3750]), sample_rate=RATE)
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    away = np.abs(frequency / pitch - np.round(frequency / pitch)) * pitch
    assert power[away < 3].sum() > 0.99 * power.sum()
    assert np.mean(wave**2) == pytest.approx(1)


def test_what_a_rate_cannot_hold_is_left_out():
    wave = sound(np.full(4000, 100.0), np.array([500.0, 1500, 2500, 3900, 4500]), sample_rate=8000)
    assert np.isfinite(wave).all()


def test_speakers_differ_in_pitch_and_in_tract():
    found = voices(9)
    assert [voice.group for voice in found] == [0, 1, 2] * 3
    for group in range(3):
        members = [voice for voice in found if voice.group == group]
        tract, pitch = (sorted(getattr(voice, name) for voice in members) for name in ("tract", "pitch"))
        assert tract[-1] / tract[0] > 1.1
        assert pitch[-1] / pitch[0] > 1.2
        assert members[0].tract == tract[0]
        assert members[0].pitch != pitch[0]
    assert (voices(2)[0].pitch, voices(2)[0].tract) == (1.0, 1.0)


def test_utterances_jitter_around_their_voice():
    jitter = torch.zeros(2, 10)
    jitter[1, 8] = 1.0  # louder
    quiet, loud = utterances(voices(3)[0], 0, jitter, sample_rate=RATE, samples=4000)
    assert 20 * np.log10(np.sqrt(np.mean(quiet**2))) == pytest.approx(-20, abs=0.1)
    assert np.allclose(quiet / quiet.std(), loud / loud.std(), atol=0.05)
    assert loud.std() > 1.2 * quiet.std()


def test_splits_are_disjoint_and_always_the_same():
    first, again = Vowels(**SMALL), Vowels(**SMALL)
    assert {name: len(first.split(name)) for name in first.sources} == {"train": 600, "validation": 200, "test": 200}
    assert first.fingerprint == again.fingerprint != Vowels(**SMALL | {"mels": 20}).fingerprint
    everything = torch.cat([source.x for source in first.sources.values()]).flatten(1)
    assert len(everything.unique(dim=0)) == 1000
    train = first.split("train")
    assert torch.bincount(train.labels).tolist() == [60] * 10
    assert torch.bincount(train.speakers).tolist() == [300] * 2
    assert first.sample_shape == tuple(everything.unflatten(1, (16, 4)).shape[1:])


def test_what_is_said_and_who_says_it_can_be_heard():
    """Nearest neighbours of a few utterances already tell them apart."""
    data = Vowels(**SMALL)
    train, test = data.sources["train"], data.sources["test"]
    nearest = torch.cdist(test.x.flatten(1), train.x.flatten(1)).argmin(1)
    for known, asked in ((train.labels, test.labels), (train.speakers, test.speakers)):
        assert (known[nearest] == asked).float().mean() > 0.8


def test_fresh_utterances_are_of_no_split():
    data = Vowels(**SMALL)
    fresh = data.fresh()
    assert len(fresh) == len(data.split("train")) == 2 * 10 * 30
    assert torch.equal(fresh.labels, data.split("train").labels)
    assert torch.equal(fresh.speakers, data.split("train").speakers)
    x = next(fresh.batches(600)).x
    assert torch.equal(x, next(Vowels(**SMALL).fresh().batches(600)).x)
    for name in ("train", "validation", "test"):
        known = next(data.split(name).batches(600)).x
        assert torch.cdist(x.flatten(1), known.flatten(1)).min() > 0.01
