"""Study of six wrong pixels along a stroke against one isolated wrong pixel, judged by pixels, features and D."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import hypot
from pathlib import Path
from statistics import fmean

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.studies.pages import by_data, config_of, summary_of, table, tested, write_page
from experiments.studies.record import asked, settings_of
from experiments.studies.wrong_pixels import COPIES, digits_of, logits_of
from experiments.trained.loading import load_data
from lightning_gans.core.files import cache_folder
from lightning_gans.extractors.base import Extractor
from lightning_gans.extractors.factories import classifier
from lightning_gans.metrics import estimate
from lightning_gans.metrics.estimate import Estimate

SHIPPED = "digits"
BUDGET = 1000  # default iterations of the study
EXAMPLES = 8
SURE = 2.0  # standard errors from one half at which a preference is shown in bold
SIX = ("line", "block")
TITLES = {"one": "one pixel", "line": "six, 6 x 1", "block": "six, 3 x 2"}

Lost = Mapping[str, Tensor]  # copy -> distance from its image for each seed: (seeds, N) float64


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write pixel_error.{md,png}, or pixel_error_<data>.{md,png} for data other than digits."""
    for data, of_data in by_data(tested(run_dirs)).items():
        found: dict[str, list[Path]] = defaultdict(list)
        for run_dir in of_data:
            found[config_of(run_dir)["names"]["variant"]].append(run_dir)
        _page(data, found, folder)


def _page(data: str, found: Mapping[str, Sequence[Path]], folder: Path) -> None:
    run_dirs = [run_dir for of_game in found.values() for run_dir in of_game]
    configs = [config_of(run_dir) for run_dir in run_dirs]
    module = load_data(configs[0])
    extractor = classifier(module, cache_dir=cache_folder(), device=torch.device("cpu"))
    real = digits_of(module.split("test"))
    images = {"real": real} | {name: copy(real) for name, copy in COPIES.items()}
    judges = {"pixels": by_pixels(images), "features": by_features(images, extractor)}
    rows = [[judge, "", *_row(*judged)] for judge, judged in judges.items()]
    for game, of_game in found.items():
        judges[f"D of {game}"] = judged = by_discriminators(of_game)
        rows.append([f"D of {game}", str(len(of_game)), *_row(*judged)])
    seconds = fmean(summary_of(run_dir).seconds for run_dir in run_dirs)
    name = "pixel_error" if data == SHIPPED else f"pixel_error_{data}"
    said = asked(
        [settings_of(config) for config in configs], shipped=SHIPPED, of_data=configs[0]["data"], iterations=BUDGET
    )
    budget = f"{configs[0]['iterations']:,} iterations of {configs[0]['data']['batch_size']:,}, {seconds:.0f} s a run"
    head = ["judge", "seeds", *TITLES.values(), "for scale", *(f"prefers {TITLES[copy]}, %" for copy in SIX)]
    text = f"""# Six wrong pixels or one

    python -m experiments.train -m experiment=study/pixel_error{said}

An auto-encoder's pixel error prefers an image with one isolated wrong pixel to one with six wrong pixels that continue
a stroke. People are said to prefer the six (lectures of Hung-yi Lee). This page compares the judgements of a
classifier's features and of the discriminators of GANs. Human judgements were not collected.

{len(real):,} images of the test split, {real.shape[-1]} px, in [-1, 1], ink above 0. Each has three modified copies:

* **One pixel**: the pixel with the largest chessboard distance to ink and to the border is set to 1.
* **Six pixels, 6 x 1 and 3 x 2**: the pixels of a rectangle on an edge, 6 or 3 pixels along it and 1 or 2 across it,
  take the values of their brighter neighbours on one side, so that this piece of the edge moves outwards by one pixel.
  The rectangle with the largest sum of differences is taken.

![Images, their changed copies, and the judgements of each]({name}.png)

{table(head, rows)}
Numbers of the copies are means over images and seeds: the Euclidean distance between copy and image, in pixels or in
the features of {extractor.name}; for a discriminator, the drop of the logit, D(image) - D(copy), with D in evaluation
mode after the last iteration and without augmentation. "For scale" is the mean distance between two images, or the mean
of D(image) - D(generated). A judge prefers six pixels for an image if its number for six is below that for one. The
standard error accounts for images and seeds; bold: more than {SURE:g} standard errors from one half.
GANs: {budget}.
"""
    write_page(folder, name, text, _figure(images, {judge: lost for judge, (lost, _) in judges.items()}))


def by_pixels(images: Mapping[str, Tensor]) -> tuple[Lost, float]:
    """Return Euclidean distances in pixel space, and their mean between two images."""
    return _distances({name: x.double().flatten(1) for name, x in images.items()})


def by_features(images: Mapping[str, Tensor], extractor: Extractor) -> tuple[Lost, float]:
    """Return Euclidean distances in the extractor's feature space, and their mean between two images."""
    return _distances({name: extractor(x).features.double().cpu() for name, x in images.items()})


def by_discriminators(run_dirs: Sequence[Path]) -> tuple[Lost, float]:
    """Return the drop in the logit of each run's D, and the mean drop for generated images."""
    found = [logits_of(run_dir) for run_dir in run_dirs]
    lost = {name: torch.stack([logits["real"] - logits[name] for logits in found]) for name in (*COPIES, "generated")}
    return lost, float(lost.pop("generated").mean())


def preference(lost: Lost, copy: str) -> Estimate:
    """Return the share of images for which `copy` loses less than `one` does, with the error of images and seeds."""
    prefers = (lost[copy] < lost["one"]).double()
    images, seeds = estimate.mean(prefers.mean(0)), estimate.mean(prefers.mean(1))
    return Estimate(images.value, hypot(images.error, seeds.error if len(prefers) > 1 else 0.0))


def _distances(x: Mapping[str, Tensor]) -> tuple[Lost, float]:
    return {name: (x[name] - x["real"]).norm(dim=1)[None] for name in COPIES}, float(torch.pdist(x["real"]).mean())


def _row(lost: Lost, scale: float) -> list[str]:
    return [*(f"{float(lost[copy].mean()):.2f}" for copy in COPIES), f"{scale:.2f}", *(_share(lost, c) for c in SIX)]


def _share(lost: Lost, copy: str) -> str:
    share, error = preference(lost, copy)
    text = f"{100 * share:.0f} ± {100 * error:.1f}"
    return f"**{text}**" if abs(share - 0.5) > SURE * error else text


def _figure(images: Mapping[str, Tensor], judges: Mapping[str, Lost]) -> Figure:
    """Plot images above their copies, with the distances of the first seed."""
    count = min(EXAMPLES, len(images["real"]))
    figure = Figure(figsize=(1.5 * count, 6.5 + 0.4 * len(judges)), layout="constrained")
    for row, (name, x) in zip(figure.subplots(len(images), count, squeeze=False), images.items(), strict=True):
        for column, axis in enumerate(row):
            axis.imshow(x[column, 0].numpy(), cmap="gray", vmin=-1, vmax=1)
            lines = [f"{judge} {float(lost[name][0, column]):.2f}" for judge, lost in judges.items() if name in lost]
            axis.set_xlabel("\n".join(lines), fontsize=7)
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(TITLES.get(name, "held-out image"), fontsize=8)
    return figure
