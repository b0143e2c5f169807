"""Requests to `experiments.evaluate`: key=value arguments, checked as far as possible without loading anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from datamodules.catalogue import CATALOGUE
from datamodules.image_sets.facts import SetFacts, recognised
from experiments.runs.resume import check_writable
from experiments.settings.signatures import Argument, signature
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained.arguments import DATA, allowed, data_settings, names, pairs, run_folder, whole
from experiments.trained.loading import typed
from lightning_gans.core.errors import UserError
from lightning_gans.evaluation.sets.checks import Shaped, check_overwriting, check_pair
from lightning_gans.evaluation.sets.protocols import PROTOCOLS, Protocol, check_given, check_split

# Neither the imports above nor `parse` import torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from lightning_gans.core.data import SplitName

OF_BOTH = ("which", "samples", "protocol", "metrics", "data_dir", "out", "allow")
OF_RUN = ("run", "split", "draws", "measures")
OF_SETS = ("generated", "reference", "statistics")
KEYS = (*OF_RUN, *OF_SETS, *OF_BOTH)
METRICS = "metrics."  # settings of the extractor
GROUP = Path(__file__).parents[1] / "conf" / "metrics"
EXTRACTORS = sorted({file.stem for file in GROUP.glob("*.yaml")} - {"none"})
OF_IMAGES = ("inception", "classifier", "pixels")  # extractors that compare any two sets of images


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to measure a run on its own data."""

    run: Path
    which: str
    split: "SplitName"
    samples: int | None
    draws: int
    metrics: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    measures: tuple[str, ...]
    data: Mapping[str, str]
    out: Path | None
    allow: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SetsRequest:
    """A request to compare two sets of images.

    generated, reference: the sets; None as reference means the data of the run.
    metrics, options: the extractor and its settings. data: settings of the sets by name.
    """

    generated: SetFacts
    reference: SetFacts | None
    which: str
    metrics: str
    options: Mapping[str, Any]
    protocol: Protocol | None
    samples: int | None
    data_dir: str
    data: Mapping[str, Any]
    typed: Mapping[str, str]  # data settings as typed
    statistics: Path | None
    out: Path | None
    allow: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Request | SetsRequest:
    """Parse key=value arguments into a request.

    Raises:
        UserError: an unknown key, a value out of range, a run or set that does not support the request, or a missing
            file.
    """
    given = pairs(arguments, KEYS, prefixes=(DATA, METRICS), needs=None)
    sets = [key for key in OF_SETS if key in given]
    if "run" in given and sets:
        raise UserError(
            f"run={given['run']} is measured on its own data, and {sets[0]}= compares two sets. Say "
            f"generated={given['run']} reference=cifar10 to compare the run's samples with other images, or leave "
            f"{' and '.join(sets)} out."
        )
    if "run" in given:
        return _of_run_by_protocol(given) if "protocol" in given else _of_run(given)
    if not sets:
        raise UserError(
            "Which run, or which sets? Say run=DIR, a folder that python -m experiments.train made, "
            "or generated=SAMPLES reference=PHOTOS for any two sets of images; --help says what they may be."
        )
    for key, other in (("generated", "reference"), ("reference", "generated")):
        if key not in given:
            what = f"{other}={given[other]}" if other in given else f"statistics={given['statistics']}"
            raise UserError(f"{what} needs a set beside it: say {key}=, a folder of images, an .npz or a data set.")
    if idle := [key for key in OF_RUN if key in given]:
        raise UserError(f"{idle[0]}={given[idle[0]]} goes with run=DIR, not with two sets. Leave it out.")
    return _of_sets(given)


def _of_run(given: Mapping[str, str]) -> Request:
    which = one_of("which", given.get("which", "last"), ("last", "best"))
    metrics = one_of("metrics", given["metrics"], EXTRACTORS) if "metrics" in given else None
    if metrics is None and (settings := [key for key in given if key.startswith(METRICS)]):
        raise UserError(
            f"{settings[0]}={given[settings[0]]} goes with metrics=inception, whose setting it is. Say both."
        )
    return Request(
        run=run_folder(given, which),
        which=which,
        split=cast("SplitName", one_of("split", given.get("split", "test"), ("test", "validation"))),
        samples=whole("samples", given["samples"], least=2) if "samples" in given else None,
        draws=whole("draws", given.get("draws", "1"), least=1),
        metrics=metrics,
        options=_options(metrics, given) if metrics else {},
        measures=names(given, "measures"),
        data=data_settings(given),
        out=_out(given),
        allow=allowed(given),
    )


def _of_run_by_protocol(given: Mapping[str, str]) -> SetsRequest:
    if idle := [key for key in OF_RUN if key in given and key != "run"]:
        raise UserError(
            f"{idle[0]}={given[idle[0]]} does not go with protocol={given['protocol']}, which fixes what is measured. "
            "Leave one of them out."
        )
    which = one_of("which", given.get("which", "last"), ("last", "best"))
    generated = SetFacts("run", given["run"], "run", run_folder(given, which))
    return _request(given, generated, None, which, {}, data_settings(given))


def _of_sets(given: Mapping[str, str]) -> SetsRequest:
    protocol = _protocol(given)
    which = one_of("which", given.get("which", "last"), ("last", "best"))
    resized = "data.image_size" in given
    split = "train" if protocol is None else protocol.split
    generated = recognised("generated", given["generated"], split="test", resized=resized)
    reference = recognised("reference", given["reference"], split=split, resized=resized)
    for facts in (generated, reference):
        if facts.kind == "run":
            run_folder({"run": facts.text}, which)
    if "which" in given and "run" not in (generated.kind, reference.kind):
        raise UserError(f"which={which} chooses the weights of a run, and neither set is a run. Leave it out.")
    settings = dict(_settings(given, generated, reference))
    data_settings(given)  # checks data_dir
    request = _request(given, generated, reference, which, settings, {})
    if not {"data.image_size", "data.channels"} & set(given):
        made, real = _shaped(generated, reference), _shaped(reference, generated)
        check_pair(made, real, request.metrics)
    if request.metrics != "inception":
        for facts in (generated, reference):
            if facts.kind == "statistics":
                raise UserError(
                    f"metrics={request.metrics} needs images, and {facts.key}={facts.text} holds statistics. "
                    "Say metrics=inception if they are Inception's, or name the images."
                )
    if request.statistics is not None and reference.kind == "statistics":
        raise UserError(
            f"statistics={request.statistics}: reference={reference.text} holds statistics. Leave statistics out."
        )
    return request


def _request(
    given: Mapping[str, str],
    generated: SetFacts,
    reference: SetFacts | None,
    which: str,
    data: Mapping[str, Any],
    typed: Mapping[str, str],
) -> SetsRequest:
    protocol, metrics = _protocol(given), one_of("metrics", given.get("metrics", "inception"), OF_IMAGES)
    if protocol is not None:
        said = None if reference is None else reference.split
        check_given(protocol, given)
        if reference is not None and said is not None:
            check_split(protocol, reference.text, said)
    samples = whole("samples", given["samples"], least=2) if "samples" in given else None
    if samples is not None and generated.images is not None and samples > generated.images:
        raise UserError(
            f"samples={samples:,}: generated={generated.text} holds {generated.images:,} images. Say "
            f"samples={generated.images}, or leave samples out for all of them."
        )
    return SetsRequest(
        generated=generated,
        reference=reference,
        which=which,
        metrics=metrics,
        options=_options(metrics, given),
        protocol=protocol,
        samples=samples,
        data_dir=given.get("data_dir", "data"),
        data=data,
        typed=typed,
        statistics=_statistics(given, generated, reference),
        out=_out(given),
        allow=allowed(given),
    )


def _protocol(given: Mapping[str, str]) -> Protocol | None:
    return PROTOCOLS[one_of("protocol", given["protocol"], tuple(PROTOCOLS))] if "protocol" in given else None


def _options(metrics: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of the extractor, such as metrics.weights.

    Raises:
        UserError: the extractor has no such setting, or a value is invalid.
    """
    taken = signature(f"lightning_gans.extractors.factories.{_factory(metrics)}")
    known: Mapping[str, Argument] = taken.settings if taken is not None else {}
    found: dict[str, Any] = {}
    for key, text in given.items():
        if not key.startswith(METRICS):
            continue
        name = key.removeprefix(METRICS)
        if key == "metrics.weights" and name not in known:
            raise UserError(f"metrics.weights={text} goes with metrics=inception, whose weights they are.")
        if name not in known:
            hint = did_you_mean(f"{METRICS}{other}={text}" for other in nearest(name, known))
            there = f"Its settings: {', '.join(known)}." if known else "It has none."
            raise UserError(f"{key}={text}: metrics={metrics} has no such setting.{hint or ' ' + there}")
        if key == "metrics.weights" and not Path(text).expanduser().is_file():
            raise UserError(f"metrics.weights={text}: there is no such file.")
        found[name] = typed(key, text, known[name].spec)
    return found


def _factory(metrics: str) -> str:
    import yaml

    return str(yaml.safe_load((GROUP / f"{metrics}.yaml").read_text())["_target_"]).rpartition(".")[2]


def _settings(given: Mapping[str, str], *sets: SetFacts) -> Iterator[tuple[str, Any]]:
    """Yield the data settings (name, value); at least one of the sets accepts each."""
    known: dict[str, Argument] = {}
    for facts in sets:
        known |= {name: found for name, found in arguments_of(facts).items() if name not in known}
    for key, text in given.items():
        if not key.startswith(DATA):
            continue
        name = key.removeprefix(DATA)
        if name not in known:
            hint = did_you_mean(f"{DATA}{other}={text}" for other in nearest(name, known))
            there = f" Their settings: {', '.join(known)}." if known else " They have none."
            raise UserError(f"{key}={text}: neither set has such a setting.{hint or there}")
        yield name, typed(key, text, known[name].spec)


def arguments_of(facts: SetFacts) -> Mapping[str, Argument]:
    """Return the settings of a set's data by name."""
    targets = {
        "folder": "datamodules.image_sets.files.FolderImages",
        "npz": "datamodules.image_sets.arrays.ArrayImages",
        "data": f"datamodules.{CATALOGUE[facts.name].module}" if facts.kind == "data" else "",
    }
    taken = signature(targets[facts.kind]) if facts.kind in targets else None
    aside = {"batch_size", "root", "facts"}
    return {} if taken is None else {name: found for name, found in taken.settings.items() if name not in aside}


def _shaped(facts: SetFacts, other: SetFacts) -> Shaped:
    """Return the shape of a set's images; a data set adopts the size of the other set."""
    shape = facts.shape
    images = CATALOGUE[facts.name].images if facts.kind == "data" else None
    if images is not None and other.shape is not None:
        shape = (images.channels, *other.shape[1:])
    return Shaped(f"{facts.key}={facts.text}", shape)


def _out(given: Mapping[str, str]) -> Path | None:
    out = Path(given["out"]) if "out" in given else None
    if out is not None and (out.suffix != ".json" or out.is_dir()):
        raise UserError(f"out={out}: a .json file is written; say out={out.with_suffix('.json')}.")
    if out is not None:
        check_writable(out.parent, f"out={out}")
    return out


def _statistics(given: Mapping[str, str], *sets: SetFacts | None) -> Path | None:
    statistics = Path(given["statistics"]) if "statistics" in given else None
    if statistics is None:
        return None
    if statistics.suffix != ".npz" or statistics.is_dir():
        raise UserError(
            f"statistics={statistics}: an .npz is written; say statistics={statistics.with_suffix('.npz')}."
        )
    check_overwriting(statistics, [facts.place for facts in sets if facts is not None and facts.place is not None])
    check_writable(statistics.parent, f"statistics={statistics}")
    return statistics


def one_of(key: str, value: str, values: Sequence[str]) -> str:
    """Return `value`, or raise a UserError if it is none of `values`."""
    if value not in values:
        hint = did_you_mean(f"{key}={name}" for name in nearest(value, values))
        raise UserError(f"{key}={value}: it is {', '.join(values[:-1])} or {values[-1]}.{hint}")
    return value
