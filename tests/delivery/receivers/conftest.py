"""Fixtures of the tests of receivers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.certificates import Pem
from tests.support.syslog_collector import Collector


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """A receiver of syslog and GELF in the test's own loop."""
    one = await Collector().start()
    yield one
    await one.stop()


@pytest.fixture
def pem(tmp_path: Path) -> Pem:
    return Pem(tmp_path)
