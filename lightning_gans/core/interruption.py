"""Requests to stop a run: signals become a flag, or an exception where the work in hand may be abandoned."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

import torch

from lightning_gans.core.signals import SIGNALS, early
from lightning_gans.strategies.exchange import any_says, processes, rank

PATIENCE = 1.0  # seconds after the first Ctrl-C in which another one is the same request


class StopRequested(BaseException):
    """Request to stop, raised in work that may be abandoned; no Exception, so that libraries let it pass."""


class Aborted(BaseException):
    """A second Ctrl-C: leave at once, without saving."""


def requested(error: BaseException) -> bool:
    """Return True if an exception comes from a request to stop, and not from a fault."""
    return isinstance(error, StopRequested | Aborted | KeyboardInterrupt)


class Interruption:
    """Listener for signals that ask a run to stop, as a context manager around the whole run.

    A handler that saved by itself could cut an update in two. So while training goes on a signal only sets a flag,
    which the processes of the run agree on between iterations (`agree`); before training (`begin` has not been
    called), and in a block of `abandonable`, it raises StopRequested, for nothing is lost there. Further signals are
    the same request, whatever they are, but for a second SIGINT more than a second after the first: it raises Aborted.

    On leaving the context after a stop, the handlers that were there before are called with their signals, so that a
    launcher (submitit) can queue the run again. A SIGHUP that was ignored before (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.received: list[int] = [*early]  # in order, each once
        self.agreed = False  # every process of the run knows that it stops
        self._previous: dict[int, Any] = {}
        self._raises = True
        self._first_interrupt: float | None = None
        self._terminals: list[int] = []

    def __enter__(self) -> "Interruption":
        global _active
        if threading.current_thread() is threading.main_thread():  # Python installs handlers there alone
            self._terminals = [file for file in (1, 2) if os.isatty(file)]
            for number in SIGNALS:
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        _active = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _active
        _active = None
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not Python's, and lost
        if self.agreed and kind is None:
            for number in self.received:
                handler = self._previous.get(number)
                if callable(handler) and handler is not signal.default_int_handler:
                    handler(number, None)

    def check(self) -> None:
        """Raise StopRequested if a request came before training began.

        Raises:
            StopRequested: one did.
        """
        if self.received:
            raise StopRequested

    def begin(self) -> None:
        """Switch from raising to setting a flag, since training begins; replaces handlers set in between."""
        self._raises = False
        for number in self._previous:
            signal.signal(number, self._handle)

    def agree(self, device: torch.device) -> bool:
        """Return True if any process of the run was asked to stop; every process calls it at the same place."""
        self.agreed = self.agreed or any_says(bool(self.received), device)
        return self.agreed

    @contextlib.contextmanager
    def abandonable(self, device: torch.device) -> Iterator[None]:
        """Context: a block that changes nothing of the training, and that a request leaves with StopRequested.

        A run of one process leaves wherever it is, one of several at the next `poll`, where all of them leave together.
        """
        global _poll
        alone = processes() == 1
        self._ask(device)
        try:
            if alone:
                self._raises = True
                if self.received:  # since the question above
                    raise StopRequested
            else:
                _poll = lambda: self._ask(device)  # noqa: E731
            yield
        except StopRequested:
            self.agreed = True
            raise
        finally:
            self._raises, _poll = False, _nothing

    def _ask(self, device: torch.device) -> None:
        if self.agree(device):
            raise StopRequested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        first = not self.received
        if number not in self.received:
            self.received.append(number)
        if number == signal.SIGHUP:
            self._leave_terminal()
        if number == signal.SIGINT:
            if self._first_interrupt is not None and now - self._first_interrupt > PATIENCE:
                _say("Second Ctrl-C: leaving at once. The same command continues from the newest checkpoint.")
                raise Aborted
            self._first_interrupt = self._first_interrupt or now
        if first:
            _say(f"{signal.Signals(number).name}: {'stopping' if self._raises else 'saving after this iteration'} ...")
        if self._raises:
            self._raises = False  # once: what clears up behind is not disturbed
            raise StopRequested

    def _leave_terminal(self) -> None:
        """The terminal is gone, and every further word to it would be an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for file in self._terminals:
            os.dup2(nowhere, file)
        os.close(nowhere)


def _nothing() -> None:
    """Nobody listens."""


_active: Interruption | None = None
_poll = _nothing


def poll() -> None:
    """Leave an evaluation if all processes agree to stop; all of them call it in the same order.

    Raises:
        StopRequested: any of them was asked to stop, and the evaluation is of several processes.
    """
    _poll()


def stopping() -> bool:
    """Return True once the processes have agreed to stop; work that takes time is left to the next start."""
    return _active is not None and _active.agreed


@contextlib.contextmanager
def abandonable(device: torch.device) -> Iterator[None]:
    """`Interruption.abandonable` of the run that listens; nothing where none does."""
    if _active is None:
        yield
    else:
        with _active.abandonable(device):
            yield


def _say(text: str) -> None:
    """A line on stderr from rank 0, by the system call: a handler may not enter the buffers that it interrupted."""
    if rank():
        return
    with contextlib.suppress(OSError):
        start = b"\r\x1b[2K" if os.isatty(2) else b""
        os.write(2, start + text.encode() + b"\n")
