"""Find what is written like a version in the words of a server whose product, or whose way to say it, nobody knows.

A policy that asks only for versions that were recognised passes every product that is not in the rules. A number with a
dot in it is as good as a version after a word ("FooMail 3.2.1", "version 2.0"), and may be one elsewhere. What has such
numbers without being a version is taken out first: reply codes of RFC 3463, sections of RFCs, dates, address literals.
An address without brackets is told from a version of four parts by the word before it.
"""

import re
from collections.abc import Iterable
from typing import Final

from scanner.model import Record

#: Of each line; a greeting or a reply of hundreds of kilobytes says nothing more.
_MAX_LINE: Final = 1_000
#: Before a number.
_MAX_WORD: Final = 40
_OTHER_NUMBERS: Final = re.compile(
    r"""
    ^ [245] \. [0-9]{1,3} \. [0-9]{1,3} (?![0-9.])                              # an enhanced status code
  | RFC [ -]? [0-9]{1,5} (?: [,;]? [ ] (?: section [ ] )? [0-9]{1,3} (?: \. [0-9]{1,3} ){1,5} )?
  | (?<![0-9.]) [0-9]{1,2} \. [0-9]{1,2} \. (?:19|20) [0-9]{2} (?![0-9.])       # a date
  | \[ [^]]{0,60} \]                                                            # an address literal
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z.:@])[vV]?[0-9]{1,4}(?:\.[0-9]{1,8}){1,4}(?![0-9]|\.[0-9A-Za-z])")
_WORD: Final = re.compile(r"([a-z]{3,})[ /_(:]{1,3}$")
#: Words that an address follows, or a number that says nothing.
_NO_PRODUCTS: Final = frozenset({"address", "and", "client", "for", "from", "host", "port", "the"})


def maybe_written_version(lines: Iterable[str], record: Record, host: str | None) -> tuple[str, bool] | None:
    """Return the line with a number like a version, and whether that is sure; None when there is none.

    `host` is the name that the lines begin with, which may have numbers and is not looked at.
    """
    product = record.software.product.lower() if record.software is not None else "version"
    undecided: str | None = None
    for line in lines:
        text = _OTHER_NUMBERS.sub(" ", line[:_MAX_LINE].removeprefix(host or ""))
        for number in _NUMBER.finditer(text):
            before = text[max(number.start() - _MAX_WORD, 0) : number.start()].lower()
            word = _WORD.search(before)
            if before.rstrip(" /-_(:").endswith(product) or (word and word[1] not in _NO_PRODUCTS):
                return line, True
            # After such words it is an address; glued to a word by a dash a part of a name, or the id of a session.
            if word is None and not before.endswith("-"):
                undecided = undecided or line
    return None if undecided is None else (undecided, False)
