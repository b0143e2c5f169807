"""Comparison tables in Markdown and LaTeX: all columns, mean ± standard deviation over seeds, best in bold."""

import re
from collections.abc import Callable, Iterator, Sequence
from math import isclose

from experiments.runs.report import figure
from experiments.trained.comparison import KINDS, Stats, best_of
from experiments.trained.sections import Section, all_finished, counted_runs, floor_text, is_whole, overview, rounded
from lightning_gans.metrics.names import Better
from lightning_gans.reporting.terminal import rate

NOTE = "Mean ± standard deviation over n seeds; SE: the standard error of a single run. Bold: best of its column."

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # because \\[ takes an argument
    "*": "{*}",  # because \\* takes an argument
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def markdown(found: Sequence[Section]) -> str:
    """Return a table in GitHub's Markdown for each section, under the same facts as in the terminal."""
    lines = [line for fact in overview(found) for line in (escape_markdown(fact), "")]
    for section in found:
        if section.title:
            lines += [f"**{escape_markdown(section.title)}**{escape_markdown(floor_text(section, '±'))}", ""]
        head, *rows = _cells(section, escape_markdown, _bold_markdown)
        signs = [":---" if title in ("configuration", "run", "status") else "---:" for title in head]
        lines += [f"| {' | '.join(cells)} |" for cells in (head, signs, *rows)]
        lines.append("")
    return "\n".join([*lines, escape_markdown(NOTE), ""])


def latex(found: Sequence[Section]) -> str:
    r"""Return a `table` for each section, with \toprule, \midrule and \bottomrule of booktabs."""
    lines = [r"% Needs \usepackage{booktabs}, and \usepackage[T1]{fontenc} where there is a \textquotedbl."]
    facts = " ".join(f"{fact.rstrip('.')}." for fact in overview(found))
    for section in found:
        head, *rows = _cells(section, escape_latex, _bold_latex)
        columns = "".join("l" if title in ("configuration", "run", "status") else "r" for title in head)
        title = f"{section.title}{floor_text(section, '±')}. " if section.title else ""
        lines += [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape_latex(f'{title}{facts} {NOTE}')}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            rf"    {' & '.join(head)} \\",
            r"    \midrule",
            *(rf"    {' & '.join(cells)} \\" for cells in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    return "\n".join([*lines, ""])


def escape_markdown(text: str) -> str:
    """Escape `text` for Markdown, so that no character is markup, HTML, or the end of a cell."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", text)


def escape_latex(text: str) -> str:
    """Escape `text` for LaTeX."""
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would print as a dash


def _bold_markdown(text: str) -> str:
    return f"**{text}**"


def _bold_latex(text: str) -> str:
    return rf"\textbf{{{text}}}"


def _cells(section: Section, escape: Callable[[str], str], bold: Callable[[str], str]) -> Iterator[list[str]]:
    """Yield the heading and the rows of a section, escaped."""
    kinds = [(metric, kind) for metric in section.metrics for kind in KINDS]
    whole, finished = is_whole(section), all_finished(section)
    head = ["run"] if section.by_run else ["configuration", "n"]
    head += [] if finished else ["status"]
    head += [] if whole else ["iterations"]
    head += ["images/s", *(escape(f"{metric}{_arrow(section.better(metric))} {kind}") for metric, kind in kinds)]
    yield head
    bests = {(metric, kind): best_of(section.rows, metric, kind, "mean") for metric, kind in kinds}
    for name, row in zip(section.forms[0], section.rows, strict=True):
        cells = [escape(name)] if section.by_run else [escape(name), counted_runs(row)]
        cells += [] if finished else [escape(row.status)]
        cells += [] if whole else [f"{row.iterations:,}"]
        cells.append("" if row.images_per_second is None else rate(row.images_per_second))
        for (metric, kind), best in bests.items():
            stats = row.stats(metric, kind)
            text = "" if stats is None else escape(_figure(stats))
            is_best = stats is not None and best is not None and isclose(best.mean, stats.mean)
            cells.append(bold(text) if is_best else text)
        yield cells


def _figure(stats: Stats) -> str:
    if stats.std is not None:
        return " ± ".join(rounded(stats.mean, stats.std))
    if stats.error is not None:
        return "{} (SE {})".format(*rounded(stats.mean, stats.error))
    return figure(stats.mean)


def _arrow(better: Better | None) -> str:
    return {None: "", "lower": " ↓", "higher": " ↑"}[better]
