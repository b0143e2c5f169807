"""Stop requests: a signal sets a flag, or raises an exception where the current work may be abandoned."""

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

PATIENCE = 1.0  # seconds after the first Ctrl-C in which another one counts as the same request


class StopRequested(BaseException):
    """Stop request, raised in work that may be abandoned. Not an Exception, so that libraries do not catch it."""


class Aborted(BaseException):
    """A second Ctrl-C: exit at once, without saving."""


def requested(error: BaseException) -> bool:
    """Return True if an exception comes from a stop request and not from an error."""
    return isinstance(error, StopRequested | Aborted | KeyboardInterrupt)


class Interruption:
    """Listener for signals that ask a run to stop, as a context manager around the whole run.

    A handler that saved a checkpoint itself could interrupt an update. During training a signal therefore only sets a
    flag, on which the processes of the run agree between iterations (`agree`). Before training (before `begin`), and
    in a block of `abandonable`, it raises StopRequested, since nothing is lost there. Further signals count as the same
    request, except a second SIGINT more than a second after the first, which raises Aborted.

    On leaving the context after a stop, the previous handlers are called with the received signals, so that a launcher
    (submitit) can requeue the run. A SIGHUP that was ignored before (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.received: list[int] = [*early]  # in order, each once
        self.agreed = False  # all processes of the run have agreed to stop
        self._previous: dict[int, Any] = {}
        self._raises = True
        self._first_interrupt: float | None = None
        self._terminals: list[int] = []

    def __enter__(self) -> "Interruption":
        global _active
        if threading.current_thread() is threading.main_thread():  # Python installs handlers only there
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
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python
        if self.agreed and kind is None:
            for number in self.received:
                handler = self._previous.get(number)
                if callable(handler) and handler is not signal.default_int_handler:
                    handler(number, None)

    def check(self) -> None:
        """Raise StopRequested if a request came before training began.

        Raises:
            StopRequested: a request came.
        """
        if self.received:
            raise StopRequested

    def begin(self) -> None:
        """Switch from raising to setting a flag when training begins; replaces handlers that were set in between."""
        self._raises = False
        for number in self._previous:
            signal.signal(number, self._handle)

    def agree(self, device: torch.device) -> bool:
        """Return True if any process of the run was asked to stop; every process calls it at the same place."""
        self.agreed = self.agreed or any_says(bool(self.received), device)
        return self.agreed

    @contextlib.contextmanager
    def abandonable(self, device: torch.device) -> Iterator[None]:
        """Context: a block that leaves training unchanged; a stop request ends it with StopRequested.

        With one process the block ends at once; with several it ends at the next `poll`, on all of them together.
        """
        global _poll
        alone = processes() == 1
        self._ask(device)
        try:
            if alone:
                self._raises = True
                if self.received:  # since the check above
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
            self._raises = False  # raise once: the clean-up is not interrupted
            raise StopRequested

    def _leave_terminal(self) -> None:
        """Redirect the output of a closed terminal to the null device, since writing to it would raise an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for file in self._terminals:
            os.dup2(nowhere, file)
        os.close(nowhere)


def _nothing() -> None:
    """Do nothing: no run listens."""


_active: Interruption | None = None
_poll = _nothing


def poll() -> None:
    """Stop an evaluation if all processes agree to stop; all of them call it in the same order.

    Raises:
        StopRequested: any process was asked to stop, and the evaluation runs on several processes.
    """
    _poll()


def stopping() -> bool:
    """Return True once the processes have agreed to stop; slow work is left to the next start."""
    return _active is not None and _active.agreed


@contextlib.contextmanager
def abandonable(device: torch.device) -> Iterator[None]:
    """`Interruption.abandonable` of the run that listens; does nothing without one."""
    if _active is None:
        yield
    else:
        with _active.abandonable(device):
            yield


def _say(text: str) -> None:
    """Write a line to stderr on rank 0 by a system call: a handler may not use buffers that it may have interrupted."""
    if rank():
        return
    with contextlib.suppress(OSError):
        start = b"\r\x1b[2K" if os.isatty(2) else b""
        os.write(2, start + text.encode() + b"\n")
