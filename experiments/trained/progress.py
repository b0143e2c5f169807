"""A progress bar on a terminal for operations longer than two seconds."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0  # seconds


@contextmanager
def shown(text: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """Show a progress bar while a block runs; yield a function that reports the amount done.

    The bar appears after two seconds, is refreshed by its own thread, and is removed at the end. If stderr is not a
    terminal, nothing is shown.

    Args:
        total: the amount at the end; None for a bar without a known end.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(text, total=total)
    timer = threading.Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done: bar.update(task, completed=done)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
