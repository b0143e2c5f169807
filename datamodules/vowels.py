"""Synthetic vowels of several speakers: speech with known content and speaker, without a download."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from datamodules import checks
from datamodules.base import SplitName
from datamodules.melspectrogram import LogMel, Waves
from datamodules.utterances import SpeechData, Utterances, UtteranceSplit
from lightning_gans.core.rng import stream
from lightning_gans.settings import Count

VERSION = 1  # part of the fingerprint: increment if the sounds change

# Peterson & Barney 1952, "Control methods used in a study of the vowels", J. Acoust. Soc. Am. 24, 175-184, table II:
# mean fundamental and formants F1, F2, F3 in Hz of 33 men, 28 women and 15 children, vowels of these words.
WORDS = ("heed", "hid", "head", "had", "hod", "hawed", "hood", "who'd", "hud", "heard")
GROUPS = ("man", "woman", "child")
FUNDAMENTALS = np.array(
    [
        [136, 135, 130, 127, 124, 129, 137, 141, 130, 133],
        [235, 232, 223, 210, 212, 216, 232, 231, 221, 218],
        [272, 269, 260, 251, 256, 263, 276, 274, 261, 261],
    ],
    dtype=float,
)
FORMANTS = np.array(
    [
        [
            [270, 390, 530, 660, 730, 570, 440, 300, 640, 490],
            [2290, 1990, 1840, 1720, 1090, 840, 1020, 870, 1190, 1350],
            [3010, 2550, 2480, 2410, 2440, 2410, 2240, 2240, 2390, 1690],
        ],
        [
            [310, 430, 610, 860, 850, 590, 470, 370, 760, 500],
            [2790, 2480, 2330, 2050, 1220, 920, 1160, 950, 1400, 1640],
            [3310, 3070, 2990, 2850, 2810, 2710, 2680, 2670, 2780, 1960],
        ],
        [
            [370, 530, 690, 1010, 1030, 680, 560, 430, 850, 560],
            [3200, 2730, 2610, 2320, 1370, 1060, 1410, 1170, 1590, 1820],
            [3730, 3600, 3570, 3320, 3170, 3180, 3310, 3260, 3360, 2160],
        ],
    ],
    dtype=float,
)  # (groups, formants, vowels)

# Values missing in the table, from Klatt 1980 (J. Acoust. Soc. Am. 67, 971-995), table I: a man's F4 and F5, and
# bandwidths.
HIGHER = np.array([3300.0, 3750.0])
BANDWIDTHS = np.array([50.0, 70.0, 110.0, 250.0, 200.0])

TRACT, PITCH = 0.16, 0.35  # log range of vocal tract and pitch within a group
PITCH_JITTER, FORMANT_JITTER = 0.03, 0.02  # log standard deviations over utterances
GLIDE = 0.05  # largest change of pitch over an utterance, up or down
LEVEL, LEVEL_JITTER = -20.0, 3.0  # RMS in dB of full scale, and largest deviation from it
BREATH = -50.0  # noise in dB relative to the voice
SETTLE = 512  # samples of the resonators' transient, discarded

UTTERANCES: Mapping[SplitName, int] = {"train": 30, "validation": 10, "test": 10}  # of each vowel of each speaker


class Voice(NamedTuple):
    """A speaker. group: index in GROUPS; pitch, tract: factors on the group's fundamentals and formants."""

    name: str
    group: int
    pitch: float
    tract: float


def voices(n: int) -> list[Voice]:
    """Return n speakers (man, woman, child in turn), evenly spaced in pitch and tract within each group."""
    found = []
    for speaker in range(n):
        group, member = speaker % 3, speaker // 3
        count = len(range(group, n, 3))
        # the longest tract does not have the lowest pitch, so that neither determines the other
        tract, pitch = ((place + 0.5) / count - 0.5 for place in (member, (member + 1) % count))
        found.append(
            Voice(f"{GROUPS[group]} {member + 1}", group, float(np.exp(PITCH * pitch)), float(np.exp(TRACT * tract)))
        )
    return found


def sound(pitch: np.ndarray, formants: np.ndarray, *, sample_rate: int, phase: float = 0.0) -> np.ndarray:
    """Synthesise a voice with RMS 1 by a source-filter model: glottal pulses through cascaded resonators.

    The source is the derivative of Rosenberg's pulse C (1971: 40 % opening, 16 % closing), which includes the mouth's
    radiation; the resonators are Klatt's (1980). Components above 45 % of the sample rate are left out.

    Args:
        pitch: (samples,), Hz.
        formants: (5,), Hz.
        phase: phase of the first pulse, in [0, 1).
    """
    from scipy.signal import sosfilt

    cycle = (phase + np.cumsum(pitch) / sample_rate) % 1
    opening, closing = 0.40, 0.16
    flow = np.where(
        cycle < opening,
        0.5 * (1 - np.cos(np.pi * cycle / opening)),
        np.where(cycle < opening + closing, np.cos(np.pi / 2 * (cycle - opening) / closing), 0.0),
    )
    audible = formants < 0.45 * sample_rate
    frequency, width = formants[audible], BANDWIDTHS[audible]
    c = -np.exp(-2 * np.pi * width / sample_rate)
    b = 2 * np.exp(-np.pi * width / sample_rate) * np.cos(2 * np.pi * frequency / sample_rate)
    zero, one = np.zeros_like(b), np.ones_like(b)
    heard = sosfilt(np.stack([1 - b - c, zero, zero, one, -b, -c], axis=1), np.diff(flow, prepend=flow[0]))
    heard = heard[SETTLE:]
    loud: np.ndarray = heard / np.sqrt(np.mean(heard**2))
    return loud


def utterances(voice: Voice, vowel: int, jitter: Tensor, *, sample_rate: int, samples: int) -> Waves:
    """Synthesise several utterances of one vowel by a speaker: (n, samples) in [-1, 1].

    jitter: (n, 10) from N(0, 1): pitch, five formants, glide, phase, level and noise of each utterance.
    """
    length = FORMANTS[voice.group, 2].mean() / FORMANTS[0, 2].mean()  # of the group's vocal tract, from F3
    formants = voice.tract * np.concatenate([FORMANTS[voice.group, :, vowel], HIGHER * length])
    time = np.linspace(-0.5, 0.5, samples + SETTLE)
    said = np.empty((len(jitter), samples), np.float32)
    normal = jitter.double()
    even = torch.special.ndtr(normal).numpy()  # U(0, 1)
    for row, (own, share) in enumerate(zip(normal.numpy(), even, strict=True)):
        pitch = voice.pitch * FUNDAMENTALS[voice.group, vowel] * np.exp(PITCH_JITTER * own[0])
        pitch = pitch * (1 + GLIDE * (2 * share[6] - 1) * time)
        wave = sound(pitch, formants * np.exp(FORMANT_JITTER * own[1:6]), sample_rate=sample_rate, phase=share[7])
        noise = np.random.default_rng(int(share[9] * 2**53)).standard_normal(samples)
        level = 10 ** ((LEVEL + LEVEL_JITTER * (2 * share[8] - 1)) / 20)
        said[row] = level * (wave + 10 ** (BREATH / 20) * noise)
    return said.clip(-1, 1)


class Vowels(SpeechData):
    """Synthetic vowels: ten vowels of men, women and children, from Peterson & Barney's table of 1952.

    Each speaker has a pitch and a vocal-tract length, around which utterances vary. There are 30 fixed utterances of
    each vowel and speaker for training, 10 for validation and 10 for the test.

    Args:
        batch_size: global batch size, of all processes together.
        sample_rate: sample rate in Hz.
        mels: mel bands of a spectrogram.
        frames: frames of a segment, 16 ms each.
        speakers: number of speakers, a man, a woman and a child in turn.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        sample_rate: Annotated[int, Ge(4000)] = 16000,
        mels: Annotated[int, Ge(8)] = 40,
        frames: Annotated[int, Ge(4)] = 16,
        speakers: Annotated[int, Ge(2)] = 9,
    ) -> None:
        super().__init__(batch_size=batch_size, sample_rate=sample_rate, mels=mels, frames=frames)
        self.speakers = checks.whole("speakers", speakers, least=2)

    @property
    def classes(self) -> tuple[str, ...]:
        return WORDS

    @property
    def speaker_names(self) -> tuple[str, ...]:
        return tuple(voice.name for voice in voices(self.speakers))

    @property
    def fingerprint(self) -> str:
        said = {name: getattr(self, name) for name in ("sample_rate", "mels", "frames", "speakers")}
        return hashlib.sha256(json.dumps({"vowels": VERSION} | said, sort_keys=True).encode()).hexdigest()

    def read(self) -> Mapping[str, Utterances]:
        return {name: self._synthesised(name, n) for name, n in UTTERANCES.items()}

    def fresh(self) -> UtteranceSplit:
        """Return 30 further utterances of each vowel and speaker, in no split; synthesised at the first call."""
        return UtteranceSplit(self._synthesised("fresh", UTTERANCES["train"]), self.finish)

    def _synthesised(self, name: str, n: int) -> Utterances:
        return _synthesised(name, n, self.sample_rate, self.mels, self.frames, self.speakers)


@cache
def _synthesised(name: str, n: int, sample_rate: int, mels: int, frames: int, speakers: int) -> Utterances:
    """Synthesise n utterances of each vowel and speaker, with the random stream `name`."""
    spectrogram = LogMel(sample_rate=sample_rate, mels=mels, frames=frames)
    parts, labels, of = [], [], []
    for speaker, voice in enumerate(voices(speakers)):
        for vowel in range(len(WORDS)):
            jitter = torch.randn(n, 10, generator=stream("vowels", name, speaker, vowel))
            waves = utterances(voice, vowel, jitter, sample_rate=sample_rate, samples=spectrogram.samples)
            parts.append(spectrogram(waves))
            labels += [vowel] * n
            of += [speaker] * n
    return Utterances(torch.cat(parts), torch.tensor(labels), torch.tensor(of))
