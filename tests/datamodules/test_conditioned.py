"""Images with condition vectors: the digits' attributes, and files of one's own."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Attributes, Digits, DigitsAttributes
from datamodules.catalogue import CATALOGUE
from datamodules.condition_files import ConditionFile, condition_names
from datamodules.conditioned import slant, stroke_width
from lightning_gans.core.data import HasConditions
from lightning_gans.core.errors import UserError
from tests.helpers.composed import composed, data_of

NAMES = [f"{folder}/{i}.png" for folder in ("a", "b") for i in range(12)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """24 images of one grey each, that grey known by the path."""
    folder = tmp_path_factory.mktemp("images")
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("L", (9, 9), grey(number)).save(folder / name)
    return folder


def grey(number):
    return 10 * number


def write_csv(path, rows, header="file,grey,constant"):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "table.csv", [(name, grey(number), 7) for number, name in enumerate(NAMES)])


def module(root, conditions, **settings):
    return Attributes(root=root, conditions=conditions, batch_size=6, image_size=8, channels=1, **settings)


def agree(batch):
    """Return True if each image has the condition of its grey value."""
    return torch.allclose((batch.x[:, 0, 0, 0] + 1) * 127.5, batch.condition[:, 0], atol=0.6)


def test_widths_and_slants_of_drawn_strokes():
    row, column = torch.arange(40.0)[:, None], torch.arange(40.0)[None, :]
    drawn = [
        ((column - 20 - lean * (20 - row)).abs() < width / 2).float() * ((row > 4) & (row < 36))
        for lean, width in ((0.0, 3), (0.0, 7), (0.5, 5), (-0.25, 5))
    ]
    widths, slants = stroke_width(torch.stack(drawn)), slant(torch.stack(drawn))
    assert widths[:2].tolist() == pytest.approx([3, 7], rel=0.25)
    assert slants.tolist() == pytest.approx([0, 0, 26.6, -14.0], abs=1.5)


def test_the_digits_attributes_belong_to_the_digits():
    data, plain = DigitsAttributes(image_size=8), Digits(image_size=8)
    assert isinstance(data, HasConditions)
    assert (len(data.condition_names), data.classes) == (CATALOGUE["digits_attributes"].condition_dim, plain.classes)
    for name in ("train", "validation", "test"):
        mine, theirs = data.split(name), plain.split(name)
        x, y = (torch.cat([batch.x for batch in split.batches(999)]) for split in (mine, theirs))
        assert torch.equal(x, y)
        assert torch.equal(mine.labels, theirs.labels)
        assert torch.equal(mine.conditions[:, 2:].argmax(1), theirs.labels)
        own = ((x[:, 0] + 1) / 2).clamp(0, 1)
        assert torch.allclose(mine.conditions[:, 0], stroke_width(own), atol=0.02)
        assert torch.allclose(mine.conditions[:, 1], slant(own), atol=0.5)
    assert data.fingerprint != plain.fingerprint
    part = data.split("train").at_most(5)
    assert torch.equal(part.conditions, data.split("train").conditions[part.rows])
    assert torch.equal(next(part.batches(5)).condition, part.conditions)


def test_a_condition_travels_with_its_image(root, table):
    data = module(root, table)
    assert (data.condition_names, data.classes) == (("grey", "constant"), None)
    whole = list(data.iteration_batches(0, 5, seed=3))
    assert all(agree(batch) and len(batch.x) == 6 for batch in whole)
    assert len({tuple(batch.condition[:, 0].tolist()) for batch in whole}) == 5
    parts = [list(data.iteration_batches(0, 5, seed=3, rank=rank, world=2)) for rank in range(2)]
    for batch, *ranks in zip(whole, *parts, strict=True):
        assert torch.equal(batch.condition, torch.cat([part.condition for part in ranks]))
    streamed = module(root, table, in_memory=False, workers=0)
    for batch, other in zip(whole, streamed.iteration_batches(0, 5, seed=3), strict=True):
        assert torch.equal(batch.x, other.x)
        assert torch.equal(batch.condition, other.condition)
    for name in ("train", "validation", "test"):
        assert all(agree(batch) for batch in data.split(name).batches(4))
        assert data.split(name).labels is None


def test_an_unreadable_image_gives_way_to_another_with_its_own_condition(root, table, tmp_path):
    for name in NAMES:
        (tmp_path / "copy" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "copy" / name).write_bytes((root / name).read_bytes())
    for name in NAMES[:6]:
        (tmp_path / "copy" / name).write_bytes(b"no picture")
    for in_memory in (True, False):
        data = module(tmp_path / "copy", table, in_memory=in_memory, workers=0)
        with pytest.warns(UserWarning, match="no known image format"):
            assert all(agree(batch) and len(batch.x) == 6 for batch in data.iteration_batches(0, 4))


def test_every_form_says_the_same(root, table, tmp_path):
    celeba = tmp_path / "list_attr_celeba.txt"
    celeba.write_text(
        f"{len(NAMES)}\ngrey constant\n" + "".join(f"{name} {grey(i)}  7\n" for i, name in enumerate(NAMES))
    )
    vectors = np.array([[grey(i), 7] for i in range(len(NAMES))], dtype=np.float64)
    np.savez(tmp_path / "named.npz", files=np.array(NAMES), conditions=vectors, names=np.array(["grey", "constant"]))
    np.savez(tmp_path / "bare.npz", files=np.array(NAMES), conditions=vectors)
    read = [ConditionFile.read(path) for path in (table, celeba, tmp_path / "named.npz")]
    assert {found.names for found in read} == {("grey", "constant")}
    assert all(found.files == tuple(NAMES) and np.array_equal(found.vectors, vectors) for found in read)
    assert ConditionFile.read(tmp_path / "bare.npz").names == ("c0", "c1")
    assert {condition_names(path) for path in (table, celeba, tmp_path / "named.npz")} == {("grey", "constant")}
    assert module(root, celeba).fingerprint != module(root, table).fingerprint


def test_a_name_is_enough_where_it_is_the_only_one(root, tmp_path):
    by_name = write_csv(tmp_path / "names.csv", [("3.png", 30, 7), ("b/4.png", 160, 7)])
    data = module(root, by_name)
    with pytest.raises(UserError, match="names none of the images"):
        module(root, write_csv(tmp_path / "twice.csv", [("3.png", 30, 7)])).setup()
    assert [file.path for files in data.files.values() for file in files] == ["b/4.png"]
    data.setup()
    assert any("images without a condition vector are left out: a/0.png and 22 more" in note for note in data.notes())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file,grey\na.png,1\na.png,2\n", "names a.png twice"),
        ("file,grey\na.png,nan\n", "a number that is not finite"),
        ("file,grey\na.png,dark\n", "cannot be read: could not convert"),
        ("file,grey\na.png,1,2\n", "row 1, a.png, has 2 numbers, and the header names 1"),
        ("file,grey\n", "holds no condition vector"),
        ("file\na.png\n", "its header names no number"),
        ("", "its header names no number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content, said, tmp_path):
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(UserError, match=said) as refused:
        ConditionFile.read(tmp_path / "table.csv")
    assert "data.conditions=FILE" in str(refused.value) or "twice" in said


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", files=np.array(["a.png"], dtype=object), conditions=np.ones((1, 2)))
    with pytest.raises(UserError, match="cannot be read"):
        ConditionFile.read(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="cannot be read"):
        condition_names(tmp_path / "b.npz")
    with pytest.raises(UserError, match="is no file"):
        condition_names(tmp_path / "c.csv")
    (tmp_path / "d.pkl").write_bytes(b"")
    with pytest.raises(UserError, match="is of none of the forms"):
        condition_names(tmp_path / "d.pkl")


def test_a_table_of_other_images_is_refused(root, tmp_path):
    other = write_csv(tmp_path / "other.csv", [("z/99.png", 1, 2)])
    with pytest.raises(UserError, match="names none of the images"):
        module(root, other).setup()


def test_the_command_counts_the_numbers(root, table):
    config = composed("gan_cls", "data=attributes", f"data.root={root}", f"data.conditions={table}", "data.channels=1")
    assert config["network"]["model"]["condition_dim"] == 2
    assert data_of(config).condition_names == ("grey", "constant")
