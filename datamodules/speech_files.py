"""Search for recordings in a folder. Imports nothing heavy, because configurations use it to count speakers."""

import os
from collections.abc import Mapping
from pathlib import Path

from datamodules.survey import natural

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")


# Folders with the speakers of VCTK, the newer release first; the second microphone is left out.
VCTK = ("wav48_silence_trimmed", "wav48")
SECOND_MICROPHONE = "_mic2."
# Subsets of LibriSpeech and LibriTTS, which contain the speakers.
LIBRISPEECH = tuple(
    f"{split}-{kind}"
    for split, kinds in (
        ("train", ("clean-100", "clean-360", "other-500")),
        ("dev", ("clean", "other")),
        ("test", ("clean", "other")),
    )
    for kind in kinds
)


def recordings(root: str | Path) -> Mapping[str, list[Path]]:
    """Return the files of each speaker: each folder in `root` with sound files, at any depth, is a speaker.

    For VCTK (Yamagishi et al. 2019), `root` contains wav48/ or wav48_silence_trimmed/; for LibriSpeech (Panayotov et
    al. 2015), it contains the subsets (train-clean-100/, ...), or is one of them.

    Speakers are in natural order (1, 2, 10), files by path.
    """
    root = Path(root).expanduser()
    found: dict[str, list[Path]] = {}
    for folder in sorted(_speakers(root), key=lambda path: natural(path.name)):
        files = [
            Path(place) / name
            for place, _, names in os.walk(folder, followlinks=True)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".") and SECOND_MICROPHONE not in name
        ]
        if files:
            found[folder.name] = sorted([*found.get(folder.name, ()), *files])
    return found


def _speakers(root: Path) -> list[Path]:
    """Return the folders of the speakers."""
    below = _folders(root)
    names = {path.name for path in below}
    if own := next((name for name in VCTK if name in names), None):
        return _folders(root / own)
    subsets = [path for path in below if path.name in LIBRISPEECH]
    return [speaker for subset in subsets for speaker in _folders(subset)] or below


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
