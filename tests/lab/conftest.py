"""Labs that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from scanner.lab.server import Lab, LabSettings
from tests.support.lab_clients import SCALE, running


@pytest.fixture(scope="module")
def mixed() -> Iterator[Lab]:
    with running(LabSettings(port=0, profile="mixed", time_scale=SCALE)) as lab:
        yield lab


@pytest.fixture
def dense() -> Iterator[Lab]:
    with running(LabSettings(port=0, profile="dense", count_visits=True)) as lab:
        yield lab
