"""Where the comments of a `Received:` line are, and which of them are about the server's software.

A comment is what stands in parentheses (RFC 5322, 3.2.2); comments may be nested, and one that is never closed reaches
to the end. Positions count characters of the text that is given, and blanked-out texts keep them.
"""

import re
from collections.abc import Iterator
from typing import Final

_CLAUSE_BY: Final = re.compile(r"(?:^|(?<=\s))by(?=\s)", re.IGNORECASE)
#: Comments about TLS, the client and the envelope, not about the server's software.
_NOT_SOFTWARE: Final = re.compile(
    r"\s*(?:using\b|version=|cipher|TLS|SSL|no client cert|client |envelope-|authenticated|not verified|helo|ehlo"
    r"|for |from |peer |local |\S{1,80} bits\b|\S{1,80}@|Sender)",
    re.IGNORECASE,
)
#: What a comment behind a date usually says: the name of its time zone.
_ZONE: Final = re.compile(r"\(\s*(?:[A-Za-z]{1,5}|[A-Za-z ]{1,60} time|[+-]\d{4})\s*\)?", re.IGNORECASE)


def own_part(value: str) -> str:
    """Return what a server says of itself: from `by` outside comments on, up to the date, and comments behind that."""
    plain = without_comments(value)
    by = _CLAUSE_BY.search(plain)
    end = plain.rfind(";")
    if end <= 0:
        return value[by.start() if by else 0 :]
    behind = [value[start:stop] for start, stop in _comment_places(value) if start > end]
    return " ".join((value[by.start() if by else 0 : end], *(each for each in behind if not _ZONE.fullmatch(each))))


def without_comments(value: str) -> str:
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


def software_comments(own: str) -> Iterator[tuple[int, int]]:
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


def only_software(own: str, comments: list[tuple[int, int]]) -> str:
    """Return the text with the comments that are not about software blanked out, and places as they were."""
    kept = list(without_comments(own))
    for start, end in comments:
        kept[start - 1 : end + 1] = own[start - 1 : end + 1]
    return "".join(kept)
