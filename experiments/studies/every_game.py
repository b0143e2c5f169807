"""Study of all games: FID, KID, Inception Score and label accuracy on one data set, with the same budget."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from experiments.studies.pages import by_data, config_of, finished, spread, summary_of, table, write_page
from experiments.studies.record import Line, Record, asked

METRICS = {
    "fid_classifier": "FID",
    "kid_classifier": "KID",
    "is_classifier": "IS",
    "label_accuracy": "label accuracy",
    "intra_fid_classifier": "intra-FID",
}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write every_game_<data>.{csv,md,png} for each data set; the record keeps earlier runs."""
    for data, of_data in by_data(finished(run_dirs)).items():
        record = Record(folder / f"every_game_{data}.csv", [*METRICS, "floor"])
        for run_dir in of_data:
            summary = summary_of(run_dir)
            values = {name: summary.metrics.get(name, {}).get("last") for name in METRICS}
            values["floor"] = summary.all.get("evaluation", {}).get("floor", {}).get("fid_classifier")
            record.add(run_dir, config_of(run_dir)["names"]["variant"], values)
        record.write()
        _page(data, record.games(data), folder, config_of(of_data[0])["data"])


def _page(data: str, games: Mapping[str, Sequence[Line]], folder: Path, of_data: Mapping[str, Any]) -> None:
    lines = [line for of_game in games.values() for line in of_game]
    order = sorted(games, key=lambda game: fmean(_last(games[game], "fid_classifier")))
    rows = [
        [
            game,
            str(len(games[game])),
            *(_cell(games[game], metric) for metric in METRICS),
            f"{fmean(_last(games[game], 'seconds')):.0f}",
        ]
        for game in order
    ]
    floor = next(iter(_last(lines, "floor")), None)
    figure = Figure(figsize=(6, 0.25 * len(order) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(order, [fmean(_last(games[game], "fid_classifier")) for game in order])
    for place, game in enumerate(order):
        values = _last(games[game], "fid_classifier")
        axes.plot(values, [place] * len(values), "k.", markersize=4)  # one dot per seed
    if floor is not None:
        axes.axvline(floor, color="grey", linestyle=":", label="real, held out")
        axes.legend(fontsize=8)
    axes.set(xlabel="FID (classifier), log scale", xscale="log")
    axes.invert_yaxis()
    budgets = {f"{int(line['iterations']):,} iterations of {line['batch_size']}" for line in lines}
    budget = (
        f"{' and '.join(sorted(budgets))} for each game; last evaluation (validation), not the best. An iteration is "
        "one step of D, so games with several steps of D for each step of G have fewer steps of G. Networks and "
        "learning rates are those of each recipe, so a row evaluates a recipe as much as a paper. FID and KID use the "
        "features of a classifier of the data; the FID of real held-out samples is "
        f"{f'{floor:.3f}' if floor is not None else '?'}. [every_game_{data}.csv](every_game_{data}.csv) has every "
        "run, with its commit and machine."
    )
    said = asked(lines, shipped="digits", of_data=of_data)
    text = f"""# Every game on {data}

    python -m experiments.train -m experiment=study/every_game{said}

{fill(budget, 120)}

![FID of every game](every_game_{data}.png)

{table(["variant", "seeds", *METRICS.values(), "seconds"], rows)}"""
    write_page(folder, f"every_game_{data}", text, figure)


def _last(lines: Sequence[Line], column: str) -> list[float]:
    return [float(line[column]) for line in lines if line[column]]


def _cell(lines: Sequence[Line], metric: str) -> str:
    values = _last(lines, metric)
    return spread(values) if values else ""
