"""Requests to `experiments.sample`: key=value arguments, checked without loading anything."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from experiments.runs.directory import clean
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained import conversion, inference, inpainting, paths, ranking
from experiments.trained.arguments import allowed, pairs, run_folder, whole
from lightning_gans.core.errors import UserError
from lightning_gans.core.extras import need
from lightning_gans.zoo import is_of_zoo

# Neither the imports above nor `parse` import torch, so that invalid arguments are reported immediately.


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of one command."""

    run: Path
    n: int = 64
    seed: int = 0
    label: str | None = None  # a class's name or number
    condition: str | None = None  # numbers of a condition vector by name, or a file of condition vectors
    grid: Path | None = None
    npz: Path | None = None
    folder: Path | None = None
    gif: Path | None = None
    video: Path | None = None
    onnx: Path | None = None
    truncation: float | None = None
    which: str = "last"
    allow: tuple[str, ...] = ()
    path: str | None = None
    reconstruct: tuple[Path, ...] = ()
    interpolate: tuple[Path, ...] = ()
    traverse: int | None = None
    encode: tuple[Path, ...] = ()
    steps: int = 8
    translate: Path | None = None
    out: Path | None = None
    direction: str | None = None
    classify: Path | None = None
    rank: ranking.Queries | None = None
    score: Path | None = None
    inpaint: Path | None = None
    mask: str | Path | None = None
    convert: Path | None = None
    speaker: str | None = None

    @property
    def task(self) -> str:
        """Return the task of the request: one of TASKS, or "sample"."""
        return next((task for task in TASKS if getattr(self, task) not in (None, ())), "sample")


IN_STEPS = ("path", "interpolate", "traverse")  # tasks that produce samples in steps
COMMON = ("run", "which", "allow")  # keys accepted by every task
# task -> the only keys that it takes besides COMMON
TAKES: Mapping[str, tuple[str, ...]] = {
    "onnx": (),
    "translate": ("out", "direction", "seed"),
    "classify": ("out",),
    "rank": ("n", "out"),
    "score": ("out",),
    "inpaint": ("mask", "out", "seed"),
    "convert": ("speaker", "out"),
}
TASKS = ("path", "reconstruct", "interpolate", "traverse", "encode", *TAKES)
DOES = {
    "onnx": "onnx= writes the generator itself, and draws no samples",
    "translate": "translate= translates every image, each to a PNG in out=",
    "classify": "classify= names the class of each image, in a CSV file",
    "rank": "rank= names the best documents of each query, in a CSV file",
    "score": "score= gives the energy of each image, in a CSV file",
    "inpaint": "inpaint= samples the masked pixels of each image, each to a PNG in out=",
    "convert": "convert= gives a recording another speaker's voice, in a wav file",
}
# key of particular tasks -> the advice if it is given without one of them
GOES_WITH = {
    "out": "translate=FOLDER, classify=FOLDER, score=FOLDER, inpaint=FOLDER, rank=QUERIES or convert=FILE.wav",
    "direction": "translate=FOLDER, the images to translate",
    "mask": "inpaint=FOLDER, the images to complete",
    "speaker": "convert=FILE.wav, the recording to convert",
}
# task that writes a CSV file -> default file name without out=
TABLES = {"classify": "classes.csv", "rank": "ranking.csv", "score": "energies.csv"}
OUTPUTS = ("grid", "npz", "folder", "gif", "video")
KEYS = tuple(field.name for field in fields(Request))


def parse(arguments: Sequence[str]) -> Request:
    """Parse key=value arguments into a request.

    Raises:
        UserError: an unknown or repeated key, a value out of range, or a run that cannot be sampled.
    """
    given = pairs(arguments, KEYS)
    if (which := given.get("which", "last")) not in ("last", "best"):
        raise UserError(f"which={which}: say which=last (the newest export) or which=best (the best checkpoint).")
    animated = "gif" in given or "video" in given
    request = Request(
        run=run_folder(given, which),
        n=whole("n", given.get("n", _usual_n(given)), least=1),
        seed=whole("seed", given.get("seed", "0"), least=0),
        label=given.get("label"),
        condition=given.get("condition"),
        grid=_file("grid", given.get("grid"), ".png"),
        npz=_file("npz", given.get("npz"), ".npz"),
        folder=None if "folder" not in given else Path(given["folder"]),
        gif=_file("gif", given.get("gif"), ".gif"),
        video=_file("video", given.get("video"), ".mp4"),
        onnx=_file("onnx", given.get("onnx"), ".onnx"),
        truncation=_above_0("truncation", given["truncation"]) if "truncation" in given else None,
        which=which,
        allow=allowed(given),
        path=given.get("path"),
        reconstruct=inference.inputs("reconstruct", given.get("reconstruct", "")),
        interpolate=inference.inputs("interpolate", given.get("interpolate", "")),
        traverse=whole("traverse", given["traverse"], least=0) if "traverse" in given else None,
        encode=inference.inputs("encode", given.get("encode", "")),
        steps=whole("steps", given.get("steps", str(paths.FRAMES if animated else 8)), least=2),
        translate=next(iter(inference.inputs("translate", given.get("translate", ""))), None),
        out=_out(given),
        direction=given.get("direction"),
        classify=_existing("classify", given),
        rank=ranking.queries(given["rank"]) if "rank" in given else None,
        score=_existing("score", given),
        inpaint=_existing("inpaint", given),
        mask=inpainting.mask(given.get("mask")) if "inpaint" in given else None,
        convert=conversion.recording(given["convert"]) if "convert" in given else None,
        speaker=given.get("speaker"),
    )
    _check_task(request, given)
    if request.folder is not None:
        _check_folder(request.folder, request.n)
    if any(getattr(request, output) for output in (*OUTPUTS, "out", "onnx")):
        return request
    # A generator of the zoo is part of the installed package, where nothing may be written.
    samples = (
        Path("samples") / clean("-".join(request.run.parts)) if is_of_zoo(request.run) else request.run / "samples"
    )
    if request.task in TABLES:
        return replace(request, out=samples / TABLES[request.task])
    if request.task == "encode":
        return replace(request, npz=samples / "codes.npz")
    if request.task not in ("sample", "path"):
        return replace(request, grid=samples / f"{request.task}.png")
    name = request.path or ("sample" if which == "last" else which)
    of_class = "" if request.label is None else f"-label{clean(request.label)}"
    of_class += "" if request.condition is None else f"-{clean(request.condition.replace('=', ''))}"
    cut = "" if request.truncation is None else f"-truncation{request.truncation:g}"
    return replace(request, grid=samples / f"{name}-seed{request.seed}{of_class}{cut}.png")


def _check_task(request: Request, given: Mapping[str, str]) -> None:
    """Refuse several tasks at once, and settings that the requested task does not read."""
    tasks = [task for task in TASKS if task in given]
    if len(tasks) > 1:
        raise UserError(f"{' and '.join(f'{task}={given[task]}' for task in tasks)}: ask for one of them at a time.")
    for key, with_task in GOES_WITH.items():
        if key in given and key not in TAKES.get(request.task, ()):
            raise UserError(f"{key}={given[key]} goes with {with_task}. Say which.")
    if request.task == "translate":
        _check_translation(request, given)
    if request.task == "inpaint" and request.out is None:
        raise UserError(f"inpaint={request.inpaint} needs a place: say out=FOLDER.")
    if request.task == "convert":
        conversion.check(request)
    _check_paths(request, given)
    if request.task in TAKES:
        taken = (*COMMON, request.task, *TAKES[request.task])
        if idle := [f"{key}={value}" for key, value in given.items() if key not in taken]:
            raise UserError(f"{DOES[request.task]}. Leave {', '.join(idle)} out.")
    if request.task == "onnx":
        need("onnx")
    if request.task not in ("sample", "path", "traverse") and request.label is not None:
        raise UserError(f"label={request.label}: a sample's class is not chosen with {request.task}=. Leave label out.")
    if request.task != "sample" and request.condition is not None:
        raise UserError(
            f"condition={request.condition}: a condition is not chosen with {request.task}=. Leave condition out."
        )
    if request.task not in ("sample", "path") and request.truncation is not None:
        raise UserError(
            f"truncation={request.truncation:g}: codes are not truncated with {request.task}=. Leave truncation out."
        )
    if request.task == "encode" and (request.grid or request.folder):
        raise UserError("encode= gives numbers, not pictures: say npz=codes.npz in place of grid and folder.")


def _check_paths(request: Request, given: Mapping[str, str]) -> None:
    """Refuse an unknown path, a path that needs too much memory, and steps or animations for tasks without steps."""
    if request.path is not None and request.path not in paths.PATHS:
        hint = did_you_mean(f"path={name}" for name in nearest(request.path, paths.PATHS))
        raise UserError(f"path={request.path}: say path=spherical or path=linear.{hint}")
    if request.path is not None and request.n * request.steps > paths.MOST:
        raise UserError(
            f"n={request.n:,} paths of steps={request.steps:,} are {request.n * request.steps:,} samples, more than "
            f"the {paths.MOST:,} that are held at a time. Say n={max(1, paths.MOST // request.steps)}, or fewer steps."
        )
    if request.task in IN_STEPS:
        if request.video is not None:
            need("video")
        return
    if "steps" in given:
        raise UserError(f"steps={request.steps}: only path=, interpolate= and traverse= take steps. Leave it out.")
    for key in ("gif", "video"):
        if key in given:
            raise UserError(
                f"{key}={given[key]} is an animation of steps. Say which: path=spherical, path=linear, interpolate=IN "
                "or traverse=INDEX."
            )


def _check_translation(request: Request, given: Mapping[str, str]) -> None:
    """Refuse translate= with several inputs, without out=, or with an unknown direction."""
    if "," in given["translate"]:
        raise UserError(f"translate={given['translate']}: name one image, or one folder of them.")
    if request.out is None:
        raise UserError(
            f"translate={request.translate} needs a place: say out=FOLDER, and for a run of cyclegan direction=a2b, or "
            "b2a."
        )
    if request.direction not in ("a2b", "b2a", None):
        raise UserError(f"direction={request.direction}: say direction=a2b (from domain A to B) or direction=b2a.")


def _existing(key: str, given: Mapping[str, str]) -> Path | None:
    """Return the image or folder of images that is the input of a task."""
    if key not in given:
        return None
    found = inference.inputs(key, given[key])
    if len(found) != 1:
        raise UserError(f"{key}={given[key]}: name one image, or one folder of them.")
    return found[0]


def _out(given: Mapping[str, str]) -> Path | None:
    """Return the output file or folder of a task."""
    if "out" not in given:
        return None
    if "convert" in given:
        return _file("out", given["out"], ".wav")
    return _file("out", given["out"], ".csv") if set(TABLES) & set(given) else Path(given["out"])


def _usual_n(given: Mapping[str, str]) -> str:
    """Return the default of n."""
    return str(paths.ROWS if "path" in given else ranking.DOCUMENTS if "rank" in given else 64)


def _above_0(key: str, text: str) -> float:
    """Parse a finite number above 0, or raise a UserError."""
    with suppress(ValueError):
        if 0 < (value := float(text)) < float("inf"):
            return value
    raise UserError(
        f"{key}={text}: must be a number above 0; 2 cuts off 5 % of each number of a code, 0.7 half of them."
    )


def _file(key: str, text: str | None, suffix: str) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if path.suffix.lower() != suffix:
        raise UserError(f"{key}={text}: a {suffix} file is written; say {key}={path.with_suffix(suffix)}.")
    if path.is_dir():
        raise UserError(f"{key}={text} is a folder; name a file in it, as {key}={path / ('samples' + suffix)}.")
    return path


def _check_folder(folder: Path, n: int) -> None:
    """Refuse a folder that contains other files than those to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"folder={folder} is a file; name a folder for the PNGs.")
    names = {file_name(i, n) for i in range(n)}
    held = [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    others = sorted(set(held) - names)
    if others:
        raise UserError(
            f"folder={folder} holds {len(others):,} other file{'s' * (len(others) > 1)} ({others[0]} is the first): "
            f"the {n:,} samples would mix with them. Name an empty or a new folder."
        )


def file_name(index: int, n: int) -> str:
    """Return the file name of sample `index` of n, padded so that names sort in order."""
    return f"{index:0{max(5, len(str(n - 1)))}d}.png"
