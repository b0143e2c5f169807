"""Log-mel spectrograms of sound, and their inverse."""

import io
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

WINDOW = 0.064  # seconds, approximately: long enough to resolve the harmonics of a low voice
RANGE = 80.0  # dynamic range in dB below a full-scale sine
GRIFFIN_LIM_STEPS = 64

Waves = np.ndarray[tuple[int, int], np.dtype[np.float32]]  # (N, samples), in [-1, 1]


class LogMel:
    """Transform of waveforms (N, samples) in [-1, 1] to log-mel spectrograms (N, mels, frames) in [-1, 1].

    Power in librosa's mel bands (from 0 Hz to half the sample rate, triangles with peak 1), in Hann windows of about
    64 ms that overlap by three quarters, without padding. 1 is the power of a full-scale sine, -1 is 80 dB below it or
    less.

    Args:
        sample_rate: sample rate in Hz.
        mels, frames: the shape of a spectrogram.
    """

    def __init__(self, *, sample_rate: int, mels: int, frames: int) -> None:
        self.sample_rate, self.mels, self.frames = sample_rate, mels, frames
        self.window = 1 << round(math.log2(WINDOW * sample_rate))
        self.hop = self.window // 4
        self._stft: dict[str, Any] = {"n_fft": self.window, "hop_length": self.hop, "center": False}

    @property
    def samples(self) -> int:
        """Return the number of samples of a waveform with `frames` frames."""
        return self.window + self.hop * (self.frames - 1)

    def __call__(self, waves: Waves) -> Tensor:
        from librosa.feature import melspectrogram  # slow to import (1 s), and needed only for sound

        unit = np.float32(4 / self.window)  # scales a full-scale sine to power 1
        power = melspectrogram(y=waves * unit, sr=self.sample_rate, n_mels=self.mels, norm=None, **self._stft)
        decibels = torch.from_numpy(power).clamp_min(1e-10).log10() * 10
        return (1 + decibels / (RANGE / 2)).clamp_(-1, 1)

    def waves(self, x: Tensor) -> Waves:
        """Convert spectrograms (N, mels, frames) to waveforms (N, samples), with phases by Griffin & Lim (1984)."""
        from librosa import griffinlim
        from librosa.feature.inverse import mel_to_stft

        power = 10 ** ((x.detach().float().cpu().numpy() - 1) * (RANGE / 20))
        found = []
        for spectrogram in power:
            magnitude = mel_to_stft(spectrogram, sr=self.sample_rate, n_fft=self.window, norm=None)
            # librosa crops the missing padding from both ends of a signal that is not centred. Centre it, and accept
            # faded ends.
            wave = griffinlim(
                magnitude, n_iter=GRIFFIN_LIM_STEPS, hop_length=self.hop, n_fft=self.window, random_state=0
            )
            found.append(wave * (self.window / 4))
        return np.stack(found).clip(-1, 1).astype(np.float32)

    def wav(self, x: Tensor) -> list[bytes]:
        """Convert spectrograms (N, mels, frames) to the contents of N wav files, 16 bit, mono."""
        import soundfile

        files = []
        for wave in self.waves(x):
            buffer = io.BytesIO()
            soundfile.write(buffer, wave, self.sample_rate, format="WAV", subtype="PCM_16")
            files.append(buffer.getvalue())
        return files
