"""Find the product that a line of HELP names, where no behaviour rule knows the text.

A server with a cleaned greeting may still name itself in HELP ("214 Mirapoint help"). The rules for greetings know far
more products than there are collected HELP texts. So parts of each line are matched as if they were a greeting: up to
`_MOST_WORDS` words from each place near the beginning of the line, where names usually stand.

Left out: names further on in a line, which are mostly those of something else ("see the Sendmail book"), and copyright
lines, which name the author of a component.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from scanner.identify import identify
from scanner.identify.disclosure import NAMED
from scanner.model import Software
from scanner.smtp import parse_banner

#: Where in a line a name may begin, in words, and how many words it may have.
_MOST_PLACES: Final = 6
_MOST_WORDS: Final = 4
#: Characters of a line that are looked at; RFC 5321 allows a reply 512.
_MOST_TEXT: Final = 512


@lru_cache(maxsize=1024)  # many hosts of a verification have the same HELP
def maybe_named(text: str) -> Software | None:
    """Return the product that a line of HELP names, without code and the host's own names; None when it names none."""
    if "copyright" in text.lower():
        return None
    for part in _parts(text[:_MOST_TEXT].split()):
        software = identify(parse_banner(f"220 host.invalid {part}\r\n".encode("ascii", "replace")))
        if software is not None and software.confidence >= NAMED and software.method == "banner":
            return software
    return None


def _parts(words: list[str]) -> Iterator[str]:
    """Yield what may be a name, the longest first, because a longer name is more exact."""
    for start in range(min(len(words), _MOST_PLACES)):
        for length in range(min(_MOST_WORDS, len(words) - start), 0, -1):
            yield " ".join(words[start : start + length])
