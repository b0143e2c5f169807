"""Weights & Biases: on by default and never in the way."""

import logging
import os
import re
import secrets
import string
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from lightning_gans.core.files import write_atomically
from lightning_gans.loggers.connection import choose
from lightning_gans.metrics.names import METRICS

R = TypeVar("R")

log = logging.getLogger(__name__)

VIDEOS = {".gif": "gif", ".mp4": "mp4", ".webm": "webm"}

# Read by W&B before any settings.
ENVIRONMENT = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",  # its process would send its own crashes over the network
}

# Passed on as far as the installed W&B knows them.
SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",  # the terminal is ours
    "reinit": "create_new",  # a second job of this process is a second run
    "init_timeout": 10.0,  # seconds; then offline
    "finish_timeout": 60.0,  # seconds for what is not uploaded yet; it stays on disk
    "finish_timeout_raises": True,
    "x_save_requirements": False,  # 0.3 s to list what command.txt says in short
    "x_transaction_log_flush_interval": 1.0,  # seconds: what a killed run may lose (15 by default)
}


def _harmless(method: Callable[..., R]) -> Callable[..., R | None]:
    """Rank 0 alone; whatever fails in W&B is said once and ends the logging, never the training."""

    @wraps(method)
    def attempt(self: "WandbLogger", *args: Any, **kwargs: Any) -> R | None:
        if getattr(rank_zero_only, "rank", 0) or self._ended:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self._run, self._ended = None, True
            _abandon()
            log.warning("W&B failed and is left out from here on; the CSV files go on. %s", _reason(error))
            return None

    return attempt


class WandbLogger(Logger):
    """Logs to W&B online where someone is logged in and the server answers, offline otherwise. Rank 0 alone.

    The run's id lies in run_dir/wandb/id.txt, so a resumed run is the same W&B run; its rows keep their iteration as
    W&B's own step, so a row that was sent before is not sent twice. The x-axis of every chart is `iteration`; `images`
    and `seconds` are in every row, for charts that are to have another. The summary holds the best value of every
    metric of an evaluation (`eval/fid.min`).

    Not Lightning's WandbLogger: that one takes over whatever run is in progress (two jobs of one process become one),
    sets WANDB_MODE for the whole process, counts optimizer steps on the x-axis, and lets W&B's failures end training.

    Args:
        run_dir: directory of the run; W&B writes to run_dir/wandb and names the run after it.
        project: project in W&B.
        group: group in W&B, shared by runs that differ in their seed alone.
        tags: tags of the run.
        offline: True never talks to the server, False warns where that is impossible; None uses it where it can.
    """

    def __init__(
        self,
        *,
        run_dir: str | os.PathLike[str],
        project: str = "lightning-gans",
        group: str | None = None,
        tags: Sequence[str] = (),
        offline: bool | None = None,
    ) -> None:
        super().__init__()
        self.run_dir = Path(run_dir)
        self.project, self.group, self.tags, self.offline = project, group, tuple(tags), offline
        self._config: dict[str, Any] = {}
        self._run: Any = None
        self._ended = False
        self._described: set[str] = set()

    @property
    def name(self) -> str:
        return self.project

    @property
    def version(self) -> str:
        return pinned_id(self.run_dir)

    @property
    def save_dir(self) -> str:
        return str(self.run_dir)

    @property
    def experiment(self) -> Any:
        """W&B's own run; None on other ranks than 0, where W&B is disabled, or after it failed."""
        return self._begin()

    @_harmless
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keep the resolved configuration; sent when the run begins, or now if it has."""
        self._config |= plain(vars(params) if isinstance(params, Namespace) else params)
        if self._run is not None:
            self._run.config.update(self._config, allow_val_change=True)

    @_harmless
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers measured after `step` iterations."""
        if (run := self._begin()) is not None:
            self._describe(run, metrics)
            run.log({**metrics} if step is None else {"iteration": step, **metrics}, step=step)

    def _describe(self, run: Any, metrics: Mapping[str, float]) -> None:
        """Tell W&B the better direction of metrics that it has not seen: its summary then holds their best value."""
        for name in metrics.keys() - self._described:
            found = METRICS.get(name.removeprefix("eval/"))
            if found is not None and name.startswith("eval/"):
                run.define_metric(name, step_metric="iteration", summary="min" if found.better == "lower" else "max")
            self._described.add(name)

    @_harmless
    def log_picture(self, name: str, path: str | os.PathLike[str], iteration: int) -> None:
        """Log an image or animation file as media."""
        if (run := self._begin()) is not None:
            import wandb

            kind = VIDEOS.get(Path(path).suffix.lower())
            media = wandb.Video(str(path), format=kind) if kind else wandb.Image(str(path))  # type: ignore[arg-type]
            run.log({"iteration": iteration, name: media}, step=iteration)

    @_harmless
    def log_summary(self, facts: Mapping[str, Any]) -> None:
        """Set facts about the run as a whole: its status, the best value of each metric."""
        if (run := self._begin()) is not None:
            run.summary.update(plain(facts))

    @_harmless
    def finalize(self, status: str) -> None:
        """End the W&B run; logging again continues it."""
        run, self._run = self._run, None
        self._described = set()
        if run is None:
            return
        try:
            run.finish(exit_code=0 if status in ("success", "finished") else 1)
        except TimeoutError:
            log.warning("W&B has not taken everything yet. Send the rest with: wandb sync %s", self.run_dir / "wandb")

    @_harmless
    def _begin(self) -> Any:
        if self._run is not None:
            return self._run
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import wandb

        standing = wandb.setup().settings
        has_key = bool(standing.api_key or standing.identity_token_file)
        choice = choose(offline=self.offline, url=standing.base_url, standing=standing.mode, has_key=has_key)
        if choice.mode == "disabled":
            self._ended = True
            return None
        if choice.complaint:
            self._say_offline(choice.complaint)
        try:
            self._run = self._init(choice.mode)
        except Exception as error:
            if choice.mode == "offline":
                raise
            self._say_offline(_reason(error))
            _abandon()  # its process still holds the run's id
            self._run = self._init("offline")
        self._run.define_metric("iteration")
        self._run.define_metric("*", step_metric="iteration")
        if not self._run.offline:
            write_atomically(self.run_dir / "wandb" / "url.txt", f"{self._run.url}\n")
            log.info("W&B: %s", self._run.url)
        return self._run

    def _init(self, mode: Any) -> Any:
        import wandb

        known = wandb.Settings.model_fields
        return wandb.init(
            dir=str(self.run_dir),
            id=pinned_id(self.run_dir),
            name=self.run_dir.name,
            project=self.project,
            group=self.group,
            tags=self.tags,
            config=self._config,
            mode=mode,
            resume="allow",
            settings=wandb.Settings(**{name: value for name, value in SETTINGS.items() if name in known}),
        )

    def _say_offline(self, why: str) -> None:
        folder = self.run_dir / "wandb"
        log.warning("W&B logs this run offline: %s. Upload it later with: wandb sync %s", why, folder)


def pinned_id(run_dir: Path) -> str:
    """The W&B id of this run directory, made on first use."""
    file = run_dir / "wandb" / "id.txt"
    known = file.read_text(errors="replace").strip() if file.is_file() else ""
    if re.fullmatch(r"[\w-]+", known, re.ASCII):  # a damaged file costs the joint history, not the logging
        return known
    fresh = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    write_atomically(file, f"{fresh}\n")
    return fresh


def _abandon() -> None:
    """Let go of W&B's process, whatever state it is in, so that nothing is said about it when ours ends."""
    with suppress(Exception, SystemExit):
        import wandb

        wandb.teardown()


def plain(value: Any) -> Any:
    """The same in dictionaries, lists and what JSON knows; anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0].rstrip('.')}" if text else type(error).__name__
