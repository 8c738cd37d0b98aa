"""Reading a mail server's log from a mark onwards, so that a test sees the traces of its own visit only."""

import re
import time
from pathlib import Path

#: A server logs the end of a connection soon after it, not before; all of them within 0.1 s when measured.
_PATIENCE_S = 10.0


class MailLog:
    """What a server logs from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = path.stat().st_size

    def until(self, pattern: str) -> str:
        """Return what was logged since this object was made, once `pattern` is in it.

        After ten seconds it is returned without: the caller looks whether the pattern is there.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            overdue = time.monotonic() > deadline
            logged = self._path.read_bytes()[self._mark :].decode(errors="backslashreplace")
            if overdue or re.search(pattern, logged, re.MULTILINE):
                return logged
            time.sleep(0.02)  # a file tells nobody that it grew
