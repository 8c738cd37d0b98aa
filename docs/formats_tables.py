#!/usr/bin/env python3
"""Write the tables of docs/formats.md from the formats themselves: `python docs/formats_tables.py`.

One record with nearly all fields is written in each format, and each table lists the resulting fields with their
values. So the tables cannot differ from what the program does: a test fails while the page is out of date.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from scanner.formats import make_format
from scanner.formats.columns import COLUMNS, row_of, text_of
from scanner.formats.outcome import OUTCOMES
from scanner.formats.suspicion import Suspicion, suspicions
from scanner.model import Attempt, Certificate, Dialogue, Exchange, Names, Target, Tls
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder

PAGE = Path(__file__).parent / "formats.md"
_TABLE = re.compile(r"(?<=<!-- begin (\w{3}) -->\n).*?(?=<!-- end \1 -->)", re.DOTALL)
_GREETING = b"220 mail.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT ${jndi:x}\r\n"
_MOST_SHOWN = 70
_CERTIFICATE = Certificate(
    sha256="ab" * 32,
    subject="CN=mail.example.com",
    issuer="CN=Example CA",
    names=("mail.example.com",),
    not_before="2026-01-01T00:00:00Z",
    not_after="2027-01-01T00:00:00Z",
    serial="0a1b",
    key="RSA 2048",
    signature="sha256",
    self_signed=False,
)
_DIALOGUE = Dialogue(
    exchanges=(Exchange("EHLO scanner.example", 250, ("mail.example.com", "PIPELINING", "STARTTLS"), 0.001),),
    extensions=("PIPELINING", "STARTTLS"),
    size=0,
    auth=("PLAIN",),
    starttls=True,
    tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", (_CERTIFICATE,)),
)


def page(text: str) -> str:
    """Return the page with its tables as they are now."""
    tables = {"ecs": _ecs, "ocs": _ocsf, "cef": _cef, "lef": _leef, "glf": _gelf, "row": _rows}
    tables |= {"sus": _suspicions, "out": _outcomes}
    return _TABLE.sub(lambda found: "\n".join(tables[found[1]]()) + "\n", text)


def _line() -> tuple[dict[str, Any], bytes]:
    attempt = Attempt(
        Target(0, "192.0.2.10", 25, "mx.example.com"), None, _GREETING, 1_795_342_616.123, 0.01, 0.02, 0.03
    )
    record = RecordBuilder("0199-scan", Settings()).record(attempt._replace(dialogue=_DIALOGUE))
    names = Names("mail.example.com", ("mail.example.com",), forward_confirmed=True, greeting_confirmed=True)
    line = encode(record._replace(names=names)).rstrip(b"\n")
    return orjson.loads(line), line


def _documents(name: str) -> list[dict[str, Any]]:
    return [orjson.loads(event.body) for event in make_format(name).events(*_line())]


def _ecs() -> Iterator[str]:
    visit, flaw, *_ = _documents("ecs")
    yield from ("The visit:", "")
    yield from _table(("field", "example"), _leaves(visit))
    yield from (
        "",
        "A known vulnerability, besides `@timestamp`, `ecs`, `observer`, `destination`, `server`, `service`:",
        "",
    )
    own = [(name, value) for name, value in _leaves(flaw) if not name.startswith(_SHARED)]
    yield from _table(("field", "example"), own)


_SHARED = ("@", "ecs.", "observer.", "destination.", "server.", "service.", "labels.", "related.")


def _ocsf() -> Iterator[str]:
    seen: set[int] = set()
    common = {"activity_id", "activity_name", "category_uid", "category_name", "class_uid", "class_name"}
    common |= {"type_uid", "type_name", "severity_id", "severity", "time", "metadata", "status_id", "status"}
    for document in _documents("ocsf"):
        if document["class_uid"] in seen:
            continue
        seen.add(document["class_uid"])
        yield from (f"{document['class_name']} ({document['class_uid']}), {document['type_name']}:", "")
        own = {name: value for name, value in document.items() if name not in common}
        leaves = [(name, value) for name, value in _leaves(own) if not name.startswith("unmapped.smtp.")]
        if "smtp" in document.get("unmapped", {}):
            leaves.append(("unmapped.smtp", "as `smtp` of ECS"))
        yield from (*_table(("attribute", "example"), leaves), "")


def _cef() -> Iterator[str]:
    (event,) = make_format("cef").events(*_line())
    *header, extension = event.body.decode("ascii").split("|", 7)
    yield from ("```", "|".join(header) + "|...", "```", "")
    pairs = re.findall(r"(\w+)=((?:\\.|[^\\=])*?)(?= \w+=|$)", extension)
    yield from _table(("key", "example"), pairs)


def _leef() -> Iterator[str]:
    (event,) = make_format("leef").events(*_line())
    *header, rest = event.body.decode("ascii").split("|", 6)
    yield from ("```", "|".join(header) + "|...", "```", "")
    yield from _table(("key", "example"), (field.split("=", 1) for field in rest.split("\t")))


def _gelf() -> Iterator[str]:
    (message,) = _documents("gelf")
    yield from _table(("field", "example"), [pair for pair in message.items() if not pair[0].startswith("_")])


def _rows() -> Iterator[str]:
    record, line = _line()
    row = row_of(record, suspicions(record, line))
    yield from _table(
        ("column", "type", "example"), ((name, kind, text_of(row[name])) for name, kind in COLUMNS.items())
    )


def _suspicions() -> Iterator[str]:
    yield "| tag | meaning |"
    yield "|---|---|"
    yield from (f"| `banner.{each}` | {each.meaning} |" for each in Suspicion)


def _outcomes() -> Iterator[str]:
    yield "| status | `event.outcome` | `event.type` | activity_id (4001) | in words |"
    yield "|---|---|---|---|---|"
    for status, outcome in OUTCOMES.items():
        kinds = ", ".join(outcome.ecs_types)
        yield f"| `{status}` | {outcome.result} | {kinds} | {outcome.ocsf_activity} | {outcome.words} |"


def _leaves(document: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{before}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found += _leaves(value[0], f"{before}{key}[].")
        else:
            found.append((before + key, value))
    return found


def _table(head: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for name, *cells in rows:
        yield f"| `{name}` | {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
    return f"`{shown}`".replace("|", "\\|") if shown else ""


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
