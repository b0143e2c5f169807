"""Study of IRGAN against its pre-trained generator, that generator trained on without an adversary, and popularity."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from experiments.studies.pages import column, config_of, finished, spread, summary_of, table, write_page

METRICS = {
    "precision_at_3": "P@3",
    "precision_at_5": "P@5",
    "precision_at_10": "P@10",
    "ndcg_at_3": "N@3",
    "ndcg_at_5": "N@5",
    "ndcg_at_10": "N@10",
    "map": "MAP",
    "mrr": "MRR",
}
# row -> its runs, and the test figure that it shows
ROWS = {
    "popularity": ("irgan", "popularity"),
    "DNS, where the game begins": ("irgan", "dns"),
    "DNS for as long, last": ("dns", "last"),
    "DNS for as long, best on validation": ("dns", "best"),
    "the same with weight decay, last": ("dns_decay", "last"),
    "the same with weight decay, best on validation": ("dns_decay", "best"),
    "IRGAN pointwise, last": ("irgan", "last"),
    "IRGAN pointwise, best on validation": ("irgan", "best"),
    "IRGAN pairwise, last": ("irgan_pairwise", "last"),
    "IRGAN pairwise, best on validation": ("irgan_pairwise", "best"),
}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write retrieval.{md,png}."""
    found: dict[str, list[Path]] = defaultdict(list)
    for run_dir in finished(run_dirs):
        found[_kind(config_of(run_dir))].append(run_dir)
    rows = []
    for title, (kind, of) in ROWS.items():
        tests = [_test(run_dir).get(of, {}) for run_dir in found.get(kind, ())]
        if any(tests):
            rows.append([title, str(len(tests)), *(spread([test[metric] for test in tests]) for metric in METRICS)])
    config = config_of(found["irgan"][0])
    name, share = config["names"]["data"], config["variant"]["pretraining"]
    budget = (
        f"`data={name}`, {config['iterations']:,} iterations of {config['data']['batch_size']:,} queries, {share:.0%} "
        "of them DNS before the game. Test split, over all documents but those known from training and validation; "
        "mean and deviation over seeds. The best weights on validation have the highest NDCG@5 there."
    )
    text = f"""# Ranking before and after the adversarial game

    python -m experiments.train -m experiment=study/retrieval seed=1,2,3

{fill(budget, 120)}

{table(["ranked by", "seeds", *METRICS.values()], rows)}
![MAP on validation over the run](retrieval.png)
"""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    names = {
        "irgan": "IRGAN pointwise",
        "irgan_pairwise": "IRGAN pairwise",
        "dns": "DNS",
        "dns_decay": "DNS, weight decay",
    }
    for color, (kind, name) in enumerate(names.items()):
        for i, run_dir in enumerate(found.get(kind, ())):
            curve = column(run_dir, "map", file="metrics.csv")
            axes.plot(*curve, color=f"C{color}", linewidth=1, label=name if i == 0 else None)
    axes.set(xlabel="iteration", ylabel="MAP (validation)")
    axes.legend(fontsize=8)
    write_page(folder, "retrieval", text, figure)


def _kind(config: dict[str, Any]) -> str:
    variant = config["variant"]
    if variant["pretraining"] < 1:
        return str(config["names"]["variant"])
    return "dns_decay" if variant["dns"]["optimizer"]["weight_decay"] else "dns"


def _test(run_dir: Path) -> dict[str, dict[str, float]]:
    return dict(summary_of(run_dir).all.get("test", {}))
