"""The steps of a smoke test: each is timed and says what came of it, and all share one deadline.

A step that fails ends the sending. Its detail is the server's reply, or the reason why there is none.
"""

import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiosmtplib import SMTPResponse
from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPTimeoutError

from scanner.delivery.redaction import Redaction
from scanner.smtp import escape
from scanner.timeouts import FOREVER_S, patience

#: Characters of a server's words that are shown.
_MAX_SHOWN: Final = 500


class SessionStep(NamedTuple):
    """One step, how long it took (seconds) and what came of it: a reply or a reason, escaped printable ASCII."""

    name: str
    ok: bool
    took_s: float
    detail: str | None = None


class StepFailed(Exception):  # noqa: N818  what happened, not what is wrong with us
    """Raised after a step that failed was written down; never leaves the smoke test."""


@dataclass(slots=True)
class Note:
    """What a step reports about itself when it went well."""

    detail: str | None = None


class Steps:
    """The steps so far, each given to `on_step` when it ends, and the seconds that are left for all further steps."""

    def __init__(self, on_step: Callable[[SessionStep], None], redaction: Redaction | None = None) -> None:
        self.taken: list[SessionStep] = []
        self.left_s = FOREVER_S
        self._on_step = on_step
        self._clean = (redaction or Redaction()).clean

    def add(self, name: str, took_s: float, detail: str | None, *, ok: bool = True) -> None:
        """Write a step down."""
        step = SessionStep(name, ok, took_s, None if detail is None else self._clean(detail)[:_MAX_SHOWN])
        self.taken.append(step)
        self._on_step(step)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Note]:
        """Time a step, within the seconds that are left.

        Raises:
            StepFailed: when it goes wrong; the reason is written down.
        """
        started, note = time.monotonic(), Note()
        try:
            async with patience(self.left_s) as limit:
                try:
                    yield note
                finally:
                    self.left_s = limit.left_s
        except (SMTPException, OSError, TimeoutError, ValueError, StepFailed) as problem:
            self.add(name, time.monotonic() - started, reason(problem), ok=False)
            raise StepFailed from None
        self.add(name, time.monotonic() - started, note.detail)


def said(answer: SMTPResponse) -> str:
    """Write a reply in one line."""
    return f"{answer.code} {_one_line(answer.message)}"


def reason(problem: BaseException) -> str:
    """Say in one line why a step failed: a server's words where it had some, else ours."""
    if isinstance(problem, SMTPResponseException):
        code = f"{problem.code} " if problem.code > 0 else ""
        return code + _one_line(problem.message)
    if isinstance(problem, (SMTPTimeoutError, TimeoutError)):
        return "no answer in time"
    if isinstance(problem, ssl.SSLCertVerificationError):
        why = escape(problem.verify_message.encode("utf-8", "surrogateescape"))
        return f"certificate not accepted: {why} (--ca-file names an authority, --insecure-tls accepts any)"
    if isinstance(problem, ssl.SSLError):
        return f"TLS handshake failed: {problem.reason or 'closed'}"
    if isinstance(problem, ConnectionError):
        return "the server closed the connection"
    return str(problem) if isinstance(problem, StepFailed) else type(problem).__name__


def _one_line(text: str) -> str:
    lines = text.rstrip("\r\n").split("\n")
    return " / ".join(escape(line.encode("utf-8", "surrogateescape")) for line in lines)
