"""Study of domain adaptation: accuracy lost by a domain shift, and the share that DANN recovers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from experiments.studies.pages import config_of, spread, summary_of, table, tested, write_page
from experiments.studies.record import asked, settings_of
from experiments.trained.loading import load_data

SOURCE_ONLY, REVERSAL, ALTERNATING, ON_TARGET = "source only", "gradient reversal", "alternating", "on target"
ORDER = (SOURCE_ONLY, REVERSAL, ALTERNATING, ON_TARGET)
METRICS = {"target_accuracy": "on target", "source_accuracy": "on source", "domain_accuracy": "domains told apart"}
PUBLISHED = {  # Ganin et al. 2016, table 2: source only, DANN, on target
    "mnist_to_mnistm": (0.5225, 0.7666, 0.9596),
    "svhn_to_mnist": (0.5490, 0.7385, 0.9942),
}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write adaptation.{md,png}, or adaptation_<data>.{md,png} if all runs are of one pair of domains."""
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    done = tested(run_dirs)
    for run_dir in done:
        config = config_of(run_dir)
        found[config["names"]["data"]][how(config)].append(run_dir)
    name = "adaptation" if len(found) > 1 else f"adaptation_{next(iter(found))}"
    shipped = next(iter(found)) if len(found) > 1 else ""  # the study itself has two pairs
    configs = [config_of(run_dir) for run_dir in done]
    said = asked([settings_of(config) for config in configs], shipped=shipped, of_data=configs[0]["data"])
    parts = [
        "# Accuracy recovered by domain-adversarial training\n",
        f"    python -m experiments.train -m experiment=study/adaptation{said}\n",
        "Accuracy on the test splits after the last iteration, mean and deviation over seeds; no checkpoint is chosen\n"
        "by labels of the target. The share of the gap is (x - source only) / (on target - source only) of means.\n",
        f"![Accuracy on the target, and features of both domains]({name}.png)\n",
    ]
    for data, ways in found.items():
        config = config_of(next(iter(ways.values()))[0])
        batch = config["data"]["batch_size"]
        parts.append(f"## `data={data}`, {config['iterations']:,} iterations of {batch // 2} + {batch // 2}\n")
        parts.append(_table(data, ways))
    write_page(folder, name, "\n".join(parts), _figure(found))


def how(config: Mapping[str, Any]) -> str:
    """Return the training method of a run: source only, target, gradient reversal or alternating."""
    variant, data = config["variant"], config["data"]
    if data["source"] == data["target"]:
        return ON_TARGET
    if variant["adaptation_weight"] == 0:
        return SOURCE_ONLY
    return ALTERNATING if variant["_target_"].endswith("Alternating") else REVERSAL


def gap_closed(found: float, source_only: float, on_target: float) -> float:
    """Return the share of the accuracy lost by the shift that was recovered."""
    return (found - source_only) / (on_target - source_only)


def _table(data: str, ways: Mapping[str, Sequence[Path]]) -> str:
    tests = {way: [_test(run_dir) for run_dir in ways[way]] for way in ORDER if way in ways}
    mean = {way: fmean(test["target_accuracy"] for test in found) for way, found in tests.items()}
    rows = []
    for way, found in tests.items():
        closed = ""
        if way in (REVERSAL, ALTERNATING) and {SOURCE_ONLY, ON_TARGET} <= set(mean):
            closed = f"{gap_closed(mean[way], mean[SOURCE_ONLY], mean[ON_TARGET]):.0%}"
        cells = [spread([test[metric] for test in found]) for metric in METRICS]
        seconds = fmean(summary_of(run_dir).seconds for run_dir in ways[way])
        rows.append([way, str(len(found)), *cells, closed, f"{seconds:.0f}"])
    if data in PUBLISHED:
        low, adapted, high = PUBLISHED[data]
        share = f"{gap_closed(adapted, low, high):.0%}"
        rows.append(["published", "", f"{low} / {adapted} / {high}", "", "", share, ""])
    return table(["trained", "seeds", *METRICS.values(), "share of the gap", "seconds"], rows)


def _test(run_dir: Path) -> dict[str, float]:
    return dict(summary_of(run_dir).all["test"]["last"])


def _figure(found: Mapping[str, Mapping[str, Sequence[Path]]]) -> Figure:
    """Plot target accuracy, one dot per run (left), and features of the first pair without and with d (right)."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    grid = figure.add_gridspec(2, 4)
    bars = figure.add_subplot(grid[:, :2])
    for number, (data, ways) in enumerate(found.items()):
        for place, way in enumerate(way for way in ORDER if way in ways):
            values = [_test(run_dir)["target_accuracy"] for run_dir in ways[way]]
            at = place + (number - (len(found) - 1) / 2) * 0.35
            label = data if place == 0 else None
            bars.bar(at, fmean(values), width=0.3, color=f"C{number}", alpha=0.5, label=label)
            bars.plot([at] * len(values), values, "k.", markersize=4)
    present = [way for way in ORDER if any(way in ways for ways in found.values())]
    bars.set(xticks=range(len(present)), xticklabels=present, ylabel="accuracy on the target", ylim=(0, 1))
    bars.legend(fontsize=8)
    ways = next(iter(found.values()))
    for row, way in enumerate(way for way in (SOURCE_ONLY, REVERSAL) if way in ways):
        axes = [figure.add_subplot(grid[row, column]) for column in (2, 3)]
        _draw_features(axes, ways[way][0])
        axes[0].set_ylabel(way, fontsize=9)
    return figure


def _draw_features(axes: Sequence[Any], run_dir: Path) -> None:
    from lightning_gans import load_generator
    from lightning_gans.evaluation.domains import features_of
    from lightning_gans.evaluation.splits import domains_of
    from lightning_gans.reporting.embeddings import draw_embedding

    parts = domains_of(load_data(config_of(run_dir)))
    assert parts is not None
    model: Any = load_generator(run_dir)
    draw_embedding(axes, *features_of(model, parts))
