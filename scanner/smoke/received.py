"""Which header lines of a delivered message still show a product and its version, and of which hop.

Hiding the version in the greeting is half the work. Every server also writes its name, and often its version, into the
`Received:` line of each message that it takes, where every recipient can read it. Filters on the way add lines of their
own.

Of a `Received:` line (and `X-Received:`) only what the server says about itself is read (`header_comments`), and in
that the product and version are looked for (`header_software`). Host names, addresses, and what a line says about the
client, the envelope and TLS are left out: `TLS1.3` is not a product. Hops count in the order of the path: hop 1 is the
server that took the message first, whose `Received:` line is the lowest. Of the other lines, those are read that
servers and filters write (`DKIM-Filter`, `X-Spam-Checker-Version` ...), not the sender's own (Subject).

Any bytes are valid input; the result is escaped printable ASCII (`scanner.text.escape`). Only the first
`MAX_HEADER_BYTES` are read. Sources: RFC 5321 (4.4) and RFC 5322 (2.2.3 folding, 3.2.2 comments); forms as real servers
write them.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.smoke.header_comments import own_part
from scanner.smoke.header_software import HeaderProduct, software_in_filter_line, software_in_received
from scanner.smtp import escape

#: Bytes of a message that are looked at; honest header blocks have a tenth of it.
MAX_HEADER_BYTES: Final = 262_144
#: Characters of one header line that are looked at, and that are shown of it.
_MAX_LINE: Final = 4096
_MAX_SHOWN: Final = 500
_MAX_VALUE: Final = 80


class HeaderLeak(NamedTuple):
    """A header line that names software.

    `header` is the line's name, `number` the line of the message it begins at (from 1), `hop` which server wrote it (1:
    the first that took the message), None when it is not a `Received:` line. `by` is the host that a `Received:` line
    says it is from. `product` is None where the line does not name it and its form is not known; `version` is None
    where only the product is named. `text` is the line, unfolded and cut at 500 characters. `is_sure` is False where
    `version` may be something else.
    """

    header: str
    number: int
    hop: int | None
    by: str | None
    product: str | None
    version: str | None
    text: str
    is_sure: bool = True


class HeaderSoftware(NamedTuple):
    """What a header says: the lines that name software, and who wrote each `Received:` line (None: it does not say)."""

    leaks: tuple[HeaderLeak, ...]
    writers: tuple[str | None, ...]


def software_in_headers(raw: bytes) -> tuple[HeaderLeak, ...]:
    """Return the header lines that name software, with its version or without, in their order.

    `raw` may go on with the body.
    """
    return read_header(raw).leaks


def read_header(raw: bytes) -> HeaderSoftware:
    """Return the lines that name software, and the writers of all `Received:` lines, from the top.

    `raw` may go on with the body. No writer at all means that it is not the header of a delivered message.
    """
    lines = list(_header_lines(raw))
    hop = 1 + sum(line.name == "received" for line in lines)
    leaks: list[HeaderLeak] = []
    writers: list[str | None] = []
    for line in lines:
        if line.name in _PATH_LINES:
            own = own_part(line.value)
            match = _BY.match(own)
            by = match[1] if match else None
            if is_hop := line.name == "received":
                hop -= 1
                writers.append(by)
            leaks += [
                _leak(line, hop if is_hop else None, by, each) for each in software_in_received(own, by or "")[:1]
            ]
        elif line.name in _FILTER_LINES or (line.name.endswith("-version") and line.name != "mime-version"):
            leaks += [_leak(line, None, None, each) for each in software_in_filter_line(line.name, line.value)]
    return HeaderSoftware(tuple(leaks), tuple(writers))


class _Line(NamedTuple):
    """An unfolded header line: its lower-case name, its value, the number of its first line, all of it as shown."""

    name: str
    value: str
    number: int
    shown: str


#: Lines that say which way a message came; some servers write a second one for their internal steps.
_PATH_LINES: Final = frozenset({"received", "x-received"})
#: Lines that servers and filters write about themselves.
_FILTER_LINES: Final = frozenset(
    {
        *("x-virus-scanned", "x-virus-checked", "x-scanned-by", "x-greylist", "x-mimeole", "x-sieve", "x-filter"),
        *("dkim-filter", "dmarc-filter", "arc-filter", "spf-filter", "x-content-filtered-by", "x-mta", "x-server"),
        *("x-smtp-server", "x-powered-by", "x-antivirus", "x-content-scanned", "x-spam-scanned"),
    }
)
_NAME: Final = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_BY: Final = re.compile(r"by\s+([^\s();]{1,255})", re.IGNORECASE)


def _header_lines(raw: bytes) -> Iterator[_Line]:
    """Yield the header lines, unfolded; what is not a header line (mbox's "From ") is passed over."""
    current: list[bytes] = []
    begins = 0
    for number, line in enumerate(raw[:MAX_HEADER_BYTES].split(b"\n"), 1):
        text = line.removesuffix(b"\r")
        if not text:
            if number > 1:
                break
        elif text[:1] in b" \t" and current:
            current.append(text)
            continue
        yield from _unfolded(current, begins)
        current, begins = [text], number
    yield from _unfolded(current, begins)


def _unfolded(parts: list[bytes], number: int) -> Iterator[_Line]:
    whole = b" ".join(part.strip(b" \t") for part in parts)[:_MAX_LINE]
    if match := _NAME.match(whole):
        name, value = match[1].decode("ascii"), whole[match.end() :].decode("latin-1").strip()
        yield _Line(name.lower(), value, number, escape(whole)[:_MAX_SHOWN])


def _leak(line: _Line, hop: int | None, by: str | None, found: HeaderProduct) -> HeaderLeak:
    return HeaderLeak(
        header=line.shown.partition(":")[0].rstrip(),
        number=line.number,
        hop=hop,
        by=_shown(by),
        product=_shown(found.product),
        version=_shown(found.version),
        text=line.shown,
        is_sure=found.is_sure,
    )


def _shown(text: str | None) -> str | None:
    return None if text is None else escape(text.encode("latin-1"))[:_MAX_VALUE]
