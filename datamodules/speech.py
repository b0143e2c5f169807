"""Speech recordings of several speakers, one folder each."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from datamodules import checks
from datamodules.bad_files import Bad, BadFiles, OnBadFile
from datamodules.base import SPLITS, SplitName
from datamodules.findings import SHOWN, listed, repeated
from datamodules.melspectrogram import Waves
from datamodules.order import held_out
from datamodules.speech_files import SUFFIXES, recordings
from datamodules.utterances import SpeechData, Utterances
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count, ExistingFolder, Fraction

MOST_NUMBERS = 2**29  # samples of a recording: nine hours at 16 kHz
SILENCE = 1e-3  # RMS below which a segment is silent: -60 dB of full scale


class Speech(SpeechData):
    """Speech folder: sound files below root/<speaker>/, in any format of libsndfile, cut into segments.

    `root` may be an unmodified copy of VCTK (sample rate 48,000 Hz) or LibriSpeech (16,000 Hz).

    Channels are averaged, and silent segments are left out. Speakers are in natural order of their folders' names (1,
    2, 10). The splits divide each speaker's files, not segments. All data are held in memory, at 2.6 kB for a segment
    of 40 mels and 16 frames.

    Args:
        root: directory of the speakers' directories.
        batch_size: global batch size, of all processes together.
        sample_rate: sample rate in Hz, of all files; nothing is resampled.
        mels: mel bands of a spectrogram.
        frames: frames of a segment, 16 ms each.
        validation_share: share of each speaker's files that is held out for validation, at least one file.
        test_share: share of each speaker's files that is held out for the test, at least one file.
        on_bad_file: treatment of files that cannot be read, have another sample rate or are shorter than a segment:
            "skip" with one warning that names them, or an "error".

    Raises:
        UserError: fewer than two speakers, fewer than three usable files of a speaker, or only silence.
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
        on_bad_file: OnBadFile = "skip",
    ) -> None:
        super().__init__(batch_size=batch_size, sample_rate=sample_rate, mels=mels, frames=frames)
        self.root = checks.folder("root", root)
        self.bad_files = BadFiles(on_bad_file, kind="sound file", fault="cannot be used")
        self.silent: list[str] = []  # files with only silent segments
        self.validation_share = checks.number("validation_share", validation_share, least=0)
        self.test_share = checks.number("test_share", test_share, least=0)
        if self.validation_share + self.test_share >= 1:
            raise UserError(
                f"data.validation_share={validation_share} and data.test_share={test_share} leave nothing to train on. "
                "Say two shares whose sum is below 1, such as 0.1 each."
            )

    @cached_property
    def files(self) -> Mapping[str, list[Path]]:
        """Return the files of each speaker.

        Raises:
            UserError: fewer than two speakers, or too few files of a speaker.
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
        bad: list[Bad] = []
        short_of: dict[str, tuple[int, Bad]] = {}  # speakers with too few usable files
        for speaker, (name, files) in enumerate(self.files.items()):
            waves, unfit = self._waves(files)
            bad += unfit
            if len(waves) < len(SPLITS):
                short_of[name] = len(waves), unfit[0]
                continue
            for split, chosen in self._split(name, list(waves)).items():
                segments = np.concatenate([waves[path] for path in chosen])
                least = 2 if split == "train" else 1
                if len(segments) < least:
                    raise UserError(
                        f"{self.root / name}: of its {len(chosen)} files to {'train on' if split == 'train' else split}"
                        f", {len(segments)} segments are louder than -60 dB of full scale, and {least} are needed. Add "
                        "recordings, make them louder, or take the folder out."
                    )
                parts[split].append(self.spectrogram(segments))
                of[split] += [speaker] * len(segments)
        self._report(bad, short_of)
        return {split: Utterances(torch.cat(parts[split]), None, torch.tensor(of[split])) for split in SPLITS}

    def _waves(self, files: Sequence[Path]) -> tuple[dict[Path, Waves], list[Bad]]:
        """Return the segments of each usable file, and the unusable files."""
        waves: dict[Path, Waves] = {}
        bad: list[Bad] = []
        for path in files:
            name = path.relative_to(self.root).as_posix()
            try:
                waves[path] = self.segments(path)
            except ValueError as error:
                bad.append(Bad(name, str(error)))
            else:
                self.silent += [] if len(waves[path]) else [name]
        return waves, bad

    def _report(self, bad: Sequence[Bad], short_of: Mapping[str, tuple[int, Bad]]) -> None:
        """Warn about unusable files, or refuse them.

        Raises:
            UserError: too few usable files are left, or on_bad_file is "error".
        """
        total = sum(map(len, self.files.values()))
        if len(bad) == total:
            raise UserError(
                f"data.root={self.root}: none of its {total} sound files can be used; the first is {bad[0]}."
            )
        self.bad_files.report(bad)
        for speaker, (usable, first) in short_of.items():
            raise UserError(
                f"{self.root / speaker}: {usable} of its {len(self.files[speaker])} sound files can be used, and each "
                f"speaker needs at least three: one to train on, one to validate, one to test. The first that cannot "
                f"is {first}. Mend it, add recordings, or take the folder out."
            )

    def notes(self) -> list[str]:
        counts = ", ".join(f"{len(self.split(split)):,} {SHOWN[split]}" for split in SPLITS)
        files = sum(map(len, self.files.values())) - len(self.bad_files)
        found = [listed(f"{counts} segments of {files:,} files, {len(self.files)} speakers", self.speaker_names)]
        if self.silent:
            found.append(listed(f"{len(self.silent)} of {files:,} files are silent (below -60 dB)", self.silent))
        return found + repeated(len(self.split("train")), self.batch_size, "segments")

    def _split(self, speaker: str, files: list[Path]) -> dict[SplitName, list[Path]]:
        most = len(files) - 2
        tests = min(max(1, round(self.test_share * len(files))), most)
        rest, test = held_out(len(files), tests, "split", "speech", "test", speaker)
        validations = min(max(1, round(self.validation_share * len(files))), len(rest) - 1)
        train, validation = held_out(len(rest), validations, "split", "speech", "validation", speaker)
        rows = {"train": rest[train], "validation": rest[validation], "test": test}
        return {split: [files[i] for i in rows[split].tolist()] for split in SPLITS}

    def segments(self, path: Path) -> Waves:
        """Return the segments of a file that are not silent, (n, samples).

        Raises:
            ValueError: the file cannot be read, has another sample rate, or is shorter than one segment.
        """
        import soundfile  # needs the system library libsndfile

        try:
            with soundfile.SoundFile(path) as file:
                rate = file.samplerate
                if file.frames * file.channels > MOST_NUMBERS:
                    raise ValueError(f"it says that it holds more than {MOST_NUMBERS:,} numbers; cut it in parts")
                wave = file.read(dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise ValueError(str(error).strip().rstrip(".")) from error
        if not np.isfinite(wave).all():
            raise ValueError("it holds numbers that are NaN or infinite")
        if rate != self.sample_rate:
            raise ValueError(
                f"it has {rate} samples a second, not data.sample_rate={self.sample_rate}: say "
                f"data.sample_rate={rate} if all files have that, or else convert it with ffmpeg -i IN -ar "
                f"{self.sample_rate} OUT.wav"
            )
        length = self.spectrogram.samples
        if len(wave) < length:
            fitting = (len(wave) - self.spectrogram.window) // self.spectrogram.hop + 1
            shorter = f": data.frames={fitting // 4 * 4} or fewer would fit" if fitting >= 4 else ""
            raise ValueError(
                f"it is {len(wave) / rate:.2f} s long, and a segment of data.frames={self.frames} is "
                f"{length / rate:.2f} s{shorter}"
            )
        mono: Waves = wave.mean(axis=1)[: len(wave) // length * length].reshape(-1, length)
        loud: Waves = mono[np.sqrt(np.mean(mono**2, axis=1)) > SILENCE]
        return loud
