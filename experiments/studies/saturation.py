"""Study of saturation: gradients of the minimax and the non-saturating objective for a poor generator."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from experiments.studies.pages import column, config_of, finished, table, write_page

NAMES = {"Minimax": "minimax", "NonSaturating": "non-saturating"}


def report(run_dirs: Sequence[Path], folder: Path) -> None:
    """Write saturation.{md,png}."""
    figure = Figure(figsize=(9, 3.2))
    norms, modes = figure.subplots(1, 2)
    rows = []
    for run_dir in finished(run_dirs):
        config = config_of(run_dir)
        name = NAMES[config["objective"]["_target_"].rpartition(".")[2]]
        colour = "tab:red" if name == "minimax" else "tab:blue"
        iterations, values = column(run_dir, "G/gradient_norm")
        norms.semilogy(iterations, values, color=colour, alpha=0.8, label=f"{name}, seed {config['seed']:d}")
        at, counts = column(run_dir, "modes", file="metrics.csv")
        modes.plot(at, counts, "o-", color=colour, alpha=0.8)
        early = [value for iteration, value in zip(iterations, values, strict=True) if iteration <= iterations[-1] / 5]
        rows.append([name, str(int(config["seed"])), f"{min(early):.2e}", f"{values[-1]:.2e}", f"{counts[-1]:g}"])
    norms.set(xlabel="iteration", ylabel="norm of G's gradient", title="What G is given")
    norms.legend(fontsize=7)
    modes.set(xlabel="iteration", ylabel="modes of 8", title="What it makes of it", ylim=(-0.3, 8.3))
    head = ["objective", "seed", "least gradient, first fifth", "last gradient", "modes at the end"]
    text = f"""# Saturation

    python -m experiments.train -m experiment=study/saturation seed=1,2,3

Goodfellow et al. 2014, section 3. D takes five steps for each step of G, with ten times its learning rate, and is soon
confident. The gradient of log(1 - D) for G then vanishes, while that of -log D is largest.

![Gradient norms of G, and the modes it finds](saturation.png)

{table(head, rows)}"""
    write_page(folder, "saturation", text, figure)
