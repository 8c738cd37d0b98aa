"""Claims about `scanner.cli.machine`: a machine without room for a command is one line and exit code 4."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli.machine import machine_trouble
from tests.support.command_line import ROOT

QUICK = ["-p", "1", "--connect-timeout", "1", "--retries", "0"]


@pytest.mark.parametrize(
    "line",
    [
        ["sweep", "127.0.0.1", *QUICK, "-o", "out"],
        ["check", "127.0.0.1", *QUICK],
        ["verify", "127.0.0.1", *QUICK],
        ["lab", "--port", "0"],
        ["demo", "-o", "out"],
        ["convert", "in", "--format", "csv", "-o", "out"],
        ["sinks", "test", "syslog+tcp://127.0.0.1:9"],
    ],
    ids=lambda line: line[0],
)
def test_ten_descriptors_are_one_line_and_nothing_is_made(tmp_path: Path, line: list[str]) -> None:
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 10; exec "$0" -m scanner "$@"', sys.executable, *line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=50,
        check=False,
    )

    assert (done.returncode, done.stdout) == (4, b"")
    assert done.stderr == (
        b"smtpsweep: this machine: Too many open files: raise the limit of this process (ulimit -n), then run again\n"
    )
    assert list(tmp_path.iterdir()) == []


def caused(error: Exception, cause: Exception) -> Exception:
    error.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.EMFILE, "x"), "Too many open files"),
        (ExceptionGroup("", [ValueError(), OSError(errno.ENFILE, "x")]), "Too many open files in system"),
        (caused(RuntimeError("Cannot close a running event loop"), OSError(errno.EMFILE, "x")), "Too many open files"),
        (ImportError("libz.so.1: cannot open shared object file: Too many open files"), "Too many open files"),
        (MemoryError(), "Cannot allocate memory"),
    ],
    ids=repr,
)
def test_what_ran_out_is_found_wherever_it_is_said(error: Exception, named: str) -> None:
    assert (machine_trouble(error) or "").startswith(f"this machine: {named}: ")


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x"), ImportError("no module"), ValueError()], ids=repr)
def test_other_errors_are_not_the_machines(error: Exception) -> None:
    assert machine_trouble(error) is None
