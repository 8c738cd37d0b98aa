"""Every kind of record, for tests of formats: each status, dialogues, TLS, findings, refusals, imported banners."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

from scanner.importers import ImportedBanner
from scanner.model import Attempt, Certificate, Dialogue, Exchange, Names, Record, Status, Target, Tls
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder
from tests.receivers import hostile
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import full_record

AT: Final = 1_795_342_616.123
CERTIFICATE: Final = Certificate(
    sha256="ab" * 32,
    subject="CN=mail.example.com",
    issuer="CN=Example CA",
    names=("mail.example.com", "192.0.2.1"),
    not_before="2026-01-01T00:00:00Z",
    not_after="2027-01-01T00:00:00Z",
    serial="0a1b",
    key="EC secp256r1",
    signature="sha256",
    self_signed=False,
)
_EHLO: Final = Exchange("EHLO scanner.example", 250, ("mail.example.com", "PIPELINING", "STARTTLS"), 0.001)


class Line(NamedTuple):
    """A line of a log, decoded and as bytes."""

    record: Any
    line: bytes


def line_of(record: Record) -> Line:
    line = encode(record).rstrip(b"\n")
    return Line(orjson.loads(line), line)


def record_of(raw: bytes = SENDMAIL_8_14, status: Status | None = None, **changes: Any) -> Record:
    """Make the record that a sweep would make."""
    attempt = Attempt(Target(0, "192.0.2.10", 25), status, raw, AT, 0.0004, 0.001 if raw else None, 0.0021)
    return _record_builder().record(attempt)._replace(**changes)


def dialogue_of(tls: Tls | None, *, starttls: bool = True) -> Dialogue:
    extensions = ("PIPELINING", "SIZE 10240000", *(("STARTTLS",) if starttls else ()))
    exchanges = (_EHLO, Exchange("HELP", 214, ("2.0.0 This is sendmail version 8.14.7",), 0.001))
    return Dialogue(exchanges, extensions, (), 10_240_000, ("PLAIN",), starttls, tls)


@cache
def _record_builder() -> RecordBuilder:
    return RecordBuilder("scan-1", Settings())


@cache
def _records() -> Mapping[str, Record]:
    made = {f"status_{status}": record_of(b"", status) for status in Status if status not in _WITH_BANNER}
    made |= {f"status_{status}": record_of(b"220 mail.exa", status) for status in (Status.CUT, Status.SLOW)}
    ipv6 = Target(1, "2001:db8::25", 465, "mail.example.com")
    names = Names("mail1.example.com", ("mail1.example.com", "other.example.com"), True, True, False)
    return made | {
        "full": full_record(),
        "ready": record_of(),
        "postfix": record_of(b"220 mail.example.com ESMTP Postfix\r\n"),
        "nothing_named": record_of(b"220 ok\r\n"),
        "exim_old": record_of(b"220 mail.example.com ESMTP Exim 4.84_2 Sun, 22 Nov 2026 10:16:56 +0000\r\n"),
        "debian": record_of(b"220 mail.example.com ESMTP Exim 4.96-15+deb12u3 Debian-15+deb12u3\r\n"),
        "refusal": record_of(b"554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org\r\n"),
        "busy": record_of(b"421 4.3.2 too many connections\r\n"),
        "temporary": record_of(b"450 4.7.1 come back later\r\n"),
        "malformed": record_of(b"hello\r\n"),
        "not_smtp": record_of(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        "error": record_of(b"", Status.RESET, error="ECONNRESET"),
        "ipv6": _record_builder().record(Attempt(ipv6, None, SENDMAIL_8_14, AT, 0.1, 0.2, 0.3)),
        "no_tls": record_of(dialogue=dialogue_of(None, starttls=False)),
        "tls": record_of(
            dialogue=dialogue_of(Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", (CERTIFICATE,))),
            disclosed_in={"version": ("greeting", "help")},
            names=names,
        ),
        "tls_old": record_of(dialogue=dialogue_of(Tls("TLSv1", "AES128-SHA", (CERTIFICATE._replace(key="RSA 2048"),)))),
        "tls_failed": record_of(dialogue=dialogue_of(Tls(error="handshake failure"))),
        "tls_injected": record_of(dialogue=dialogue_of(Tls("TLSv1.2", "X", (), False, "250 forged\\x0d\\x0a"))),
        "certificate_unreadable": record_of(
            dialogue=dialogue_of(Tls("TLSv1.2", "X", (Certificate("cd" * 32, error="no certificate"),)))
        ),
        "ehlo_refused": record_of(dialogue=Dialogue((Exchange("EHLO x", 550, ("no",), 0.001),), error="refused")),
        "sample": record_of(sample=3),
        "imported": _record_builder().imported(ImportedBanner(SENDMAIL_8_14, "192.0.2.99", 25, AT), 1),
        "imported_without_anything": _record_builder().imported(ImportedBanner(SENDMAIL_8_14), 2),
        "imported_nameless": _record_builder().imported(ImportedBanner(b"220 ok\r\n"), 3),
        "scan_named_oddly": record_of(scan_id="sc\u00e4n \u2028 |=\\\t\n \U0001f600"),
    }


_WITH_BANNER: Final = frozenset(
    {
        *(Status.READY, Status.BUSY, Status.REJECTED, Status.TEMPORARY, Status.MALFORMED, Status.NOT_SMTP),
        *(Status.CUT, Status.SLOW),
    }
)


def records() -> dict[str, Line]:
    """Return every kind of record, and the hostile ones, by name; new objects each time."""
    return {name: line_of(record) for name, record in (dict(_records()) | dict(hostile.records())).items()}


def run_lines() -> list[Line]:
    """Return the lines about a run that a log holds."""
    about = {"version": "1", "planned": 256, "excluded": 3, "seed": "7", "shard": "1/1", "digest": "ab"}
    made = []
    for activity in ("started", "resumed", "ended"):
        document = {
            "schema": "smtpsweep.run/1",
            "run": "0d6a8f3e-6a0f-4f0f-9d80-0f6f3b9c4f77",
            "activity": activity,
            "at": "2026-11-22T10:16:56.123Z",
            "records": 17,
            **about,
        }
        made.append(Line(document, orjson.dumps(document)))
    return made
