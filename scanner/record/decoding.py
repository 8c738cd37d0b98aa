r"""A line of JSON back into the record that it was made from.

Lines of earlier versions lack the fields that were added later; those are None, or empty, in the record. Fields that
this version does not know are left out. What a line does not carry follows from its status.

Only what later code computes with is checked. `scanner.record.schema` has the rules for everything else.
"""

import re
from base64 import b64decode
from dataclasses import fields
from datetime import date, datetime
from typing import Any

import orjson

from scanner import lazy
from scanner.errors import InputError
from scanner.model import (
    BANNER_STATUSES,
    GREETED,
    Answer,
    Assessment,
    Banner,
    Finding,
    Record,
    Refusal,
    RefusalKind,
    Software,
    Status,
)
from scanner.record.dialogue import read_dialogue, read_names
from scanner.record.encoding import FINDING_FIELDS, SCHEMA

_DAY = lazy.pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KIND = lazy.pattern(r"[a-z][a-z0-9_]{0,40}")
_ESCAPE = lazy.pattern(rb"\\(?:x([0-9a-f]{2})|\\)")
#: What every line has of software; the kind was added later.
_SOFTWARE_FIELDS = tuple(field.name for field in fields(Software) if field.name != "kind")
#: The fields of a finding that lines of earlier versions have; the others may be missing in them.
_FIRST_FINDING_FIELDS = ("id", "severity", "title", "evidence")


def decode(line: bytes) -> Record:
    """Return the record that a line carries; fields that this version does not know are left out.

    What the line does not carry is filled in: `banner.complete` is true when `status` is one of a whole reply;
    `banner.status` is `status` where that is a meaning of bytes, else MALFORMED. Times have the precision of the
    schema: a millisecond for `observed_at`, 0.1 ms in `timing`.

    Raises:
        InputError: when the line is not a record of this schema version, saying why.
    """
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"not a record: not valid JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"not a record of schema {SCHEMA}")
    try:
        return _record(data)
    except KeyError as error:
        raise InputError(f"not a record: field {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"not a record: {str(error)!a}") from error


def _record(data: dict[str, Any]) -> Record:
    status = Status(data["status"])
    at, timing, banner, software = data["observed_at"], data["timing"], data["banner"], data["software"]
    # Lines of earlier versions may lack these.
    refusal, dialogue, disclosed_in, names = map(data.get, ("refusal", "dialogue", "disclosed_in", "names"))
    return Record(
        scan_id=data["scan_id"],
        event_id=data["event_id"],
        observed_at=None if at is None else datetime.fromisoformat(at).timestamp(),
        ip=data["ip"],
        port=data["port"],
        host=data["host"],
        status=status,
        connect_s=_seconds(timing["connect_ms"]),
        first_byte_s=_seconds(timing["first_byte_ms"]),
        total_s=_seconds(timing["total_ms"]),
        tries=data["tries"],
        banner=None if banner is None else _banner(banner, status),
        software=None if software is None else _software(software),
        disclosure=tuple(data["disclosure"]),
        findings=tuple(map(_finding, data["findings"])),
        error=data["error"],
        clock_skew_s=None if banner is None else banner.get("clock_skew_s"),
        refusal=None if refusal is None else _refusal(refusal),
        dialogue=None if dialogue is None else read_dialogue(dialogue),
        disclosed_in=None if disclosed_in is None else {word: tuple(places) for word, places in disclosed_in.items()},
        names=None if names is None else read_names(names),
        sample=data.get("sample"),
        assessment=_assessment(data.get("assessment")),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else _exact_seconds(milliseconds)


def _exact_seconds(milliseconds: float) -> float:
    return round(milliseconds * 10) / 10_000  # through an integer, or 1004.9 would become 1.0048999999999999


def _assessment(data: dict[str, Any] | None) -> Assessment | None:
    """Return the assessment; None when the line has none, as in earlier versions."""
    if data is None:
        return None
    since, facts, facts_of = data["covered_since"], data["facts"], data["facts_of"]
    if not isinstance(since, str | None):
        raise TypeError("covered_since of the assessment is not a version")
    if not isinstance(facts, int) or isinstance(facts, bool) or facts < 0:
        raise TypeError("facts of the assessment is not a count")
    # Readers compute with the day, and receivers have a field of dates for it.
    if not isinstance(facts_of, str) or not _DAY.fullmatch(facts_of):
        raise TypeError("facts_of of the assessment is not a date such as 2026-11-22")
    date.fromisoformat(facts_of)  # 30 February
    return Assessment(Answer(data["answer"]), since, facts, facts_of)


def _software(data: dict[str, Any]) -> Software:
    kind = data.get("kind")
    if kind is not None and not _KIND.fullmatch(kind):
        raise ValueError("kind of the software is not a word")
    return Software(**{name: data[name] for name in _SOFTWARE_FIELDS}, kind=kind)


def _refusal(data: dict[str, Any]) -> Refusal:
    return Refusal(RefusalKind(data["kind"]), data["refused_us"], data["evidence"])


def _finding(data: dict[str, Any]) -> Finding:
    first = {name: data[name] for name in _FIRST_FINDING_FIELDS}
    later = {name: data[name] for name in FINDING_FIELDS[len(first) :] if name in data}
    return Finding(**first, **later)


def _banner(banner: dict[str, Any], status: Status) -> Banner:
    text: str = banner["text"]
    return Banner(
        raw=_raw(text, banner["raw_b64"], banner["bytes"]),
        text=text,
        lines=tuple(banner["lines"]),
        code=banner["code"],
        hostname=banner["hostname"],
        esmtp=banner["esmtp"],
        server_time=banner["server_time"],
        enhanced_code=banner["enhanced_code"],
        flags=tuple(banner["flags"]),
        truncated=banner["truncated"],
        complete=status in GREETED,
        status=status if status in BANNER_STATUSES else Status.MALFORMED,
    )


def _raw(text: str, raw_b64: str | None, length: int) -> bytes:
    if raw_b64 is not None:
        return b64decode(raw_b64, validate=True)
    raw = _ESCAPE.sub(_unescaped, text.encode("ascii"))
    # `text` lacks the last line end. The length tells whether there was one; without `raw_b64` it can only be CR LF.
    return raw if len(raw) == length else raw + b"\r\n"


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode("ascii")) if match[1] else b"\\"
