"""The site of `make docs`: it builds without a warning, and its pages ask for nothing from a network."""

import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Tags that load what they name; a link is followed by the reader alone.
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "video": "src"}


class Page(HTMLParser):
    """Addresses that a page loads, the links it has, and its equations."""

    def __init__(self):
        super().__init__()
        self.loaded, self.links, self.equations = [], [], 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in LOADING and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(given.get(LOADING[tag]) or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        self.equations += tag == "math"


def built(folder, *, without=()):
    """The site in `folder`; a warning, such as a link that leads nowhere, fails the test."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logger = logging.getLogger("mkdocs")
    logger.addHandler(handler)
    try:
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=False)
        for name in without:
            del config.plugins[name]
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
    finally:
        logger.removeHandler(handler)
    assert warnings == []
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Without the docstrings, which take most of the time."""
    return built(tmp_path_factory.mktemp("site"), without=["mkdocstrings"])


def read(path):
    page = Page()
    page.feed(path.read_text())
    return page


def assert_nothing_is_loaded(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 80
    for path in pages:
        for address in read(path).loaded:
            assert not re.match(r"(\w+:)?//", address), f"{path.relative_to(site)} loads {address}"
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", path.read_text()), path


def test_pages_load_nothing_from_a_network(site):
    assert_nothing_is_loaded(site)


def test_every_page_of_the_repository_is_there(site):
    for path in (ROOT / "docs").rglob("*.md"):
        assert (site / path.relative_to(ROOT / "docs")).with_suffix(".html").is_file()
    assert {"first_gan.html", "comparing_objectives.html"} <= {path.name for path in (site / "notebooks").iterdir()}


def test_links_to_files_of_the_repository_lead_to_pages_that_show_them(site):
    page = read(site / "AUGMENTATION.html")
    assert "source/lightning_gans/networks/augment.py.html" in page.links
    assert "class" in (site / "source/lightning_gans/networks/augment.py.html").read_text()


def test_equations_are_mathml(site):
    page = site / "tutorials" / "loss.html"
    assert read(page).equations > 5
    assert "arithmatex" not in page.read_text()


def test_the_first_page_leads_to_the_answers(site):
    links = read(site / "index.html").links
    anchors = set(re.findall(r'id="([^"]+)"', (site / "FAQ.html").read_text()))
    asked = [link.partition("#")[2] for link in links if link.startswith("FAQ.html#")]
    assert len(set(asked)) >= 10
    assert set(asked) <= anchors


@pytest.mark.slow
def test_classes_are_described_by_their_docstrings(tmp_path):
    site = built(tmp_path)
    assert_nothing_is_loaded(site)
    text = (site / "reference" / "variants.html").read_text()
    assert "lightning_gans.variants.vanilla.GAN" in text
    assert "Algorithm 1" in text
