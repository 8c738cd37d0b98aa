"""What all tests share: the engine and all that stands on it run on both event loops."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

#: Modules whose tests touch sockets, tasks or timers: what works on one loop need not work on the other.
_BOTH_LOOPS = frozenset(
    {
        "test_pool",
        "test_sweep",
        "test_dialogue",
        "test_delivery",
        "test_api",
        "test_smoke",
        "test_sending",
        "test_single",
        "test_receiver",
    }
)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests of some modules on asyncio's own loop and on uvloop, the others on the first."""
    del config
    if item.path.stem in _BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
