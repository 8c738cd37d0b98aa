r"""Which header lines of a delivered message still show a product and its version, and of which hop.

A greeting that says nothing is half the work: every server writes its name, and often its version, into the `Received:`
line of each message it takes, where whoever gets the mail reads it. Filters on the way write lines of their own.

In a `Received:` line only what the server says of itself is read: from `by` on, without the date, without what it says
of the client, of the envelope and of TLS (`TLS1.3` is no product), and without addresses and host names. Sendmail's
`(8.17.1.9/8.17.1.9/Debian-2)` names no product and is known by its form. Hops count in the order of the path: 1 is the
server that took the message first, the lowest `Received:` line. Of the other lines those are read that servers and
filters write (`DKIM-Filter`, `X-Spam-Checker-Version` ...), not the sender's own (Subject, User-Agent).

Any bytes are valid input; the result is escaped printable ASCII (`scanner.smtp.escape`). At most `MAX_HEADER_BYTES` are
looked at. Left out: a lone version that looks like an address (`(8.17.1.9)`): Sendmail always writes two.
Sources: RFC 5321 (4.4) and RFC 5322 (2.2.3 folding, 3.2.2 comments); forms as real servers write them.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

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
    the first that took the message), None when it is no `Received:` line. `by` is the host that a `Received:` line says
    it is from. `product` is None where the line does not name it and its form is nobody's; `version` None where only
    the product is named. `text` is the line, unfolded and cut at 500 characters.
    """

    header: str
    number: int
    hop: int | None
    by: str | None
    product: str | None
    version: str | None
    text: str


def versions_in_headers(raw: bytes) -> tuple[HeaderLeak, ...]:
    """Return the header lines of a message that show a version, in their order; `raw` may go on with the body."""
    return tuple(leak for leak in software_in_headers(raw) if leak.version is not None)


def software_in_headers(raw: bytes) -> tuple[HeaderLeak, ...]:
    """Return the header lines that name software, with its version or without, in their order."""
    lines = list(_header_lines(raw))
    hop = 1 + sum(line.name == "received" for line in lines)
    leaks: list[HeaderLeak] = []
    for line in lines:
        if line.name == "received":
            hop -= 1
            own = _own_part(line.value)
            found, by = _in_received(own), _BY.match(own)
            leaks += [_leak(line, hop, by[1] if by else None, each) for each in found[:1]]
        elif line.name in _FILTER_LINES or (line.name.endswith("-version") and line.name != "mime-version"):
            leaks += [_leak(line, None, None, each) for each in _in_filter_line(line)]
    return tuple(leaks)


class _Line(NamedTuple):
    """An unfolded header line: its lower-case name, its value, the number of its first line, all of it as shown."""

    name: str
    value: str
    number: int
    shown: str


#: What was found: product and version.
_Found = tuple[str | None, str | None]

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
_CLAUSE_BY: Final = re.compile(r"(?:^|(?<=\s))by(?=\s)", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[[^\]\[]*\]|<[^<>]*>")
#: Comments about TLS, the client and the envelope, not about the server's software.
_NOT_SOFTWARE: Final = re.compile(
    r"\s*(?:using\b|version=|cipher|TLS|SSL|no client cert|client |envelope-|authenticated|not verified|helo|ehlo"
    r"|for |from |peer |local |\S+ bits\b|\S+@|Sender)",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(
    r"(?<![\w./+-])(?:IPv6:)?(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w./+-])|[0-9a-f]*:[0-9a-f:.]+)", re.IGNORECASE
)
#: Sendmail's "version/configuration", AIX's system before it: "(AIX5.3/8.13.4/8.11.0)".
_SENDMAIL: Final = re.compile(r"\s*(?:AIX\s?[\d.]{1,10}/)?(\d{1,2}\.\d{1,3}[^\s/()]{0,40})(?:/[^\s()]{1,80})+")
_VERSION: Final = r"(\d{1,5}(?:\.\d{1,8}){1,6}(?:[-+~_]?[0-9A-Za-z]{1,20}|\.\d{1,8}){0,8})"
_PRODUCT: Final = re.compile(
    r"(?<![0-9A-Za-z.@-])([A-Za-z][0-9A-Za-z+&]{1,30}(?:[ -](?!v?M?\.?\d)[A-Za-z(][0-9A-Za-z()+&]{0,30}){0,5})"
    r"[\s/_:(-]{0,3}v?(?:M\.|er(?:sion)?[ .]{1,2})?" + _VERSION,
    re.IGNORECASE,
)
#: A name with a dot whose last label has only letters.
_HOST: Final = re.compile(r"(?<![\w.-])[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63}){0,10}\.[A-Za-z]{2,24}(?![\w.-])")
_BARE: Final = re.compile(r"(?:^|(?<=[\s(]))v\.?\s?" + _VERSION, re.IGNORECASE)
_MICROSOFT: Final = re.compile(
    r"\bwith\s+(Microsoft SMTP Server|mapi)\b.*?\bid\s+(\d{1,3}(?:\.\d{1,6}){2,3})", re.IGNORECASE
)
_SMTPSVC: Final = re.compile(r"\b(Microsoft SMTPSVC)\s?\(([\d.]{3,30})\)", re.IGNORECASE)
#: Products that say no version by default; qmail's number is a process id.
_KNOWN: Final = re.compile(
    r"\b(Sendmail|Postfix|Exim|OpenSMTPD|qmail|Courier|Dovecot|Cyrus|Haraka|qpsmtpd|Microsoft SMTP Server|MDaemon|Halon"
    r"|hMailServer|MailEnable|CommuniGate Pro|PowerMTA|Domino|Zimbra|IceWarp|Kerio|amavisd?-new|Stalwart|Maddy)\b",
    re.IGNORECASE,
)


#: "Produced By Microsoft Exchange V6.5"
_SAID_BY: Final = re.compile(r".*\bby ", re.IGNORECASE)


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


def _leak(line: _Line, hop: int | None, by: str | None, found: _Found) -> HeaderLeak:
    product, version = found
    return HeaderLeak(
        header=line.shown.partition(":")[0].rstrip(),
        number=line.number,
        hop=hop,
        by=_shown(by),
        product=_shown(product),
        version=_shown(version),
        text=line.shown,
    )


def _shown(text: str | None) -> str | None:
    return None if text is None else escape(text.encode("latin-1"))[:_MAX_VALUE]


def _own_part(value: str) -> str:
    """Return what a server says of itself: from `by` outside comments on, up to the date."""
    plain = _without_comments(value)
    by = _CLAUSE_BY.search(plain)
    end = plain.rfind(";")
    return value[by.start() if by else 0 : end if end > 0 else len(value)]


def _without_comments(value: str) -> str:
    """Return the text with every comment blanked out, so that places in it are places in the original."""
    kept = list(value)
    for start, end in _comment_places(value):
        kept[start:end] = " " * (end - start)
    return "".join(kept)


def _comment_places(value: str) -> list[tuple[int, int]]:
    """Return begin and end of each outermost comment; one that is never closed reaches to the end."""
    places: list[tuple[int, int]] = []
    depth = start = 0
    for place, character in enumerate(value):
        if character == "(":
            start = start if depth else place
            depth += 1
        elif character == ")" and depth:
            depth -= 1
            if not depth:
                places.append((start, place + 1))
    return [*places, (start, len(value))] if depth else places


def _in_received(own: str) -> list[_Found]:
    """Find what a server calls itself, what has a version first."""
    found: list[_Found] = []
    if match := _SMTPSVC.search(own) or _MICROSOFT.search(own):
        found.append(("Microsoft Exchange" if match[1].lower() == "mapi" else match[1], match[2]))
    products: list[_Found] = []
    for start, end in _comment_places(own):
        comment = own[start + 1 : end].removesuffix(")")
        if _NOT_SOFTWARE.match(comment):
            continue
        if match := _SENDMAIL.fullmatch(comment):
            found.append(("Sendmail", match[1]))
        else:
            for each in _named(comment):
                (products if each[1] is None else found).append(each)
    products += [(match[1], None) for match in _KNOWN.finditer(_without_comments(own)) if not _is_host(own, match)]
    return found + products


def _in_filter_line(line: _Line) -> list[_Found]:
    if line.name.endswith("-version") and (match := re.match(_VERSION, line.value)):
        return [(None, match[1])]
    return _named(line.value)


def _is_host(own: str, match: re.Match[str]) -> bool:
    """Whether a product's name is a part of a host name or an address: `by postfix.example.com`."""
    around = own[max(0, match.start() - 1) : match.start()] + own[match.end() : match.end() + 1]
    return any(character in ".-@_" for character in around) or own[: match.start()].strip().lower() == "by"


def _named(text: str) -> list[_Found]:
    """Find "Product 1.2" in a text, else a lone "v1.2", else a known product's name."""
    own = _HOST.sub(" ", _ADDRESS.sub(_unless_version, _BRACKETED.sub(" ", text)))
    known = next((match[1] for match in _KNOWN.finditer(own) if not _is_host(own, match)), None)
    if match := _PRODUCT.search(own):
        product = _SAID_BY.sub("", match[1].rstrip(" ("))
        return [(product if known is None or known in product else known, match[2])]
    if match := _BARE.search(own):
        return [(known, match[1])]
    return [] if known is None else [(known, None)]


def _unless_version(address: re.Match[str]) -> str:
    """Keep what looks like an address right after a product's name: "IceWarp 11.2.0.0"."""
    before = address.string[max(0, address.start() - 40) : address.start()].rstrip()
    return address[0] if any(match.end() == len(before) for match in _KNOWN.finditer(before)) else " "
