"""FID, KID, Inception Score and label accuracy of every game on one data set, under one budget."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from experiments import runs
from experiments.studies.pages import config_of, finished, spread, summary_of, table, write_page

Run = tuple[Mapping[str, Any], runs.Summary]  # configuration, and what came of it
Games = dict[str, list[Run]]  # by variant
METRICS = {"fid": "FID", "kid": "KID", "is": "IS", "label_accuracy": "label accuracy", "intra_fid": "intra-FID"}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """docs/studies/every_game_<data>.{md,png}, for each data set."""
    found: dict[str, Games] = defaultdict(lambda: defaultdict(list))
    for run_dir in finished(run_dirs):
        config = config_of(run_dir)
        found[config["names"]["data"]][config["names"]["variant"]].append((config, summary_of(run_dir)))
    for data, games in found.items():
        _page(data, games, folder)


def _page(data: str, games: Games, folder: Path) -> None:
    order = sorted(games, key=lambda variant: fmean(_last(games[variant], "fid")))
    rows = [
        [
            variant,
            str(len(games[variant])),
            *(_cell(games[variant], metric) for metric in METRICS),
            f"{fmean(summary.seconds for _, summary in games[variant]):.0f}",
        ]
        for variant in order
    ]
    configs, summaries = zip(*(run for of_one in games.values() for run in of_one), strict=True)
    floor = summaries[0].all.get("evaluation", {}).get("floor", {}).get("fid")
    figure = Figure(figsize=(6, 0.25 * len(order) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(order, [fmean(_last(games[variant], "fid")) for variant in order])
    if floor is not None:
        axes.axvline(floor, color="grey", linestyle=":", label="real, held out")
        axes.legend(fontsize=8)
    axes.set(xlabel="FID (classifier), log scale", xscale="log")
    axes.invert_yaxis()
    budgets = {f"{config['iterations']:,} iterations of {config['data']['batch_size']}" for config in configs}
    budget = (
        f"{' and '.join(sorted(budgets))} for each, last evaluation (validation), never the best. An iteration is one "
        "step of D, so games with several steps of D for one of G have fewer of G. Networks and rates are each "
        "recipe's, so a row is a recipe as much as a paper. FID and KID on the features of a classifier of the data; "
        f"real held-out samples score {f'{floor:.3f}' if floor is not None else '?'}."
    )
    said = "" if data == "digits" else f" data={data}" + " data_dir=DIR" * ("download" in configs[0]["data"])
    text = f"""# Every game on {data}

    python -m experiments.train -m experiment=study/every_game{said} seed=1,2,3

{fill(budget, 120)}

![FID of every game](every_game_{data}.png)

{table(["variant", "seeds", *METRICS.values(), "seconds"], rows)}"""
    write_page(folder, f"every_game_{data}", text, figure)


def _last(games: Sequence[Run], metric: str) -> list[float]:
    values = [summary.metrics.get(metric, {}).get("last") for _, summary in games]
    return [float(value) for value in values if value is not None]


def _cell(games: Sequence[Run], metric: str) -> str:
    values = _last(games, metric)
    return spread(values) if values else ""
