"""Hooks of the site (mkdocs.yml): pages made of files outside docs/, links to them, and equations as MathML.

Pages are written for GitHub, where a link leads to any file of the repository. On the site README.md is the first page,
a notebook is a page of its text and code, and any other linked file is a page that shows its source.
"""

import html
import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent
log = logging.getLogger("mkdocs.hooks.site")

_LINK = re.compile(r"(?<=\]\()[^()\s]+(?=\))")
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".cfg": "ini", ".toml": "toml", ".csv": "text"}


def on_config(config: Any) -> Any:
    """Replace a folder in the navigation by its pages, and keep docstrings' style out of the strict build."""
    logging.getLogger("mkdocs.plugins.griffe").setLevel(logging.ERROR)
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add README.md, the notebooks and the files that pages link to."""
    texts = {"README.md": (ROOT / "README.md").read_text()}
    for file in files.documentation_pages():
        texts[f"docs/{file.src_uri}"] = file.content_string
    generated = {"index.md": texts["README.md"]}
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        texts[f"notebooks/{notebook.name}"] = generated[f"notebooks/{notebook.stem}.md"] = _notebook(notebook)
    waiting = list(texts.items())
    while waiting:
        origin, text = waiting.pop()
        for link in _LINK.findall(text):
            target = _target(link, origin)
            if target is None or target.startswith("docs/") or (page := _page(target)) in generated:
                continue
            generated[page] = _source(target)
            if target.endswith(".md"):
                waiting.append((target, generated[page]))
    for uri, content in generated.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links at the pages that stand for files outside docs/."""
    uri = page.file.src_uri
    origin = _origin(uri)
    here = posixpath.dirname(uri)

    def moved(match: re.Match[str]) -> str:
        target = _target(match[0], origin)
        if target is None:
            return match[0]
        _, hash_, anchor = match[0].partition("#")
        return posixpath.relpath(_page(target), here or ".") + hash_ + anchor

    return _LINK.sub(moved, markdown)


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Turn equations into MathML, which browsers draw without a script."""
    return _EQUATION.sub(lambda match: _equation(match, page.file.src_uri), content)


def _equation(match: re.Match[str], uri: str) -> str:
    latex = html.unescape(match[2]).strip()
    # GitHub's KaTeX and MathJax know `aligned` alone within an equation, latex2mathml `align*` alone.
    known = latex.replace("{aligned}", "{align*}").replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")
    try:
        made = convert(known, display="block" if match[1] == "div" else "inline")
    except Exception as error:
        log.warning("%s: the equation %s is not understood (%s)", uri, latex, str(error) or type(error).__name__)
        return match[0]
    unknown = re.findall(r"<m[io]>(&(?:amp;)?|\\[A-Za-z]*)</m[io]>", made)
    if unknown:
        log.warning("%s: the equation %s has %s, which latex2mathml does not know", uri, latex, " ".join(unknown))
    return made.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")


def _expanded(nav: list[Any], docs: Path) -> list[Any]:
    found: list[Any] = []
    for entry in nav:
        ((title, content),) = entry.items()
        if isinstance(content, list):
            content = _expanded(content, docs)
        elif content.endswith("/"):
            pages = sorted(docs.glob(f"{content}*.md"))
            content = [{_title(page): page.relative_to(docs).as_posix()} for page in pages]
        found.append({title: content})
    return found


def _title(page: Path) -> str:
    """Name of a variant; elsewhere the heading of a page."""
    if page.parent.name == "variants":
        return page.stem
    return page.read_text().partition("\n")[0].removeprefix("# ").replace("`", "")


def _origin(uri: str) -> str:
    """The file of the repository that a page of the site shows."""
    if uri == "index.md":
        return "README.md"
    if uri.startswith("notebooks/"):
        return f"{uri.removesuffix('.md')}.ipynb"
    if uri.startswith("source/") and (ROOT / uri.removeprefix("source/")).is_file():  # Markdown outside docs/
        return uri.removeprefix("source/")
    return f"docs/{uri}"


def _target(link: str, origin: str) -> str | None:
    """The file of the repository that a relative link leads to; None for a link elsewhere or within the page."""
    path = link.partition("#")[0]
    if not path or ":" in path or origin.startswith("docs/source/"):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    return target if (ROOT / target).is_file() else None


def _page(target: str) -> str:
    """The page of the site for a file of the repository."""
    if target == "README.md":
        return "index.md"
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target.startswith("notebooks/"):
        return f"{target.removesuffix('.ipynb')}.md"
    return f"source/{target}" if target.endswith(".md") else f"source/{target}.md"


def _source(target: str) -> str:
    text = (ROOT / target).read_text()
    if target.endswith(".md"):
        return text
    language = _LANGUAGES.get(Path(target).suffix, "text")
    return f"# {posixpath.basename(target)}\n\n`{target}`\n\n````{language}\n{text}````\n"


def _notebook(path: Path) -> str:
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text())["cells"]]
    return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells)
