"""Folders of runs as training leaves them, without any training: of three or of two hundred."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from experiments.runs import directory as runs

FID, IS = "fid_classifier", "is_classifier"


def make_run(
    root: Path,
    group: str,
    seed: int = 0,
    *,
    fid: float = 10.0,
    rows: int = 20,
    grids: int = 3,
    side: int = 32,
    noise: bool = False,
    status: str = "finished",
    data: str = "digits",
    config: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """A run `group`-`seed` of 100 iterations a row, whose FID falls to `fid`."""
    folder = root / f"{group.replace('/', '_')}-{seed}"
    (folder / "samples").mkdir(parents=True)
    names = {"variant": "vanilla", "data": data, "run": folder.name, "group": group.replace("/", "_")}
    settings = {"seed": seed, "iterations": 100 * rows, "run_dir": str(folder), "variant": {"group": group}}
    whole = {**settings, "names": names, **(config or {})}
    (folder / runs.CONFIG).write_text(runs.config_text(whole))
    (folder / runs.COMMAND).write_text(
        f"python -m experiments.train variant=vanilla seed={seed}\ncommit abc\npython 3\n"
    )
    metrics = {
        FID: {"best": fid, "last": fid + 1, "best_iteration": 100, "better": "lower", "best_se": 0.5, "last_se": 0.5},
        IS: {"best": 9.0 - fid / 10, "last": 8.0 - fid / 10, "best_iteration": 100, "better": "higher"},
    }
    evaluation = {"extractor": "classifier(digits)", "samples": 360, "reference": "train", "floor": {FID: 1.25}}
    known = {"status": status, "iterations": 100 * rows, "images": 6400 * rows, "seconds": 3.0 * rows}
    known |= {"images_per_second": 2000.0, "metrics": metrics, "headline": FID, "evaluation": evaluation}
    (folder / runs.SUMMARY).write_text(json.dumps({**known, **(summary or {})}))
    losses = ["iteration,images,seconds,D/real,D/loss,D/gradient_norm,G/loss,G/gradient_norm"]
    scores = [f"iteration,images,seconds,{FID},{IS}"]
    for k in range(1, rows + 1):
        axes = f"{100 * k},{6400 * k},{3 * k + seed / 8:g}"
        losses.append(f"{axes},0.5,{1 + 1 / k:g},{2 / k:g},{1 - 1 / (k + seed):g},{3 / k:g}")
        scores.append(f"{axes},{fid + 20 / k:g},{9 - fid / 10 - 1 / k:g}")
    (folder / "losses.csv").write_text("\n".join([*losses, ""]))
    (folder / "metrics.csv").write_text("\n".join([*scores, ""]))
    for k in range(grids):
        plain = bytes([40 + 60 * k % 200]) * side**2
        picture = Image.frombytes("L", (side, side), random.Random(k).randbytes(side**2) if noise else plain)
        picture.save(folder / "samples" / f"iteration-{100 * (k + 1):08}.png")
    return folder
