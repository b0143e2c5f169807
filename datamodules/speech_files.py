"""Where the recordings of a folder lie. Imports nothing heavy: configs ask it for the number of speakers."""

import os
from collections.abc import Mapping
from pathlib import Path

from datamodules.survey import natural

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")


def recordings(root: str | Path) -> Mapping[str, list[Path]]:
    """Speaker -> files: each folder in `root` that holds sound files, at any depth, is a speaker.

    Speakers are in natural order (1, 2, 10), files by path.
    """
    root = Path(root).expanduser()
    found: dict[str, list[Path]] = {}
    if root.is_dir():
        folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
        for folder in sorted(folders, key=lambda path: natural(path.name)):
            files = [
                Path(place) / name
                for place, _, names in os.walk(folder, followlinks=True)
                for name in names
                if name.lower().endswith(SUFFIXES) and not name.startswith(".")
            ]
            if files:
                found[folder.name] = sorted(files)
    return found
