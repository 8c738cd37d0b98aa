"""A request to stop that comes while the program still loads: one line and the documented code, no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli.codes import INCOMPLETE
from tests.support.ending_sweeps import hear_signals

#: Sends a signal to itself in the moment in which the first heavy module is asked for.
LOADING = """
import os, sys
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Sender())
from scanner.cli import main
main()
"""


def loading(number: int, *, ignored: bool = False) -> "subprocess.CompletedProcess[bytes]":
    def prepare() -> None:
        hear_signals()
        if ignored:
            signal.signal(number, signal.SIG_IGN)

    return subprocess.run(
        [sys.executable, "-c", LOADING, str(number)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=50,
        check=False,
        preexec_fn=prepare,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_while_the_program_loads_is_one_line_and_the_documented_code(number: int) -> None:
    stopped = loading(number)

    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (INCOMPLETE, b"", b"smtpsweep: interrupted\n")


def test_a_signal_that_was_ignored_when_we_were_started_stays_so() -> None:
    went_on = loading(signal.SIGHUP, ignored=True)

    assert went_on.returncode == 2
    assert b"No such command" in went_on.stderr
