"""`python -m experiments.studies NAME DIR...`: a study's page from runs that exist, however they were started."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import iter_modules

from experiments import cli, studies
from experiments.runs.directory import STUDIES
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained.comparison import Run, find
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import check_folder

HELPERS = ("__main__", "pages", "record")


def main(argv: Sequence[str]) -> int:
    """Write the page; the exit code.

    Raises:
        UserError: there is no such study, a folder is not there, or it holds no run of the study.
    """
    arguments = _parser().parse_args(list(argv))
    names = sorted(module.name for module in iter_modules(studies.__path__) if module.name not in HELPERS)
    if arguments.name not in names:
        hint = did_you_mean(nearest(arguments.name, names))
        raise UserError(f"{arguments.name}: there is no such study.{hint} There are {', '.join(names)}.")
    found, odd = find(arguments.folders)
    # A run that is named itself is meant, whatever it was made for: a paper's own budget beside ours.
    of_study = [run.path for run in found if run.path in arguments.folders or arguments.name in _group(run).split("-")]
    if not of_study:
        seen = "".join(f" {path} {why}." for path, why in odd[:3])
        raise UserError(
            f"There is no run of this study in {', '.join(map(str, arguments.folders))}.{seen} "
            f"Make them: python -m experiments.train -m experiment=study/{arguments.name} seed=1,2,3"
        )
    for run_dir in of_study:
        check_folder(run_dir)
    report = importlib.import_module(f"experiments.studies.{arguments.name}").report
    try:
        report(of_study, STUDIES)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, AssertionError) as error:
        # The files of a run are whatever its sender wrote.
        raise UserError(
            f"Some of these runs are no runs of the study {arguments.name} ({type(error).__name__}: {error}). Name the "
            "runs that it made; HYDRA_FULL_ERROR=1 shows what was looked for."
        ) from error
    return cli.DONE


def _group(run: Run) -> str:
    names = run.config.get("names")
    return str(names.get("group")) if isinstance(names, dict) else ""


def _parser() -> cli.Parser:
    parser = cli.Parser(
        prog="experiments.studies",
        description="A study's table and figure, in docs/studies, from runs that were made one by one: by several "
        "machines, or by parts of the study (experiment=study/NAME ~study variant=...).",
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
