"""A request to stop that comes while the program still loads: one line and the exit code, as later.

Loading takes a few tenths of a second. Nothing has been done then and there is nothing to clean up, so the process just
ends. `scanner.cli.signals` takes over when it is loaded. Only what Python has loaded anyway is imported here.
"""

import os
import signal
from contextlib import suppress

from scanner.cli.codes import INCOMPLETE


def install() -> None:
    """Handle INT, TERM and HUP, except those that were ignored when we were started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: object) -> None:
    del number, frame
    with suppress(OSError):  # nobody is there to read it
        os.write(2, b"smtpsweep: interrupted\n")
    os._exit(INCOMPLETE)
