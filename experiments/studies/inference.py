"""Study of learned inference (BiGAN, ALI): nearest neighbours of features, and reconstructions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from experiments.studies.pages import by_data, column, config_of, over, spread, summary_of, table, tested, write_page
from experiments.studies.record import Line, Record, as_curve, asked, of_curve
from experiments.trained.loading import load_data
from lightning_gans.evaluation.splits import HELD_OUT, TRAIN

METRICS = {
    "knn_accuracy": "1-NN of features",
    "code_knn_accuracy": "of codes",
    "probe_accuracy": "linear probe of features",
    "reconstruction_ratio": "reconstruction ratio",
    "fid_classifier": "FID",
}
CURVES = ("knn_accuracy", "reconstruction_ratio")
# `python -m benchmarks.neighbours data=mnist data.image_size=28`: 1-NN accuracy without any training
BESIDE = {"mnist": {"pixels": 0.9688, "an untrained encoder": 0.9645}}
PUBLISHED = {"mnist": {"pixels, published": 0.9691, "bigan, published": 0.9739}}  # Donahue et al. 2016, table 1
EPOCHS_400 = 168_750  # on 54,000 images, with batches of 128
COLUMNS = 8


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write inference_<data>.{csv,md,png} for each data set; the record keeps earlier runs."""
    for data, of_data in by_data(tested(run_dirs)).items():
        record = Record(folder / f"inference_{data}.csv", [*METRICS, *(f"{name}_curve" for name in CURVES)])
        for run_dir in of_data:
            last = summary_of(run_dir).all["test"]["last"]
            values: dict[str, float | str | None] = {name: last.get(name) for name in METRICS}
            values |= {f"{name}_curve": as_curve(*column(run_dir, name, file="metrics.csv")) for name in CURVES}
            record.add(run_dir, config_of(run_dir)["names"]["variant"], values)
        record.write()
        _page(data, record.games(data), of_data, folder)


def _page(data: str, games: Mapping[str, Sequence[Line]], run_dirs: Sequence[Path], folder: Path) -> None:
    rows = [_row(game, lines) for game, lines in games.items()]
    for name, value in (BESIDE.get(data, {}) | PUBLISHED.get(data, {})).items():
        rows.append([f"*{name}*", "", "", f"{value:.4f}", *[""] * len(METRICS)])
    of_data = config_of(run_dirs[0])["data"]
    commands = "\n".join(
        f"    python -m experiments.train -m experiment=study/inference variant={game.split()[0]}"
        + asked(lines, shipped="mnist", of_data=of_data, iterations=EPOCHS_400)
        for game, lines in games.items()
    )
    text = f"""# Inference without labels, on {data}

{commands}

All networks are perceptrons, which do not use the order of pixels, on images of {of_data["image_size"]:,} px. 1-NN
accuracy is that of a nearest-neighbour classifier on the test split after the last iteration, with the training images
as neighbours: on the layer before the encoder's last, and on its codes. The reconstruction ratio is the squared error
between G(E(x)) and x, divided by that between random pairs of images.
[inference_{data}.csv](inference_{data}.csv) has every run, with its commit and machine.

{table(["", "seeds", "iterations", *METRICS.values(), "seconds"], rows)}
![1-NN and reconstruction over training; test images over their reconstructions](inference_{data}.png)

The curves show part of the validation split, at most {HELD_OUT:,} images with {TRAIN:,} training images as
neighbours; the stars and the grey lines show the test split with all training images as neighbours.
"""
    write_page(folder, f"inference_{data}", text, _figure(data, games, run_dirs[0]))


def _row(game: str, lines: Sequence[Line]) -> list[str]:
    values = {name: [float(line[name]) for line in lines if line[name]] for name in METRICS}
    budget = f"{int(lines[0]['iterations']):,} of {lines[0]['batch_size']}"
    seconds = f"{fmean(float(line['seconds']) for line in lines):.0f}"
    return [game, str(len(lines)), budget, *(spread(found, 4) if found else "" for found in values.values()), seconds]


def _figure(data: str, games: Mapping[str, Sequence[Line]], run_dir: Path) -> Figure:
    """Plot both validation curves (one line per seed, stars for the test split) and reconstructions of one run."""
    from lightning_gans import load_generator
    from lightning_gans.reporting.images import image_grid

    figure = Figure(figsize=(13, 4), layout="constrained")
    *panels, picture = figure.subplots(1, 3)
    for axes, name in zip(panels, CURVES, strict=True):
        for number, (game, lines) in enumerate(games.items()):
            for place, line in enumerate(lines):
                axes.plot(*of_curve(line[f"{name}_curve"]), f"C{number}.-", label=None if place else game)
                axes.plot(int(line["iterations"]), float(line[name]), f"C{number}*", markersize=10)
        axes.set(xlabel="iteration", ylabel=METRICS[name])
    for number, (name, value) in enumerate(BESIDE.get(data, {}).items()):
        panels[0].axhline(value, color="grey", linestyle=(":", "--")[number], label=f"{name} (test)")
    panels[0].legend(fontsize=8)
    config = config_of(run_dir)
    real = next(load_data(config).split("test").at_most(4 * COLUMNS).batches(4 * COLUMNS)).x
    model: Any = load_generator(run_dir)
    picture.imshow(image_grid(over(real, model.reconstruct(real), COLUMNS), COLUMNS), cmap="gray", vmin=0, vmax=255)
    picture.set_title(f"{config['names']['variant']}: images over reconstructions", fontsize=9)
    picture.axis("off")
    return figure
