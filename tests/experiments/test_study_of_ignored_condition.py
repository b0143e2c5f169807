"""The study of a discriminator that ignores the condition: its jobs and its page."""

import json

from matplotlib.figure import Figure

from experiments.jobs.preflight import preflight
from experiments.studies import ignored_condition
from tests.helpers.studied import write


def test_the_jobs_differ_in_what_d_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/ignored_condition", "seed=1"])
    assert [ignored_condition.told(job.config) for job in jobs] == list(ignored_condition.ORDER)
    assert len({str(job.config["network"]["model"]) for job in jobs}) == 1
    assert len({job.run_dir for job in jobs}) == 3


def trained(folder, *, embedding_dim, weight, seed, precision):
    run = write(
        folder / f"{embedding_dim}-{weight}-{seed}",
        config={
            "names": {"data": "digits_attributes", "variant": "gan_cls"},
            "variant": {"wrong_pair_weight": weight},
            "network": {"discriminator": {"embedding_dim": embedding_dim}},
            "data": {"_target_": "datamodules.DigitsAttributes", "image_size": 8, "batch_size": 64},
            "iterations": 1500,
            "seed": seed,
            "trainer": {"precision": "auto"},
        },
    )
    metrics = dict.fromkeys(ignored_condition.METRICS, 0.5) | {"r_precision": precision}
    test = {"last": metrics, "floor": {"r_precision": 0.9}}
    (run / "summary.json").write_text(json.dumps({"status": "finished", "seconds": 9.0, "test": test}))
    return run


def test_the_page(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(ignored_condition, "_figure", lambda module, runs: drawn.extend(runs) or Figure())
    runs = [
        trained(tmp_path, embedding_dim=32, weight=0.5, seed=1, precision=0.4),
        trained(tmp_path, embedding_dim=32, weight=0.5, seed=2, precision=0.6),
        trained(tmp_path, embedding_dim=0, weight=0, seed=1, precision=0.01),
    ]
    ignored_condition.report(runs, tmp_path)
    page = (tmp_path / "ignored_condition.md").read_text()
    assert "study/ignored_condition seed=1,2\n" in page
    assert "| D ignores the condition | 1 | 0.010 | 0.500 |" in page
    assert "| D is shown wrong pairs as well | 2 | 0.500 ± 0.141 |" in page
    assert "| *held-out images* |  | 0.900 |" in page
    assert drawn == ["ignores", "matches"]
