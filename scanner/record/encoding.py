r"""The output contract: one visited target is one line of JSON, schema `smtpsweep.record/1`.

Problem: this line is written for every host that answers, so it is as hot as the engine. Everything that a peer sent is
in it, and it must still be valid JSON on one line, whatever the bytes were.

Approach: `encode` unpacks the record, builds one dict literal in the order of the schema and lets orjson write it. A
template filled by f-strings costs about twice as much (each text needs its own check for characters to escape), and
so does handing over dataclasses (`python -m benchmarks.record`). What is not written is not computed: base64 only
where a byte is odd, the text of a second once a second, arithmetic instead of `round`.

A banner's `text` and `lines` arrive escaped (printable ASCII, `\\` and `\xNN`, see `scanner.smtp`); JSON's own
escapes come on top. `raw_b64` is null when every byte is printable ASCII or part of a CR LF: `text` and `bytes` are
enough then.

Left out: checking what is encoded (types and tests do that). `scanner.record.decoding` is the way back.
Sources: RFC 8259 (JSON), RFC 3339 (times), RFC 7693 (BLAKE2). For users: docs/record-schema.md.
"""

import time
from base64 import b64encode
from functools import lru_cache

import orjson

from scanner.model import Assessment, Banner, Finding, Record, Refusal, Software
from scanner.record.dialogue import dialogue_fields
from scanner.record.encoded_parts import EncodedParts

#: Name and version of the layout.
SCHEMA = "smtpsweep.record/1"
#: The same for the lines of a spool that are about the run itself (`scanner.record.document.RunDocument`).
RUN_SCHEMA = "smtpsweep.run/1"
#: The fields of a finding in a record. Vector, sources and the like are as long again and the same for every host of a
#: version: `smtpsweep vulns` has them. With them an average record of a network of old servers had 6 KB, now 3.
FINDING_FIELDS = (
    *("id", "severity", "title", "evidence", "verdict", "cvss_score", "kev", "attack_path"),
    *("smtp_unauthenticated", "condition", "fixed_in"),
)
#: ".000Z" to ".999Z": looking a text up costs less than formatting it.
_MILLISECONDS = tuple(f".{n:03d}Z" for n in range(1000))
_PRINTABLE = bytes(range(0x20, 0x7F))


def encode(record: Record) -> bytes:
    """Return the record as one JSON object with a line feed at its end, the only one in it.

    Raises:
        orjson.JSONEncodeError: when a text is not Unicode (a lone surrogate): a bug of ours; no peer can cause it.
    """
    # Unpacking at once is cheaper than asking the named tuple for each field, or for parts of it.
    # fmt: off
    (
        scan_id, event, at, ip, port, host, status, connect_s, first_byte_s, total_s, tries, banner, software,
        disclosure, findings, error, clock_skew_s, refusal, dialogue, disclosed_in, names, sample, assessment,
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
            # A method that does both would cost more than what it does.
            "findings": findings and (_kept_findings.get(id(findings)) or _FINDINGS.keep(findings))[1],
            "error": error,
            "dialogue": None if dialogue is None else dialogue_fields(dialogue),
            "disclosed_in": disclosed_in,
            "names": None if names is None else names._asdict(),
            "sample": sample,
            "assessment": assessment and (_kept_assessments.get(id(assessment)) or _ASSESSMENTS.keep(assessment))[1],
        },
        None,
    )
    return line + b"\n"


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
    # The plain case shows in the lengths: nothing was escaped, as that makes a text longer, and only CR LF is left out.
    if len(raw) - len(text) == 2 and raw[-2:] == b"\r\n":
        return None
    # After the pairs of CR LF are deleted, only a CR or LF without its partner remains.
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


def _finding(finding: Finding) -> dict[str, object]:
    return {name: getattr(finding, name) for name in FINDING_FIELDS}


def _findings(findings: tuple[Finding, ...]) -> list[dict[str, object]]:
    return [_finding(finding) for finding in findings]


_FINDINGS = EncodedParts(_findings)
_ASSESSMENTS = EncodedParts[Assessment](Assessment._asdict)
_kept_findings, _kept_assessments = _FINDINGS.kept, _ASSESSMENTS.kept


def _timestamp(at: float) -> str:
    second, millisecond = divmod(int(at * 1000 + 0.5), 1000)
    return _second(second) + _MILLISECONDS[millisecond]


@lru_cache(maxsize=256)  # more than one: slow greetings make records of older seconds come in between
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else int(seconds * 10_000 + 0.5) / 10
