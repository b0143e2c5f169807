"""Make a labelled synthetic data set with a conditional run, and measure classifiers trained on it (CAS).

usage: python -m experiments.augment run=DIR out=DIR [n=10000] [seed=0] [shares=0.01,0.1,1] [seeds=3]
                                     [data_dir=DIR] [data.root=DIR ...] [allow=PACKAGE.]

  run     a run's folder whose model is told the class (cgan, acgan, projection, triplegan)
  out     a new folder: one folder a class with one PNG an image, which data=folder data.root=OUT reads, and report.json
  n       how many images, the same of each class (10,000)
  seed    of the images (0)
  shares  of the real labels that are tried without and with the synthetic images (.01,.1,1)
  seeds   classifiers for each row (3), each with a draw of its own
  data_dir  where the data sets lie, if not where they lay in training
  data.   any setting of the run's data: data.root=DIR for a folder that has moved
  allow   names outside lightning_gans and datamodules that the run may use (code that you trust)

Small classifiers, all of the same size and with the same number of steps, are trained on synthetic images alone (the
classification accuracy score), on a share of the real ones, and on both in equal parts; all are tested on the data's
test split. Shares keep the proportions of the classes, and each class keeps one image at least.

  python -m experiments.augment run=runs/cgan-digits-0 n=5000 out=synthetic
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import cli
from experiments.trained.arguments import DATA, allowed, data_settings, pairs, run_folder, whole
from experiments.trained.loading import chosen, config_of, load_data, load_model, using, with_data
from lightning_gans.core.errors import UserError

KEYS = ("run", "out", "n", "seed", "shares", "seeds", "data_dir", "allow")
STEP = 256  # images generated per batch
LONGEST = 50  # longest name of a folder, in characters


@dataclass(frozen=True, kw_only=True)
class Request:
    """Request of the command, checked as far as possible without loading anything."""

    run: Path
    out: Path
    n: int
    seed: int
    shares: tuple[float, ...]
    seeds: int
    data: Mapping[str, str]
    allow: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Request:
    """Parse key=value arguments into a request.

    Raises:
        UserError: an unknown key, a value out of range, a run without an export, or a folder that is not empty.
    """
    given = pairs(arguments, KEYS, prefixes=(DATA,))
    if "out" not in given:
        raise UserError("Where to? Say out=DIR, a new folder for the images.")
    out = Path(given["out"])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"out={out} is there already and not empty. Name a new folder.")
    return Request(
        run=run_folder(given, "last"),
        out=out,
        n=whole("n", given.get("n", "10000"), least=1),
        seed=whole("seed", given.get("seed", "0"), least=0),
        shares=_shares(given.get("shares", "0.01,0.1,1")),
        seeds=whole("seeds", given.get("seeds", "3"), least=1),
        data=data_settings(given),
        allow=allowed(given),
    )


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = (0.0,)
    if not all(0 < share <= 1 for share in shares):
        raise UserError(f"shares={text}: shares of the real labels, above 0 and at most 1, as in shares=0.01,0.1,1.")
    return tuple(dict.fromkeys(shares))


def main(argv: Sequence[str]) -> int:
    """Write the data set and its report; return 0. `cli.run` reports errors."""
    if {"--help", "-h", "help"} & set(argv):
        print(__doc__.strip())
        return 0
    request = parse(argv)
    model, data = _load(request, with_data(config_of(request.run), request.data, request.run))
    labels = balanced(request.n, model.classes)
    with using(request.run):
        synthetic = _generated(model, labels, seed=request.seed)
    _save(request.out, synthetic, labels, data.classes)
    cli.tell(f"{request.n:,} images of {model.classes} classes, by {request.run}: {request.out}")
    found = _measured(request, (synthetic, labels), data)
    facts = {"run": str(request.run), "n": request.n, "seed": request.seed, "seeds": request.seeds, "accuracy": found}
    from lightning_gans.core.files import write_atomically

    write_atomically(request.out / "report.json", json.dumps(facts, indent=2) + "\n")
    for line in lines(found):
        cli.tell(line)
    return 0


def balanced(n: int, classes: int) -> Any:
    """Return n labels (n,) int64 in turn, so that class counts differ by at most one."""
    import torch

    return torch.arange(n) % classes


def lines(found: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the lines of the report's table."""
    width = max(map(len, found))
    yield f"{'trained on':{width}}  accuracy on the test split"
    for name, scores in found.items():
        spread = f" +- {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
        gain = ""
        if name.endswith(" + synthetic"):
            alone = found[name.removesuffix(" + synthetic")]
            gain = f"   gain {statistics.mean(scores) - statistics.mean(alone):+.4f}"
        yield f"{name:{width}}  {statistics.mean(scores):.4f}{spread}{gain}"


def _load(request: Request, config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Load the run's model and its data."""
    from lightning_gans.core.protocols import SamplesByLabel

    model, _ = load_model(request.run, "last", allow=request.allow)
    if not isinstance(model, SamplesByLabel):
        raise UserError(
            f"run={request.run}: its model is not told which class to make, so its samples have no labels. Train one "
            "that is: variant=cgan, acgan, projection or triplegan."
        )
    data = load_data(config, allow=request.allow, chosen=chosen(request.data))
    if data.split("train").labels is None or data.split("test").labels is None:
        raise UserError(f"run={request.run}: its data have no labels in the splits for training and test.")
    if len(data.classes or ()) != model.classes:
        raise UserError(
            f"run={request.run}: its model is told {model.classes:,} classes, and its data have "
            f"{len(data.classes or ()):,}. Both are of one run, so one of generator/ and config.yaml is another run's."
        )
    return model, data


def _generated(model: Any, labels: Any, *, seed: int) -> Any:
    """Generate one image for each label, uint8 (N, C, S, S)."""
    import torch

    from experiments.trained.inference import check_finite
    from lightning_gans.reporting.images import to_uint8

    starts = range(0, len(labels), STEP)
    made = [model.sample(len(labels[s : s + STEP]), label=labels[s : s + STEP], seed=seed, start=s) for s in starts]
    check_finite(*made)
    return torch.cat([to_uint8(part).cpu() for part in made])


def _save(out: Path, images: Any, labels: Any, names: Sequence[str]) -> None:
    """Write out/CLASS/00000.png and so on to a temporary folder, and move it into place once complete."""
    import shutil
    import tempfile

    from lightning_gans.reporting.images import png, to_picture

    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=".synthetic-"))
    try:
        for number, name in enumerate(_folders(names)):
            folder = aside / name
            folder.mkdir()
            for row, image in enumerate(images[labels == number]):
                (folder / f"{row:05d}.png").write_bytes(png(to_picture(image)))
        out.mkdir(exist_ok=True)
        for folder in sorted(aside.iterdir()):
            folder.replace(out / folder.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _folders(names: Sequence[str]) -> list[str]:
    """Return a folder name for each class, in the sort order of the classes.

    Class names may be untrusted (folders of images): separators and dots are removed and the length is limited.
    """
    plain = ["".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:LONGEST] for name in names]
    if plain == sorted(set(plain)) and all(plain):
        return plain
    return [f"{number:0{len(str(len(names) - 1))}d}-{name}" for number, name in enumerate(plain)]


def _measured(request: Request, synthetic: Any, data: Any) -> dict[str, list[float]]:
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from lightning_gans.evaluation.synthetic import table
    from lightning_gans.extractors.training import Recipe, hold

    real = hold(data.split("train"), Recipe())
    rows = request.seeds * (1 + 2 * len(request.shares))
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("training classifiers", total=rows)
        return table(
            real,
            synthetic,
            data.split("test"),
            classes=len(data.classes),
            shares=request.shares,
            seeds=range(request.seeds),
            device="cuda" if torch.cuda.is_available() else "cpu",
            told=lambda: progress.advance(task),
        )


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
