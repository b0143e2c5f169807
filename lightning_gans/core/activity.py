"""Activities: what a process is doing and how far it is, told to a display, if there is one. Imports nothing heavy."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Report = Callable[[float], None]  # called with how much is done

# A display is called with a text and a total. What it returns is open for as long as the activity lasts.
Display = Callable[[str, float | None], AbstractContextManager[Report]]

_display: ContextVar[Display | None] = ContextVar("display", default=None)


def activity(text: str, total: float | None = 1.0) -> AbstractContextManager[Report]:
    """Context: report an activity and its progress while a block lasts.

        with activity("features of real images", total=len(images)) as report:
            ...
            report(done)

    An activity within another one is shown behind it. Where nobody has asked for a display, nothing happens.

    Args:
        text: lower case, without a full stop.
        total: `report` counts up to this; None: it takes long and cannot tell how far it is, so it is shown at once.
    """
    display = _display.get()
    return nullcontext(_nothing) if display is None else display(text, total)


@contextmanager
def displayed(display: Display) -> Iterator[None]:
    """Show the activities of a block."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


def _nothing(done: float) -> None:
    """Report to nobody."""
