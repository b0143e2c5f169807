"""Sample from a trained generator; also reconstruct, interpolate, translate, classify, rank and export to ONNX.

Needs neither Lightning nor Hydra. Only convert= with a speaker of the training data reads these data, by Lightning's
data modules.

usage: python -m experiments.sample run=DIR [n=64] [seed=0] [label=CLASS] [truncation=0.7]
                                    [grid=FILE.png] [npz=FILE.npz] [folder=DIR]
                                    [condition=NAME=VALUE,...|FILE]
                                    [path=spherical|linear] [steps=8] [gif=FILE.gif] [video=FILE.mp4]
                                    [which=last|best] [allow=PACKAGE.]
                                    [reconstruct=IN | interpolate=IN | traverse=INDEX | encode=IN] [steps=8]
                                    [translate=IN out=DIR [direction=a2b|b2a] [seed=0]]
                                    [classify=IMAGE|DIR [out=FILE.csv]] [rank=QUERIES [n=10] [out=FILE.csv]]
                                    [score=IMAGE|DIR [out=FILE.csv]] [inpaint=IMAGE|DIR mask=PART out=DIR [seed=0]]
                                    [convert=FILE.wav speaker=NAME|NUMBER|FILE.wav out=FILE.wav]
                                    [onnx=FILE.onnx]

  run     a run's folder (running, finished or killed), an exported generator/ folder, or a small generator that comes
          with the package: zoo/digits (by class), zoo/ring (points), zoo/encoder (a vae of digits)
  n       how many samples (64), or rows of path= (8)
  seed    of the noise (0); the same seed gives the same files, byte by byte, and the first samples of a larger n
  label   of which class, by its name or its number from 0 on (a name wins where both fit), where the run's model is
          told the class; without it, classes at random
  condition  of a run of gan_cls: numbers of the condition vector by name, as slant=10,digit_3=1, or a file of
          condition vectors as data.conditions (sample i has its row i). A value that training conditions have chooses
          among these; any other takes the place of theirs. Without it, training conditions at random
  truncation  numbers of a normal code beyond +-truncation are drawn again (Brock et al. 2018): samples vary less, and
          each is likelier to look real
  grid    a picture: images side by side (the first 1,024), points scattered
  npz     one array `samples`: uint8 (n, C, H, W) for images, float32 (n, d) for points
  folder  one PNG an image, 00000.png and on
  which   last: the newest export (generator/); best: checkpoints/best.ckpt
  allow   names outside lightning_gans that the export may use, as my_package.networks. (code that you trust)

Any generator of codes shows what lies between its samples, and what its codes say, without an encoder:

  path      n rows of samples along paths between pairs of codes, all of one class where the model is told it:
            spherical (along a great circle, as far from 0 as codes are) or linear (a straight line)
  traverse  sample INDEX of `seed`, a row for each of the first 10 numbers of its code, which moves along it, all else
            held; of a run with an encoder a row for each number, of infogan one for each of its codes, of gan_cls one
            for each number of its condition
  steps     of a path, or along an axis (8; with gif or video 48)
  gif       an animation of the steps of path=, interpolate= or traverse=, there and back
  video     the same as MP4 (pip install 'lightning-gans[video]')

A run with an encoder (autoencoder, vae, vaegan, bigan, ali) can be shown samples: IN is an image, a folder of images,
several with commas between them, or an .npz with an array `samples`; the first n are taken.

  reconstruct  rows of them, each with the row of their reconstructions below
  interpolate  along each row, from the first to the second of a pair through their codes, in `steps` steps
  encode       their codes (n, d) and the encoder's last hidden layer (n, f), as codes and features of an npz

A run of cyclegan or pix2pix translates, and does nothing else:

  translate  an image or a folder of them, of any size: where the networks take multiples of 2 or 4 pixels alone, an
             image is padded by reflection and cropped again; pix2pix takes the centre square in the size of its
             training; files that cannot be read are skipped and named at the end
  out        a folder for the translations: PNGs under the images' own names
  direction  of cyclegan: a2b or b2a
  seed       of pix2pix's noise

A run with a classifier (triplegan, dann, dann_alternating) names the class of images:

  classify  an image or a folder of them, each brought to the size of training images; files that cannot be read are
            skipped and named at the end. The number of images of each class is printed
  out       a CSV file (DIR/samples/classes.csv): path, class, and the probability of that class

A run of energy scores and completes images, where it was trained on images:

  score    an image or a folder of them, as for classify: the energy of each, which is lower for likelier images
  inpaint  an image or a folder of them: the masked pixels are sampled by the model's Langevin chains from noise, while
           the other ones stand still (Du & Mordatch 2019, section 4.3)
  mask     of inpaint: left, right, top or bottom (half of the image), centre (the middle half of both sides), or a
           picture FILE.png whose white pixels are masked
  out      of score, a CSV file, lowest energy first (DIR/samples/energies.csv): path, energy; of inpaint, a folder for
           PNGs of the size of training images, under the images' own names
  seed     of the chains (0); the images of a folder have the noise of samples 0, 1, ...

A run of irgan or irgan_pairwise ranks documents:

  rank  numbers of queries with commas between, or a text file of them (data=movielens: users; of ratings.csv counted
        from 0, in the order of their numbers). Of queries that are described by features, as with data=letor, an .npz
        with an array `queries` (queries, documents, features). Documents that were known to be relevant in training
        are ranked with the others: the exported model does not hold which these are
  n     how many of the best documents (10)
  out   a CSV file (DIR/samples/ranking.csv): query, rank from 1 on, document, score

A run of disentangle or disentangle_pairs gives a recording another speaker's voice:

  convert  a sound file of up to ten minutes; it is converted in overlapping windows of the training length, and the
           phases of the sound are found by Griffin and Lim's iteration
  speaker  a speaker of the training data, by name (data=speech: the folder) or number from 0 on, whose recordings are
           read where the run's config.yaml says that they lie; or a recording of anybody, FILE.wav
  out      a wav file, 16 bit, mono, with the sample rate of the training data

For programs without torch (pip install 'lightning-gans[onnx]'):

  onnx    the generator as an ONNX file: z (n, d), and label (n,) where the model is told the class, to x, for any n; a
          run with an encoder has a second file, NAME-encoder.onnx: x to z. Both are compared with torch

Without an output, the picture goes to DIR/samples/sample-seed0.png, codes to DIR/samples/codes.npz; those of
run=zoo/NAME go to samples/zoo-NAME/.

  python -m experiments.sample run=runs/acgan-digits-0 n=64 seed=0 grid=digits.png
  python -m experiments.sample run=zoo/digits label=3 truncation=0.7
  python -m experiments.sample run=runs/gan_cls-digits_attributes-0 condition=digit_3=1,slant=15
  python -m experiments.sample run=runs/dcgan-digits-0 path=spherical n=16 gif=morphing.gif
  python -m experiments.sample run=runs/vae-digits-0 reconstruct=my_digits/ grid=pairs.png
  python -m experiments.sample run=runs/cyclegan-unpaired-0 translate=apples/ out=oranges/ direction=a2b
  python -m experiments.sample run=runs/triplegan-digits_semi-0 classify=my_digits/ out=classes.csv
  python -m experiments.sample run=runs/irgan-movielens-0 rank=1,2,3 n=10 out=films.csv
  python -m experiments.sample run=runs/energy-digits-0 inpaint=my_digits/ mask=right out=completed/
  python -m experiments.sample run=runs/disentangle-speech-0 convert=my_words.wav speaker=anna out=as_anna.wav
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained import conditions, inference, paths, uses
from experiments.trained.loading import load_model, using
from experiments.trained.progress import shown
from experiments.trained.sample_request import OUTPUTS, Request, file_name, parse
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from torch import nn

STEP = 256  # samples generated per batch, and held as floats
SHOWN, POINTS = 1024, 20_000  # most images, and most points, in a picture


def label_of(request: Request, model: "nn.Module") -> tuple[int, str] | None:
    """Return number and name of the requested class; None if none was requested.

    Raises:
        UserError: the model is not class-conditional, or has no such class.
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
        near = () if request.label.isdecimal() else nearest(request.label, names)  # a number is no misspelt name
        hint = did_you_mean(f"label={name}" for name in near)
        raise class_names.no_class(request.label, names, model.classes, request.run, hint)
    return number, names[number] if names else str(number)


def chunks(model: Any, n: int, *, seed: int, **chosen: Any) -> Iterator[Any]:
    """Yield samples 0 .. n - 1 in batches, in their stored form: numpy, uint8 (b, C, H, W) or float32 (b, d).

    chosen: `label` and `truncation`, if given, and `condition`, with one row per sample.
    """
    told = chosen.pop("condition", None)
    for start in range(0, n, STEP):
        rows = min(STEP, n - start)
        own = {} if told is None else {"condition": told[start : start + rows]}
        yield _stored(model.sample(rows, seed=seed, start=start, **own, **chosen))


def _stored(x: Any) -> Any:
    from lightning_gans.reporting.images import to_uint8

    inference.check_finite(x)
    return (to_uint8(x) if x.dim() == 4 else x.float()).cpu().contiguous().numpy()


def write(request: Request, parts: Iterable[Any]) -> tuple[int, ...]:
    """Write all requested outputs in one pass over the samples; return the shape of a sample.

    Raises:
        UserError: an output cannot hold such samples, or a file cannot be written.
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
    """Sample a run; return 0. `cli.run` reports errors."""
    if {"--help", "-h", "help"} & set(argv):
        print(__doc__.strip())
        return 0
    request = parse(argv)
    with shown("Loading"):
        model, iteration = load_model(request.run, request.which, allow=request.allow, watched=request.task != "onnx")
    uses.need(request, model)
    label = label_of(request, model)
    told = conditions.of(request, model)
    chosen = {"label": None if label is None else label[0], "condition": told, "truncation": request.truncation}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    start = time.monotonic()
    if request.task in uses.USES:
        return uses.USES[request.task](request, model, iteration)
    if request.task != "sample":
        return infer(request, model, chosen)
    with using(request.run), shown("Sampling", request.n) as report:
        shape = write(request, _reported(chunks(model, request.n, seed=request.seed, **chosen), report))
    seconds = time.monotonic() - start
    facts = ["x".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]}-D", f"seed {request.seed}", request.which]
    facts += [f"class {label[1]}"] if label else []
    facts += [f"condition {request.condition}"] if request.condition is not None else []
    facts += [f"truncation {request.truncation:g}"] if request.truncation is not None else []
    facts += [f"iteration {iteration:,}"] if iteration is not None else []
    cli.tell(f"{request.n:,} sample{'s' * (request.n > 1)} of {request.run} ({', '.join(facts)}) in {seconds:.1f} s:")
    most = _most(shape)
    _tell_places(request, f" (the first {most:,})" if request.n > most else "")
    return 0


def _tell_places(request: Request, of_grid: str = "") -> None:
    for key in OUTPUTS:
        if path := getattr(request, key):
            cli.tell(f"  {key:6}  {path}" + (of_grid if key == "grid" else ""))


def infer(request: Request, model: Any, chosen: Mapping[str, Any]) -> int:
    """Perform the requested task on the given samples, or on codes of the prior; return 0.

    Raises:
        UserError: the model does not support the task, or the samples do not fit the model.
    """
    task = request.task
    with using(request.run):
        shape = tuple(model.sample(1).shape[1:])
    told = () if task in ("traverse", "path") else getattr(request, task)
    x = inference.read(task, told, shape, request.n) if told else None
    if task == "encode":
        assert request.npz is not None
        assert x is not None  # these tasks take samples
        with using(request.run), shown("Encoding"):
            n, dim = inference.save_codes(request.npz, model, x)
        cli.tell(f"{n:,} codes of {dim} numbers, by {request.run}:")
    else:
        with using(request.run), shown("Sampling"):
            made = _made(request, model, x, chosen)
        with shown("Drawing"):
            if request.grid and task in paths.TITLES and made.cells.dim() != 4:
                paths.draw_points(task, made, request.grid)
            elif request.grid:
                inference.draw(task, made, request.grid)
            if request.gif or request.video:
                paths.animate(made, gif=request.gif, video=request.video)
            write(replace(request, grid=None, n=len(made.samples)), [_stored(made.samples)])
        cli.tell(f"{len(made.samples):,} {inference.DONE[task]} of {request.run}:")
    _tell_places(request)
    return 0


def _made(request: Request, model: Any, x: Any, chosen: Mapping[str, Any]) -> inference.Made:
    from lightning_gans.core.protocols import Traverses

    if request.path is not None:
        return paths.make(model, request.n, request.steps, path=request.path, seed=request.seed, **chosen)
    start = request.traverse or 0
    if request.task == "traverse" and not isinstance(model, Traverses):
        return paths.traverse(model, request.steps, seed=request.seed, start=start, **chosen)
    return inference.make(request.task, model, x, steps=request.steps, seed=request.seed, start=start)


def _reported(parts: Iterator[Any], report: Callable[[float], None]) -> Iterator[Any]:
    """Yield the parts unchanged, and report the number of samples so far."""
    done = 0
    for part in parts:
        yield part
        done += len(part)
        report(done)


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
