"""Study of disjoint supports: D's divergence estimates for shifted point masses, against their distance."""

from collections import defaultdict
from collections.abc import Sequence
from math import log
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from experiments.studies.pages import config_of, finished, settled, spread, table, write_page

NAMES = {"js": "Jensen-Shannon (nats)", "wasserstein": "Wasserstein (WGAN-GP)"}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write disjoint_supports.{md,png}."""
    found: dict[str, dict[float, list[float]]] = {name: defaultdict(list) for name in NAMES}
    weight = 10.0
    for run_dir in finished(run_dirs):
        config = config_of(run_dir)
        name = "wasserstein" if config["objective"]["_target_"].endswith("Wasserstein") else "js"
        weight = config["penalty"]["weight"] if name == "wasserstein" else weight
        found[name][float(config["network"]["distance"])].append(settled(run_dir, f"D/{name}"))
    distances = sorted({distance for values in found.values() for distance in values})
    figure = Figure(figsize=(5, 3.2))
    axes = figure.subplots()
    for name, values in found.items():
        points = sorted(values.items())
        axes.plot([d for d, _ in points], [fmean(v) for _, v in points], "o-", label=NAMES[name])
    axes.axhline(log(2), color="grey", linewidth=0.8, linestyle=":", label="log 2")
    axes.plot(distances, [d * (1 + d / (2 * weight)) for d in distances], color="grey", linewidth=0.8, label="theory")
    axes.set(xlabel="distance between the supports", ylabel="D's estimate", title="Supports that share no point")
    axes.legend(fontsize=8)
    rows = [
        [
            f"{d:g}",
            *(spread(found[name][d]) if found[name][d] else "" for name in NAMES),
            f"{d * (1 + d / (2 * weight)):.3f}",
        ]
        for d in distances
    ]
    text = f"""# Supports that share no point

    python -m experiments.train -m experiment=study/disjoint_supports seed=1,2,3

The generator is frozen at the data's two point masses, shifted sideways by a distance d. A generator could minimise
only the divergence that D's training estimates. The Jensen-Shannon divergence is log 2 = {log(2):.6f} nats at any
distance but 0, so it has no gradient. The Wasserstein distance equals d; under a gradient penalty of {weight:g} the
critic's gap between two points is d (1 + d / {2 * weight:g}); here there are two pairs of points.

![The estimates against the distance](disjoint_supports.png)

{table(["distance", *NAMES.values(), "the critic's gap in theory"], rows)}"""
    write_page(folder, "disjoint_supports", text, figure)
