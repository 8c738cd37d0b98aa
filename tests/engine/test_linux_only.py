"""Mail servers are visited with epoll, which only Linux has."""

import importlib
import select
import subprocess
import sys

import pytest

import scanner.engine
from scanner.errors import LocalError

WITHOUT_EPOLL = """
import select
import sys

del select.epoll
from scanner.cli import main

sys.argv = ["smtpsweep", *sys.argv[1:]]
sys.exit(main())
"""


def run_without_epoll(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EPOLL, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_without_epoll_a_visit_is_refused_in_one_line() -> None:
    done = run_without_epoll("check", "127.0.0.1")

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "smtpsweep: mail servers are visited with epoll(7), which only Linux has: run this command on Linux\n"
    )


def test_without_epoll_banners_are_identified_all_the_same() -> None:
    done = run_without_epoll("identify", "--text", "220 mx.example.com ESMTP Postfix")

    assert (done.returncode, done.stderr) == (0, "")
    assert '"Postfix"' in done.stdout


def test_the_engine_cannot_be_imported_without_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")

    with pytest.raises(LocalError, match=r"epoll\(7\), which only Linux has"):
        importlib.reload(scanner.engine)
