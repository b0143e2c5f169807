"""Study of conditional generators whose discriminator ignores the condition, sees it, or also sees mismatched pairs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

import torch
from matplotlib.figure import Figure

from experiments.studies.pages import config_of, spread, summary_of, table, tested, write_page
from experiments.studies.record import asked, settings_of
from experiments.trained.loading import load_data
from lightning_gans import load_generator
from lightning_gans.reporting.images import image_grid

DATA, BUDGET = "digits_attributes", 1500  # defaults of the study
ORDER = {
    "ignores": "D ignores the condition",
    "sees": "D sees the condition",
    "matches": "D is shown wrong pairs as well",
}
METRICS = {
    "r_precision": "R-precision",
    "condition_error": "condition error",
    "fid_classifier": "FID",
    "recall_classifier": "recall",
}
ROWS, COLUMNS = 6, 8


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write ignored_condition.{md,png}."""
    found: dict[str, list[Path]] = defaultdict(list)
    for run_dir in tested(run_dirs):
        found[told(config_of(run_dir))].append(run_dir)
    shown = {way: found[way] for way in ORDER if way in found}
    configs = [config_of(run_dir) for of_way in shown.values() for run_dir in of_way]
    first = configs[0]
    rows = [_row(way, of_way) for way, of_way in shown.items()]
    floor = summary_of(next(iter(shown.values()))[0]).all["test"]["floor"]
    rows.append(["*held-out images*", "", *(f"{floor[name]:.3f}" if name in floor else "" for name in METRICS), ""])
    said = asked([settings_of(config) for config in configs], shipped=DATA, of_data=first["data"], iterations=BUDGET)
    protocol = (
        f"`data={first['names']['data']}`: a condition is the stroke width, slant and class of a digit. Images of "
        f"{first['data']['image_size']} px, {first['iterations']:,} iterations of {first['data']['batch_size']}, with "
        "the same generator and learning rates. The D that ignores the condition is the same network without the "
        "layers that take the condition."
    )
    figures = (
        "R-precision: share of samples, generated for the conditions of test images, whose own condition is nearer to "
        "the condition predicted from the sample than 99 other conditions are; 0.01 at random. Condition error: root "
        "mean squared error of the predicted condition, in standard deviations; sqrt(2) for an independent draw. Both "
        "predict conditions by a regression; the last row evaluates it on the test images themselves. Test split, "
        "last iteration; mean and standard deviation over seeds."
    )
    text = f"""# A discriminator that ignores the condition

    python -m experiments.train -m experiment=study/ignored_condition{said}

{fill(protocol, 120)}

![Test images, and samples for their conditions](ignored_condition.png)

{table(["discriminator", "seeds", *METRICS.values(), "seconds"], rows)}
{fill(figures, 120)}
"""
    write_page(folder, "ignored_condition", text, _figure(load_data(first), {way: of[0] for way, of in shown.items()}))


def told(config: Mapping[str, Any]) -> str:
    """Return the kind of input of a run's D: a key of `ORDER`."""
    if not config["network"]["discriminator"]["embedding_dim"]:
        return "ignores"
    return "matches" if config["variant"]["wrong_pair_weight"] else "sees"


def _row(way: str, run_dirs: Sequence[Path]) -> list[str]:
    tests = [summary_of(run_dir).all["test"]["last"] for run_dir in run_dirs]
    cells = [spread([test[metric] for test in tests]) for metric in METRICS]
    return [ORDER[way], str(len(tests)), *cells, f"{fmean(summary_of(run_dir).seconds for run_dir in run_dirs):.0f}"]


def _figure(module: Any, run_dirs: Mapping[str, Path]) -> Figure:
    """Plot one panel per kind of input, with a test image and samples for its condition in each row."""
    part = module.split("test").at_most(ROWS)
    real, conditions = next(part.batches(ROWS)).x, part.conditions
    figure = Figure(figsize=(10, 10 / 3 * ROWS / COLUMNS + 0.4), layout="constrained")
    for axes, (way, run_dir) in zip(figure.subplots(1, len(run_dirs), squeeze=False)[0], run_dirs.items(), strict=True):
        model: Any = load_generator(run_dir)
        made = model.sample(len(real) * (COLUMNS - 1), condition=conditions.repeat_interleave(COLUMNS - 1, 0))
        rows = torch.cat([real[:, None], made.unflatten(0, (len(real), COLUMNS - 1))], 1)
        axes.imshow(image_grid(rows.flatten(0, 1), COLUMNS), cmap="gray", vmin=0, vmax=255)
        axes.set_title(ORDER[way], fontsize=8)
        axes.axis("off")
    return figure
