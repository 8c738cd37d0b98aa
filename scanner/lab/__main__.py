"""`python -m scanner.lab JSON`: a lab as a child process, without the command line.

The argument is what `scanner.lab.process` writes: the fields of `LabSettings` and of `Files`, in one JSON object each.
When our standard input is closed, whoever started us is gone, and so are we.
"""

import os
import select
import signal
import sys
import threading

import orjson

from scanner.errors import InputError
from scanner.lab.server import LabSettings
from scanner.lab.service import Files, serve


def main(argument: str) -> None:
    """Run a lab as the argument says; exit with 2 and one line when it cannot."""
    given = orjson.loads(argument)
    settings = given["settings"] | {"bind": tuple(given["settings"]["bind"])}
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(LabSettings(**settings), Files(**given["files"]))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


def _end_with_parent() -> None:
    hang_up = select.poll()
    hang_up.register(0, 0)  # nothing is asked for: only a hang-up is reported
    hang_up.poll()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
