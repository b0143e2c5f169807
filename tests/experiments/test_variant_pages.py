"""Every page of a variant has one form: the same sections in one order, a picture, and a table of its settings."""

import re
from pathlib import Path

import pytest
from PIL import Image

import experiments
from experiments.configuration.composing import shared
from experiments.settings.tables import TABLE, refresh, refreshed, table

ROOT = Path(experiments.__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "variants").glob("*.md"))
SECTIONS = [
    "Idea",
    "Players and losses",
    "Algorithm",
    "Settings",
    "A healthy run",
    "Expected score",
    "Signs of failure",
    "Differences from the paper",
    "Use after training",
]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
FENCED = re.compile(r"^```.*?^```$|^    .*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def sections(page):
    """Text by heading."""
    parts = re.split(r"^## (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@every_page
def test_sections_stand_in_one_order(page):
    found = sections(page)
    assert list(found)[: len(SECTIONS)] == SECTIONS
    assert all(found[name].strip() for name in SECTIONS)


@every_page
def test_the_idea_is_three_sentences(page):
    assert len(re.findall(r"[.?](?=\s|$)", sections(page)["Idea"])) == 3


@every_page
def test_a_healthy_run_has_a_picture_and_its_command(page):
    text = sections(page)["A healthy run"]
    (picture,) = re.findall(r"!\[.+?\]\(([^)]+)\)", text)
    path = page.parent / picture
    assert path.stat().st_size < 150_000
    with Image.open(path) as image:
        assert image.width <= 900
    assert re.search(r"^    python -m experiments\.train .*\bseed=\d", text, flags=re.MULTILINE)


@every_page
def test_the_algorithm_is_numbered(page):
    assert len(re.findall(r"^\d\. ", sections(page)["Algorithm"], flags=re.MULTILINE)) > 1


@every_page
def test_the_table_of_settings_is_what_is_made_of_the_constructors(page):
    assert TABLE.search(sections(page)["Settings"])
    text = page.read_text()
    assert refreshed(text) == text, "a constructor's arguments or a variant's file have changed: run `make settings`"


@every_page
def test_equations_are_understood_by_the_site(page):
    converter = pytest.importorskip("latex2mathml.converter")
    text = FENCED.sub("", page.read_text())
    equations = re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", text, flags=re.DOTALL)
    assert equations
    for block, inline in equations:
        made = converter.convert(block or inline)
        assert not re.search(r"<m[io]>(&(amp;)?|\\[A-Za-z]*)</m[io]>", made), block or inline


def test_every_variant_has_a_table_on_one_page():
    found = [name for page in PAGES for _, name, _ in TABLE.findall(page.read_text())]
    assert sorted(found) == sorted(shared().options("variant"))


def test_a_table_names_the_values_of_the_variant():
    rows = {line.split("`")[1]: line for line in table("wgan_gp")[2:]}
    assert rows["variant.discriminator_steps"].split(" | ")[1] == "`5`"  # 1 in the constructor
    assert rows["variant.packing"].split(" | ")[1:3] == ["`1`", "a whole number of at least 1"]
    assert rows["penalty"].split(" | ")[1] == "`gradient_penalty`"
    assert rows["penalty.weight"].split(" | ")[1] == "`10.0`"
    assert "`Adam` lr 0.0001, betas [0.5, 0.9]" in rows["variant.training.players.D.optimizer"]


def test_a_stale_table_is_made_anew_and_the_rest_of_a_page_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- settings: dann -->\nstale\n<!-- end -->\n\nafter\n")
    refresh([str(page)])
    lines = page.read_text().splitlines()
    assert lines[:3] == ["before", "", "<!-- settings: dann -->"]
    assert lines[-3:] == ["<!-- end -->", "", "after"]
    assert lines[3:-3] == list(table("dann"))
