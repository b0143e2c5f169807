"""Reader of W&B's offline files of a run, by W&B's own `wandb leet inspect`."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class OfflineRun:
    """One offline file (W&B writes one for each sitting of a run).

    run: id, name, project, group, tags. history: rows by W&B's step. axes: by metric name or pattern. artifacts and
    alerts: records as they are, an artifact's metadata parsed.
    """

    file: Path
    run: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None


def read_offline_run(*run_dirs: Path) -> list[OfflineRun]:
    """Every sitting of the runs whose directories these are, the oldest first."""
    files = [file for folder in run_dirs for file in (folder / "wandb").glob("offline-run-*/*.wandb")]
    # all at once: most of the time goes by in starting them
    readers = [
        subprocess.Popen(
            [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)], stdout=subprocess.PIPE, text=True
        )
        for file in files
    ]
    texts = [reader.communicate()[0] for reader in readers]
    assert not any(reader.returncode for reader in readers)
    runs = [_parse(file, text) for file, text in zip(files, texts, strict=True)]
    return sorted(runs, key=lambda run: str(run.run["start_time"]))


def _parse(file: Path, text: str) -> OfflineRun:
    found = OfflineRun(file)
    for record in map(json.loads, text.splitlines()):
        body = record.get(record["type"], {})
        match record["type"]:
            case "run":
                found.run = body
                found.config |= body["config"]["update"]
            case "config":
                found.config |= body["update"]
            case "history":
                assert body["step"]["num"] not in found.history
                found.history[body["step"]["num"]] = {k: v for k, v in body["item"].items() if k[0] != "_"}
            case "summary":
                found.summary |= body["update"]
            case "metric":
                found.axes[body.get("glob_name") or body["name"]] = body.get("step_metric", "")
            case "artifact":
                found.artifacts.append({**body, "metadata": json.loads(body["metadata"])})
            case "alert":
                found.alerts.append(body)
            case "exit":
                found.exit_code = body.get("exit_code", 0)
    return found
