"""Comparison of two sets of images in one call, `score`."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import cache_folder
from lightning_gans.evaluation.sets.checks import check_overwriting, check_samples
from lightning_gans.evaluation.sets.comparison import Comparison
from lightning_gans.evaluation.sets.images import ImageSet, ModelSamples, Tensors
from lightning_gans.evaluation.sets.measuring import Side, check_sides, compare, make_extractor
from lightning_gans.evaluation.sets.protocols import FIXED, PROTOCOLS, Protocol, check_given, check_split

Named = str | Path | Tensor | ImageSet
METRICS = ("inception", "classifier", "pixels")
DEFAULT = 10_000  # samples of a run if no number is given


def score(
    generated: Named,
    reference: Named,
    *,
    metrics: str = "inception",
    protocol: str | None = None,
    samples: int | None = None,
    data_dir: str | Path = "data",
    data: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    statistics: str | Path | None = None,
    device: torch.device | str | None = None,
    cache_dir: Path | None = None,
) -> Comparison:
    """Compute FID, KID, IS, precision, recall, density and coverage of generated images against real ones.

        print(score("samples/", "photos/", metrics="pixels"))

    A set is a folder of images, an .npz of images, a data set by name ("cifar10", "cifar10:test"; by default its
    training split as the reference, its test split as the generated images), a run's folder, a tensor (N, C, H, W), or
    an .npz of FID statistics. Images keep their size for Inception; other extractors compare images of one size.

    Memory does not grow with the size of the image files, since only features are stored; see `sets.measuring`.

    Args:
        metrics: "inception", "classifier" (of the reference's labels) or "pixels".
        protocol: "fid50k", "sngan" or "mimicry"; it fixes samples, reference split and extractor.
        samples: number of generated images; None: all, or for a run as many as real ones but at most 10,000.
        data_dir: folder of data sets and downloads.
        data: settings of the sets by name, such as {"image_size": 32, "channels": 3}; for both.
        options: settings of the extractor by name, such as {"weights": "weights.pth"}.
        statistics: file (.npz) for mean and covariance of the reference's features, in the format of pytorch-fid.
        device: device of models and extractor; None: a GPU if there is one.
        cache_dir: folder of reference features and extractors.

    Raises:
        UserError: the sets cannot be read or compared; the message gives the remedy.
    """
    if metrics not in METRICS:
        raise UserError(f"metrics={metrics}: it is {', '.join(METRICS[:-1])} or {METRICS[-1]}.")
    settings, chosen = dict(data or {}), dict(options or {})
    rules = None if protocol is None else _protocol(protocol)
    on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if rules is not None:
        typed = {"metrics": metrics} | {f"metrics.{name}": str(value) for name, value in chosen.items()}
        check_given(rules, typed | {f"data.{name}": str(value) for name, value in settings.items()})
        settings["holdout"] = int(FIXED["data.holdout"])
    if statistics is not None:
        files = [Path(named).expanduser() for named in (generated, reference) if isinstance(named, str | Path)]
        check_overwriting(Path(statistics), files)
    count = samples if rules is None else rules.counts(samples)[0]
    made, real = _pair(generated, reference, rules, on, data_dir, settings)
    if not isinstance(real, Path):
        real = _enough(real, rules, samples)
    if not isinstance(made, Path):
        made = _taken(made, real, count, rules)
    check_sides(made, real, metrics)
    folder = cache_dir or cache_folder()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        extractor = make_extractor(metrics, real, chosen, device=on, cache_dir=folder)
    return compare(
        made,
        real,
        extractor,
        cache_dir=folder,
        metrics=metrics,
        samples=samples,
        protocol=rules,
        told=[str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)],
        statistics=None if statistics is None else Path(statistics),
        weights=Path(chosen["weights"]).expanduser() if chosen.get("weights") else None,
    )


def _protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise UserError(f"protocol={name}: it is one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _pair(
    generated: Named,
    reference: Named,
    protocol: Protocol | None,
    device: torch.device,
    data_dir: str | Path,
    settings: Mapping[str, Any],
) -> tuple[Side, Side]:
    """Open both sets; a data set is opened last, at the image size of the other set."""
    from datamodules.image_sets.facts import SetFacts, recognised
    from datamodules.image_sets.opening import opened

    def facts(key: str, named: Named, split: Literal["train", "test"]) -> Any:
        if not isinstance(named, str | Path):
            return named
        return recognised(key, str(named), split=split, resized="image_size" in settings)

    def opening(key: str, found: Any, size: int | None) -> Side:
        if isinstance(found, Tensor):
            return Tensors(found, name=f"the tensor of {key} images")
        if not isinstance(found, SetFacts):
            side: ImageSet = found
            return side
        if found.kind == "statistics":
            assert found.place is not None
            return found.place
        if found.kind == "run":
            assert found.place is not None
            return run_samples(found.place, found.text, device)
        return opened(found, data_dir=data_dir, settings=settings, size=size)

    split = "train" if protocol is None else protocol.split
    sides = {
        "generated": facts("generated", generated, "test"),
        "reference": facts("reference", reference, split),
    }
    real = sides["reference"]
    if protocol is not None and isinstance(real, SetFacts) and real.split is not None:
        check_split(protocol, real.text, real.split)
    order = sorted(sides, key=lambda key: getattr(sides[key], "kind", "") == "data")
    found: dict[str, Side] = {}
    for key in order:
        size = next((side.shape[1] for side in found.values() if not isinstance(side, Path)), None)
        found[key] = opening(key, sides[key], size)
    return found["generated"], found["reference"]


def run_samples(run: Path, text: str, device: torch.device) -> ModelSamples:
    """Return samples of a run's newest export."""
    from lightning_gans.models.export import described, load_generator

    model = load_generator(run).to(device).to(memory_format=torch.channels_last)
    iteration = described(run)["about"].get("iteration")
    return ModelSamples(model, DEFAULT, text=text, place=str(run), iteration=iteration)


def _enough(real: ImageSet, protocol: Protocol | None, samples: int | None) -> ImageSet:
    """Return as many reference images as the protocol prescribes.

    Raises:
        UserError: there are fewer, and `samples` is not given.
    """
    if protocol is None or protocol.reference is None:
        return real
    if samples is None:
        check_samples(f"reference={real.text}", len(real), protocol.reference, f"protocol={protocol.name}")
    return real.at_most(protocol.reference)


def _taken(made: ImageSet, real: Side, count: int | None, protocol: Protocol | None) -> ImageSet:
    """Return the generated images that are compared.

    Raises:
        UserError: there are fewer.
    """
    if isinstance(made, ModelSamples):
        usual = DEFAULT if isinstance(real, Path) else min(len(real), DEFAULT)
        made.n = usual if count is None else count
        return made
    if count is None:
        return made
    why = f"protocol={protocol.name}" if protocol is not None else f"samples={count}"
    check_samples(f"generated={made.text}", len(made), count, why)
    return made.at_most(count)
