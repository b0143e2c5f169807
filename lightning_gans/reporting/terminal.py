"""Views of a run: a live bar at the bottom of a terminal, or plain lines in a pipe or a file."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

PATIENCE, REPEAT = 2.0, 10.0  # seconds without a line until a new activity is printed, and until the same one is
ACRONYMS = {"fid", "kid", "is", "nmi", "cas", "nll", "map", "mrr", "kl"}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """State of a run at one moment.

    rate: recent iterations per second; images_rate: images per second; elapsed, left: seconds; left is None if
        unknown.
    losses: by player; scores: newest values by metric.
    """

    iteration: int
    iterations: int
    rate: float = 0.0
    images_rate: float = 0.0
    elapsed: float = 0.0
    left: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return min(self.iteration / max(self.iterations, 1), 1.0)

    def figures(self) -> str:
        """Speed, each player's loss and the scores, in one line."""
        losses = [f"{player} {number(value)}" for player, value in self.losses.items()]
        scores = [f"{label(name)} {number(value)}" for name, value in self.scores.items()]
        return "  ".join([f"{rate(self.rate)} it/s", f"{rate(self.images_rate)} images/s", *losses, *scores])


@dataclass
class Activity:
    """Activity that takes time. total: final value of `done`; None if progress is unknown."""

    text: str
    total: float | None = 1.0
    done: float = 0.0

    @property
    def share(self) -> float | None:
        return None if self.total is None else min(self.done / max(self.total, 1e-9), 1.0)

    def progress(self) -> str:
        """Progress in words: 512/5,000 for counts, 12% for anything else; empty if unknown."""
        if self.total is None or not self.done:
            return ""
        return f"{self.done:,.0f}/{self.total:,.0f}" if self.total > 1 else f"{self.share:.0%}"


def described(activities: Sequence[Activity]) -> str:
    """Activities in one line, each after the one that it is part of."""
    return ": ".join(activity.text for activity in activities)


class View(Protocol):
    """View that shows snapshots, and activities beside them, until it is closed."""

    def show(self, now: Snapshot) -> None: ...

    def doing(self, activities: Sequence[Activity]) -> None:
        """Show the current activities, the innermost last; called when one begins, ends or reports."""

    def close(self) -> None: ...


@contextmanager
def shown(text: str) -> Iterator[None]:
    """Context: show one activity before a run begins."""
    view = view_for(Console())
    view.doing([Activity(text, None)])
    try:
        yield
    finally:
        view.doing([])
        view.close()


def view_for(console: Console) -> View:
    """Return a live bar for a terminal; plain lines for a pipe, file, notebook or terminal without cursor control."""
    # not console.is_terminal, which FORCE_COLOR turns on in a pipe
    moves = console.file.isatty() and not console.is_dumb_terminal and not console.is_jupyter
    return LiveView(console) if moves else PlainView(console)


class LiveView:
    """Two lines at the bottom of the terminal; printed and logged lines appear above them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._doing: Text | None = None
        self._bar: Text | None = None
        self._handlers: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []

    def show(self, now: Snapshot) -> None:
        left = "" if now.left is None else f", {clock(now.left)} left"
        whole = f"{now.iterations:,}"
        place = f" {now.iteration:>{len(whole)},}/{whole} "
        text = self._line(place, now.share, f" {now.share:4.0%}  {clock(now.elapsed)} elapsed{left}")
        text.append(f"\n {now.figures()}")
        self._bar = text
        self._refresh()

    def doing(self, activities: Sequence[Activity]) -> None:
        if not activities:
            if self._doing is not None:
                self._doing = None
                self._refresh() if self._bar is not None else self.close()
            return
        text, share = described(activities), activities[-1].share
        after = f" {activities[-1].progress()}"
        self._doing = Text(f" {text} ...") if not share else self._line(f" {text} ", share, after)
        self._refresh()

    def _line(self, before: str, share: float, after: str) -> Text:
        width = max(min(self.console.width - len(before) - len(after) - 1, 60), 8)
        done = round(share * width)
        full, empty = ("━", "─") if self.console.encoding.startswith("utf") else ("#", "-")
        text = Text(before, no_wrap=True, overflow="ellipsis", end="")
        text.append(full * done, "cyan").append(empty * (width - done), "grey37").append(after)
        return text

    def _refresh(self) -> None:
        text = Text("\n").join([part for part in (self._doing, self._bar) if part is not None])
        text.no_wrap, text.overflow, text.end = True, "ellipsis", ""
        if self._live is None:
            self._live = self._open(text)
        else:
            self._live.update(text, refresh=True)

    def _open(self, text: Text) -> Live:
        streams = sys.stdout, sys.stderr
        # output to a file still goes there
        out, err = (stream is not None and stream.isatty() for stream in streams)
        live = Live(
            text,
            console=self.console,
            auto_refresh=False,
            redirect_stdout=out,
            redirect_stderr=err,
        )
        live.start(refresh=True)
        # handlers keep their original stream, which does not know the bar
        for handler in _stream_handlers():
            for old, new in zip(streams, (sys.stdout, sys.stderr), strict=True):
                if handler.stream is old and new is not old:
                    self._handlers.append((handler, old))
                    handler.setStream(new)
        return live

    def close(self) -> None:
        """Leave the last state on the screen, on separate lines, and restore the streams."""
        for handler, stream in self._handlers:
            handler.setStream(stream)
        self._handlers = []
        if self._live is not None:
            self._live.transient = self._bar is None  # an activity is erased
            self._live.stop()
        self._live = self._doing = self._bar = None


class PlainView:
    """One line every 5 % of the run or every ten seconds, less often in long runs; no escape codes.

    An activity gets a line after two seconds without any line (ten in long runs), and then every ten seconds.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._shown: Snapshot | None = None
        self._said = ""  # the activities of the newest line about any, without their progress
        self._began = self._printed = time.monotonic()

    def show(self, now: Snapshot) -> None:
        if self._due(now):
            self._shown = now
            left = "" if now.left is None else f"  {clock(now.left)} left"
            place = f"{now.iteration}/{now.iterations} {now.share:.0%}"
            self._print(f"{place}  {now.figures()}  {clock(now.elapsed)}{left}")

    def _due(self, now: Snapshot) -> bool:
        last = self._shown
        if last is None:
            return now.iteration > 0
        waited = now.elapsed - last.elapsed
        stepped = int(now.share * 20) > int(last.share * 20) and waited >= 1
        ended = now.iteration >= now.iterations > last.iteration
        return ended or stepped or waited >= max(10, now.elapsed / 50)

    def doing(self, activities: Sequence[Activity]) -> None:
        if not activities:
            return
        now, text = time.monotonic(), described(activities)
        new = text != self._said
        patience = min(max((now - self._began) / 50, PATIENCE), REPEAT) if new else REPEAT
        if now - self._printed >= patience or (new and activities[-1].total is None):
            self._said = text
            self._print(f"{text} {activities[-1].progress() or '...'}")

    def _print(self, line: str) -> None:
        # bypasses rich, which would wrap and colour it
        print(line, file=self.console.file, flush=True)
        self._printed = time.monotonic()

    def close(self) -> None:
        self._shown, self._said = None, ""


def _stream_handlers() -> list["logging.StreamHandler[TextIO]"]:
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    handlers = [h for logger in loggers if isinstance(logger, logging.Logger) for h in logger.handlers]
    return [handler for handler in dict.fromkeys(handlers) if isinstance(handler, logging.StreamHandler)]


def label(name: str) -> str:
    """Return a metric's readable name: fid_a2b -> FID a2b."""
    return " ".join(word.upper() if word in ACRONYMS else word for word in name.split("_"))


def number(value: float) -> str:
    """Format to about three digits: 1,234, 12.3, 1.23, 0.12, 0.0123, 1.2e-05."""
    size = abs(value)
    if size == 0 or 0.1 <= size < 1e6:
        return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"
    return f"{value:.4f}" if 0.001 <= size < 0.1 else f"{value:.1e}"


def rate(value: float) -> str:
    """Format iterations or images per second, also below one: 1,447, 12.3, 0.23, 0."""
    return number(value) if value else "0"


def clock(seconds: float) -> str:
    """Format seconds as 0:07, 12:34, 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def duration(seconds: float) -> str:
    """Format seconds as 45 s, 3 min 41 s, 2 h 05 min."""
    minutes, second = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {second:02} s" if minutes else f"{second} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
