import io
import logging
import re
import sys

import pytest
from rich.console import Console

from lightning_gans.reporting import terminal as module
from lightning_gans.reporting.terminal import (
    Activity,
    LiveView,
    PlainView,
    Snapshot,
    clock,
    label,
    number,
    rate,
    view_for,
)

FULL = Snapshot(
    iteration=1240,
    iterations=4000,
    rate=17.3,
    images_rate=1107.2,
    elapsed=72,
    left=158,
    losses={"D": 0.521, "G": 1.312},
    scores={"fid": 12.34},
)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def terminal(width: int = 80, encoding: str = "utf-8") -> Console:
    file = Terminal()
    file.encoding = encoding
    return Console(file=file, force_terminal=True, width=width, color_system=None, legacy_windows=False, _environ={})


def written(console: Console) -> str:
    """Lines that were sent, whatever moved the cursor between them."""
    assert isinstance(console.file, io.StringIO)
    lines = re.split(r"(?:\x1b\[[0-9;?]*[A-Za-z]|[\r\n])+", console.file.getvalue())
    return "".join(f"{line}\n" for line in lines if line)


def shown(console: Console) -> list[str]:
    """The last two lines that were sent."""
    return written(console).splitlines()[-2:]


def test_two_lines_fit_eighty_columns() -> None:
    console = terminal()
    view = LiveView(console)
    view.show(FULL)
    bar, figures = shown(console)
    assert re.fullmatch(r" 1,240/4,000 ━+─+  31%  1:12 elapsed, 2:38 left", bar)
    assert 70 <= len(bar) < 80
    assert bar.count("━") / (bar.count("━") + bar.count("─")) == pytest.approx(0.31, abs=0.02)
    assert figures == " 17.3 it/s  1,107 images/s  D 0.52  G 1.31  FID 12.3"
    view.close()


@pytest.mark.parametrize("width", [20, 40, 79, 80, 200])
def test_nothing_ever_wraps(width: int) -> None:
    console = terminal(width)
    view = LiveView(console)
    many = {f"D_{name}": 123.4 for name in "abcdefgh"}
    view.show(Snapshot(iteration=999_999, iterations=1_000_000, elapsed=40_000, left=40_000, losses=many, rate=1e5))
    view.doing([Activity("an evaluation"), Activity("training the classifier", done=0.5)])
    assert max(map(len, written(console).splitlines())) <= width
    view.close()


def test_an_old_terminal_gets_plain_characters() -> None:
    console = terminal(encoding="ascii")
    view = LiveView(console)
    view.show(FULL)
    view.close()
    assert "#" in written(console)
    assert written(console).isascii()


def test_an_activity_leaves_nothing_behind_and_the_bar_stays() -> None:
    console = terminal()
    assert isinstance(console.file, io.StringIO)
    view = LiveView(console)
    outer, inner = Activity("evaluation", None), Activity("samples", 1000)
    view.doing([outer])
    assert written(console).endswith(" evaluation ...\n")
    view.doing([outer, inner])
    assert written(console).endswith(" evaluation: samples ...\n")
    inner.done = 250
    view.doing([outer, inner])
    assert "evaluation: samples ━" in written(console)
    assert " 250/1,000" in written(console)
    view.doing([])
    assert console.file.getvalue().endswith("\x1b[2K")  # the line is erased
    view.show(FULL)
    view.close()
    assert written(console).endswith("FID 12.3\n")
    assert console.file.getvalue().count("\x1b[?25l") == console.file.getvalue().count("\x1b[?25h") == 2  # the cursor


def test_logs_and_prints_appear_above_the_bar_and_streams_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    console = terminal()
    monkeypatch.setattr(sys, "stdout", console.file)
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    logger = logging.getLogger("lightning_gans.test_terminal")
    handler = logging.StreamHandler()  # holds on to sys.stderr
    logger.addHandler(handler)
    logger.propagate = False
    try:
        view = LiveView(console)
        view.show(FULL)
        logger.warning("said by a logger")
        print("said by print")
        assert err.getvalue() == ""
        lines = written(console).splitlines()
        for text in ("said by a logger", "said by print"):
            assert text in lines
            assert any("1,240/4,000" in line for line in lines[lines.index(text) :])  # drawn again below it
        view.close()
        assert handler.stream is err
        assert sys.stderr is err
        assert sys.stdout is console.file
    finally:
        logger.removeHandler(handler)


def test_errors_sent_to_a_file_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    console, file = terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", console.file)
    monkeypatch.setattr(sys, "stderr", file)
    view = LiveView(console)
    view.show(FULL)
    print("an error", file=sys.stderr)
    view.close()
    assert file.getvalue() == "an error\n"


def test_a_pipe_gets_plain_lines_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Console(file=io.StringIO())
    assert console.is_terminal
    view = view_for(console)
    view.doing([Activity("training the classifier", None)])
    view.show(FULL)
    view.close()
    assert "\x1b" not in console.file.getvalue()  # type: ignore[attr-defined]
    activity, line = written(console).splitlines()
    assert activity == "training the classifier ..."
    assert line == "1240/4000 31%  17.3 it/s  1,107 images/s  D 0.52  G 1.31  FID 12.3  1:12  2:38 left"


def test_a_terminal_that_cannot_move_its_cursor_gets_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(view_for(terminal()), LiveView)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(view_for(Console(file=Terminal())), PlainView)


@pytest.mark.parametrize(
    "seconds, lines",
    [
        (5, (2, 8)),  # never more than one a second
        (100, (19, 22)),  # every 5 %
        (1000, (60, 90)),  # every ten seconds at first
        (36_000, (200, 300)),  # less and less often
    ],
)
def test_how_often_lines_come(seconds: float, lines: tuple[int, int]) -> None:
    console = Console(file=io.StringIO())
    view = PlainView(console)
    iterations = 20_000
    for iteration in range(0, iterations + 1, 10):
        view.show(Snapshot(iteration=iteration, iterations=iterations, elapsed=seconds * iteration / iterations))
    found = written(console).splitlines()
    assert lines[0] <= len(found) <= lines[1]
    assert found[-1].startswith("20000/20000 100%")


def test_lines_of_activities_come_once_two_seconds_were_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    console = Console(file=io.StringIO())
    view = PlainView(console)
    outer, inner = Activity("evaluation"), Activity("samples", 1000)
    for step in range(300):  # of a tenth of a second
        now, inner.done = step / 10, step
        view.doing([outer, inner])
    assert written(console).splitlines() == [
        "evaluation: samples 20/1,000",
        "evaluation: samples 120/1,000",
        "evaluation: samples 220/1,000",
    ]
    now += 1
    view.doing([outer, Activity("over at once")])
    assert len(written(console).splitlines()) == 3 + 1  # 8 seconds after the line before
    view.doing([outer, Activity("t-SNE", None)])
    assert written(console).endswith("evaluation: t-SNE ...\n")
    view.doing([outer, Activity("over at once")])
    view.doing([])
    assert len(written(console).splitlines()) == 5


def test_lines_of_activities_grow_rarer_in_long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    console = Console(file=io.StringIO())
    view = PlainView(console)
    for second in range(36_000):  # each of them a new activity
        now = float(second)
        view.doing([Activity(str(second))])
    assert 3600 <= len(written(console).splitlines()) < 3900


@pytest.mark.parametrize("value, text", [(0, "0"), (0.042, "0.0420"), (0.234, "0.23"), (5.1, "5.10"), (1447, "1,447")])
def test_rates_below_one_are_told(value: float, text: str) -> None:
    assert rate(value) == text
    figures = Snapshot(iteration=1, iterations=2, rate=value, images_rate=value).figures()
    assert figures == f"{text} it/s  {text} images/s"


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0.00"),
        (0.5214, "0.52"),
        (-1.305, "-1.30"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (0.0333, "0.0333"),
        (0.00012, "1.2e-04"),
        (3e7, "3.0e+07"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_times_and_names() -> None:
    assert [clock(s) for s in (6.6, 59.7, 754, 3723)] == ["0:07", "1:00", "12:34", "1:02:03"]
    assert [label(n) for n in ("fid_a2b", "high_quality", "is")] == ["FID a2b", "high quality", "IS"]
