"""The cursor of a relay: in memory everything that is settled, on the disk only what is confirmed.

Most receivers acknowledge events, and for them the two are the same. Syslog and GELF have no acknowledgement. Their
receivers tell from which number on events may not have been read (`unconfirmed_from`); a connection that ends in good
order confirms them all. So whatever ends the relay in between (a kill, a second Ctrl-C, a time limit), the cursor on
the disk covers confirmed events only. What was sent and not confirmed is sent again, with the same event ids.

The counts of a cursor belong to its number, so each cursor in between is kept until it is confirmed.
"""

import time
from collections import deque
from pathlib import Path
from typing import Any

from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.spool.cursor import Cursor, read_cursor, write_cursor


class RelayCursor:
    """The cursor of one relay: `now` in memory, `kept` on the disk."""

    def __init__(self, file: Path, run: str, receiver: Receiver) -> None:
        """Read the cursor of a run.

        Raises:
            StateError: when it is damaged or belongs to another run.
        """
        self._file, self._receiver = file, receiver
        self.now = self.kept = self._confirmed = read_cursor(file, run)
        self._unconfirmed: deque[Cursor] = deque()
        self.kept_at = 0.0

    def advance(self, **changes: Any) -> None:
        """Move the cursor in memory."""
        self.now = self.now._replace(**changes)
        self._unconfirmed.append(self.now)

    def keep(self) -> None:
        """Write what is confirmed, when that has changed. Raises OSError."""
        first: int | None = getattr(self._receiver, "unconfirmed_from", None)
        while self._unconfirmed and (first is None or self._unconfirmed[0].sequence < first):
            self._confirmed = self._unconfirmed.popleft()
        if self._confirmed != self.kept:
            write_cursor(self._file, self._confirmed)
            self.kept = self._confirmed
        self.kept_at = time.monotonic()

    def take_back(self) -> bool:
        """Go back to what is confirmed, at the end of the connection; return whether that was a step back."""
        self.keep()
        self.now, is_back = self._confirmed, bool(self._unconfirmed)
        self._unconfirmed.clear()
        return is_back
