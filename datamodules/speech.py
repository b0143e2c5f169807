"""Recordings of several speakers, one folder each."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from datamodules import checks
from datamodules.base import SPLITS, SplitName
from datamodules.melspectrogram import Waves
from datamodules.order import held_out
from datamodules.speech_files import SUFFIXES, recordings
from datamodules.utterances import SpeechData, Utterances
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count, ExistingFolder, Fraction

MOST_NUMBERS = 2**29  # of a recording: nine hours at 16 kHz
SILENCE = 1e-3  # RMS: segments below -60 dB of full scale say nothing


class Speech(SpeechData):
    """Sound files below root/<speaker>/, in any format that libsndfile reads, cut into segments side by side.

    Channels are averaged, silent segments left out. Each speaker's files, not segments, are drawn into the splits.
    Everything is held in memory, 2.6 kB a segment of 40 mels and 16 frames.

    Args:
        root: directory of the speakers' directories.
        batch_size: global batch size, of all processes together.
        sample_rate: sample rate in Hz, of all files; nothing is resampled.
        mels: mel bands of a spectrogram.
        frames: frames of a segment, 16 ms each.
        validation_share: share of each speaker's files that is held out for validation, at least one file.
        test_share: share of each speaker's files that is held out for the test, at least one file.
    """

    def __init__(
        self,
        *,
        root: ExistingFolder,
        batch_size: Count = 64,
        sample_rate: Annotated[int, Ge(4000)] = 16000,
        mels: Annotated[int, Ge(8)] = 40,
        frames: Annotated[int, Ge(4)] = 16,
        validation_share: Fraction = 0.1,
        test_share: Fraction = 0.1,
    ) -> None:
        super().__init__(batch_size=batch_size, sample_rate=sample_rate, mels=mels, frames=frames)
        self.root = checks.folder("root", root)
        self.validation_share = checks.number("validation_share", validation_share, least=0)
        self.test_share = checks.number("test_share", test_share, least=0)
        if self.validation_share + self.test_share >= 1:
            raise UserError(
                f"data.validation_share={validation_share} and data.test_share={test_share} leave nothing to train on. "
                "Say two shares whose sum is below 1, such as 0.1 each."
            )

    @cached_property
    def files(self) -> Mapping[str, list[Path]]:
        """Speaker -> files.

        Raises:
            UserError: no two speakers, or too few files of one.
        """
        found = recordings(self.root)
        if len(found) < 2:
            there = f"there is only {next(iter(found))}" if found else "it holds none"
            raise UserError(
                f"data.root={self.root}: this needs a folder for each of two or more speakers with sound files in it, "
                f"as in {self.root}/anna/1.wav, and {there if self.root.is_dir() else 'there is no such folder'}. "
                f"Files that are read end in {', '.join(SUFFIXES)}."
            )
        for speaker, files in found.items():
            if len(files) < len(SPLITS):
                raise UserError(
                    f"{self.root / speaker} holds {len(files)} sound files, and each speaker needs at least three: one "
                    "to train on, one to validate, one to test. Cut the recording in parts, or take the folder out."
                )
        return found

    @property
    def speaker_names(self) -> tuple[str, ...]:
        return tuple(self.files)

    @cached_property
    def fingerprint(self) -> str:
        said = {name: getattr(self, name) for name in ("sample_rate", "mels", "frames")}
        said |= {name: getattr(self, name) for name in ("validation_share", "test_share")}
        digest = hashlib.sha256(json.dumps({"speech": 1} | said, sort_keys=True).encode())
        for path in (path for files in self.files.values() for path in files):
            digest.update(f"\n{path.relative_to(self.root).as_posix()} {path.stat().st_size}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def read(self) -> Mapping[str, Utterances]:
        parts: dict[SplitName, list[torch.Tensor]] = {split: [] for split in SPLITS}
        of: dict[SplitName, list[int]] = {split: [] for split in SPLITS}
        for speaker, (name, files) in enumerate(self.files.items()):
            for split, chosen in self._split(name, files).items():
                segments = np.concatenate([self.segments(path) for path in chosen])
                least = 2 if split == "train" else 1
                if len(segments) < least:
                    raise UserError(
                        f"{self.root / name}: of its {len(chosen)} files to {'train on' if split == 'train' else split}"
                        f", {len(segments)} segments are louder than -60 dB of full scale, and {least} are needed. Add "
                        "recordings, make them louder, or take the folder out."
                    )
                parts[split].append(self.spectrogram(segments))
                of[split] += [speaker] * len(segments)
        return {split: Utterances(torch.cat(parts[split]), None, torch.tensor(of[split])) for split in SPLITS}

    def _split(self, speaker: str, files: list[Path]) -> dict[SplitName, list[Path]]:
        most = len(files) - 2
        tests = min(max(1, round(self.test_share * len(files))), most)
        rest, test = held_out(len(files), tests, "split", "speech", "test", speaker)
        validations = min(max(1, round(self.validation_share * len(files))), len(rest) - 1)
        train, validation = held_out(len(rest), validations, "split", "speech", "validation", speaker)
        rows = {"train": rest[train], "validation": rest[validation], "test": test}
        return {split: [files[i] for i in rows[split].tolist()] for split in SPLITS}

    def segments(self, path: Path) -> Waves:
        """The segments of a file that are not silent, (n, samples).

        Raises:
            UserError: it cannot be read, has another rate, or is shorter than one segment.
        """
        import soundfile  # a library of the system's behind it

        try:
            with soundfile.SoundFile(path) as file:
                rate = file.samplerate
                if file.frames * file.channels > MOST_NUMBERS:
                    raise ValueError(f"it says that it holds more than {MOST_NUMBERS:,} numbers. Cut it in parts.")
                wave = file.read(dtype="float32", always_2d=True)
            if not np.isfinite(wave).all():
                raise ValueError("it holds numbers that are NaN or infinite.")
        except (soundfile.SoundFileError, OSError, ValueError) as error:
            raise UserError(
                f"{path} cannot be read as sound: {error} Mend it, convert it to wav, or take it out of {self.root}."
            ) from error
        if rate != self.sample_rate:
            raise UserError(
                f"{path} has {rate} samples a second, and data.sample_rate={self.sample_rate}. Say "
                f"data.sample_rate={rate} if all files have that; otherwise bring them all to one rate first, for "
                f"example with: ffmpeg -i IN -ar {self.sample_rate} OUT.wav"
            )
        length = self.spectrogram.samples
        if len(wave) < length:
            fitting = (len(wave) - self.spectrogram.window) // self.spectrogram.hop + 1
            shorter = f"Say data.frames={fitting // 4 * 4} or fewer, or t" if fitting >= 4 else "T"
            raise UserError(
                f"{path} is {len(wave) / rate:.2f} s long, and a segment of data.frames={self.frames} is "
                f"{length / rate:.2f} s. {shorter}ake the file out of {self.root}."
            )
        mono: Waves = wave.mean(axis=1)[: len(wave) // length * length].reshape(-1, length)
        loud: Waves = mono[np.sqrt(np.mean(mono**2, axis=1)) > SILENCE]
        return loud
