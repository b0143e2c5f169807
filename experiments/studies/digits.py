"""FID, KID, Inception Score and label accuracy of every game on digits, under one budget."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from textwrap import fill

from matplotlib.figure import Figure

from experiments import runs
from experiments.studies.pages import config_of, finished, spread, table, write_page

METRICS = {"fid": "FID", "kid": "KID", "is": "IS", "label_accuracy": "label accuracy", "intra_fid": "intra-FID"}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """docs/studies/digits.{md,png}."""
    found: dict[str, list[runs.Summary]] = defaultdict(list)
    budgets = set()
    for run_dir in finished(run_dirs):
        config, summary = config_of(run_dir), runs.read_summary(run_dir)
        assert summary is not None  # it has finished
        found[config["names"]["variant"]].append(summary)
        budgets.add(f"{config['iterations']:,} iterations of {config['data']['batch_size']}")
    order = sorted(found, key=lambda variant: fmean(_last(found[variant], "fid")))
    rows = [
        [
            variant,
            str(len(found[variant])),
            *(_cell(found[variant], metric) for metric in METRICS),
            _seconds(found[variant]),
        ]
        for variant in order
    ]
    floor = next(iter(found.values()))[0].all.get("evaluation", {}).get("floor", {}).get("fid")
    figure = Figure(figsize=(6, 0.25 * len(order) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(order, [fmean(_last(found[variant], "fid")) for variant in order])
    if floor is not None:
        axes.axvline(floor, color="grey", linestyle=":", label="real, held out")
        axes.legend(fontsize=8)
    axes.set(xlabel="FID (classifier), log scale", xscale="log")
    axes.invert_yaxis()
    budget = (
        f"{' and '.join(sorted(budgets))} for each, last evaluation (validation), never the best. An iteration is one "
        "step of D, so games with several steps of D for one of G have fewer of G. Networks and rates are each "
        "recipe's, so a row is a recipe as much as a paper. FID and KID on the features of a classifier of the digits, "
        f"180 samples; real held-out digits score {f'{floor:.3f}' if floor is not None else '?'}."
    )
    text = f"""# Every game on digits

    python -m experiments.train -m experiment=study/digits seed=1,2,3

{fill(budget, 120)}

![FID of every game](digits.png)

{table(["variant", "seeds", *METRICS.values(), "seconds"], rows)}"""
    write_page(folder, "digits", text, figure)


def _last(summaries: Sequence[runs.Summary], metric: str) -> list[float]:
    values = [summary.metrics.get(metric, {}).get("last") for summary in summaries]
    return [float(value) for value in values if value is not None]


def _cell(summaries: Sequence[runs.Summary], metric: str) -> str:
    values = _last(summaries, metric)
    return spread(values) if values else ""


def _seconds(summaries: Sequence[runs.Summary]) -> str:
    return f"{fmean(summary.seconds for summary in summaries):.0f}"
