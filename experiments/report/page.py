"""A self-contained HTML file about runs that needs no network access."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from experiments.report.contents import contents
from experiments.trained.comparison import Run

UPLOT = "1.6.32"  # from npm: dist/uPlot.iife.min.js and dist/uPlot.min.css as they are
LIBRARY, MODULE = "uPlot.iife.min.js", ("charts.js", "report.js")
STYLES = ("uPlot.min.css", "report.css")


def page(found: Sequence[Run], *, title: str = "Runs compared", left_out: Sequence[str] = ()) -> str:
    """Return the HTML page of runs.

    Args:
        left_out: sentences about folders that are not runs.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("experiments.report", "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [f"/*\n{_static('uPlot.LICENSE')}*/\n{_static(LIBRARY)}", "\n".join(map(_static, MODULE))]
    about = contents(found)
    return environment.get_template("report.html.jinja").render(
        title=title,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        policy=policy(scripts),
        styles=[Markup(_static(name)) for name in STYLES],
        scripts=[Markup(script) for script in scripts],
        data=Markup(embedded(about.data)),
        about=about,
        left_out=left_out,
        uplot=UPLOT,
    )


def _static(name: str) -> str:
    return files("experiments.report").joinpath("static", name).read_text("utf-8")


def policy(scripts: Sequence[str]) -> str:
    """Return the content security policy: only these scripts, inline styles and embedded images are allowed."""
    hashes = " ".join(f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def embedded(data: Mapping[str, Any]) -> str:
    """Encode data as JSON that is safe within a <script> element, for any text."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def left_out(odd: Sequence[tuple[Path, str]], shown: int = 20) -> list[str]:
    """Return sentences about folders that cannot be compared."""
    more = [f"{len(odd) - shown} more folders"] if len(odd) > shown else []
    return [f"{path} {why}" for path, why in odd[:shown]] + more
