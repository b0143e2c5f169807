"""The tutorials of a variant, a data set and a loss: their files and commands as they stand."""

import json

import pytest

from tests.helpers.documents import DOCS, read_page, run_command


@pytest.mark.parametrize(
    "page, files, runs",
    [
        (
            "tutorials/variant.md",
            {"my_gans/least_squares.py", "conf/variant/least_squares.yaml", "conf/recipe/least_squares/ring.yaml"},
            {"least_squares-ring-0", "least_squares-ring-packing2-r1-0"},
        ),
        ("tutorials/data_set.md", {"my_waves.py", "conf/data/waves.yaml"}, {"wgan_gp-waves-0", "short"}),
        ("tutorials/loss.md", {"my_losses.py", "conf/objective/exponential.yaml"}, {"exponential", "flat"}),
    ],
)
def test_the_files_and_commands_of_a_page(page, files, runs, tmp_path):
    found = read_page(DOCS / page)
    assert set(found.files) == files
    found.write(tmp_path)
    for command in found.commands:
        run_command(command, tmp_path)
    statuses = {
        path.parent.name: json.loads(path.read_text())["status"] for path in tmp_path.glob("runs/*/summary.json")
    }
    assert statuses == dict.fromkeys(runs, "finished")
