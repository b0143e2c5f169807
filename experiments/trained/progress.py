"""A progress bar on a terminal for whatever takes longer than two seconds."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0  # seconds


@contextmanager
def shown(text: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """Show that something is going on while a block lasts; yields a function to call with how much is done.

    The bar appears once two seconds have passed, moves by a thread of its own, and leaves nothing behind. Where stderr
    is no terminal, nothing is shown.

    Args:
        total: what is counted up to; None: a bar that tells only that something is going on.
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
