"""Names of classes in one line."""

from lightning_gans.models.class_names import listed, number_of


def test_many_names_are_abbreviated():
    assert listed(["a", "b"]) == "a b"
    assert listed([str(i) for i in range(12)]) == "0 1 2 3 4 5 6 7 8 9 10 11"
    assert listed([str(i) for i in range(13)]) == "0 1 2 3 4 5 6 7 8 9 10 ... 12"
    assert listed(["\x1b[2J"]) == "\\x1b[2J"


def test_a_number_is_a_whole_one_of_the_classes():
    assert [number_of(label, (), 10) for label in ("0", "9", "10", "-1", "1.0", "\u0661", "9" * 9999)] == [
        *(0, 9),
        *(None,) * 5,
    ]
