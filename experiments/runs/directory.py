"""Run directories: names, and reading of config.yaml and summary.json."""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from experiments.settings.spec import plain
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import load_json, load_yaml, printable
from lightning_gans.metrics.names import BETTER, METRICS, Better, earlier, suffix_of
from lightning_gans.reporting.csv_files import CsvFile

RUNS = Path("runs")
STUDIES = Path("studies")  # folder of study pages and figures, below the working directory
CONFIG, COMMAND, SUMMARY, LAST = "config.yaml", "command.txt", "summary.json", Path("checkpoints") / "last.ckpt"
EXPORT, WEIGHTS = Path("generator"), "weights.safetensors"
LOCK = ".lock"  # of a run in progress
OF_A_RUN = (CONFIG, COMMAND, SUMMARY)  # files present before the first iteration has run
TABLES = ("losses.csv", "metrics.csv")
WRITTEN = ("checkpoints", "generator", "samples")  # folders
LONGEST = 120  # characters of a run's name without the seed, or of a metric's name

# Settings for the place or manner of execution, which do not identify a run: left out of its name.
UNNAMED = (
    *("study", "seed", "iterations", "run_dir", "data_dir", "resume", "measures", "pictures"),
    *("data.root", "data.download", "data.workers"),
)
UNNAMED_GROUPS = ("variant", "data", "logger", "callbacks", "trainer", "metrics")

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


# Names


def group_name(variant: str, data: str, differences: Mapping[str, str]) -> str:
    """Return `<variant>-<data>[-<differences from the recipe>]` in letters, digits and `-._`.

    Args:
        differences: short key -> value, or a choice -> "".
    """
    tokens = [clean(variant), clean(data), *(clean(key) + clean(differences[key]) for key in sorted(differences))]
    name = "-".join(tokens)
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 9].rstrip('-._')}-{digest(name)}"
    return name


def clean(text: str) -> str:
    """Reduce `text` to letters, digits and `-._`; if characters are lost, a digest keeps the result unique."""
    if not text or not re.search(r"[^A-Za-z0-9._-]", text):
        return text
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(text).name).strip("_")
    return f"{readable}.{digest(text)[:4]}"


def digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=4).hexdigest()


def short_key(key: str, keys: Collection[str]) -> str:
    """Return the shortest suffix of the dotted `key` that is unique among `keys`; the whole key if not among them."""
    if key not in keys:
        return key
    parts, others = key.split("."), [other.split(".") for other in keys if other != key]
    for count in range(1, len(parts)):
        if all(other[-count:] != parts[-count:] for other in others):
            return ".".join(parts[-count:])
    return key


def is_unnamed(key: str) -> bool:
    """Return True if a setting is left out of a run's name."""
    return key in UNNAMED or key.partition(".")[0] in ("logger", "callbacks", "trainer", "metrics", "hydra", "names")


def as_token(value: Any) -> str:
    """Format a setting's value for a name: 128, 0.0001, true, null, tanh."""
    if isinstance(value, list):
        return "_".join(map(as_token, value))
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else plain(value)


# Files


@dataclass(frozen=True)
class Summary:
    """Content of summary.json; `metrics` maps names to {last, best, best_iteration, better}, None if not finite.

    A metric also has the standard errors `last_se` and `best_se`, if they are known.
    """

    status: str
    iterations: int = 0
    images: int = 0
    seconds: float = 0.0
    images_per_second: float | None = None
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    all: Mapping[str, Any] = field(default_factory=dict)


def config_text(config: Mapping[str, Any]) -> str:
    """Return the text of config.yaml: the resolved configuration, enough to repeat the run."""
    text: str = yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def read_config(run_dir: Path) -> dict[str, Any] | None:
    """Return the configuration of a run, or None if the folder holds none.

    Raises:
        UserError: the file cannot be read.
    """
    path = run_dir / CONFIG
    try:
        config = load_yaml(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(_unreadable(path, error)) from error
    if not isinstance(config, dict):
        raise UserError(_unreadable(path, "it holds no settings"))
    return config


def checkpoints(run_dir: Path) -> list[Path]:
    """Return the checkpoints of a run: last.ckpt, from which a run resumes, then the others from the newest on."""
    found = [path for path in (run_dir / LAST).parent.glob("*.ckpt") if not path.name.startswith(".")]
    return sorted(found, key=lambda path: (path.name != LAST.name, -path.stat().st_mtime))


def newest_iteration(run_dir: Path) -> int:
    """Return the last iteration found in any of a run's files, damaged or not; 0 if there is none."""
    try:
        summary = read_summary(run_dir)
    except UserError:
        summary = None
    return max(summary.iterations if summary else 0, *(CsvFile(run_dir / name).newest() for name in TABLES))


def read_summary(run_dir: Path) -> Summary | None:
    """Return the summary of a run; None if it has none yet.

    Raises:
        UserError: the file cannot be read.
    """
    path = run_dir / SUMMARY
    try:
        found = present(load_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(_unreadable(path, error)) from error
    if not isinstance(found, dict) or not isinstance(found.get("status"), str):
        raise UserError(_unreadable(path, "it has no status"))
    metrics = found.get("metrics")
    return Summary(
        status=found["status"],
        iterations=int(number(found.get("iterations")) or 0),
        images=int(number(found.get("images")) or 0),
        seconds=number(found.get("seconds")) or 0.0,
        images_per_second=number(found.get("images_per_second")),
        metrics={
            printable(name, LONGEST): {
                **{
                    key: number(value.get(key)) if isinstance(value, dict) else None
                    for key in ("last", "best", "best_iteration")
                },
                **{
                    key: number(value[key])
                    for key in ("last_se", "best_se")
                    if isinstance(value, dict) and key in value
                },
                "better": better_of(name, value),
            }
            for name, value in (metrics.items() if isinstance(metrics, dict) else ())
        },
        all=found,
    )


def present(summary: Any) -> Any:
    """Return the content of a summary.json with metric names of version 0.1 replaced by the present ones.

    In version 0.1 the name of a metric did not contain its extractor, which the file records under `evaluation`.
    """
    if not isinstance(summary, dict):
        return summary
    names = earlier(_suffix(summary))
    evaluation, test, headline = (summary.get(key) for key in ("evaluation", "test", "headline"))
    found = summary | {"metrics": _renamed(summary.get("metrics"), names)}
    if isinstance(evaluation, dict):
        found["evaluation"] = evaluation | {"floor": _renamed(evaluation.get("floor"), names)}
    if isinstance(test, dict):
        found["test"] = {of: _renamed(scores, names) for of, scores in test.items()}
    if isinstance(headline, str):
        found["headline"] = names.get(headline, headline)
    return found


def suffix(run_dir: Path) -> str:
    """Return the suffix of a run's feature metrics ("_classifier"); empty for Inception, or if unknown."""
    try:
        return _suffix(load_json(run_dir / SUMMARY))
    except (OSError, ValueError):
        return ""


def _suffix(summary: Any) -> str:
    evaluation = summary.get("evaluation") if isinstance(summary, dict) else None
    return suffix_of(str(evaluation.get("extractor", ""))) if isinstance(evaluation, dict) else ""


def _renamed(scores: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(scores, dict):
        return scores
    return {names.get(name, name): value for name, value in scores.items() if names.get(name) not in scores}


def better_of(name: str, score: Any) -> Better | None:
    """Return the better direction of a metric from its entry in summary.json, or else that of a shipped metric.

    Summaries of version 0.1.0 hold no directions.
    """
    said = score.get("better") if isinstance(score, Mapping) else None
    known = METRICS[name].better if name in METRICS else None
    return next((better for better in BETTER if better == said), known)


def number(value: Any) -> float | None:
    """Return a finite number unchanged; None for anything else."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits else None


def _unreadable(path: Path, error: object) -> str:
    why = str(error).partition("\n")[0].rstrip(".")
    return f"{path} cannot be read: {why}. Restore it, or choose another run_dir."
