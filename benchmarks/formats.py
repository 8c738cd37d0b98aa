"""What writing a record costs: microseconds a record in every format, and how many events and bytes it becomes.

`python -m benchmarks.formats`. "plain" is a greeting that names no version, as most are; "sendmail" an old release
with its findings; "hostile" has bytes that need escaping, and so a detection in OCSF; "dialogue" has replies, TLS and a
certificate. Figures are the best of several rounds: on a busy machine the best is what the code costs.
"""

import time
import timeit
from collections.abc import Callable, Mapping
from functools import partial

import orjson

from scanner.formats import FORMATS, Format, make_format
from scanner.formats.csv_rows import csv_row
from scanner.model import Attempt, Certificate, Dialogue, Exchange, Target, Tls
from scanner.record import encode
from scanner.record.document import RecordDocument
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder

PLAIN = b"220 mail.example.com ESMTP Postfix\r\n"
SENDMAIL = b"220 mail.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
HOSTILE = b'220-\x1b[2J"\\\xff${jndi:ldap://x}\r\n220 <script>\xe2\x80\xa8 ESMTP Sendmail 8.14.7/8.13.8\n'
ROUNDS, CALLS = 15, 500

_CERTIFICATE = Certificate(
    sha256="ab" * 32,
    subject="CN=mail.example.com",
    issuer="CN=Example CA",
    names=("mail.example.com",),
    not_before="2026-01-01T00:00:00Z",
    not_after="2027-01-01T00:00:00Z",
    serial="0a1b",
    key="RSA 2048",
)
_SAID = ("mail.example.com", "PIPELINING", "STARTTLS")
_DIALOGUE = Dialogue(
    exchanges=(Exchange("EHLO scanner.example", 250, _SAID, 0.001), Exchange("HELP", 214, ("2.0.0 help",), 0.001)),
    extensions=_SAID[1:],
    starttls=True,
    tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", (_CERTIFICATE,)),
)


def main() -> None:
    """Print the table."""
    lines = {"plain": _line(PLAIN), "sendmail": _line(SENDMAIL), "hostile": _line(HOSTILE)}
    lines["dialogue"] = _line(PLAIN, _DIALOGUE)
    print(f"| format | {' | '.join(f'{name}, us (events, bytes)' for name in lines)} |\n|---|{'--:|' * len(lines)}")
    for name in FORMATS:
        print(f"| {name} | {_costs(_all_events(make_format(name)), lines)} |")
    print(f"| csv | {_costs(lambda record, line: [csv_row(record, line)], lines)} |")
    print(f"| (decoding the line) | {_costs(lambda _, line: [orjson.loads(line) and b''], lines)} |")


def _all_events(format_: Format) -> Callable[[RecordDocument, bytes], list[bytes]]:
    return lambda record, line: [event.body for event in format_.events(record, line)]


def _line(raw: bytes, dialogue: Dialogue | None = None) -> bytes:
    builder = RecordBuilder("00000000-0000-4000-8000-000000000000", Settings())
    attempt = Attempt(Target(0, "192.0.2.1", 25), None, raw, 1_795_342_616.123, 0.0004, 0.001, 0.002)
    return encode(builder.record(attempt._replace(dialogue=dialogue))).rstrip(b"\n")


def _costs(write: Callable[[RecordDocument, bytes], list[bytes]], lines: Mapping[str, bytes]) -> str:
    cells = []
    for line in lines.values():
        record = orjson.loads(line)
        bodies = write(record, line)
        timer = timeit.Timer(partial(write, record, line), timer=time.process_time)
        cost = min(timer.repeat(repeat=ROUNDS, number=CALLS)) / CALLS * 1e6
        cells.append(f"{cost:.1f} ({len(bodies)}, {sum(map(len, bodies)):,})")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
