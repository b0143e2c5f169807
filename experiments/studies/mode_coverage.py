"""Study of mode coverage: modes, high-quality share and reverse KL on ring and grid, with PacGAN's published rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from experiments import cli
from experiments.studies.pages import column, config_of, ended, game_of, spread, summary_of, table, write_page
from experiments.studies.record import Line, Record

MODES = {"ring": 8, "grid": 25}
PERFECT = {"ring": (0.0014, 98.9), "grid": (0.0048, 98.9)}  # reverse KL and high-quality share of 2,500 real samples
# Lin et al. 2018 (PacGAN), table 1: modes, high-quality share in percent, reverse KL.
PUBLISHED = {
    "GAN": {"ring": ("6.3 ± 0.5", "98.2", "0.45"), "grid": ("17.3 ± 0.8", "94.8", "0.70")},
    "ALI": {"ring": ("6.6", "97.6", "0.36"), "grid": ("24.1", "95.7", "0.14")},
    "PacGAN2": {"ring": ("7.9 ± 0.1", "95.6", "0.07"), "grid": ("23.8", "91.3", "0.13")},
    "PacGAN3": {"ring": ("7.8", "97.7", "0.10"), "grid": ("24.6", "94.2", "0.06")},
    "PacGAN4": {"ring": ("7.8", "95.9", "0.07"), "grid": ("24.8", "93.6", "0.04")},
}
METRICS = ("modes", "high_quality", "reverse_kl")


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write mode_coverage.{csv,md,png}; the record keeps earlier runs."""
    record = Record(folder / "mode_coverage.csv", METRICS)
    for run_dir in ended(run_dirs, "finished", "diverged"):
        if config_of(run_dir)["names"]["data"] not in MODES:
            cli.tell(f"left out of the report: {run_dir} (its data have no modes to count)")
            continue
        whole = summary_of(run_dir).status == "finished"
        values = {name: column(run_dir, name, file="metrics.csv")[1][-1] if whole else None for name in METRICS}
        record.add(run_dir, game_of(config_of(run_dir)["names"], "mode_coverage"), values)
    record.write()
    by_data = {data: {game: Runs.of(lines) for game, lines in record.games(data).items()} for data in MODES}
    found = {data: games for data, games in by_data.items() if games}
    figure = Figure(figsize=(9, 0.22 * sum(map(len, found.values())) + 2), layout="constrained")
    panels = figure.subplots(len(found), 2, squeeze=False, height_ratios=[len(games) for games in found.values()])
    parts = []
    for axes, (data, games) in zip(panels, found.items(), strict=True):
        best_first = sorted(games, key=lambda game: games[game].mean(-1))
        _dots(axes, data, games, best_first)
        rows = [_row(game, games[game], MODES[data]) for game in best_first]
        rows += [[f"*{name}, published*", "", "", *by_data[data], ""] for name, by_data in PUBLISHED.items()]
        head = [
            "game",
            "seeds",
            "iterations",
            f"modes of {MODES[data]}",
            "high quality, %",
            "reverse KL",
            "every mode in",
        ]
        parts.append(f"## {data}\n\n{table(head, rows)}")
    text = f"""# Mode coverage

    python -m experiments.train -m experiment=study/mode_coverage seed=1,2,3,4,5

Figures are those of 2,500 samples at the end of each run, not at its best evaluation. A sample is of high quality if it
lies within 3 standard deviations of its mode; a perfect sampler has 98.9 %, and a reverse KL of about 0.0014 (ring) and
0.0048 (grid). `pacgan_planar` uses PacGAN's own networks. Published rows are from Lin et al. 2018, table 1, with their
own training. `fgan` uses its default, `f_js`; `f_gan`, which has the same gradients, was not run. `pacgan` packs two
samples, and `packing1` one; its batch is counted in packs (256), and its figures are rounded. Rows of earlier
protocols: `geometric` without weight decay of its last layer; `pacgan_planar` with a batch counted in samples.
[mode_coverage.csv](mode_coverage.csv) has every run, with its commit and machine.

![Reverse KL and high-quality share of every game; a dot is a seed](mode_coverage.png)

{chr(10).join(parts)}"""
    write_page(folder, "mode_coverage", text, figure)


@dataclass
class Runs:
    """Results of one game over seeds: modes, high-quality share and reverse KL of each finished run."""

    last: list[tuple[float, ...]]
    lost: int
    iterations: int

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "Runs":
        ended = [tuple(float(line[metric]) for metric in METRICS) for line in lines if line["status"] == "finished"]
        return cls(ended, len(lines) - len(ended), int(lines[0]["iterations"]))

    def mean(self, which: int) -> float:
        return fmean(values[which] for values in self.last) if self.last else inf


def _row(game: str, runs: Runs, most: int) -> list[str]:
    seeds = str(len(runs.last)) + (f" ({runs.lost} diverged)" if runs.lost else "")
    if not runs.last:
        return [game, seeds, f"{runs.iterations:,}", "", "", "", ""]
    modes, quality, kl = zip(*runs.last, strict=True)
    whole = f"{sum(count == most for count in modes)} of {len(modes) + runs.lost}"
    percent = [100 * share for share in quality]
    return [game, seeds, f"{runs.iterations:,}", spread(modes, 1), spread(percent, 1), spread(kl), whole]


def _dots(axes: Sequence[Any], data: str, games: Mapping[str, Runs], order: Sequence[str]) -> None:
    """Plot one dot per seed; dotted lines mark a perfect sampler."""
    order = [game for game in order if games[game].last]
    for place, which in ((0, 2), (1, 1)):
        for row, game in enumerate(order):
            values = [(100 if which == 1 else 1) * run[which] for run in games[game].last]
            axes[place].plot(values, [row] * len(values), "o", color="C0", alpha=0.6, markersize=4)
        axes[place].axvline(PERFECT[data][place], color="grey", linestyle=":")
        axes[place].grid(axis="y", alpha=0.3)
        axes[place].set_ylim(len(order) - 0.5, -0.5)
    axes[0].set(title=data, xlabel="reverse KL", xscale="log", yticks=range(len(order)), yticklabels=order)
    axes[1].set(xlabel="high quality, %", xlim=(0, 100), yticks=range(len(order)), yticklabels=[])
