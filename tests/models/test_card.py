"""The model card of an exported folder."""

import re

import pytest
import yaml

from lightning_gans.models.card import ORIGINS, Report, card, escaped
from tests.models.test_export import SPEC

ABOUT = {"variant": "dcgan", "data": "digits", "seed": 3, "iteration": 1500, "images": 96_000}
REPORT = Report(
    scores={
        "fid_classifier": {"last": 1.5, "best": 1.2, "best_iteration": 1000, "better": "lower", "last_se": 0.25},
        "modes": {"last": float("nan"), "best": 1.0, "best_iteration": 1, "better": "higher"},
        "label_accuracy": {"last": 0.99, "best": 0.99, "best_iteration": 1500, "better": "higher"},
    },
    protocol={
        "extractor": "classifier(digits)",
        "samples": 5000,
        "reference": "train (1437 samples)",
        "floor": {"fid_classifier": 1.0, "fid_classifier_se": 0.1},
        "floor_samples": 180,
    },
    test={"fid_classifier": 1.75, "fid_classifier_se": 0.5},
    command="python -m experiments.train variant=dcgan data=digits",
    commit="0123456789ab",
    grid=True,
    shape=(1, 8, 8),
)


def told(spec=SPEC, about=ABOUT, report=REPORT):
    """The front matter and the text."""
    _, matter, text = re.split(r"^---\n", card(spec, about, report), maxsplit=2, flags=re.MULTILINE)
    return matter, text


def test_the_front_matter_is_that_of_hugging_face():
    matter, _ = told()
    assert yaml.safe_load(matter) == {
        "library_name": "lightning-gans",
        "tags": ["gan", "generative", "pytorch", "dcgan", "digits"],
        "pipeline_tag": "unconditional-image-generation",
    }
    assert "yours to state, as in: license: cc-by-4.0" in matter


def test_a_conditional_generator_is_not_tagged_as_unconditional():
    matter, _ = told({**SPEC, "classes": 10})
    assert "pipeline_tag" not in yaml.safe_load(matter)


def test_scores_stand_with_their_protocol():
    _, text = told()
    assert "| metric | better | validation | real data | test | meaning |" in text
    assert r"| fid\_classifier | lower | 1.5 ± 0.25 | 1 ± 0.1 | 1.75 ± 0.5 | Frechet distance" in text
    assert r"| label\_accuracy | higher | 0.99 |  |  |" in text
    assert "modes" not in text  # not a number
    assert "features of the extractor classifier(digits); 5,000 samples against train (1437 samples);" in text
    assert "real data: 180 held-out real samples in place of generated ones" in text


def test_data_command_and_use_are_told():
    _, text = told()
    assert "* Licence of the data: CC BY 4.0" in text
    assert "UCI Machine Learning Repository" in text
    assert "\n    python -m experiments.train variant=dcgan data=digits\n" in text
    assert "* iterations: 1,500" in text
    assert "* commit of lightning-gans: 0123456789ab" in text
    assert "from lightning_gans import load_generator" in text
    assert "x = model.sample(16, seed=0)" in text
    assert "![samples of this generator](samples.png)" in text
    assert "* shape of a sample: 1 x 8 x 8" in text


def test_what_is_not_known_is_said_or_left_out():
    _, text = told(about={"data": "folder"}, report=Report())
    assert "* Data set: folder\n* Licence of the data: unknown: yours to state" in text
    assert "None: this model was exported before its first evaluation, or without metrics." in text
    assert "samples.png" not in text
    assert "## Training" not in text
    _, text = told(about={}, report=Report())
    assert "* Data set: unknown: yours to state" in text


def test_classes_are_listed_by_number():
    spec = {**SPEC, "_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel", "classes": 2}
    _, text = told(spec, {**ABOUT, "classes": ["cat", "my_dog"]})
    assert r"Classes: 0 = cat, 1 = my\_dog." in text
    assert "model.sample(16, seed=0, label=0)" in text
    assert "* classes: 2" in text


@pytest.mark.parametrize(
    ("target", "told_", "left_out"),
    [
        ("lightning_gans.models.translation.TranslationModel", 'y = model.translate(x, "a2b")', "model.sample"),
        ("lightning_gans.models.domain.DomainModel", "load_generator", "model.sample"),
        ("my_package.Generator", "model.sample", "translate"),
    ],
)
def test_each_model_is_used_as_it_can_be(target, told_, left_out):
    _, text = told({"_target_": target}, {}, Report())
    assert told_ in text
    assert left_out not in text


HOSTILE = "x\n# y | <script>alert(1)</script> [a](http://b) `c` *d* ![e](f) @g www.h.i \x1b[2J"


def test_text_from_files_is_shown_and_not_rendered():
    about = {"variant": HOSTILE, "data": HOSTILE, "seed": HOSTILE, "classes": [HOSTILE, "b"]}
    spec = {
        "_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel",
        "classes": 2,
        "prior": {"dim": HOSTILE},
    }
    protocol = {"extractor": HOSTILE, "samples": 3, "reference": HOSTILE}
    scores = {HOSTILE: {"last": 1.0, "better": HOSTILE}}
    text = card(spec, about, Report(scores=scores, protocol=protocol, command=HOSTILE, commit=HOSTILE))
    for line in text.splitlines():
        if not line.startswith("    "):  # an indented line is code
            bare = re.sub(r"\\[^A-Za-z0-9 ]", "", line)  # without what is escaped
            for word in ("<", "](http", "http://b", "![e]", "`c`", "*d*", "@", "www.h"):
                assert word not in bare, line
    titles = [line for line in text.splitlines() if re.match("# [^T]", line)]
    assert len(titles) == 1
    assert yaml.safe_load(text.split("---")[1])["tags"] == ["gan", "generative", "pytorch"]


def test_escaping_keeps_what_needs_none():
    assert escaped("(0.707, -1)") == "(0.707, -1)"
    assert escaped("a_b") == r"a\_b"
    assert len(escaped("x" * 1000)) == 300


def test_data_with_a_stated_licence_are_choices_that_come_with_the_package():
    from datamodules.catalogue import CATALOGUE

    assert {name for name in ORIGINS if CATALOGUE[name].needs_download} == set()
