"""Write a study's page and figure from existing runs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import iter_modules

import yaml

from experiments import cli, conf, studies
from experiments.runs.directory import STUDIES
from experiments.settings.suggest import did_you_mean, nearest
from experiments.studies import reporting
from experiments.trained.comparison import Run, find
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import check_folder

HELPERS = ("__main__", "early", "labelled_share", "latent_regressor", "pages", "record", "reporting", "wrong_pixels")
OUT = "out="


def main(argv: Sequence[str]) -> int:
    """Write the page; return the exit code.

    Raises:
        UserError: there is no such study, or a folder does not exist or holds no run of the study.
    """
    words = [word for word in argv if not word.startswith(OUT)]
    folder = _folder([word.removeprefix(OUT) for word in argv if word.startswith(OUT)])
    arguments = _parser().parse_args(words)
    names = sorted(module.name for module in iter_modules(studies.__path__) if module.name not in HELPERS)
    if arguments.name not in names:
        hint = did_you_mean(nearest(arguments.name, names))
        raise UserError(f"{arguments.name}: there is no such study.{hint} There are {', '.join(names)}.")
    if not _trains(arguments.name):
        reporting.write(f"experiments.studies.{arguments.name}", [], folder)
        return cli.DONE
    found, odd = find(arguments.folders)
    # A run given by its own path is included whatever its experiment, for example one with the budget of the paper.
    of_study = [run.path for run in found if run.path in arguments.folders or arguments.name in _group(run).split("-")]
    if not of_study:
        seen = "".join(f" {path} {why}." for path, why in odd[:3])
        raise UserError(
            f"There is no run of this study in {', '.join(map(str, arguments.folders))}.{seen} "
            f"Make them: python -m experiments.train -m experiment=study/{arguments.name} seed=1,2,3"
        )
    for run_dir in of_study:
        check_folder(run_dir)
    reporting.write(f"experiments.studies.{arguments.name}", of_study, folder)
    return cli.DONE


def _trains(name: str) -> bool:
    """Return True if the study has training jobs; otherwise its page needs no runs."""
    text = (Path(conf.__path__[0]) / "experiment" / "study" / f"{name}.yaml").read_text(encoding="utf-8")
    return bool(yaml.safe_load(text)["study"]["jobs"])


def _folder(given: Sequence[str]) -> Path:
    """Return the folder for the page.

    Raises:
        UserError: several folders, an empty name, or a file.
    """
    if len(given) > 1 or "" in given:
        raise UserError("out= names one folder for the page and its figure: say out=DIR, or leave it out.")
    folder = Path(given[0]) if given else STUDIES
    if folder.exists() and not folder.is_dir():
        raise UserError(f"out={folder} is a file; name a folder for the page and its figure.")
    return folder


def _group(run: Run) -> str:
    names = run.config.get("names")
    return str(names.get("group")) if isinstance(names, dict) else ""


def _parser() -> cli.Parser:
    parser = cli.Parser(
        prog="experiments.studies",
        usage="python -m experiments.studies NAME [DIR ...] [out=DIR]",
        description="A study's table and figure from runs that were made one by one: by several machines, or by parts "
        "of the study (experiment=study/NAME ~study variant=...). They go to the folder out=DIR (studies/), where the "
        "lines of earlier runs stay in a study's record, NAME.csv.",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="mode_coverage, every_game, ...")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        default=[Path("runs")],
        metavar="DIR",
        help="folders of runs, of which those of the study are taken, or runs (runs/)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
