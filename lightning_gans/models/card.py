"""Model cards: the README.md of an exported folder, in the form of Hugging Face (YAML front matter, then Markdown)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lightning_gans.core.files import write_atomically
from lightning_gans.core.received import printable
from lightning_gans.metrics.names import ERROR, METRICS
from lightning_gans.models import class_names
from lightning_gans.models.spec import exportable

CARD, GRID = "README.md", "samples.png"
LONGEST = 300  # characters of a text from a file
MOST_CLASSES = 1000  # that are listed

_DIGITS = (
    "Optical Recognition of Handwritten Digits (E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository, "
    "doi:10.24432/C50P49), as scikit-learn ships it"
)
_ON_PHOTOS = f"{_DIGITS}, on scikit-learn's two sample photographs"
_CC_BY_4 = "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
_WITH_PHOTOS = f"digits {_CC_BY_4}; photographs CC BY 2.0 (https://creativecommons.org/licenses/by/2.0/)"
_DRAWN = "none needed: the package draws the points itself"
_UNKNOWN = "unknown: yours to state"

# Origin and licence of the data sets that come with the package, by their choice (data=NAME).
ORIGINS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("digits", "digits_semi", "digits_shift", "digits_shifted", "digits_retrieval"), (_DIGITS, _CC_BY_4)
    ),
    **dict.fromkeys(("digits_textured", "digits_to_textured", "digits_unpaired"), (_ON_PHOTOS, _WITH_PHOTOS)),
    **dict.fromkeys(
        ("ring", "grid", "spiral", "swiss_roll", "two_points", "ref_pair"), ("a density in closed form", _DRAWN)
    ),
    "vowels": ("synthetic vowels", "none needed: the package makes the sounds itself"),
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Facts of a card that are not in model.yaml.

    Args:
        scores: `last`, `last_se` and `better` of each metric.
        protocol: protocol of these scores: `extractor`, `samples`, `reference`, `floor` (scores of real samples) ...
        test: scores of the same weights on the test split, by metric, and of real samples there.
        test_floor: scores of real samples on the test split.
        command: command that trained the model.
        commit: commit of the code that it was trained with.
        grid: whether samples.png lies beside the card.
        shape: shape of a sample; None if unknown.
    """

    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    test_floor: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    commit: str = ""
    grid: bool = False
    shape: Sequence[int] | None = None


def write_card(folder: Path, spec: Mapping[str, Any], about: Mapping[str, Any], report: Report | None = None) -> None:
    """Write README.md beside an export.

    Args:
        spec: description of the model, as in model.yaml.
        about: facts beside the description.
        report: all other facts.
    """
    write_atomically(folder / CARD, card(spec, about, report or Report()))


def card(spec: Mapping[str, Any], about: Mapping[str, Any], report: Report) -> str:
    """Return the text of a model card. Texts from files are escaped, so that they are not rendered."""
    sections = [
        _title(about, report),
        _use(spec, about),
        _metrics(report),
        _data(about),
        _training(about, report),
        _model(spec, about, report),
    ]
    return f"{_front_matter(spec, about, report)}\n" + "\n\n".join(filter(None, sections)) + "\n"


def escaped(text: object) -> str:
    """Return `text` in one line, with Markdown syntax escaped: no emphasis, links, HTML, tables or mentions."""
    line = re.sub(r"([\\`*_\[\]<>|#!&~$@])", r"\\\1", printable(text, LONGEST))
    return re.sub(r"(?i)(:)(?=//)|(www)(?=\.)", r"\1\2\\", line)


def _front_matter(spec: Mapping[str, Any], about: Mapping[str, Any], report: Report) -> str:
    tags = ["gan", "generative", "pytorch"]
    for key in ("variant", "data"):
        if isinstance(word := about.get(key), str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", word):
            tags.append(word)
    matter: dict[str, Any] = {"library_name": "lightning-gans", "tags": tags}
    if report.shape is not None and len(report.shape) == 3 and "classes" not in spec:
        matter["pipeline_tag"] = "unconditional-image-generation"
    text = yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)
    return f"---\n# The licence of these weights is yours to state, as in: license: cc-by-4.0\n{text}---\n"


def _title(about: Mapping[str, Any], report: Report) -> str:
    variant, data = escaped(about.get("variant") or "generator"), about.get("data")
    lines = [f"# {variant} on {escaped(data)}" if data else f"# {variant}"]
    lines += [
        "",
        "A model trained with lightning-gans: weights.safetensors, and model.yaml, which describes its networks.",
    ]
    if report.grid:
        lines += ["", f"![samples of this generator]({GRID})"]
    return "\n".join(lines)


def _use(spec: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    target = exportable().get(str(spec.get("_target_")))
    told = ", label=0" if "classes" in spec else ""
    call, command, values = "", "", ""
    if target is None or hasattr(target, "sample"):
        call, command = f"x = model.sample(16, seed=0{told})", "n=64 seed=0 grid=grid.png"
        values = "Images are float in [-1, 1], (n, channels, height, width). Equal seeds give equal samples."
    elif hasattr(target, "translate"):
        call, command = 'y = model.translate(x, "a2b")', "translate=FOLDER out=translated direction=a2b"
        values = "Images are float in [-1, 1], (n, channels, height, width)."
    lines = [
        "## Load and sample" if call else "## Load",
        "",
        "Loading takes torch, safetensors and PyYAML alone, and runs no code of this folder.",
        "",
        "```python",
        "from lightning_gans import load_generator",
        "",
        'model = load_generator("PATH/OF/THIS/FOLDER")',
        *([call] if call else []),
        "```",
    ]
    if command:
        lines += ["", f"    python -m experiments.sample run=PATH/OF/THIS/FOLDER {command}"]
    lines += ["", values] if values else []
    names = about.get(class_names.KEY)
    if isinstance(names, list) and names and "classes" in spec:
        shown = [f"{number} = {escaped(name)}" for number, name in enumerate(names[:MOST_CLASSES])]
        more = f" and {len(names) - MOST_CLASSES:,} more" if len(names) > MOST_CLASSES else ""
        lines += ["", f"Classes: {', '.join(shown)}{more}."]
    return "\n".join(lines)


def _metrics(report: Report) -> str:
    scores = {name: score for name, score in report.scores.items() if _number(score.get("last")) is not None}
    if not scores:
        return "## Metrics\n\nNone: this model was exported before its first evaluation, or without metrics."
    floor = report.protocol.get("floor")
    floor = floor if isinstance(floor, Mapping) else {}
    columns = {
        "validation": {name: _figure(score.get("last"), score.get(f"last{ERROR}")) for name, score in scores.items()},
        "real data": {name: _figure(floor.get(name), floor.get(f"{name}{ERROR}")) for name in scores},
        "test": {name: _figure(report.test.get(name), report.test.get(f"{name}{ERROR}")) for name in scores},
        "real data, test": {
            name: _figure(report.test_floor.get(name), report.test_floor.get(f"{name}{ERROR}")) for name in scores
        },
    }
    columns = {title: cells for title, cells in columns.items() if any(cells.values())}
    lines = [
        "## Metrics",
        "",
        f"| metric | better | {' | '.join(columns)} | meaning |",
        f"| --- | --- | {' | '.join('---' for _ in columns)} | --- |",
    ]
    for name, score in scores.items():
        cells = " | ".join(cells[name] for cells in columns.values())
        meaning = METRICS[name].help if name in METRICS else ""
        lines.append(f"| {escaped(name)} | {escaped(score.get('better') or '')} | {cells} | {escaped(meaning)} |")
    return "\n".join([*lines, "", " ".join(_protocol(report))])


def _protocol(report: Report) -> Iterator[str]:
    protocol = report.protocol
    yield "Protocol:"
    if extractor := protocol.get("extractor"):
        yield f"features of the extractor {escaped(extractor)};"
    if samples := _number(protocol.get("samples")):
        against = f" against {escaped(protocol['reference'])}" if protocol.get("reference") else ""
        yield f"{samples:,} samples{against};"
    if protocol.get("floor"):
        count = _number(protocol.get("floor_samples"))
        yield f"real data: {f'{count:,} ' if count else ''}held-out real samples in place of generated ones;"
    yield (
        "±: standard error for this number of samples. Scores of other extractors, sample numbers or references do not "
        "compare with these."
    )


def _data(about: Mapping[str, Any]) -> str:
    name = about.get("data")
    origin, licence = ORIGINS.get(str(name), (_UNKNOWN, _UNKNOWN))
    lines = ["## Data", "", f"* Data set: {escaped(name) if name else _UNKNOWN}"]
    if origin is not _UNKNOWN:
        lines.append(f"* Origin: {origin}")
    return "\n".join([*lines, f"* Licence of the data: {licence}"])


def _training(about: Mapping[str, Any], report: Report) -> str:
    facts = {
        "iterations": _counted(about.get("iteration")),
        "images seen": _counted(about.get("images")),
        "seed": "" if about.get("seed") is None else escaped(about["seed"]),
        "commit of lightning-gans": escaped(report.commit),
    }
    lines = ["## Training", *(f"* {key}: {value}" for key, value in facts.items() if value)]
    if len(lines) > 1:
        lines.insert(1, "")
    if report.command:
        lines += ["", f"    {printable(report.command)}"]
    return "\n".join(lines) if len(lines) > 1 else ""


def _model(spec: Mapping[str, Any], about: Mapping[str, Any], report: Report) -> str:
    facts = {"model": spec.get("_target_")}
    for part in ("generator", "encoder", "classifier", "discriminator", "prior"):
        if isinstance(inner := spec.get(part), Mapping):
            facts[part] = inner.get("_target_")
    if isinstance(prior := spec.get("prior"), Mapping) and "dim" in prior:
        facts["length of a code"] = prior["dim"]
    if report.shape is not None:
        facts["shape of a sample"] = " x ".join(map(str, report.shape))
    facts["classes"] = spec.get("classes")
    lines = (f"* {key}: {escaped(value)}" for key, value in facts.items() if value is not None)
    return "\n".join(["## Model", "", *lines])


def _number(value: Any) -> float | int | None:
    """Return a finite number, or None."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return value if known else None


def _figure(value: Any, error: Any) -> str:
    known, deviation = _number(value), _number(error)
    if known is None:
        return ""
    return f"{known:.4g}" + (f" ± {deviation:.2g}" if deviation is not None else "")


def _counted(value: Any) -> str:
    number = _number(value)
    return "" if number is None else f"{number:,}"
