"""Reading a mail server's log from a mark onwards, so that a test sees the traces of its own visit only."""

import re
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import wait_until

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
        with suppress(AssertionError):
            wait_until(lambda: re.search(pattern, self._logged(), re.MULTILINE), _PATIENCE_S)
        return self._logged()

    def _logged(self) -> str:
        return self._path.read_bytes()[self._mark :].decode(errors="backslashreplace")
