"""What all tests share: settings, and both event loops for the engine and what is built on it."""

import asyncio
import atexit
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop
from hypothesis import settings

from tests.support.ports import free_ports

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# A shell that runs tests in the background lets them ignore Ctrl-C, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests do not depend on the developer's own configuration: this folder is empty. Every user may read it, and a
# shell that a test starts may keep its files in it.
_CONFIG_HOME = tempfile.mkdtemp(prefix="smtpsweep-tests-")
Path(_CONFIG_HOME).chmod(0o755)
atexit.register(shutil.rmtree, _CONFIG_HOME, ignore_errors=True)
os.environ["XDG_CONFIG_HOME"] = _CONFIG_HOME

# How long an example takes depends on what else the machine does; no test claims it.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

#: Modules whose tests use sockets, tasks or timers, which may work on one loop and not on the other.
BOTH_LOOPS = frozenset(
    {
        "delivery/test_delivery.py",
        "engine/test_dialogue.py",
        "engine/test_dialogue_tls.py",
        "engine/test_gated_connect.py",
        "engine/test_pool.py",
        "engine/test_pool_admission.py",
        "engine/test_pool_local_trouble.py",
        "smoke/test_receiver.py",
        "smoke/test_sending.py",
        "smoke/test_smoke.py",
        "sweeps/test_sweep.py",
        "test_api.py",
    }
)
_TESTS = Path(__file__).parent


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests of some modules on asyncio's own loop and on uvloop, the others on the first."""
    del config
    if str(item.path.relative_to(_TESTS)) in BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """Remove the log handlers that a command set up inside the test: their stream is closed."""
    level = logging.root.level
    yield
    logging.root.handlers = [one for one in logging.root.handlers if type(one) is not logging.StreamHandler]
    logging.root.setLevel(level)


@pytest.fixture
def unused_tcp_port() -> int:
    """A port of 127.0.0.1 that stays free while a server is killed and started again: see `ports`."""
    return free_ports(1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadScopeScheduling":
    """Give the tests of one file to one process, so that what a file starts is started once.

    The mail servers are started once for all of tests/real.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  tests run without it, too, one after the other

    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = _group_of
    return scheduling


def _group_of(test: str) -> str:
    path = test.partition("::")[0]
    return "tests/real" if path.startswith("tests/real/") else path
