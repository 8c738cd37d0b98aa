"""From what the engine brought back to the record that is written: parse, decide the status, identify.

The one place where a finished conversation becomes a record, and so the one place that may catch whatever our own code
raises: that target's status is then `bug`, the trace is in the log, and the sweep goes on.
"""

import logging
import re

from scanner.identify import Fingerprints, disclosure
from scanner.model import Attempt, Greeting, Record, Status
from scanner.record import EventIds
from scanner.settings import Settings
from scanner.smtp import parse_greeting

log = logging.getLogger(__name__)

#: What a reply can begin with, so that a greeting cut after two bytes is `cut` and binary noise is `malformed`.
_BEGINS_LIKE_A_REPLY = re.compile(rb"[\r\n]*(?:[2-5][0-9]{2}(?:[ \t\r\n-]|\Z)|[2-5][0-9]?\Z)")


class Observer:
    """Makes the records of one scan."""

    def __init__(self, scan_id: str, settings: Settings) -> None:
        self._scan_id = scan_id
        self._event_id = EventIds(scan_id).of
        self._identify = Fingerprints.shipped().identify  # read now: during the sweep descriptors may be short
        self._limits = (settings.max_greeting_bytes, settings.max_greeting_lines)

    def record(self, attempt: Attempt) -> Record:
        """Return the record of a finished attempt; never raises."""
        try:
            return self._record(attempt)
        except Exception:  # our own failure is this target's status, not the end of the sweep
            log.exception("bug: no record of %s could be made from %s", attempt.target.ip, attempt.raw[:200].hex())
            return self._filled(attempt, Status.BUG, None)

    def _record(self, attempt: Attempt) -> Record:
        raw, status = attempt.raw, attempt.status
        if not raw:
            return self._filled(attempt, status or Status.MALFORMED, None)
        max_bytes, max_lines = self._limits
        greeting = parse_greeting(raw, max_bytes=max_bytes, max_lines=max_lines)
        return self._filled(attempt, final_status(status, greeting), greeting)

    def _filled(self, attempt: Attempt, status: Status, greeting: Greeting | None) -> Record:
        target = attempt.target
        software = self._identify(greeting) if greeting is not None else None
        return Record(
            self._scan_id,
            self._event_id(target.ip, target.port),
            attempt.started_at,
            target.ip,
            target.port,
            target.host,
            status,
            attempt.connect_s,
            attempt.first_byte_s,
            attempt.total_s,
            attempt.tries,
            greeting,
            software,
            disclosure(greeting, software) if greeting is not None else (),
            (),
            attempt.error,
        )


def final_status(ending: Status | None, greeting: Greeting) -> Status:
    """Decide between how the connection ended and what its bytes say.

    Bytes that no SMTP server sends outweigh the ending: SSH waits for us until the time-out, but it is not a tarpit.
    """
    if ending is None or greeting.status is Status.NOT_SMTP:
        return greeting.status
    if not _BEGINS_LIKE_A_REPLY.match(greeting.raw):
        return Status.MALFORMED
    return ending
