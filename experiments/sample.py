"""Samples from a run's exported generator, or translations by it: no data, no Lightning, no Hydra.

usage: python -m experiments.sample run=DIR [n=64] [seed=0] [label=CLASS] [grid=FILE.png] [npz=FILE.npz] [folder=DIR]
                                    [which=last|best] [allow=PACKAGE.]
                                    [reconstruct=IN | interpolate=IN | traverse=INDEX | encode=IN] [steps=8]
                                    [translate=IN out=DIR direction=a2b|b2a]

  run     a run's folder (running, finished or killed), or an exported generator/ folder
  n       how many samples (64)
  seed    of the noise (0); the same seed gives the same files, byte by byte, and the first samples of a larger n
  label   of which class, by its name or its number from 0 on (a name wins where both fit), where the run's model is
          told the class; without it, classes at random
  grid    a picture: images side by side (the first 1,024), points scattered
  npz     one array `samples`: uint8 (n, C, H, W) for images, float32 (n, d) for points
  folder  one PNG an image, 00000.png and on
  which   last: the newest export (generator/); best: checkpoints/best.ckpt
  allow   names outside lightning_gans that the export may use, as my_package.networks. (code that you trust)

A run with an encoder (autoencoder, vae, vaegan, bigan, ali) can be shown samples: IN is an image, a folder of images,
several with commas between them, or an .npz with an array `samples`; the first n are taken.

  reconstruct  rows of them, each with the row of their reconstructions below
  interpolate  along each row, from the first to the second of a pair through their codes, in `steps` steps
  steps        of a path, or along an axis (8)
  traverse     sample INDEX of `seed`, a row for each number of its code, which moves along it (infogan: its codes)
  encode       their codes (n, d) and the encoder's last hidden layer (n, f), as codes and features of an npz

A run of cyclegan translates, and does nothing else:

  translate  an image or a folder of them, of any size: where the networks take multiples of 2 or 4 pixels alone, an
             image is padded by reflection and cropped again; files that cannot be read are skipped and named at the end
  out        a folder for the translations: PNGs under the images' own names
  direction  a2b or b2a

Without grid, npz and folder, the picture goes to DIR/samples/sample-seed0.png, codes to DIR/samples/codes.npz.

  python -m experiments.sample run=runs/acgan-digits-0 n=64 seed=0 grid=digits.png
  python -m experiments.sample run=runs/vae-digits-0 reconstruct=my_digits/ grid=pairs.png
  python -m experiments.sample run=runs/cyclegan-unpaired-0 translate=apples/ out=oranges/ direction=a2b
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained import inference, translation
from experiments.trained.loading import load_model, using
from experiments.trained.sample_request import Request, file_name, parse
from lightning_gans.core.errors import UserError

# Nothing above imports torch: a slip of the pen is answered at once.
if TYPE_CHECKING:
    from torch import nn

STEP = 256  # samples made, and held as floats, at a time
SHOWN, POINTS = 1024, 20_000  # images, or points, that a picture shows at most


def check_model(request: Request, model: Any) -> None:
    """Refuse what the model cannot do.

    Raises:
        UserError: names what can.
    """
    from lightning_gans.core.protocols import Samples, Translates

    if request.task == "translate":
        translation.need(model, request.run)
    elif isinstance(model, Translates):
        raise UserError(
            f"The {type(model).__name__} of run={request.run} translates images and has nothing to sample: say "
            "translate=FOLDER out=FOLDER direction=a2b, or b2a."
        )
    elif not isinstance(model, Samples):
        raise UserError(
            f"The {type(model).__name__} of run={request.run} makes no samples out of nothing: name a run of a "
            "generator. What this one does is in its run's samples/, and lightning_gans.load_generator loads it."
        )
    elif request.task != "sample":
        inference.need(request.task, model, request.run)


def label_of(request: Request, model: "nn.Module") -> tuple[int, str] | None:
    """The number of the class that was asked for, and its name; None where none was.

    Raises:
        UserError: the model is told no class, or has no such class.
    """
    from lightning_gans.core.protocols import SamplesByLabel
    from lightning_gans.models import class_names
    from lightning_gans.models.export import described

    if request.label is None:
        return None
    if not isinstance(model, SamplesByLabel):
        raise UserError(
            f"label={request.label}: the generator of run={request.run} is not told a class. Leave label out, or name "
            "a run of a conditional variant, as variant=cgan."
        )
    names = class_names.received(described(request.run)["about"], model.classes)
    number = class_names.number_of(request.label, names, model.classes)
    if number is None:
        hint = did_you_mean(f"label={name}" for name in nearest(request.label, names))
        raise class_names.no_class(request.label, names, model.classes, request.run, hint)
    return number, names[number] if names else str(number)


def chunks(model: Any, n: int, *, seed: int, label: int | None = None) -> Iterator[Any]:
    """Samples 0 .. n - 1 in parts, as they are stored: numpy, uint8 (b, C, H, W) or float32 (b, d)."""
    told = {} if label is None else {"label": label}
    for start in range(0, n, STEP):
        yield _stored(model.sample(min(STEP, n - start), seed=seed, start=start, **told))


def _stored(x: Any) -> Any:
    from lightning_gans.reporting.images import to_uint8

    inference.check_finite(x)
    return (to_uint8(x) if x.dim() == 4 else x.float()).cpu().contiguous().numpy()


def write(request: Request, parts: Iterable[Any]) -> tuple[int, ...]:
    """Write all that was asked for in one pass over the samples; the shape of a sample.

    Raises:
        UserError: samples that an output cannot hold, or a file that cannot be written.
    """
    from experiments.trained import sample_files

    takes: list[sample_files.Take] = []
    shape: tuple[int, ...] = ()
    with ExitStack() as outputs:
        for part in parts:
            if not takes:
                shape = part.shape[1:]
                if request.grid:
                    takes.append(outputs.enter_context(sample_files.grid(request.grid, shape, _most(shape))))
                if request.npz:
                    takes.append(outputs.enter_context(sample_files.npz(request.npz, request.n, shape, part.dtype)))
                if request.folder:
                    names = (file_name(i, request.n) for i in range(request.n))
                    takes.append(outputs.enter_context(sample_files.folder(request.folder, names, shape)))
            for take in takes:
                take(part)
    return shape


def _most(shape: tuple[int, ...]) -> int:
    return SHOWN if len(shape) == 3 else POINTS


def main(argv: Sequence[str]) -> int:
    """Sample a run; 0, or an error that `cli.run` puts into words."""
    if {"--help", "-h", "help"} & set(argv):
        print(__doc__.strip())
        return 0
    request = parse(argv)
    model, iteration = load_model(request.run, request.which, allow=request.allow)
    check_model(request, model)
    label = label_of(request, model)
    start = time.monotonic()
    if request.task == "translate":
        return translate(request, model, iteration)
    if request.task != "sample":
        return infer(request, model)
    with using(request.run):
        shape = write(
            request, _shown(chunks(model, request.n, seed=request.seed, label=label[0] if label else None), request.n)
        )
    seconds = time.monotonic() - start
    facts = ["x".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]}-D", f"seed {request.seed}", request.which]
    facts += [f"class {label[1]}"] if label else []
    facts += [f"iteration {iteration:,}"] if iteration is not None else []
    cli.tell(f"{request.n:,} sample{'s' * (request.n > 1)} of {request.run} ({', '.join(facts)}) in {seconds:.1f} s:")
    most = _most(shape)
    _tell_places(request, f" (the first {most:,})" if request.n > most else "")
    return 0


def _tell_places(request: Request, of_grid: str = "") -> None:
    for key in ("grid", "npz", "folder"):
        if path := getattr(request, key):
            cli.tell(f"  {key:6}  {path}" + (of_grid if key == "grid" else ""))


def translate(request: Request, model: Any, iteration: int | None) -> int:
    """Translate a folder of images; 0 if any could be.

    Raises:
        UserError: none could be, or a place that is not free.
    """
    assert request.translate is not None
    assert request.out is not None
    start = time.monotonic()
    images = translation.places(request.translate, request.out)
    with using(request.run):
        skipped = translation.translate(model, images, request.direction)
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    done = len(images) - len(skipped)
    cli.tell(
        f"{done:,} image{'s' * (done > 1)} of {request.translate} translated {request.direction} by "
        f"{request.run}{of} in {time.monotonic() - start:.1f} s:"
    )
    cli.tell(f"  out     {request.out}")
    if skipped:
        cli.tell(f"{len(skipped):,} of {len(images):,} skipped: {translation.in_words(skipped)}")
    return 0


def infer(request: Request, model: Any) -> int:
    """Do what was asked with the samples that were shown; 0.

    Raises:
        UserError: the model cannot, or the samples do not fit it.
    """
    task = request.task
    inference.need(task, model, request.run)
    with using(request.run):
        shape = tuple(model.sample(1).shape[1:])
    shown = () if task == "traverse" else getattr(request, task)
    x = inference.read(task, shown, shape, request.n) if shown else None
    if task == "encode":
        assert request.npz is not None
        assert x is not None  # a task that shows samples
        with using(request.run):
            n, dim = inference.save_codes(request.npz, model, x)
        cli.tell(f"{n:,} codes of {dim} numbers, by {request.run}:")
    else:
        with using(request.run):
            made = inference.make(task, model, x, steps=request.steps, seed=request.seed, start=request.traverse or 0)
        if request.grid:
            inference.draw(task, made, request.grid)
        write(replace(request, grid=None, n=len(made.samples)), [_stored(made.samples)])
        cli.tell(f"{len(made.samples):,} {inference.DONE[task]} of {request.run}:")
    _tell_places(request)
    return 0


def _shown(parts: Iterator[Any], n: int) -> Iterable[Any]:
    """The same parts, with a progress bar on a terminal where there are many."""
    if n <= 16 * STEP or not sys.stderr.isatty():
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, "Sampling", total=-(-n // STEP), console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
