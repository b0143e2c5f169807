"""Activities: report the current task and its progress to a display, if one is set. Imports nothing heavy."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Report = Callable[[float], None]  # called with the amount done

# A display is called with a text and a total. The context that it returns is open for as long as the activity lasts.
Display = Callable[[str, float | None], AbstractContextManager[Report]]

_display: ContextVar[Display | None] = ContextVar("display", default=None)


def activity(text: str, total: float | None = 1.0) -> AbstractContextManager[Report]:
    """Context: report an activity and its progress while a block lasts.

        with activity("features of real images", total=len(images)) as report:
            ...
            report(done)

    A nested activity is shown after the enclosing one. Without a display, nothing happens.

    Args:
        text: lower case, without a full stop.
        total: `report` counts up to this; None: a long activity whose progress is unknown, shown at once.
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
    """Ignore the progress: there is no display."""
