"""Weights & Biases logger, on by default; its failures never stop a run."""

import logging
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from lightning_gans.core.files import write_atomically
from lightning_gans.loggers.connection import choose
from lightning_gans.loggers.generators import Export, artifact_name, keep, kept, upload
from lightning_gans.loggers.identity import PROJECT, chosen, for_one_run, pinned_id, tags_of
from lightning_gans.metrics.names import METRICS

R = TypeVar("R")

log = logging.getLogger(__name__)

JOB_TYPE = "train"
BEST = "best"  # below run_dir/wandb: the best generator so far, until it is uploaded
ALERTS = "alerts.txt"  # below run_dir/wandb: titles of the alerts that were sent
LEVELS = {"warning": "WARN", "error": "ERROR"}

VIDEOS = {".gif": "gif", ".mp4": "mp4", ".webm": "webm"}

# Read by W&B before its settings.
ENVIRONMENT = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",  # otherwise its process sends its own crashes over the network
}

# Passed if the installed W&B knows them.
SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",  # W&B does not capture the terminal
    "reinit": "create_new",  # a second job of this process is a second run
    "init_timeout": 10.0,  # seconds; then offline
    "finish_timeout": 60.0,  # seconds for pending uploads, which stay on disk
    "finish_timeout_raises": True,
    "x_save_requirements": False,  # takes 0.3 s for a list that command.txt has in short
    "x_transaction_log_flush_interval": 1.0,  # seconds of data that a killed run may lose (15 by default)
}


def _harmless(method: Callable[..., R]) -> Callable[..., R | None]:
    """Decorator: on rank 0 only; an error in W&B is reported once and ends the logging, never the training."""

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
    """Logs to W&B online if a user is logged in and the server answers, offline otherwise. Rank 0 only.

    The run's id is in run_dir/wandb/id.txt, so a resumed run is the same W&B run. Rows have their iteration as W&B's
    own step, so no row is sent twice. The x-axis of every chart is `iteration`; `images` and `seconds` are in every
    row, as alternative x-axes. The summary has the best value of every metric of an evaluation (`eval/fid.min`).

    Lightning's WandbLogger is not used: it takes over any run in progress (two jobs of one process become one), sets
    WANDB_MODE for the whole process, counts optimizer steps on the x-axis, and lets W&B's errors end training.

    An argument that is null has the value of W&B's environment variable, or its own default if that is not set.
    WANDB_RUN_ID becomes the id of a new run. WANDB_RUN_ID and WANDB_NAME are used by the first run of a process only.

    Args:
        run_dir: directory of the run; W&B writes to run_dir/wandb, or to WANDB_DIR/wandb where that variable is set.
        project: project in W&B; null: WANDB_PROJECT, or lightning-gans.
        entity: user or team that owns the project; null: WANDB_ENTITY, or the default of the account.
        name: name of the run; null: WANDB_NAME, or the name of run_dir.
        group: group in W&B; null: WANDB_RUN_GROUP, or the run's name less its seed.
        job_type: type of the run within its group; null: WANDB_JOB_TYPE, or train.
        notes: description of the run; null: WANDB_NOTES, or none.
        tags: tags beside those of the variant, the data and the objective; null: WANDB_TAGS, separated by commas.
        log_model: true uploads the best and the latest exported generator as artifacts when training ends; all uploads
            every export.
        offline: True: no connection; False: online, with a warning if that is impossible; None: online if possible.
    """

    def __init__(
        self,
        *,
        run_dir: str | os.PathLike[str],
        project: str | None = None,
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        notes: str | None = None,
        tags: Sequence[str] | None = None,
        log_model: bool | Literal["all"] = False,
        offline: bool | None = None,
    ) -> None:
        super().__init__()
        self.run_dir = Path(run_dir)
        self.project = str(chosen(project, "WANDB_PROJECT", PROJECT))
        self.entity, self.group, self.notes = entity, group, notes
        self.job_type, self.tags, self.run_name = job_type, tags, name
        self.log_model, self.offline = log_model, offline
        self._config: dict[str, Any] = {}
        self._run: Any = None
        self._ended = False
        self._described: set[str] = set()
        self._latest: Export | None = None

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
        """Run object of W&B; None on ranks other than 0, if W&B is disabled, or after an error."""
        return self._begin()

    @_harmless
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Store the resolved configuration; it is sent when the run begins, or now if it has begun."""
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
        """Declare the better direction of new metrics to W&B, whose summary then has their best value."""
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
    def log_generator(
        self, folder: str | os.PathLike[str], iteration: int, aliases: Sequence[str], facts: Mapping[str, Any]
    ) -> None:
        """Log an exported generator as an artifact: now (log_model=all), at the end (true), or not at all (false).

        Args:
            folder: the export; uploaded whole.
            iteration: iteration of the weights.
            aliases: "latest", and "best" if it is the best so far.
            facts: metadata of the artifact, in addition to the names, the command and the commit of the run.
        """
        if not self.log_model or (run := self._begin()) is None:
            return
        export = Export(Path(folder), iteration, {**plain(facts), **self._origin()})
        if self.log_model == "all":
            upload(run, export, artifact_name(self.run_dir), aliases)
            return
        self._latest = export
        if "best" in aliases:
            keep(export, self.run_dir / "wandb" / BEST)

    def _origin(self) -> dict[str, Any]:
        """Return variant, data, seed, command and commit of the run."""
        names = self._config.get("names")
        found = dict(names) if isinstance(names, Mapping) else {}
        told = {**self._config, "variant": found.get("variant"), "data": found.get("data"), "run": found.get("run")}
        keys = ("run", "variant", "data", "seed", "command", "commit")
        return {key: told[key] for key in keys if told.get(key) is not None}

    def _upload_generators(self, run: Any) -> None:
        """Upload the best generator and then the latest: W&B moves the alias `latest` to every new version."""
        latest, self._latest = self._latest, None
        if latest is None:
            return
        best = kept(self.run_dir / "wandb" / BEST)
        name, aliases = artifact_name(self.run_dir), ["latest"]
        if best is not None and best.iteration == latest.iteration:
            aliases.append("best")
        elif best is not None:
            upload(run, best, name, ["best"])
        upload(run, latest, name, aliases)

    @_harmless
    def log_alert(self, level: str, title: str, text: str) -> None:
        """Send an alert ("warning" or "error") by the channels of the user's W&B settings; each title once a run."""
        if (run := self._begin()) is None:
            return
        file = self.run_dir / "wandb" / ALERTS
        sent = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        if title not in sent:
            run.alert(title=title, text=text, level=LEVELS[level])
            write_atomically(file, "".join(f"{line}\n" for line in (*sent, title)))

    @_harmless
    def finalize(self, status: str) -> None:
        """Upload the generators and end the W&B run; logging again continues it."""
        run, self._run = self._run, None
        self._described = set()
        if run is None:
            return
        self._upload_generators(run)
        try:
            run.finish(exit_code=0 if status in ("success", "finished") else 1)
        except TimeoutError:
            log.warning("W&B has not taken everything yet. Send the rest with: wandb sync %s", self._files())

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
            _abandon()  # its process still has the run's id
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
        group = self._config.get("group")
        return wandb.init(
            dir=str(self._files().parent),
            id=pinned_id(self.run_dir),
            name=self.run_name or for_one_run("WANDB_NAME", self.run_dir) or self.run_dir.absolute().name,
            project=self.project,
            entity=chosen(self.entity, "WANDB_ENTITY"),
            group=chosen(self.group, "WANDB_RUN_GROUP", str(group) if group else None),
            job_type=chosen(self.job_type, "WANDB_JOB_TYPE", JOB_TYPE),
            notes=chosen(self.notes, "WANDB_NOTES"),
            tags=tags_of(self.tags, self._config),
            config=self._config,
            mode=mode,
            resume="allow",
            settings=wandb.Settings(**{name: value for name, value in SETTINGS.items() if name in known}),
        )

    def _files(self) -> Path:
        """Folder of W&B's own files: run_dir/wandb, or WANDB_DIR/wandb."""
        return Path(os.environ.get("WANDB_DIR") or self.run_dir) / "wandb"

    def _say_offline(self, why: str) -> None:
        log.warning("W&B logs this run offline: %s. Upload it later with: wandb sync %s", why, self._files())


def _abandon() -> None:
    """Disconnect from W&B's process in any state, so that it prints nothing when ours ends."""
    with suppress(Exception, SystemExit):
        import wandb

        wandb.teardown()


def plain(value: Any) -> Any:
    """Convert to dictionaries, lists and JSON values; anything else to text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0].rstrip('.')}" if text else type(error).__name__
