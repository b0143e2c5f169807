"""Log-mel spectrograms of sound, and their inverse."""

import io
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

WINDOW = 0.064  # seconds, about: long enough to tell the harmonics of a low voice apart
RANGE = 80.0  # dB below a full-scale sine that are told apart
GRIFFIN_LIM_STEPS = 64

Waves = np.ndarray[tuple[int, int], np.dtype[np.float32]]  # (N, samples), in [-1, 1]


class LogMel:
    """Waveforms (N, samples) in [-1, 1] as log-mel spectrograms (N, mels, frames) in [-1, 1].

    Power in mel bands (librosa's, from 0 Hz to half the sample rate, each triangle's peak 1), Hann windows of 64 ms or
    so that overlap by three quarters, no padding. 1 is the power of a full-scale sine, -1 is 80 dB below it or less.

    Args:
        sample_rate: Hz.
        mels, frames: the shape of a spectrogram.
    """

    def __init__(self, *, sample_rate: int, mels: int, frames: int) -> None:
        self.sample_rate, self.mels, self.frames = sample_rate, mels, frames
        self.window = 1 << round(math.log2(WINDOW * sample_rate))
        self.hop = self.window // 4
        self._stft: dict[str, Any] = {"n_fft": self.window, "hop_length": self.hop, "center": False}

    @property
    def samples(self) -> int:
        """Number of samples of the waveform that gives `frames` frames."""
        return self.window + self.hop * (self.frames - 1)

    def __call__(self, waves: Waves) -> Tensor:
        from librosa.feature import melspectrogram  # a second to import, and only sound needs it

        unit = np.float32(4 / self.window)  # brings a full-scale sine to power 1
        power = melspectrogram(y=waves * unit, sr=self.sample_rate, n_mels=self.mels, norm=None, **self._stft)
        decibels = torch.from_numpy(power).clamp_min(1e-10).log10() * 10
        return (1 + decibels / (RANGE / 2)).clamp_(-1, 1)

    def waves(self, x: Tensor) -> Waves:
        """Spectrograms (N, mels, frames) as waveforms (N, samples), phases by Griffin & Lim's iteration (1984)."""
        from librosa import griffinlim
        from librosa.feature.inverse import mel_to_stft

        power = 10 ** ((x.detach().float().cpu().numpy() - 1) * (RANGE / 20))
        found = []
        for spectrogram in power:
            magnitude = mel_to_stft(spectrogram, sr=self.sample_rate, n_fft=self.window, norm=None)
            # librosa takes the lost padding off both ends of a signal that is not centred: so centre it, and put up
            # with ends that fade.
            wave = griffinlim(
                magnitude, n_iter=GRIFFIN_LIM_STEPS, hop_length=self.hop, n_fft=self.window, random_state=0
            )
            found.append(wave * (self.window / 4))
        return np.stack(found).clip(-1, 1).astype(np.float32)

    def wav(self, x: Tensor) -> list[bytes]:
        """Spectrograms (N, mels, frames) as the contents of N wav files, 16 bit, mono."""
        import soundfile

        files = []
        for wave in self.waves(x):
            buffer = io.BytesIO()
            soundfile.write(buffer, wave, self.sample_rate, format="WAV", subtype="PCM_16")
            files.append(buffer.getvalue())
        return files
