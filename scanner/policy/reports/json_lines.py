"""Write verdicts as JSON Lines, one object for each, for other programs."""

from collections.abc import Iterable, Iterator
from typing import Final

import orjson

from scanner.policy.check import Verdict
from scanner.policy.reports.neutral import printable

SCHEMA: Final = "smtpsweep.verdict/1"


def json_line(verdict: Verdict) -> bytes:
    """Return one verdict as a line with its end. Unprintable characters are escaped, even those that JSON allows."""
    waiver = verdict.waiver
    document = {
        "schema": SCHEMA,
        "rule": printable(verdict.rule),
        "level": verdict.level.value,
        "outcome": verdict.outcome.value,
        "ip": _maybe(verdict.ip),
        "port": verdict.port,
        "host": _maybe(verdict.host),
        "message": printable(verdict.message),
        "evidence": _maybe(verdict.evidence),
        "waiver": None
        if waiver is None
        else {"owner": printable(waiver.owner), "reason": printable(waiver.reason), "expires": waiver.expires},
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def json_lines(verdicts: Iterable[Verdict]) -> Iterator[bytes]:
    """Yield a line for each verdict."""
    return map(json_line, verdicts)


def _maybe(text: str | None) -> str | None:
    return None if text is None else printable(text)
