r"""Find text that may be an attack on readers of logs: escape sequences, formulas, look-ups, markup.

Such text is harmless in our output, where every special byte is `\xNN`. But a server that sends it is broken, or
somebody tries to attack those who look at banners. So it is reported (`Suspicion`), and rules can watch for it.

The texts are the greeting and, after a dialogue, replies, certificates and reverse names. Hardly any record has such
text. A few searches in the bytes of its line settle that first.

Left out: what is only 8-bit or UTF-8 (harmless, and common), and judging by words ("owned", "hacked").
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Self

from scanner.record.document import RecordDocument
from scanner.smtp import unescape


class Suspicion(StrEnum):
    """What a text may be meant for. A closed list; `meaning` is one line for people."""

    meaning: str

    ANSI = "ansi", "the ESC byte, with which a terminal can be commanded"
    C1 = "c1", "a C1 control character, which some terminals take for ESC and a letter"
    BIDI = "bidi", "characters that turn the direction of text"
    INVISIBLE = "invisible", "characters of no width"
    SEPARATOR = "separator", "characters that some readers take for the end of a line or field"
    CONTROL = "control", "other control characters, forbidden in XML"
    FORMULA = "formula", "begins like a formula of a spreadsheet"
    JNDI = "jndi", "a look-up such as ${jndi:...}, run by careless loggers"
    MARKUP = "markup", "tags or entities of HTML or XML"
    FORGED_LOG = "forged_log", "fields or headers of log formats (CEF, LEEF, syslog)"
    OVERSIZE = "oversize", "longer than any honest greeting"

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a string that also carries its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


#: The flags of a greeting over a limit (`scanner.smtp.Flag`).
_OVERSIZE_FLAGS: Final = frozenset({"line_too_long", "too_long", "too_many_lines"})
_LINE_ENDS: Final = re.compile(rb"(?:\\\\x0d|\\\\x0a|\\\\x09)")
#: In escaped text.
_TEXT: Final = (
    (Suspicion.ANSI, re.compile(r"\\x1b")),
    (Suspicion.CONTROL, re.compile(r"\\x(?:0[0-8bcef]|1[0-9acdef]|7f)")),
    (Suspicion.JNDI, re.compile(r"\$\{")),
    (Suspicion.MARKUP, re.compile(r"<(?:/?[A-Za-z][A-Za-z0-9]*(?:[\s/>]|$)|[!?])|\]\]>|&(?:#x?[0-9A-Fa-f]+|lt|gt);")),
    (Suspicion.FORGED_LOG, re.compile(r"(?:CEF:[01]|LEEF:[12]\.0)\||(?:\s|\\x09)(?:src|dst)=[0-9]|<[0-9]{1,3}>1 ")),
)
#: At the start of a text.
_FORMULA: Final = re.compile(r"(?:[=+@-]|\\xef\\xbc(?:\\x9d|\\x8b|\\xa0|\\x8d))[A-Za-z0-9(]")
#: In the bytes as characters; bytes that are not UTF-8 are U+DC80 to U+DCFF.
_CHARACTERS: Final = (
    (Suspicion.C1, re.compile("[\x80-\x84\x86-\x9f\udc80-\udc9f]")),
    (Suspicion.BIDI, re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")),
    (Suspicion.INVISIBLE, re.compile("[\u00ad\u200b-\u200d\u2060-\u2064\ufeff]")),
    (Suspicion.SEPARATOR, re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")),
)


def suspicions(record: RecordDocument, line: bytes) -> tuple[Suspicion, ...]:
    """Return the suspicions about the texts of a server, each once, in the order of the list.

    Args:
        record: the decoded line.
        line: the JSON that it was decoded from.
    """
    banner = record["banner"]
    oversize = banner is not None and (banner["truncated"] or not _OVERSIZE_FLAGS.isdisjoint(banner["flags"]))
    if not _is_hinted(line):
        return (Suspicion.OVERSIZE,) if oversize else ()
    found = {Suspicion.OVERSIZE} if oversize else set()
    for text in _texts(record):
        found.update(_suspicions_of(text))
    return tuple(each for each in Suspicion if each in found)


def _is_hinted(line: bytes) -> bool:
    """Tell whether the JSON has what every suspicion but the length needs: markup, escaped bytes, first characters."""
    # For every record: one expression costs a third of a loop.
    if (
        b"<" in line
        or b"${" in line
        or b'"=' in line
        or b'"+' in line
        or b'"-' in line
        or b'"@' in line
        or b"&" in line
        or b"]]>" in line
        or b"src=" in line
        or b"dst=" in line
        or b"EF:" in line
    ):
        return True
    # Greetings of several lines have CR LF between them, and replies to HELP have tabs.
    return b"\\\\x" in line and b"\\\\x" in _LINE_ENDS.sub(b"", line)


def _suspicions_of(text: str) -> Iterator[Suspicion]:
    for suspicion, pattern in _TEXT:
        if pattern.search(text):
            yield suspicion
    if _FORMULA.match(text):
        yield Suspicion.FORMULA
    if "\\x" in text:
        try:
            raw = unescape(text)
        except ValueError:  # a certificate's error, or a record that somebody edited
            return
        characters = raw.decode("utf-8", "surrogateescape")
        for suspicion, pattern in _CHARACTERS:
            if pattern.search(characters):
                yield suspicion


def _texts(record: RecordDocument) -> Iterator[str]:
    """Yield every text that the server chose."""
    if (banner := record["banner"]) is not None:
        yield banner["text"]
        yield from banner["lines"]
    if (dialogue := record.get("dialogue")) is not None:
        for exchange in dialogue["exchanges"]:
            yield from exchange["lines"]
        yield from dialogue["tls_extensions"]
        if (tls := dialogue["tls"]) is not None:
            yield tls["injected"] or ""
            for certificate in tls["certificates"]:
                yield from (certificate["subject"] or "", certificate["issuer"] or "", *certificate["names"])
    if (names := record.get("names")) is not None:
        yield from names["ptr"]
