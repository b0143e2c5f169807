"""Folders of runs as a study finds them, without the runs."""

import json


def write(folder, *, config, losses=None, metrics=None, status="finished"):
    """A run's folder: its configuration, how it ended, and columns of numbers."""
    folder.mkdir()
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "summary.json").write_text(json.dumps({"status": status}))
    for name, columns in (("losses.csv", losses), ("metrics.csv", metrics)):
        if columns is not None:
            rows = zip(*columns.values(), strict=True)
            text = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
            (folder / name).write_text("\n".join(text) + "\n")
    return folder


def covered(seed, *, iterations=5000, network=None):
    """The configuration of a run of the study of mode coverage."""
    return {
        "network": network,
        "names": {"data": "ring", "group": "lsgan-ring-mode_coverage"},
        "data": {"batch_size": 256},
        "seed": seed,
        "iterations": iterations,
        "variant": {"training": {"seed": seed, "iterations": iterations}},
        "callbacks": {"evaluation": {"every": 100 * seed}},
        "run_dir": f"runs/lsgan-ring-{seed}",
        "trainer": {"precision": "32-true", "threads": seed},
    }


def coverage(folder, seed, share, **settings):
    """The folder of a run of the study of mode coverage, of which `share` is of high quality."""
    metrics = {"iteration": [100], "modes": [8], "high_quality": [share], "reverse_kl": [0.1]}
    folder.mkdir(exist_ok=True)
    run = write(folder / f"{seed}-{share}", config=covered(seed, **settings), metrics=metrics)
    (run / "command.txt").write_text(f"python\ncommit {share}\nversions\nLinux, 2 cores of X\n")
    return run
