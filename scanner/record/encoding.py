r"""The output contract: one visited target is one line of JSON, schema `smtpsweep.record/1`.

Problem: this line is written once for every host that answers, so it is as hot as the engine; and everything a peer
said is in it, so it must be valid JSON on one line whatever the bytes were.

Approach: `encode` unpacks the record, builds one dict literal in the order of the schema and lets orjson write it. A
template filled by f-strings costs about twice as much (each text needs its own check for characters to escape), and
so does handing over dataclasses (`python -m benchmarks.record`). What is not written is not computed: base64 only
where a byte was odd, the text of a second once a second, arithmetic instead of `round`.

A greeting's `text` and `lines` arrive escaped (printable ASCII, `\\` and `\xNN`, see `scanner.smtp`); JSON's own
escapes come on top. `raw_b64` is null when every byte is printable ASCII or part of a CR LF: `text` and `bytes` then
say it all.

Left out: checking what is encoded (types and tests do that), and reading other versions of the schema.
Sources: RFC 8259 (JSON), RFC 3339 (times), RFC 7693 (BLAKE2). For users: docs/record-schema.md.
"""

import hashlib
import re
import time
from base64 import b64decode, b64encode
from dataclasses import fields
from datetime import date, datetime
from functools import lru_cache
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
from scanner.record.dialogue import dialogue_fields, read_dialogue, read_names

#: Name and version of the layout.
SCHEMA = "smtpsweep.record/1"
#: ".000Z" to ".999Z": looking a text up costs less than formatting it.
_MILLISECONDS = tuple(f".{n:03d}Z" for n in range(1000))
_PRINTABLE = bytes(range(0x20, 0x7F))
_DAY = lazy.pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KIND = lazy.pattern(r"[a-z][a-z0-9_]{0,40}")
_ESCAPE = lazy.pattern(rb"\\(?:x([0-9a-f]{2})|\\)")
#: What every line says of software; the kind was added later.
_SOFTWARE_FIELDS = tuple(field.name for field in fields(Software) if field.name != "kind")
#: What a record says of a finding. Vector, sources and the like are as long again and the same for every host of a
#: version: `smtpsweep vulns` has them. With them an average record of a network of old servers had 6 KB, now 3.
_FINDING_FIELDS = (
    *("id", "severity", "title", "evidence", "verdict", "cvss_score", "kev", "attack_path"),
    *("smtp_unauthenticated", "condition", "fixed_in"),
)
#: What lines of earlier versions have; the other fields of a finding may be missing in them.
_FIRST_FINDING_FIELDS = ("id", "severity", "title", "evidence")
#: Tuples of findings kept encoded. Versions in the world are hundreds; a hostile network can fill it, not grow it.
_MOST_ENCODED = 256
_ENCODED: dict[int, tuple[tuple[Finding, ...], orjson.Fragment]] = {}
_ENCODED_ASSESSMENTS: dict[int, tuple[Assessment, orjson.Fragment]] = {}


def encode(record: Record) -> bytes:
    """Return the record as one JSON object with a line feed at its end, the only one in it.

    Raises:
        orjson.JSONEncodeError: when a text is not Unicode (a lone surrogate): a bug of ours, not a peer's doing.
    """
    # Unpacking at once is cheaper than asking the named tuple for each field, or for parts of it.
    # fmt: off  one name a line would be half of the function
    (
        scan_id,
        event,
        at,
        ip,
        port,
        host,
        status,
        connect_s,
        first_byte_s,
        total_s,
        tries,
        banner,
        software,
        disclosure,
        findings,
        error,
        clock_skew_s,
        refusal,
        dialogue,
        disclosed_in,
        names,
        sample,
        assessment,
    ) = record
    # fmt: on
    # Not OPT_APPEND_NEWLINE: what orjson returns keeps a buffer of 8 KB, the sum has the size of the line.
    line = orjson.dumps(
        {
            "schema": SCHEMA,
            "scan_id": scan_id,
            "event_id": event,
            "observed_at": None if at is None else _timestamp(at),
            "ip": ip,
            "port": port,
            "host": host,
            "status": status,
            "timing": {
                "connect_ms": _milliseconds(connect_s),
                "first_byte_ms": _milliseconds(first_byte_s),
                "total_ms": _milliseconds(total_s),
            },
            "tries": tries,
            "banner": None if banner is None else _banner(banner, clock_skew_s),
            "refusal": None if refusal is None else _refusal(refusal),
            "software": None if software is None else _software(software),
            "disclosure": disclosure,
            # As encode_findings does; a call for each record would cost more than what it does.
            "findings": findings and (_ENCODED.get(id(findings)) or _keep_findings(findings))[1],
            "error": error,
            "dialogue": None if dialogue is None else dialogue_fields(dialogue),
            "disclosed_in": disclosed_in,
            "names": None if names is None else names._asdict(),
            "sample": sample,
            "assessment": assessment and (_ENCODED_ASSESSMENTS.get(id(assessment)) or _keep_assessment(assessment))[1],
        },
        None,
    )
    return line + b"\n"


def decode(line: bytes) -> Record:
    """Return the record that a line carries; fields that this version does not know are left out.

    What the line does not carry is filled in: `greeting.complete` is true when `status` is one of a whole reply;
    `greeting.status` is `status` where that is a meaning of bytes, else MALFORMED. Times have the precision of the
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


class EventIds:
    """Make the event ids of one scan: the same for the same target, whenever and however often it is visited.

    An id is 32 hex digits, BLAKE2b-128 over `<length of scan id>:<scan id> greeting <port> <ip>`, and the number of
    the sample from the second on. The length, and digits before the one part that may hold anything, keep two different
    targets from making the same input; no address ends in a space and digits.
    """

    __slots__ = ("_state",)

    def __init__(self, scan_id: str) -> None:
        text = scan_id.encode()
        self._state = hashlib.blake2b(b"%d:%b greeting " % (len(text), text), digest_size=16)

    def of(self, ip: str, port: int, sample: int | None = None) -> str:
        """Return the id of the visit to one address and port; the first of several samples has that of a single one."""
        state = self._state.copy()  # what all ids of the scan share was hashed once
        state.update((f"{port} {ip} {sample}" if sample else f"{port} {ip}").encode())
        return state.hexdigest()


def event_id(scan_id: str, ip: str, port: int) -> str:
    """Return the event id of one target; for many of the same scan, keep an `EventIds`."""
    return EventIds(scan_id).of(ip, port)


def _banner(banner: Banner, clock_skew_s: int | None) -> dict[str, object]:
    raw, text, lines, code, hostname, esmtp, server_time, enhanced_code, flags, truncated, _, _ = banner
    return {
        "text": text,
        "raw_b64": _maybe_base64(raw, text),
        "bytes": len(raw),
        "truncated": truncated,
        "code": code,
        "lines": lines,
        "hostname": hostname,
        "esmtp": esmtp,
        "server_time": server_time,
        "clock_skew_s": clock_skew_s,
        "enhanced_code": enhanced_code,
        "flags": flags,
    }


def _maybe_base64(raw: bytes, text: str) -> str | None:
    # The plain case, told from lengths: escaping makes a text longer, so here nothing was, and CR LF is left out of it.
    if len(raw) - len(text) == 2 and raw[-2:] == b"\r\n":
        return None
    # Deleting CR LF pairs first leaves a CR or LF only where it had no partner.
    if not raw.replace(b"\r\n", b"").translate(None, _PRINTABLE):
        return None
    return b64encode(raw).decode("ascii")


def _refusal(refusal: Refusal) -> dict[str, object]:
    return {"kind": refusal.kind, "refused_us": refusal.refused_us, "evidence": refusal.evidence}


def _software(software: Software) -> dict[str, object]:
    # A literal takes a third of the time that orjson takes for the dataclass.
    return {
        "product": software.product,
        "kind": software.kind,
        "vendor": software.vendor,
        "product_line": software.product_line,
        "version": software.version,
        "config_version": software.config_version,
        "patch": software.patch,
        "vendor_tag": software.vendor_tag,
        "build": software.build,
        "package": software.package,
        "os": software.os,
        "os_version": software.os_version,
        "cpe": software.cpe,
        "method": software.method,
        "confidence": software.confidence,
        "evidence": software.evidence,
    }


def encode_findings(findings: tuple[Finding, ...]) -> orjson.Fragment:
    """Return the findings as a JSON array that `orjson.dumps` puts in as it is.

    All hosts with the same software share one tuple of findings, and it is worth some kilobytes: it is encoded once and
    kept by identity. The tuple is kept with it, so that no other object can get its identity.
    """
    return (_ENCODED.get(id(findings)) or _keep_findings(findings))[1]


def _keep_findings(findings: tuple[Finding, ...]) -> tuple[tuple[Finding, ...], orjson.Fragment]:
    if len(_ENCODED) >= _MOST_ENCODED:
        _ENCODED.clear()
    kept = _ENCODED[id(findings)] = (
        findings,
        orjson.Fragment(orjson.dumps([_finding(finding) for finding in findings])),
    )
    return kept


def _keep_assessment(assessment: Assessment) -> tuple[Assessment, orjson.Fragment]:
    """Encode an assessment; like findings, all hosts with the same software share one."""
    if len(_ENCODED_ASSESSMENTS) >= _MOST_ENCODED:
        _ENCODED_ASSESSMENTS.clear()
    kept = _ENCODED_ASSESSMENTS[id(assessment)] = (assessment, orjson.Fragment(orjson.dumps(assessment._asdict())))
    return kept


def _finding(finding: Finding) -> dict[str, object]:
    return {name: getattr(finding, name) for name in _FINDING_FIELDS}


def _timestamp(at: float) -> str:
    second, millisecond = divmod(int(at * 1000 + 0.5), 1000)
    return _second(second) + _MILLISECONDS[millisecond]


@lru_cache(maxsize=256)  # more than one: slow greetings make records of older seconds come in between
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else int(seconds * 10_000 + 0.5) / 10


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else _exact_seconds(milliseconds)


def _exact_seconds(milliseconds: float) -> float:
    return round(milliseconds * 10) / 10_000  # through an integer, or 1004.9 would become 1.0048999999999999


def _record(data: dict[str, Any]) -> Record:
    status = Status(data["status"])
    at, timing, banner, software = data["observed_at"], data["timing"], data["banner"], data["software"]
    # What lines of earlier versions do not have, they do not say.
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
        banner=None if banner is None else _greeting(banner, status),
        software=None if software is None else _decoded_software(software),
        disclosure=tuple(data["disclosure"]),
        findings=tuple(map(_decoded_finding, data["findings"])),
        error=data["error"],
        clock_skew_s=None if banner is None else banner.get("clock_skew_s"),
        refusal=None if refusal is None else _decoded_refusal(refusal),
        dialogue=None if dialogue is None else read_dialogue(dialogue),
        disclosed_in=None if disclosed_in is None else {word: tuple(places) for word, places in disclosed_in.items()},
        names=None if names is None else read_names(names),
        sample=data.get("sample"),
        assessment=_decoded_assessment(data.get("assessment")),
    )


def _decoded_assessment(data: dict[str, Any] | None) -> Assessment | None:
    """Return what the findings are worth; None when the line does not say it, as lines of earlier versions."""
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


def _decoded_software(data: dict[str, Any]) -> Software:
    kind = data.get("kind")
    if kind is not None and not _KIND.fullmatch(kind):
        raise ValueError("kind of the software is not a word")
    return Software(**{name: data[name] for name in _SOFTWARE_FIELDS}, kind=kind)


def _decoded_refusal(data: dict[str, Any]) -> Refusal:
    return Refusal(RefusalKind(data["kind"]), data["refused_us"], data["evidence"])


def _decoded_finding(data: dict[str, Any]) -> Finding:
    first = {name: data[name] for name in _FIRST_FINDING_FIELDS}
    later = {name: data[name] for name in _FINDING_FIELDS[len(first) :] if name in data}
    return Finding(**first, **later)


def _greeting(banner: dict[str, Any], status: Status) -> Banner:
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
    # `text` leaves the last line end out; the length tells whether there was one, and it can only be CR LF.
    return raw if len(raw) == length else raw + b"\r\n"


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode("ascii")) if match[1] else b"\\"
