"""Study of BiGAN against two auto-encoders: x to z to x, and z to x to z."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.studies.latent_regressor import LatentRegressor
from experiments.studies.pages import by_data, config_of, over, spread, summary_of, table, tested, write_page
from experiments.studies.record import asked, settings_of
from experiments.trained.loading import load_data
from lightning_gans import load_generator
from lightning_gans.core.errors import UserError
from lightning_gans.metrics.representation import nearest_neighbour_accuracy
from lightning_gans.models.generative import CHUNK
from lightning_gans.reporting.images import image_grid

SHIPPED = "digits"
BUDGET = 1800  # default iterations of the study
ORDER = {"bigan": "BiGAN", "autoencoder": "auto-encoder, x to z to x", "regressor": "latent regressor, z to x to z"}
CODE_RATIO = "code_ratio"
METRICS = {
    CODE_RATIO: "code error, of random pairs",
    "reconstruction_ratio": "image error, of random pairs",
    "reconstruction_mse": "image error, per pixel",
    "knn_accuracy": "1-NN of features",
    "code_knn_accuracy": "1-NN of codes",
    "fid_classifier": "FID",
}
CODES = 32 * CHUNK  # codes drawn for the code error
FEW = 5000  # most training images for a nearest-neighbour search on pixels
COLUMNS = 8


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write two_autoencoders.{md,png}, or two_autoencoders_<data>.{md,png} for data other than digits.

    Raises:
        UserError: no run uses a training method that the study compares.
    """
    for data, of_data in by_data(tested(run_dirs)).items():
        found: dict[str, list[Path]] = defaultdict(list)
        for run_dir in of_data:
            found[trained_as(config_of(run_dir))].append(run_dir)
        shown = {way: found[way] for way in ORDER if way in found}
        if not shown:
            raise UserError(f"This study is of {', '.join(ORDER)}, and these runs are of {', '.join(found)}.")
        _page(data, shown, folder)


def trained_as(config: Mapping[str, Any]) -> str:
    """Return the training method of a run: a key of `ORDER`, or another variant."""
    if str(config["variant"].get("_target_")).endswith(f".{LatentRegressor.__name__}"):
        return "regressor"
    variant: str = config["names"]["variant"]
    return variant


def code_errors(model: Any, *, n: int = CODES) -> Tensor:
    """Return |E(G(z)) - z|^2 for n codes, divided by the mean squared distance of random codes: (n,) float64."""
    z = torch.cat([model.codes(chunk, seed=0) for chunk in range(-(-n // CHUNK))])[:n]
    with torch.no_grad():
        again = torch.cat([model.encode(model(part)) for part in z.split(CHUNK)])
    z, again = z.double(), again.double()
    between = 2 * z.var(0, unbiased=False).sum()  # mean over independent pairs: twice the variance
    errors: Tensor = (again - z).square().sum(1) / between
    return errors


def _page(data: str, found: Mapping[str, Sequence[Path]], folder: Path) -> None:
    run_dirs = [run_dir for of_way in found.values() for run_dir in of_way]
    configs = [config_of(run_dir) for run_dir in run_dirs]
    first = configs[0]
    rows = [_row(way, of_way) for way, of_way in found.items()]
    module = load_data(first)
    if len(module.split("train")) <= FEW:
        among_pixels = f"{neighbours_among_pixels(module):.3f}"
        rows.append(["*pixels*", "", "", "", "", among_pixels, "", "", ""])
    name = "two_autoencoders" if data == SHIPPED else f"two_autoencoders_{data}"
    said = asked([settings_of(config) for config in configs], shipped=SHIPPED, of_data=first["data"], iterations=BUDGET)
    dim, size = first["network"]["model"]["prior"]["dim"], first["data"]["image_size"]
    rates = "; ".join(f"{ORDER[way]}: {_rates(config_of(of_way[0]))}" for way, of_way in found.items())
    protocol = (
        f"All have the same generator and encoder (DCGAN's), latent codes of dimension {dim:,}, images of {size:,} px, "
        f"{first['iterations']:,} iterations of {first['data']['batch_size']:,}. BiGAN's D takes pairs of an image and "
        "a code. The auto-encoder minimises the pixel error of G(E(x)) and has no D. In the latent regressor, G and D "
        "form a GAN on images, and E minimises the error of E(G(z)); E is not trained on real images. Learning rates: "
        f"{rates}."
    )
    figures = (
        f"Code error: |E(G(z)) - z|^2 for {CODES:,} codes of the prior, divided by that between random pairs of codes. "
        "The prior is uniform for BiGAN and the regressor, and normal for the auto-encoder. Image error: |G(E(x)) - "
        "x|^2 on the test split, divided by that between random pairs of images, and as a mean over pixels. A perfect "
        "model has 0, and the best constant prediction 0.5. 1-NN: accuracy of a nearest-neighbour classifier on the "
        "layer before E's last, and on codes, with the training images as neighbours. FID: that of G(z), z drawn from "
        "the prior. All figures are those of the last iteration, mean and standard deviation over seeds."
    )
    text = f"""# BiGAN and the two auto-encoders

    python -m experiments.train -m experiment=study/two_autoencoders{said}

{fill(protocol, 120)}

![Test images over reconstructions, samples over reconstructions]({name}.png)

{table(["trained as", "seeds", *METRICS.values(), "seconds"], rows)}
{fill(figures, 120)}
"""
    write_page(folder, name, text, _figure(module, {way: of_way[0] for way, of_way in found.items()}))


def neighbours_among_pixels(module: Any) -> float:
    """Return the 1-NN accuracy of the test images in pixel space, among all training images."""
    splits = [module.split(name) for name in ("train", "test")]
    (known, labels), (asked_of, right) = (
        (torch.cat([batch.x.flatten(1) for batch in split.batches(256)]), split.labels.cpu()) for split in splits
    )
    return nearest_neighbour_accuracy(known, labels, asked_of, right)


def _rates(config: Mapping[str, Any]) -> str:
    players = config["variant"]["training"]["players"]
    return ", ".join(f"{name} {float(player['optimizer']['lr']):g}" for name, player in sorted(players.items()))


def _row(way: str, run_dirs: Sequence[Path]) -> list[str]:
    tests = [dict(summary_of(run_dir).all["test"]["last"]) for run_dir in run_dirs]
    for test, run_dir in zip(tests, run_dirs, strict=True):
        test[CODE_RATIO] = float(code_errors(load_generator(run_dir)).mean())
    cells = [spread([test[metric] for test in tests]) for metric in METRICS]
    seconds = fmean(summary_of(run_dir).seconds for run_dir in run_dirs)
    return [ORDER[way], str(len(tests)), *cells, f"{seconds:.0f}"]


def _figure(module: Any, run_dirs: Mapping[str, Path]) -> Figure:
    """Plot one row per method: test images over G(E(x)), samples over G(E(G(z)))."""
    real = next(module.split("test").at_most(2 * COLUMNS).batches(2 * COLUMNS)).x
    figure = Figure(figsize=(10, 2.9 * len(run_dirs)), layout="constrained")
    for row, (way, run_dir) in zip(figure.subplots(len(run_dirs), 2, squeeze=False), run_dirs.items(), strict=True):
        model: Any = load_generator(run_dir)
        titles = "test images x over G(E(x))", "samples G(z) over G(E(G(z)))"
        for axes, title, x in zip(row, titles, (real, model.sample(2 * COLUMNS, seed=0)), strict=True):
            axes.imshow(image_grid(over(x, model.reconstruct(x), COLUMNS), COLUMNS), cmap="gray", vmin=0, vmax=255)
            axes.set_title(f"{ORDER[way]}: {title}", fontsize=8)
            axes.axis("off")
    return figure
