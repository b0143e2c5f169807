"""Study of InfoGAN's categorical code: classification error of the categories found without labels, by seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from matplotlib.figure import Figure

from experiments.studies.pages import by_data, column, config_of, game_of, spread, summary_of, table, tested, write_page
from experiments.studies.record import Line, Record, as_curve, asked, of_curve

METRICS = ("code_accuracy", "code_classes", "nmi", "fid_classifier")
CURVE = "code_accuracy_curve"
PUBLISHED = 0.05  # Chen et al. 2016, section 7.2, on MNIST
COLUMNS = 10


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write categories_<data>.{csv,md,png} for each data set; the record keeps earlier runs."""
    for data, of_data in by_data(tested(run_dirs)).items():
        record = Record(folder / f"categories_{data}.csv", [*METRICS, CURVE])
        for run_dir in of_data:
            last = summary_of(run_dir).all["test"]["last"]
            values: dict[str, float | str | None] = {name: last.get(name) for name in METRICS}
            values[CURVE] = as_curve(*column(run_dir, "code_accuracy", file="metrics.csv"))
            record.add(run_dir, game_of(config_of(run_dir)["names"], "categories"), values)
        record.write()
        _page(data, record.games(data), of_data, folder)


def _page(data: str, games: Mapping[str, Sequence[Line]], run_dirs: Sequence[Path], folder: Path) -> None:
    rows = [_row(game, of_game) for game, of_game in games.items()]
    if data == "mnist":
        rows.append(["*Chen et al. 2016, published*", "", "", f"{100 * PUBLISHED:.0f}", *[""] * 6])
    lines = [line for of_game in games.values() for line in of_game]
    head = ["", "seeds", "iterations", "best", "median", "mean", "classes found", "NMI", "FID", "seconds"]
    said = asked(lines, shipped="digits", of_data=config_of(run_dirs[0])["data"])
    text = f"""# Classes without labels, on {data}

    python -m experiments.train -m experiment=study/categories{said}

Error in % of InfoGAN's first categorical code on the test split after the last iteration. Each category predicts its
most frequent class on the training split; "classes found" counts the classes that some category predicts.
[categories_{data}.csv](categories_{data}.csv) has every run, with its commit and machine.

{table(head, rows)}
![Error over training; samples, a row for each category](categories_{data}.png)
"""
    write_page(folder, f"categories_{data}", text, _figure(games, run_dirs))


def _row(game: str, lines: Sequence[Line]) -> list[str]:
    errors = [_error(line) for line in lines]
    classes, nmi, fid = ([float(line[name]) for line in lines if line[name]] for name in METRICS[1:])
    return [
        game,
        str(len(lines)),
        f"{int(lines[0]['iterations']):,}",
        f"{min(errors):.1f}",
        f"{median(errors):.1f}",
        spread(errors, 1),
        " ".join(f"{count:.0f}" for count in sorted(classes)),
        spread(nmi),
        spread(fid, 2) if fid else "",
        f"{fmean(float(line['seconds']) for line in lines):.0f}",
    ]


def _error(line: Line) -> float:
    return 100 * (1 - float(line["code_accuracy"]))


def _figure(games: Mapping[str, Sequence[Line]], run_dirs: Sequence[Path]) -> Figure:
    """Plot validation error over iterations, one line per seed, and samples of the best and worst of `run_dirs`."""
    from lightning_gans import load_generator
    from lightning_gans.reporting.images import image_grid

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    several = len(run_dirs) > 1
    curves, *pictures = figure.subplots(1, 2 + several)
    for number, (game, of_game) in enumerate(games.items()):
        for place, line in enumerate(of_game):
            iterations, accuracies = of_curve(line[CURVE])
            errors = [100 * (1 - accuracy) for accuracy in accuracies]
            curves.plot(iterations, errors, color=f"C{number}", alpha=0.7, label=None if place else game)
    curves.axhline(100 * PUBLISHED, color="grey", linestyle=":", label="published, MNIST")
    curves.set(xlabel="iteration", ylabel="error of the category code, %", ylim=(0, None))
    curves.legend(fontsize=8)
    accuracy = {path: float(summary_of(path).all["test"]["last"]["code_accuracy"]) for path in run_dirs}
    ordered = sorted(run_dirs, key=lambda path: accuracy[path])
    shown = [("least error", ordered[-1]), ("largest error", ordered[0])] if several else [("error", ordered[0])]
    for axes, (word, run_dir) in zip(pictures, shown, strict=True):
        model: Any = load_generator(run_dir)
        axes.imshow(image_grid(model.by_category(COLUMNS).flatten(0, 1), COLUMNS), cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{word}, {100 * (1 - accuracy[run_dir]):.1f} %: a row a category", fontsize=9)
        axes.axis("off")
    return figure
