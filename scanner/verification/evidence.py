r"""The evidence in a server's own lines: which of them shows a version, and which names a product.

`Record.disclosed_in` tells the place of a disclosure. An administrator who has to close it needs the line. And "fixed"
must not rest on fingerprints alone, since a text that no rule knows can hold a version, too. So every line of greeting,
replies and certificate is searched for the versions that are known of this server (from the baseline, and from what it
is identified as now) and for anything written like a version (`scanner.identify.version_search`).

Three parts of a line are ignored: the enhanced status code (RFC 3463), the server's own host name
(`sendmail.example.com` names a host), and what EHLO repeats of the client. Replies to the second reader (`Opinion`) are
read in the same way.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from scanner.identify import identify
from scanner.identify.behaviour import first_reply, shipped_behaviours
from scanner.identify.disclosure import NAMED
from scanner.identify.version_search import find_versions
from scanner.model import Exchange, Record, Software, Status
from scanner.smtp import escape
from scanner.smtp.names import HOST_IN_TEXT


class EvidencePlace(StrEnum):
    """Where evidence was seen. A closed list."""

    GREETING = "greeting"
    EHLO = "ehlo"
    HELP = "help"
    QUIT = "quit"
    OTHER = "other"  # the reply to any other command, such as one that no server knows
    CERTIFICATE = "certificate"
    RECEIVED = "received"  # a header line of a delivered message
    SECOND_OPINION = "second_opinion"  # by the other reader, in any of the first three

    __hash__ = str.__hash__


class Evidence(NamedTuple):
    """One piece of evidence; `line` is what the server sent, escaped to printable ASCII, None where it sent nothing."""

    place: EvidencePlace
    line: str | None
    what: str


class ServerLine(NamedTuple):
    """One line of a server: all of it, and the part that is about the server itself."""

    place: EvidencePlace
    line: str
    own: str


class Opinion(NamedTuple):
    """The replies that the second reader got; None for one that it did not get, and `error` tells why."""

    greeting: Exchange | None = None
    ehlo: Exchange | None = None
    help: Exchange | None = None
    error: str | None = None


_STATUS_CODE: Final = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")
#: Where a greeting begins to describe the client.
_CLIENT: Final = re.compile(r"(?:access|connection) from.*", re.IGNORECASE)
#: Names of products that are plain words, too.
_NO_NAMES: Final = frozenset({"smtp-server"})
#: Commands whose replies have a place of their own.
_PLACES: Final = {"EHLO": EvidencePlace.EHLO, "HELP": EvidencePlace.HELP, "QUIT": EvidencePlace.QUIT}


def identities(record: Record) -> tuple[Software | None, Software | None]:
    """Return the software that the greeting names and the one that the behaviour shows, each None where unknown."""
    named = None if record.banner is None else identify(record.banner)
    if named is None and record.software is not None and record.software.method == "banner":
        named = record.software  # by a database of the user's
    return named, None if record.dialogue is None else shipped_behaviours().identify(record.dialogue)


def names_in_text(software: Software | None, *, by_behaviour: bool) -> bool:
    """Tell whether an identity rests on the product's name in a reply, not on wording and order."""
    return software is not None and software.confidence >= (0.9 if by_behaviour else NAMED)


def lines_of(record: Record) -> tuple[ServerLine, ...]:
    """Return the lines of a visit: greeting, EHLO, HELP, other replies, certificate, in this order.

    A service other than SMTP has none.
    """
    banner, dialogue = record.banner, record.dialogue
    if banner is None or record.status is Status.NOT_SMTP:
        return ()
    lines = [escape(line.removesuffix(b"\r")) for line in banner.raw.removesuffix(b"\n").split(b"\n")]
    ehlo = None if dialogue is None else first_reply(dialogue, "EHLO")
    own = _own_names(banner.hostname, ehlo)
    said = [*_greeting(lines, own)]
    if dialogue is None:
        return tuple(said)
    answer = first_reply(dialogue, "HELP")
    said += _reply(EvidencePlace.EHLO, ehlo, own)
    said += _reply(EvidencePlace.HELP, answer, own)
    for exchange in dialogue.exchanges:
        if exchange.code is not None and exchange is not ehlo and exchange is not answer:
            said += _reply(place_of(exchange), exchange, own)
    said += _certificate(record)
    return tuple(said)


def place_of(exchange: Exchange) -> EvidencePlace:
    """Return the place of a reply, by its command."""
    return _PLACES.get(exchange.command.partition(" ")[0].upper(), EvidencePlace.OTHER)


def lines_of_opinion(opinion: Opinion) -> tuple[ServerLine, ...]:
    """Return the lines that the second reader got, under the places they belong to."""
    greeting = opinion.greeting
    first = greeting.lines[0].partition(" ")[0] if greeting is not None and greeting.lines else None
    own = _own_names(first if first and "." in first else None, opinion.ehlo)
    lines = list(_coded(greeting)) if greeting is not None else []
    return (
        *_greeting(lines, own),
        *_reply(EvidencePlace.EHLO, opinion.ehlo, own),
        *_reply(EvidencePlace.HELP, opinion.help, own),
    )


def versions_in(said: ServerLine, known: Collection[str]) -> tuple[str, ...]:
    """Return the versions that a line shows, each once, in their order: known ones, and certain ones."""
    found = [each.version for each in find_versions(said.own, known=known) if each.is_sure]
    whole = [value for value in found if not any(value in other and value != other for other in found)]
    return tuple(dict.fromkeys(whole))


def possible_versions_in(said: ServerLine) -> tuple[str, ...]:
    """Return what may be a version in a line, but may be something else, too."""
    return tuple(dict.fromkeys(each.version for each in find_versions(said.own) if not each.is_sure))


def mentions(text: str, value: str) -> bool:
    """Tell whether a text has a value as a separate word, ignoring case."""
    return re.search(rf"(?<![0-9A-Za-z.]){re.escape(value)}(?![0-9A-Za-z])", text, re.IGNORECASE) is not None


def wire_line(exchange: Exchange, number: int) -> str:
    """Return a line of a reply as it came over the wire: its code, "-" or " ", its text."""
    separator = " " if number == len(exchange.lines) - 1 else "-"
    return f"{exchange.code}{separator}{exchange.lines[number]}"


@cache
def named_products() -> frozenset[str]:
    """Return the products to look for in every text, whatever the server was identified as."""
    return shipped_behaviours().products - _NO_NAMES


def _own_names(hostname: str | None, ehlo: Exchange | None) -> tuple[str, ...]:
    first = ehlo.lines[0].partition(" ")[0] if ehlo is not None and ehlo.lines else ""
    return tuple(sorted({name for name in (hostname or "", first) if "." in name}, key=len, reverse=True))


def _without(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", " ", text, flags=re.IGNORECASE)
    return text


def _greeting(lines: Iterable[str], own: tuple[str, ...]) -> Iterator[ServerLine]:
    for line in lines:
        code = int(line[:3]) if line[:3].isdigit() else None
        text = _CLIENT.sub("", _text(line if code is None else line[4:], code))
        yield ServerLine(EvidencePlace.GREETING, line, _without(text, own))


def _reply(place: EvidencePlace, exchange: Exchange | None, own: tuple[str, ...]) -> Iterator[ServerLine]:
    if exchange is None:
        return
    for number, text in enumerate(exchange.lines):
        about = _about_itself(exchange, text) if place is EvidencePlace.EHLO and number == 0 else text
        yield ServerLine(place, wire_line(exchange, number), _without(_text(about, exchange.code), own))


def _about_itself(exchange: Exchange, text: str) -> str:
    """Return ", pleased to meet you" of "mail Hello client [192.0.2.1], pleased to meet you": the rest is ours."""
    if exchange.code == 250 and "]" in text:
        return text.rpartition("]")[2]
    return _without(text, filter(None, (exchange.command.partition(" ")[2],)))


def _coded(exchange: Exchange) -> Iterator[str]:
    return (wire_line(exchange, number) for number in range(len(exchange.lines)))


def _certificate(record: Record) -> Iterator[ServerLine]:
    """Yield subject and issuer of the server's own certificate, without the host names in them."""
    tls = record.dialogue.tls if record.dialogue is not None else None
    for certificate in tls.certificates[:1] if tls is not None else ():
        for label, name in (("subject", certificate.subject), ("issuer", certificate.issuer)):
            if name:
                yield ServerLine(EvidencePlace.CERTIFICATE, f"{label} {name}", HOST_IN_TEXT.sub(" ", name))


def _text(text: str, code: int | None) -> str:
    """Return a line without the enhanced status code that fits its reply code."""
    status = _STATUS_CODE.match(text)
    fits = status is not None and code is not None and status[1] == str(code)[0]
    return text[status.end() :] if status is not None and fits else text
