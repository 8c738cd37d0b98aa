"""The JSON Schema of a record, in the dialect 2020-12, strict: an unknown field is an error.

It describes what `scanner.record.encode` writes, with a sentence for each field, and says which statuses come with a
banner. Readers outside should ignore fields that they do not know: fields may be added within version 1, while a
field that changes its meaning or goes away makes version 2.

`docs/record.schema.json` is a copy for people without the program; a test keeps it equal.
Source: json-schema.org/draft/2020-12.
"""

from typing import Any

import orjson

from scanner.model import VERDICTS, Answer, RefusalKind, Status
from scanner.record.dialogue_schema import dialogue_schema, disclosed_in_schema, names_schema
from scanner.record.encoding import SCHEMA
from scanner.record.schema_terms import ESCAPED, WORD, Schema, maybe, object_of, text, words

_WITH_BANNER = (
    *(Status.READY, Status.BUSY, Status.REJECTED, Status.TEMPORARY),
    *(Status.MALFORMED, Status.CUT, Status.SLOW),  # not NOT_SMTP: a failed handshake on a TLS port shows no banner
)
_WITHOUT_BANNER = (
    *(Status.SILENT, Status.CLOSED, Status.REFUSED),
    *(Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.EXCLUDED),
)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one record as a new dict."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:smtpsweep:record:1",
        "title": SCHEMA,
        **object_of(
            "One visited target: an address and port, and what it said first.", _record(), later=("assessment",)
        ),
        "allOf": [
            _when(_WITH_BANNER, {"banner": {"type": "object"}}),
            _when(_WITHOUT_BANNER, {"banner": {"type": "null"}, "software": {"type": "null"}}),
            _when((Status.READY,), {"banner": {"properties": {"code": {"minimum": 200, "maximum": 299}}}}),
            _when((Status.BUSY,), {"banner": {"properties": {"code": {"const": 421}}}}),
            _when((Status.BUSY, Status.REJECTED, Status.TEMPORARY), {"refusal": {"type": "object"}}),
            _when((Status.READY, *_WITHOUT_BANNER), {"refusal": {"type": "null"}}),
            _when_visited(),
        ],
    }


def schema_text() -> bytes:
    """Return the schema as indented JSON, as `smtpsweep schema` prints it and docs/record.schema.json holds it."""
    return orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _record() -> Schema:
    return {
        "schema": {"const": SCHEMA, "description": "Name and version of this schema."},
        "scan_id": {
            "type": "string",
            "minLength": 1,
            "description": "The scan the record belongs to; a resumed scan keeps it.",
        },
        "event_id": text(
            "The same whenever the same scan visits the same address and port: readers drop repeats by it.",
            pattern="^[0-9a-f]{32}$",
        ),
        "observed_at": maybe(
            text(
                "When the visit began, by the clock of the scanner: RFC 3339, UTC, milliseconds. A kept greeting has "
                "the time its source tells, or null.",
                pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
                format="date-time",
            )
        ),
        "ip": maybe(
            {
                "type": "string",
                "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}],
                "description": "The address visited; null for a kept greeting whose source does not tell it.",
            }
        ),
        "port": maybe(
            {
                "type": "integer",
                "minimum": 1,
                "maximum": 65535,
                "description": "The TCP port visited; null for a kept greeting whose source does not tell it.",
            }
        ),
        "host": maybe(text("The name given as a target that led to the address; null for plain addresses.")),
        "status": {"enum": [str(status) for status in Status], "description": "How the visit ended."},
        "timing": object_of("Milliseconds since the connection was started, in steps of 0.1.", _timing()),
        "tries": {
            "type": "integer",
            "minimum": 0,
            "description": "Connections made to the target, retries included; 0 when it was kept or excluded.",
        },
        "banner": maybe(object_of("The bytes the server sent first; null when there were none.", _banner())),
        "refusal": maybe(object_of("What a banner that turns the client away means; null for any other.", _refusal())),
        "software": maybe(
            object_of(
                "What the banner names, or the behaviour shows; null when neither is known.",
                _software(),
                later=("kind",),
            )
        ),
        "disclosure": words("What the banner gives away: product, version, config_version, time, os ..."),
        "findings": {
            "type": "array",
            "items": object_of("Something that follows from what was seen.", _finding()),
            "description": "What follows from the banner; empty when nothing does.",
        },
        "error": maybe(text("The error number's name or our own failure, for people; null when there was none.")),
        "dialogue": maybe(object_of("What was said after the greeting; null when only QUIT was.", dialogue_schema())),
        "disclosed_in": maybe(
            object_of(
                "Where each thing was seen; null without a dialogue, as all was in the banner then.",
                disclosed_in_schema(),
            )
        ),
        "names": maybe(object_of("Whether the server's names fit together; null without --dns.", names_schema())),
        "sample": maybe(
            {
                "type": "integer",
                "minimum": 0,
                "description": "Which of several visits to the target this is, from 0; null when there is one.",
            }
        ),
        "assessment": maybe(
            object_of("What `findings` say of known flaws, and what not; null without software.", _assessment())
        ),
    }


def _timing() -> Schema:
    def moment(description: str) -> Schema:
        return {"type": "number", "minimum": 0, "description": description}

    return {
        "connect_ms": maybe(moment("Until the connection was made; null when it never was.")),
        "first_byte_ms": maybe(moment("Until the first byte of the greeting; null when none came.")),
        "total_ms": maybe(moment("Until the end of the visit; null for a kept greeting.")),
    }


def _banner() -> Schema:
    return {
        "text": text(
            "The whole greeting without its last line end. Printable ASCII as it is, backslash as two backslashes, "
            "any other byte as backslash, x and two hex digits.",
            pattern=ESCAPED,
        ),
        "raw_b64": maybe(
            text(
                "The exact bytes in base64; null when all are printable ASCII or part of a CR LF, as `text` then "
                "says it all.",
                contentEncoding="base64",
                minLength=1,
            )
        ),
        "bytes": {"type": "integer", "minimum": 1, "description": "How many bytes were kept, line ends included."},
        "truncated": {"type": "boolean", "description": "Whether a limit on bytes or lines cut the greeting."},
        "code": maybe(
            {
                "type": "integer",
                "minimum": 0,
                "maximum": 999,
                "description": "The reply code; null when no line begins with one.",
            }
        ),
        "lines": {
            "type": "array",
            "items": {"type": "string", "pattern": ESCAPED},
            "description": "The texts after the codes, one for each line, escaped like `text`.",
        },
        "hostname": maybe(text("The first word, when it can be a host name or an address literal.", pattern=ESCAPED)),
        "esmtp": {"type": "boolean", "description": "Whether the greeting says ESMTP."},
        "server_time": maybe(
            text("The date in the greeting in ISO 8601, with offset; null when there is none we can read.")
        ),
        "clock_skew_s": maybe(
            {
                "type": "integer",
                "description": "Whole seconds by which the server's clock is ahead of ours when the greeting came, "
                "negative when it is behind; null when it tells no time or no zone.",
            }
        ),
        "enhanced_code": maybe(
            text("The enhanced status code (RFC 3463) of a 4xx or 5xx greeting.", pattern=r"^[245]\.\d{1,3}\.\d{1,3}$")
        ),
        "flags": words("What is odd about the bytes."),
    }


def _refusal() -> Schema:
    return {
        "kind": {"enum": [str(kind) for kind in RefusalKind], "description": "What the text means."},
        "refused_us": {
            "type": "boolean",
            "description": "Whether it is about the client's address, so that another client may be let in.",
        },
        "evidence": maybe(text("The id of the rule that decided; null when no rule knows the text.")),
    }


def _software() -> Schema:
    return {
        "product": text("The software, or the provider's service, under the name its makers use."),
        "kind": maybe(
            text(
                "software, which anybody can run, or service, which only its provider runs; null when a database of "
                "the user's named the product.",
                pattern=WORD,
            )
        ),
        "vendor": maybe(text("Who makes it.")),
        "product_line": maybe(text("Which of several relatives that share a code base.")),
        "version": maybe(text("The version of the program that runs: this one decides which code runs.")),
        "config_version": maybe(text("The version the configuration was built from (Sendmail's second number).")),
        "patch": maybe(text("A vendor's patch level.")),
        "vendor_tag": maybe(text("A suffix that a vendor put on the version.")),
        "build": maybe(text("A build number.")),
        "package": maybe(text("A distribution's package revision.")),
        "os": maybe(text("The operating system the greeting names.")),
        "os_version": maybe(text("Its version.")),
        "cpe": maybe(text("The CPE 2.3 name, for vulnerability databases.", pattern=r"^cpe:2\.3:[aho]:")),
        "method": text(
            "How it was told: banner, behaviour, or help (the reply to HELP shows the version).", pattern=WORD
        ),
        "confidence": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "How far to trust it; a banner is a claim that its owner can edit.",
        },
        "evidence": maybe(text("The id of the rule that decided; for behaviour what was seen where.")),
    }


def _finding() -> Schema:
    return {
        "id": text("The finding's stable id: a CVE, an upstream advisory, or a name of ours such as CONFIG-SKEW."),
        "severity": text("How much it matters: critical, high, medium, low or info.", pattern=WORD),
        "title": text("One sentence for people."),
        "evidence": maybe(text("What it rests on.")),
        "verdict": maybe(
            text(f"{', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}; null when it is not a vulnerability.", pattern=WORD)
        ),
        "cvss_score": maybe(
            {"type": "number", "minimum": 0, "maximum": 10, "description": "The base score of the flaw."}
        ),
        "kev": maybe({"type": "boolean", "description": "Whether CISA lists it as known to be exploited."}),
        "attack_path": maybe(text("The way in: smtp, message, local, tls-mitm, dns ...")),
        "smtp_unauthenticated": maybe(
            {"type": "boolean", "description": "Whether an outsider reaches it through SMTP without a login."}
        ),
        "condition": maybe(text("The build or configuration it needs; a banner cannot show it.")),
        "fixed_in": maybe(text("The first release of upstream that has the fix.")),
    }


def _assessment() -> Schema:
    return {
        "answer": {
            "enum": [str(answer) for answer in Answer],
            "description": "known_flaws, none_known: all known flaws of the release are in `findings`. Any other: "
            "there may be more; undecided, not_covered, version_unknown, no_version say why.",
        },
        "covered_since": maybe(
            text("The oldest release whose flaws were searched for; null: the product is not covered.")
        ),
        "facts": {"type": "integer", "minimum": 0, "description": "How many flaws of the product are known."},
        "facts_of": text("The day the facts were compiled.", pattern=r"^\d{4}-\d{2}-\d{2}$", format="date"),
    }


def _when_visited() -> Schema:
    """Only a kept greeting, which took no connection, may lack where and when."""
    string, number = {"type": "string"}, {"type": "number"}
    known = {"observed_at": string, "ip": string, "port": number, "timing": {"properties": {"total_ms": number}}}
    return {"if": {"properties": {"tries": {"minimum": 1}}}, "then": {"properties": known}}


def _when(statuses: tuple[Status, ...], properties: Schema) -> Schema:
    return {
        "if": {"properties": {"status": {"enum": [str(status) for status in statuses]}}},
        "then": {"properties": properties},
    }
