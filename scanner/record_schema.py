"""The JSON Schema of a record, in the dialect 2020-12, strict: an unknown field is an error.

It describes what `scanner.record.encode` writes, with a sentence for each field, and says which statuses come with a
banner. Readers outside should ignore fields that they do not know: fields may be added within version 1, while a
field that changes its meaning or goes away makes version 2.

`docs/record.schema.json` is a copy for people without the program; a test keeps it equal.
Source: json-schema.org/draft/2020-12.
"""

from typing import Any

import orjson

from scanner.model import Status

SCHEMA = "smtpsweep.record/1"

#: Printable ASCII; a backslash only as the start of a written-out backslash or byte. The look-ahead is for validators
#: with the regular expressions of Python or Perl, where `$` also matches before a last line feed.
_ESCAPED = r"^(?:[ -\[\]-~]|\\\\|\\x[0-9a-f]{2})*(?!\n)$"
_WORD = r"^[a-z][a-z0-9_]*$"
_WITH_BANNER = (
    *(Status.READY, Status.BUSY, Status.REJECTED, Status.TEMPORARY),
    *(Status.MALFORMED, Status.NOT_SMTP, Status.CUT, Status.SLOW),
)
_WITHOUT_BANNER = (
    *(Status.SILENT, Status.CLOSED, Status.REFUSED),
    *(Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.EXCLUDED),
)

_Schema = dict[str, Any]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one record as a new dict."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:smtpsweep:record:1",
        "title": SCHEMA,
        **_object("One visited target: an address and port, and what it said first.", _record()),
        "allOf": [
            _when(_WITH_BANNER, {"banner": {"type": "object"}}),
            _when(_WITHOUT_BANNER, {"banner": {"type": "null"}, "software": {"type": "null"}}),
            _when((Status.READY,), {"banner": {"properties": {"code": {"minimum": 200, "maximum": 299}}}}),
            _when((Status.BUSY,), {"banner": {"properties": {"code": {"const": 421}}}}),
        ],
    }


def schema_text() -> bytes:
    """Return the schema as indented JSON, as `smtpsweep schema` prints it and docs/record.schema.json holds it."""
    return orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _record() -> _Schema:
    return {
        "schema": {"const": SCHEMA, "description": "Name and version of this schema."},
        "scan_id": {
            "type": "string",
            "minLength": 1,
            "description": "The scan the record belongs to; a resumed scan keeps it.",
        },
        "event_id": _text(
            "The same whenever the same scan visits the same address and port: readers drop repeats by it.",
            pattern="^[0-9a-f]{32}$",
        ),
        "observed_at": _text(
            "When the visit began or the bytes came, by the clock of the scanner: RFC 3339, UTC, milliseconds.",
            pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
            format="date-time",
        ),
        "ip": {
            "type": "string",
            "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}],
            "description": "The address visited.",
        },
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "The TCP port visited."},
        "host": _maybe(_text("The name given as a target that led to the address; null for plain addresses.")),
        "status": {"enum": [str(status) for status in Status], "description": "How the visit ended."},
        "timing": _object("Milliseconds since the connection was started, in steps of 0.1.", _timing()),
        "tries": {"type": "integer", "minimum": 0, "description": "Connections made to the target, retries included."},
        "banner": _maybe(_object("The bytes the server sent first; null when there were none.", _banner())),
        "software": _maybe(_object("What the banner names; null when no rule knows it.", _software())),
        "disclosure": _words("What the banner gives away: product, version, config_version, time, os ..."),
        "findings": {
            "type": "array",
            "items": _object("Something that follows from what was seen.", _finding()),
            "description": "What follows from the banner; empty when nothing does.",
        },
        "error": _maybe(_text("The error number's name or our own failure, for people; null when there was none.")),
    }


def _timing() -> _Schema:
    def moment(description: str) -> _Schema:
        return {"type": "number", "minimum": 0, "description": description}

    return {
        "connect_ms": _maybe(moment("Until the connection was made; null when it never was.")),
        "first_byte_ms": _maybe(moment("Until the first byte of the greeting; null when none came.")),
        "total_ms": moment("Until the end of the visit."),
    }


def _banner() -> _Schema:
    return {
        "text": _text(
            "The whole greeting without its last line end. Printable ASCII as it is, backslash as two backslashes, "
            "any other byte as backslash, x and two hex digits.",
            pattern=_ESCAPED,
        ),
        "raw_b64": _maybe(
            _text(
                "The exact bytes in base64; null when all are printable ASCII or part of a CR LF, as `text` then "
                "says it all.",
                contentEncoding="base64",
                minLength=1,
            )
        ),
        "bytes": {"type": "integer", "minimum": 1, "description": "How many bytes were kept, line ends included."},
        "truncated": {"type": "boolean", "description": "Whether a limit on bytes or lines cut the greeting."},
        "code": _maybe(
            {
                "type": "integer",
                "minimum": 0,
                "maximum": 999,
                "description": "The reply code; null when no line begins with one.",
            }
        ),
        "lines": {
            "type": "array",
            "items": {"type": "string", "pattern": _ESCAPED},
            "description": "The texts after the codes, one for each line, escaped like `text`.",
        },
        "hostname": _maybe(
            _text("The first word, when it can be a host name or an address literal.", pattern=_ESCAPED)
        ),
        "esmtp": {"type": "boolean", "description": "Whether the greeting says ESMTP."},
        "server_time": _maybe(
            _text("The date in the greeting in ISO 8601, with offset; null when there is none we can read.")
        ),
        "enhanced_code": _maybe(
            _text("The enhanced status code (RFC 3463) of a 4xx or 5xx greeting.", pattern=r"^[245]\.\d{1,3}\.\d{1,3}$")
        ),
        "flags": _words("What is odd about the bytes."),
    }


def _software() -> _Schema:
    return {
        "product": _text("The software, under the name its makers use."),
        "vendor": _maybe(_text("Who makes it.")),
        "product_line": _maybe(_text("Which of several relatives that share a code base.")),
        "version": _maybe(_text("The version of the program that runs: this one decides which code runs.")),
        "config_version": _maybe(_text("The version the configuration was built from (Sendmail's second number).")),
        "patch": _maybe(_text("A vendor's patch level.")),
        "vendor_tag": _maybe(_text("A suffix that a vendor put on the version.")),
        "build": _maybe(_text("A build number.")),
        "package": _maybe(_text("A distribution's package revision.")),
        "os": _maybe(_text("The operating system the greeting names.")),
        "os_version": _maybe(_text("Its version.")),
        "cpe": _maybe(_text("The CPE 2.3 name, for vulnerability databases.", pattern=r"^cpe:2\.3:[aho]:")),
        "method": _text("How it was told: banner.", pattern=_WORD),
        "confidence": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "How far to trust it; a banner is a claim that its owner can edit.",
        },
        "evidence": _maybe(_text("The id of the rule that decided.")),
    }


def _finding() -> _Schema:
    return {
        "id": _text("The finding's stable id."),
        "severity": _text("How much it matters.", pattern=_WORD),
        "title": _text("One sentence for people."),
        "evidence": _maybe(_text("What it rests on.")),
    }


def _object(description: str, properties: _Schema) -> _Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(description: str, **constraints: str | int) -> _Schema:
    return {"type": "string", **constraints, "description": description}


def _words(description: str) -> _Schema:
    items = {"type": "string", "pattern": _WORD}
    return {"type": "array", "items": items, "uniqueItems": True, "description": description}


def _maybe(schema: _Schema) -> _Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _when(statuses: tuple[Status, ...], properties: _Schema) -> _Schema:
    return {
        "if": {"properties": {"status": {"enum": [str(status) for status in statuses]}}},
        "then": {"properties": properties},
    }
