"""Study of one decoder under four losses: pixels, pixels and a prior, discriminator features, and a discriminator."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.studies.pages import by_data, config_of, spread, summary_of, table, tested, write_page
from experiments.studies.record import asked, settings_of
from experiments.trained.loading import load_data
from lightning_gans.core.errors import UserError

ORDER = {
    "autoencoder": "auto-encoder",
    "vae": "VAE",
    "vaegan": "VAE-GAN",
    "vaegan, three_way": "VAE-GAN, three-way",
    "dcgan": "GAN (DCGAN)",
}
LESSONS = {
    "autoencoder": """\
* The **auto-encoder** only reconstructs: its decoder is trained neither on codes drawn from the prior nor on points
  half-way between two codes.
""",
    "vae": """\
* The **VAE** regularises its codes towards the prior, so draws from the prior decode to digits. Details that the code
  does not determine are averaged pixel by pixel, so its samples are blurred.
""",
    "vaegan": """\
* The **VAE-GAN** measures the reconstruction error in the features of a discriminator, which also judges its samples:
  they are sharper, at the cost of a higher pixel error.
""",
    "dcgan": """\
* The **GAN** has no encoder: it generates samples, but does not reconstruct images.
""",
}
METRICS = {
    "fid_classifier": "FID",
    "reconstruction_mse": "pixel error",
    "kid_classifier": "KID",
    "is_classifier": "IS",
    "knn_accuracy": "1-NN",
}
SHIPPED = "digits"
COLUMNS = 8


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write why_a_discriminator.{md,png}, or why_a_discriminator_<data>.{md,png} for data other than digits.

    Raises:
        UserError: no run uses a training method that the study compares.
    """
    for data, of_data in by_data(tested(run_dirs)).items():
        found: dict[str, list[Path]] = defaultdict(list)
        for run_dir in of_data:
            found[trained_as(config_of(run_dir))].append(run_dir)
        if not set(found) & set(ORDER):
            raise UserError(f"This study is of {', '.join(ORDER)}, and these runs are of {', '.join(found)}.")
        _page(data, found, folder)


def trained_as(config: Mapping[str, Any]) -> str:
    """Return the variant, and the kind of discriminator of a VAE-GAN if it is not the paper's."""
    variant: str = config["names"]["variant"]
    return f"{variant}, three_way" if config["variant"].get("discriminator") == "three_way" else variant


def _page(data: str, found: Mapping[str, Sequence[Path]], folder: Path) -> None:
    shown = [variant for variant in ORDER if variant in found]
    config = config_of(found[shown[0]][0])
    dim = config["network"]["model"]["prior"]["dim"]
    budget = f"{config['iterations']:,} iterations of {config['data']['batch_size']:,}"
    rows = []
    for variant in shown:
        tests = [_test(run_dir) for run_dir in found[variant]]
        values = {metric: [test[metric] for test in tests if metric in test] for metric in METRICS}
        cells = [spread(values[metric]) if values[metric] else "" for metric in METRICS]
        rows.append([ORDER[variant], str(len(tests)), *cells])
    settings = [settings_of(config_of(run_dir)) for variant in shown for run_dir in found[variant]]
    command = asked(settings, shipped=SHIPPED, of_data=config["data"])
    name = "why_a_discriminator" if data == SHIPPED else f"why_a_discriminator_{data}"
    text = f"""# Why a discriminator?

    python -m experiments.train -m experiment=study/why_a_discriminator{command}

One decoder (DCGAN's generator, latent codes of dimension {dim:,}) is trained in several ways on the same images, for
{budget}. FID is that of decoded draws from the prior, pixel error that of reconstructions, both against
the test split.

![Samples, reconstructions, half-way points]({name}.png)

{table(["trained as", "seeds", *METRICS.values()], rows)}
{"".join(said for variant, said in LESSONS.items() if variant in found)}"""
    write_page(folder, name, text, _figure([found[variant][0] for variant in shown], shown))


def _test(run_dir: Path) -> dict[str, float]:
    return dict(summary_of(run_dir).all.get("test", {}).get("last", {}))


def _figure(run_dirs: Sequence[Path], variants: Sequence[str]) -> Figure:
    """Plot one row per game: samples; test images over reconstructions; two images and their interpolation."""
    from lightning_gans import load_generator
    from lightning_gans.core.protocols import Reconstructs
    from lightning_gans.reporting.images import image_grid

    data = load_data(config_of(run_dirs[0]))
    real = next(data.split("test").at_most(2 * COLUMNS).batches(2 * COLUMNS)).x
    figure = Figure(figsize=(12, 1.9 * len(run_dirs) + 0.4), layout="constrained")
    axes = figure.subplots(len(run_dirs), 3, squeeze=False)
    for row, run_dir, variant in zip(axes, run_dirs, variants, strict=True):
        model: Any = load_generator(run_dir)
        pictures = [image_grid(model.sample(3 * COLUMNS, seed=0), COLUMNS), None, None]
        if isinstance(model, Reconstructs):
            pictures[1] = image_grid(_stacked(real[:COLUMNS], model.reconstruct(real[:COLUMNS])), COLUMNS)
            middle = model.between(real[:COLUMNS], real[COLUMNS:], 3)[:, 1]
            pictures[2] = image_grid(_stacked(real[:COLUMNS], middle, real[COLUMNS:]), COLUMNS)
        else:
            pictures[2] = image_grid(model.interpolate(COLUMNS, 3, seed=0).transpose(0, 1).flatten(0, 1), COLUMNS)
        for axis, picture in zip(row, pictures, strict=True):
            axis.axis("off")
            if picture is not None:
                axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
        row[0].set_title(f"{ORDER[variant]}: samples", fontsize=9)
        encodes = pictures[1] is not None
        row[1].set_title("test images, reconstructions" if encodes else "no encoder, no reconstruction", fontsize=9)
        row[2].set_title("half-way between two images" if encodes else "half-way between two samples", fontsize=9)
    return figure


def _stacked(*rows: Any) -> Any:
    import torch

    return torch.cat([part.cpu() for part in rows])
