"""Before the program is loaded: handle requests to stop, and make loading cheap.

Loading takes a few tenths of a second. A request to stop during that time is answered as later, with one line and the
exit code; nothing needs to be cleaned up, so the process just ends. `scanner.cli.signals` takes over once it is loaded.
This module imports only what Python has already loaded.
"""

import gc
import os
import signal
from contextlib import suppress

from scanner.cli.codes import INCOMPLETE


def install() -> None:
    """Handle INT, TERM and HUP, except those that were ignored when we were started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def hurry() -> None:
    """Turn off work of Python and numpy that we do not need; it takes a fifth of the time of a short command."""
    # Collect cyclic garbage less often: loading makes none, a sweep hardly any. The default is every 700 new objects.
    gc.set_threshold(20_000, 20, 100)
    # numpy's linear algebra, which we do not use, starts a thread for each processor.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _end(number: int, frame: object) -> None:
    del number, frame
    with suppress(OSError):  # nobody reads it any more
        os.write(2, b"smtpsweep: interrupted\n")
    os._exit(INCOMPLETE)
