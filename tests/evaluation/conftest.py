import pytest

from tests.helpers.labelled_digits import FakeData


@pytest.fixture
def data() -> FakeData:
    return FakeData()
