import io

import numpy as np
import pytest
import soundfile
import torch

from datamodules.melspectrogram import LogMel

RATE = 8000
MEL = LogMel(sample_rate=RATE, mels=24, frames=8)


def sine(frequency, amplitude=1.0):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(MEL.samples) / RATE)).astype(np.float32)[None]


def test_a_segment_is_as_long_as_its_frames():
    assert (MEL.window, MEL.hop) == (512, 128)
    assert MEL(sine(1000)).shape == (1, 24, 8)
    assert LogMel(sample_rate=16000, mels=40, frames=16).samples == 1024 + 15 * 256


@pytest.mark.parametrize("decibels", [0, -20, -40])
def test_levels_are_decibels_of_a_full_scale_sine(decibels):
    loudest = MEL(sine(1000, 10 ** (decibels / 20))).amax(1)
    assert torch.allclose(loudest, torch.full_like(loudest, 1 + decibels / 40), atol=0.05)


def test_silence_is_the_floor():
    assert (MEL(np.zeros((1, MEL.samples), np.float32)) == -1).all()


def test_pitch_moves_the_band():
    bands = [MEL(sine(frequency)).mean(2).argmax().item() for frequency in (200, 600, 1200, 2400)]
    assert bands == sorted(set(bands))
    assert bands[0] < 4
    assert bands[-1] > 14


def test_sound_comes_back_from_a_spectrogram():
    x = MEL(sine(1000, 0.3))
    (wave,) = MEL.waves(x)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    assert abs(spectrum.argmax() * RATE / len(wave) - 1000) < 80
    assert 0.15 < np.abs(wave[len(wave) // 4 : -len(wave) // 4]).max() < 0.7  # phases are guessed
    (file,) = MEL.wav(x)
    again, rate = soundfile.read(io.BytesIO(file))
    assert rate == RATE
    assert np.abs(again - wave).max() < 1e-4
    assert MEL.wav(x) == [file]
