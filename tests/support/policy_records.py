"""Records for tests of policies, as a sweep makes them: from bytes and dialogues, by the program's own reading."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from itertools import count
from typing import Any

from scanner.model import Attempt, Certificate, Dialogue, Exchange, Record, Status, Target, Tls
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder
from tests.support.greetings import NO_PRODUCT

TODAY = date(2026, 11, 23)
BLOCKED = b"554 5.7.1 Service unavailable; client [192.0.2.9] blocked using zen.spamhaus.org\r\n"
CERTIFICATE = Certificate(
    "00" * 32,
    subject="CN=mail1.example.com",
    names=("mail1.example.com", "*.example.org"),
    not_before="2026-01-01T00:00:00Z",
    not_after="2026-12-31T23:59:59Z",
    self_signed=False,
)
SESSION = Tls(version="TLSv1.3", certificates=(CERTIFICATE,))
_POSITIONS = count()


@cache
def _record_builder() -> RecordBuilder:
    return RecordBuilder("0199-scan", Settings())


def record_of(
    raw: bytes = NO_PRODUCT,
    *,
    ip: str = "192.0.2.10",
    status: Status | None = None,
    dialogue: Dialogue | None = None,
    **changes: Any,
) -> Record:
    """Return the record of a greeting; each is of another visit."""
    target = Target(next(_POSITIONS), ip, 25)
    attempt = Attempt(target, status, raw, 1_795_342_616.0, 0.001, 0.002, 0.003, dialogue=dialogue)
    return _record_builder().record(attempt)._replace(event_id=f"event-{target.position}", **changes)


def dialogue_of(
    help_lines: tuple[str, ...] = ("Commands: HELO EHLO MAIL",),
    *,
    starttls: bool = True,
    tls: Tls | None = SESSION,
    codes: Mapping[str, int | None] | None = None,
    error: str | None = None,
) -> Dialogue:
    """Return a dialogue with EHLO and HELP; a code None says that no reply came, a missing verb was not sent."""
    said = {"EHLO": ("mail1.example.com", "8BITMIME", *(("STARTTLS",) if starttls else ())), "HELP": help_lines}
    replied = {"EHLO": 250, "HELP": 214} if codes is None else codes
    exchanges = tuple(Exchange(verb, code, said[verb], 0.001) for verb, code in replied.items())
    return Dialogue(exchanges, said["EHLO"][1:], starttls=starttls, tls=tls, error=error)


def certificate_of(**changes: Any) -> Dialogue:
    """Return a dialogue with a changed certificate."""
    return dialogue_of(tls=SESSION._replace(certificates=(CERTIFICATE._replace(**changes),)))
