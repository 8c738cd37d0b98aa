"""What a short command leaves unloaded, so that its start takes a fraction of a second."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli import early
from tests.support.ports import free_ports

_LOG = b"Nov 30 10:00:00 mx postfix/smtpd[12]: connect from mail.example[192.0.2.1]\n"
#: Of no use to any of these commands.
_RARE = ("aiosmtplib", "cryptography", "dns", "netaddr", "pyexpat", "structlog", "tomllib", "zstandard")
#: For those who connect to somebody.
_CONNECTING = ("asyncio", "numpy", "scanner.engine", "scanner.delivery.delivery", "ssl", "uvloop")


def _loaded(*arguments: str) -> set[str]:
    """Return which modules a command has loaded at its end."""
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from scanner.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, check=False, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout.startswith("{"), done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_a_sweep_of_one_host_loads_no_packer_no_terminal_and_nothing_for_remote_sinks() -> None:
    loaded = _loaded("sweep", "127.0.0.1", "-p", str(*free_ports(1)), "--all", "-q")
    assert "scanner.engine.pool" in loaded
    assert loaded.isdisjoint(
        {*_RARE, "gzip", "rich", "scanner.record.schema", "scanner.delivery.relay", "scanner.delivery.spool"}
    )


def test_a_check_that_prints_json_loads_no_terminal() -> None:
    loaded = _loaded("check", "127.0.0.1", "-p", str(*free_ports(1)), "--json")
    assert "scanner.engine.pool" in loaded
    assert loaded.isdisjoint({*_RARE, "gzip", "rich", "scanner.record.schema", "scanner.delivery.delivery"})


def test_to_identify_one_greeting_needs_nothing_that_connects() -> None:
    loaded = _loaded("identify", "--text", "220 mx.example.org ESMTP Postfix")
    assert "scanner.identify.rules" in loaded
    assert loaded.isdisjoint({*_RARE, *_CONNECTING, "gzip", "rich", "scanner.record.schema"})


def test_to_show_flaws_as_json_needs_neither_rules_nor_a_terminal() -> None:
    loaded = _loaded("vulns", "postfix", "3.4.0", "--json")
    assert "scanner.assess.facts" in loaded
    assert loaded.isdisjoint({*_RARE, *_CONNECTING, "gzip", "rich", "scanner.assess.update", "scanner.identify.rules"})


def test_to_read_a_log_as_json_needs_nothing_that_connects(tmp_path: Path) -> None:
    (tmp_path / "mail.log").write_bytes(_LOG)
    loaded = _loaded("logs", str(tmp_path / "mail.log"), "--json")
    assert "scanner.maillogs.postfix" in loaded
    assert loaded.isdisjoint({*_RARE, *_CONNECTING, "gzip", "rich", "scanner.identify", "scanner.record.schema"})


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("4", "4")])
def test_the_library_for_linear_algebra_starts_no_threads_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", before or "")
    if before is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    usual = gc.get_threshold()
    try:
        early.hurry()
        assert os.environ["OPENBLAS_NUM_THREADS"] == after
        assert gc.get_threshold() == (20_000, 20, 100)
        assert gc.isenabled()
    finally:
        gc.set_threshold(*usual)
