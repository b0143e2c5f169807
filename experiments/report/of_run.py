"""Figure and page that a run writes next to its summary: curves.png and report.html."""

import logging
from pathlib import Path

from experiments.trained.comparison import find
from lightning_gans.core.files import write_atomically
from lightning_gans.core.received import printable

CURVES, REPORT = "curves.png", "report.html"

log = logging.getLogger("lightning_gans")


def leave(run_dir: Path) -> None:
    """Write the figure and the page of a run. A failure only causes a warning."""
    try:
        from experiments.report.chart import chart
        from experiments.report.page import page

        found, odd = find([run_dir])
        if not found:
            raise ValueError(*(why for _, why in odd))
        (run,) = found
        if (picture := chart(run)) is not None:
            write_atomically(run_dir / CURVES, picture)
        write_atomically(run_dir / REPORT, page([run], title=printable(run.path.name)))
    except Exception as error:  # from any library, on files that may be damaged
        reason = str(error).partition("\n")[0] or type(error).__name__
        log.warning("%s and %s of %s were not written: %s", CURVES, REPORT, run_dir, reason)
