"""Activities: told to a display where there is one, free of charge where there is none."""

import subprocess
import sys
from contextlib import contextmanager

from lightning_gans.core.activity import activity, displayed


def test_without_a_display_nothing_happens():
    with activity("reading", 10) as report:
        report(5)


def test_a_display_is_told_for_as_long_as_it_is_asked():
    told = []

    @contextmanager
    def display(text, total):
        told.append((text, total))
        yield told.append
        told.append(f"{text} ended")

    with displayed(display), activity("reading", 10) as report:
        report(5)
    with activity("not seen"):
        pass
    assert told == [("reading", 10), 5, "reading ended"]


def test_activities_need_no_torch():
    code = (
        "import sys, lightning_gans.core.activity, lightning_gans.reporting.terminal; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
