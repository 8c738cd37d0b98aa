"""Which product, and which version of it, a header line names.

`scanner.identify.version_search` decides which numbers are versions, here as in every text of a server. This module
finds the product that the version belongs to: from the words right before it, from a list of known names, or from the
form of a comment. Sendmail's `(8.17.1.9/8.17.1.9/Debian-2)` names no product and is known by its form.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.identify.version_search import FoundVersion, find_versions
from scanner.identify.word_lists import name_beginnings, product_names
from scanner.smoke.header_comments import only_software, software_comments, without_comments
from scanner.smtp.names import HOST_IN_TEXT

_BRACKETED: Final = re.compile(r"\[[^\]\[]*\]|<[^<>]*>")
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
#: Their version comes where others have the id of the message, or right behind the name in a bracket.
_MICROSOFT: Final = re.compile(r"\bwith\s+(Microsoft SMTP Server|mapi|Microsoft SMTPSVC)\b", re.IGNORECASE)
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
#: Characters before a version that its product's name is looked for in.
_BEFORE_VERSION: Final = 200


class HeaderProduct(NamedTuple):
    """A product that a header line names, its version where it has one, and whether that surely is a version."""

    product: str | None
    version: str | None = None
    is_sure: bool = True


def software_in_received(own: str, by: str) -> list[HeaderProduct]:
    """Find what a server calls itself: a version first, one that is sure before one that may be one."""
    comments = list(software_comments(own))
    text = only_software(own, comments)
    microsoft = _MICROSOFT.search(text)
    if microsoft is None:
        text = _ID.sub(lambda match: " " * len(match[0]), text)
    pairs = {start + match.start(1) for start, end in comments if (match := _SENDMAIL.fullmatch(own[start:end]))}
    said = find_versions(text, hosts=[by])
    found = []
    if said:  # of "AIX5.3/8.13.4/8.11.0" the server's own is the second
        first = min(said, key=lambda each: (not each.is_sure, each.start not in pairs, each.start))
        product = "Sendmail" if first.start in pairs else _product_of(first, text, comments, microsoft)
        found.append(HeaderProduct(product, first.version, first.is_sure))
    names = [name for start, end in comments for name in _names_in_comment(_without_hosts(own[start:end]))]
    return [*found, *map(HeaderProduct, (*names, *_known_names(without_comments(own))))]


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


def software_in_filter_line(name: str, value: str) -> list[HeaderProduct]:
    """Find the product and version of a filter; a lower-case name that ends in "-version" says that one follows."""
    first = "version " if name.endswith("-version") else ""
    said = find_versions(first + value)
    if said:
        best = min(said, key=lambda each: (not each.is_sure, each.start))
        before = value[: max(best.start - len(first), 0)]
        return [HeaderProduct(_maybe_product(value, before), best.version, best.is_sure)]
    return [HeaderProduct(known) for known in _known_names(_without_hosts(value))][:1]


def _without_hosts(text: str) -> str:
    return HOST_IN_TEXT.sub(" ", _BRACKETED.sub(" ", text))


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
