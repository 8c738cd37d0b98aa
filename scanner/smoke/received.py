r"""Which header lines of a delivered message still show a product and its version, and of which hop.

A greeting that says nothing is half the work: every server writes its name, and often its version, into the `Received:`
line of each message it takes, where whoever gets the mail reads it. Filters on the way write lines of their own.

In a `Received:` line (and `X-Received:`) only what the server says of itself is read: from `by` on, without the date
(but with a comment behind it that is not its time zone), without what it says of the client, of the envelope and of TLS
(`TLS1.3` is no product), and without addresses and host names. What is a version in it is decided where it is for all
texts of servers (`scanner.identify.version_search`); what may be one is told, too. Sendmail's
`(8.17.1.9/8.17.1.9/Debian-2)` names no product and is known by its form. Hops count in the order of the path: 1 is the
server that took the message first, the lowest `Received:` line. Of the other lines those are read that servers and
filters write (`DKIM-Filter`, `X-Spam-Checker-Version` ...), not the sender's own (Subject).

Any bytes are valid input; the result is escaped printable ASCII (`scanner.text.escape`). At most `MAX_HEADER_BYTES` are
looked at. Sources: RFC 5321 (4.4) and RFC 5322 (2.2.3 folding, 3.2.2 comments); forms as real servers write them.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.identify.version_search import FoundVersion, find_versions
from scanner.identify.word_lists import name_beginnings, product_names
from scanner.smtp import escape

#: Bytes of a message that are looked at; honest header blocks have a tenth of it.
MAX_HEADER_BYTES: Final = 262_144
#: Characters of one header line that are looked at, and that are shown of it.
_MAX_LINE: Final = 4096
_MAX_SHOWN: Final = 500
_MAX_VALUE: Final = 80
#: Characters before a version that its product's name is looked for in.
_BEFORE_VERSION: Final = 200


class HeaderLeak(NamedTuple):
    """A header line that names software.

    `header` is the line's name, `number` the line of the message it begins at (from 1), `hop` which server wrote it (1:
    the first that took the message), None when it is no `Received:` line. `by` is the host that a `Received:` line says
    it is from. `product` is None where the line does not name it and its form is nobody's; `version` None where only
    the product is named. `text` is the line, unfolded and cut at 500 characters. `is_sure` is False where `version`
    only may be one.
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
            own = _own_part(line.value)
            match = _BY.match(own)
            by = match[1] if match else None
            if is_hop := line.name == "received":
                hop -= 1
                writers.append(by)
            leaks += [_leak(line, hop if is_hop else None, by, each) for each in _in_received(own, by or "")[:1]]
        elif line.name in _FILTER_LINES or (line.name.endswith("-version") and line.name != "mime-version"):
            leaks += [_leak(line, None, None, each) for each in _in_filter_line(line)]
    return HeaderSoftware(tuple(leaks), tuple(writers))


class _Line(NamedTuple):
    """An unfolded header line: its lower-case name, its value, the number of its first line, all of it as shown."""

    name: str
    value: str
    number: int
    shown: str


class _Found(NamedTuple):
    """What was found in a line."""

    product: str | None
    version: str | None = None
    is_sure: bool = True


#: Lines that say on which way a message came; some servers write a second one for what happens inside of them.
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
_CLAUSE_BY: Final = re.compile(r"(?:^|(?<=\s))by(?=\s)", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[[^\]\[]*\]|<[^<>]*>")
#: Comments about TLS, the client and the envelope, not about the server's software.
_NOT_SOFTWARE: Final = re.compile(
    r"\s*(?:using\b|version=|cipher|TLS|SSL|no client cert|client |envelope-|authenticated|not verified|helo|ehlo"
    r"|for |from |peer |local |\S{1,80} bits\b|\S{1,80}@|Sender)",
    re.IGNORECASE,
)
#: Sendmail's "version/configuration", AIX's system before it: "(AIX5.3/8.13.4/8.11.0)".
_SENDMAIL: Final = re.compile(
    r"\s*(?:AIX\s?[\d.]{1,10}/)?(\d{1,2}\.\d{1,3}[^\s/()]{0,40})(?:\s?\([^()]{0,60}\))?(?:/[^\s/()]{1,80})+"
)
#: The words that end right before a version.
_PRODUCT: Final = re.compile(
    r"(?<![0-9A-Za-z.@-])([A-Za-z][0-9A-Za-z+&]{1,30}(?:[ -](?!v?M?\.?\d)[A-Za-z(][0-9A-Za-z()+&]{0,30}){0,5})"
    r"[\s/_:(-]{0,3}$",
    re.IGNORECASE,
)
#: "v", "version: ", "vM." between a product's name and its version.
_MARK: Final = re.compile(r"(?<![0-9A-Za-z])v(?:M\.|er(?:sion)?[ .:]{0,2})?$", re.IGNORECASE)
#: A name with a dot whose last label has only letters.
_HOST: Final = re.compile(r"(?<![\w.-])[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63}){0,10}\.[A-Za-z]{2,24}(?![\w.-])")
#: Their version comes where others have the id of the message, or right behind the name in a bracket.
_MICROSOFT: Final = re.compile(r"\bwith\s+(Microsoft SMTP Server|mapi|Microsoft SMTPSVC)\b", re.IGNORECASE)
#: What a comment behind a date usually says: the name of its time zone.
_ZONE: Final = re.compile(r"\(\s*(?:[A-Za-z]{1,5}|[A-Za-z ]{1,60} time|[+-]\d{4})\s*\)?", re.IGNORECASE)
_ID: Final = re.compile(r"(?<=\sid)\s{1,5}[^\s;()]{1,200}")
#: Products that say no version by default; qmail's number is a process id.
_KNOWN: Final = re.compile(
    r"\b(Sendmail|Postfix|Exim|OpenSMTPD|qmail|Courier|Dovecot|Cyrus|Haraka|qpsmtpd|Microsoft SMTP Server|MDaemon|Halon"
    r"|hMailServer|MailEnable|CommuniGate Pro|PowerMTA|Domino|Zimbra|IceWarp|Kerio|amavisd?-new|Stalwart|Maddy)\b",
    re.IGNORECASE,
)


_WORD: Final = re.compile(r"[A-Za-z][0-9A-Za-z&+]*+")
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


def _own_part(value: str) -> str:
    """Return what a server says of itself: from `by` outside comments on, up to the date, and comments behind that."""
    plain = _without_comments(value)
    by = _CLAUSE_BY.search(plain)
    end = plain.rfind(";")
    if end <= 0:
        return value[by.start() if by else 0 :]
    behind = [value[start:stop] for start, stop in _comment_places(value) if start > end]
    return " ".join((value[by.start() if by else 0 : end], *(each for each in behind if not _ZONE.fullmatch(each))))


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


def _in_received(own: str, by: str) -> list[_Found]:
    """Find what a server calls itself: a version first, one that is sure before one that may be one."""
    comments = list(_software_comments(own))
    text = _only_software(own, comments)
    microsoft = _MICROSOFT.search(text)
    if microsoft is None:
        text = _ID.sub(lambda match: " " * len(match[0]), text)
    pairs = {start + match.start(1) for start, end in comments if (match := _SENDMAIL.fullmatch(own[start:end]))}
    said = find_versions(text, hosts=[by])
    found = []
    if said:  # of "AIX5.3/8.13.4/8.11.0" the server's own is the second
        first = min(said, key=lambda each: (not each.is_sure, each.start not in pairs, each.start))
        product = "Sendmail" if first.start in pairs else _product_of(first, text, comments, microsoft)
        found.append(_Found(product, first.version, first.is_sure))
    names = [name for start, end in comments for name in _names_in_comment(_without_hosts(own[start:end]))]
    return [*found, *map(_Found, (*names, *_known_names(_without_comments(own))))]


def _software_comments(own: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of what stands in comments that may be about software, also inside of those that are not."""
    read_to = 0
    for start, end in sorted(_all_comments(own)):
        if start >= read_to and not _NOT_SOFTWARE.match(own, start, end):
            read_to = end
            yield start, end


def _all_comments(own: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of what stands in each comment, of any depth; one that is never closed reaches to the end."""
    opened: list[int] = []
    for place, character in enumerate(own):
        if character == "(":
            opened.append(place + 1)
        elif character == ")" and opened:
            yield opened.pop(), place
    yield from ((start, len(own)) for start in opened)


def _only_software(own: str, comments: list[tuple[int, int]]) -> str:
    """Return the text with the comments that are not about software blanked out, and places as they were."""
    kept = list(_without_comments(own))
    for start, end in comments:
        kept[start - 1 : end + 1] = own[start - 1 : end + 1]
    return "".join(kept)


def _product_of(
    said: FoundVersion, text: str, comments: list[tuple[int, int]], microsoft: re.Match[str] | None
) -> str | None:
    """Return the name of the product that a version is of, as far as the line has one."""
    if microsoft is not None and said.start > microsoft.end():
        return "Microsoft Exchange" if microsoft[1].lower() == "mapi" else microsoft[1]
    start, end = next((place for place in comments if place[0] <= said.start < place[1]), (said.start, said.start))
    return _maybe_product(text[start:end], text[start : said.start])


def _maybe_product(text: str, before: str) -> str | None:
    """Return the product that a text names: the words right before its version, or a name that is known."""
    known = next(_known_names(_without_hosts(text)), None)
    named = _PRODUCT.search(_MARK.sub("", before[-_BEFORE_VERSION:]))
    if named is None:
        return known
    product = _SAID_BY.sub("", named[1].rstrip(" ("))
    return product if known is None or known in product else known


def _in_filter_line(line: _Line) -> list[_Found]:
    """Find the product and version of a filter; a line whose name ends in "-version" says that one follows."""
    first = "version " if line.name.endswith("-version") else ""
    said = find_versions(first + line.value)
    if said:
        best = min(said, key=lambda each: (not each.is_sure, each.start))
        before = line.value[: max(best.start - len(first), 0)]
        return [_Found(_maybe_product(line.value, before), best.version, best.is_sure)]
    return [_Found(name) for name in _known_names(_without_hosts(line.value))][:1]


def _without_hosts(text: str) -> str:
    return _HOST.sub(" ", _BRACKETED.sub(" ", text))


def _known_names(text: str) -> Iterator[str]:
    """Yield the names of known products in a text, without those in addresses."""
    return (match[1] for match in _KNOWN.finditer(text) if not _is_host(text, match))


def _names_in_comment(comment: str) -> list[str]:
    """Return the products that a comment about software names: known ones, else what a rule calls a product."""
    known = list(_known_names(comment))
    if not known and " ".join(comment.lower().split()) in name_beginnings():
        return [comment.strip()]
    if known or product_names().isdisjoint(map(str.lower, _WORD.findall(comment))):
        return known
    return [comment.strip()]


def _is_host(own: str, match: re.Match[str]) -> bool:
    """Whether a product's name is a part of a host name or an address: `by postfix.example.com`."""
    around = own[max(0, match.start() - 1) : match.start()] + own[match.end() : match.end() + 1]
    return any(character in ".-@_" for character in around) or own[: match.start()].strip().lower() == "by"
