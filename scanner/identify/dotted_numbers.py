"""Decide whether a number with a dot is a version, by the letters, words and signs around it.

"exim-4.94" and "FooMail 4.94" have one, "section 4.94" and "4.94 MB" do not. The order of the questions matters:

1. Is it part of something else: an id that mixes letters and digits, nine digits or more, an object identifier?
2. Do letters stand right before it (`exim-4.94`, `v3.01a`, `TLSv1.2`)? They name what it is a version of.
3. Does a unit follow ("4.5 MB", "99.5%")?
4. Is it an address, a date, a telephone number? Then it is a version only after a product's name or "version".
5. Does it have a form that only versions have: `8.14.7/8.13.8`, `4.97-RC1`?
6. Which word stands before it? After "FooMail" or "version" it is a version, after "section" it is not, after "to" it
   may be one.

Without anything before it, it may be one. Left out: what is known about the host, which the caller adds.
"""

import re
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from scanner import lazy
from scanner.identify.version_context import BEFORE_CHARACTERS, LIKE_SOFTWARE, Certainty, WordsBefore, words_before
from scanner.identify.word_lists import (
    BEFORE_ADDRESS,
    BEFORE_TIME,
    COPULAS,
    FILLERS,
    NEVER,
    OPEN,
    PLAIN,
    PROTOCOLS,
    UNITS,
    VERSION,
    product_names,
)

#: Characters behind a number that are examined.
_AFTER: Final = 60
#: A name that is glued to a number.
_MAX_PREFIX: Final = 60
_SEPARATORS: Final = lazy.pattern(r"[._]")
#: "version:", "v", "V", "vM.", "ver." at the end of what is glued to a number.
_MARK: Final = lazy.pattern(
    r"(?:^|[-_.])(?:v\.?(?:[a-z]\.)?|ver|vers|version|rel|release|rev|r|m|k)\.?$", re.IGNORECASE
)
_TAIL: Final = lazy.pattern(r"([A-Za-z][A-Za-z&+]{0,39})[0-9]{0,4}$")
#: A part of a name that mixes letters and digits like an id, not like "SMTPD32".
_MIXED: Final = lazy.pattern(r"[A-Za-z&+]*+[0-9]++[A-Za-z]")
_SHORT: Final = 8
#: Shorter ones say nothing about the number behind them.
_SHORTEST_WORD: Final = 3
_PRE_RELEASE: Final = lazy.pattern(
    r"[-_.+~]?(?:rc|alpha|beta|gamma|pre|dev|snap|ga|gr|pl|sp|fp|hf|eco|deb|el|ubuntu|build|p|r|b)[-_.]?[0-9]"
    r"|[-_.+~](?:rc|alpha|beta|pre|dev|ga|gr|snapshot|git|linux|deb|debian|ubuntu)(?![0-9A-Za-z])",
    re.IGNORECASE,
)
#: Behind a number: Sendmail's configuration version, with HP-UX's patch or nothing in between.
_PAIR: Final = lazy.pattern(
    r"(?:[+~-][^\s/()]{1,40})?\s{0,2}(?:\([^()]{0,50}\)\s?)?/(?:[0-9]{1,5}\.[0-9]|[A-Za-z]{2,12}[- ]?[0-9])"
)
#: Glued to the number, no lone letter is a unit except seconds': "1.1.1k" and "1.8b" are versions.
_UNIT: Final = lazy.pattern(r"\s?(%)|(?:\s|(?=s|[A-Za-z]{2}))([A-Za-z]{1,10})(?![0-9A-Za-z])")
_OBJECT_ID: Final = lazy.pattern(r"[012](?:\.[0-9]+){3,}")
#: So many parts has no version that begins like an object identifier.
_LONG_OBJECT_ID: Final = lazy.pattern(r"[012](?:\.[0-9]+){5,}")
_YEAR_LAST: Final = lazy.pattern(r"[0-9]{1,2}\.[0-9]{1,2}\.(?:19|20)[0-9]{2}")
_YEAR_FIRST: Final = lazy.pattern(r"(?:19|20)[0-9]{2}\.[01]?[0-9]\.[0-3]?[0-9]")
#: Hours and minutes, or a day and a month.
_TIME_OR_DAY: Final = lazy.pattern(
    r"(?:[01]?[0-9]|2[0-4])\.[0-5][0-9](?:\.[0-5][0-9])?|[0-3]?[0-9]\.[01]?[0-9](?:\.[0-9]{2})?"
)
_DURATION: Final = lazy.pattern(r"[0-9]{1,3}\.[0-9]{3}")
_PHONE: Final = lazy.pattern(r"(?:1\.)?[2-9][0-9]{2}\.[0-9]{3}\.[0-9]{4}|0[0-9]{2,4}\.[0-9]{3}\.[0-9]{3,4}")
#: A day and a time: 20261122.101656
_STAMP: Final = lazy.pattern(r"(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]\.[0-9]{4,6}")
#: Microsoft's servers give their version where others have the id of a message.
#: They stand at most this many characters before it, with a description of TLS in between.
_MICROSOFT_BEFORE: Final = 300
_MICROSOFT: Final = lazy.pattern(r"\bwith\s(?:Microsoft SMTP Server|mapi)\b", re.IGNORECASE)
#: A number in brackets that are closed, right before another.
_CLOSED: Final = lazy.pattern(r"[0-9][^()\[\]]{0,20}[)\]][^0-9A-Za-z]{1,5}\Z")
_TLS: Final = frozenset({"tls", "tlsv", "ssl", "sslv"})
_TLS_VERSIONS: Final = frozenset({"1.0", "1.1", "1.2", "1.3", "2.0", "3.0"})
#: In a name of a maker's own they make it a name of a host.
_LIKE_HOST: Final = lazy.pattern(r"host|gate|gw|relay|node|hub|proxy", re.IGNORECASE)
#: Above it are MDaemon and IceWarp's next decades.
_LAST_MAJOR: Final = 26
#: Digits that no part of a version has; ids and times have.
_MOST_DIGITS: Final = 9


def judge_dotted_number(clean: str, part: str, start: int, span: tuple[int, int], code: int | None) -> Certainty:
    """Judge a number with a dot: `span` is its place in a word, `part`, which begins at `start` of the text.

    `clean` is the text without what is taken out of it before, `code` the reply code.
    """
    begin, end = span
    number = part[begin:end]
    pieces = _SEPARATORS.split(number)
    if any(len(piece) >= _MOST_DIGITS for piece in pieces) or _STAMP.fullmatch(number):
        return Certainty.NONE
    before = words_before(clean, start)
    behind = clean[start + end : start + end + _AFTER]
    prefix = part[max(begin - _MAX_PREFIX, 0) : begin].rstrip("-_.+~")
    if any(map(str.isalpha, prefix)):
        verdict = _glued(prefix, number, before)
    elif _is_measured(behind) or _is_object_id(number, before, behind):
        verdict = Certainty.NONE
    else:
        verdict = _alone(number, before, behind, clean[start - 1 : start], code)
        if verdict is Certainty.NONE and before.last in NEVER and _is_of_another(number, before, clean[:start], code):
            verdict = Certainty.OPEN  # "(TLS 1.3) 4.94"
        if verdict is Certainty.NONE and before.last == "id" and len(pieces) > 2 and _is_microsofts(clean, start):
            return Certainty.SURE
    if "." not in number and before.last not in VERSION:  # 8_15: in names and ids more often than in versions
        return Certainty.OPEN if verdict is Certainty.SURE else Certainty.NONE
    return verdict


def _is_of_another(number: str, before: WordsBefore, text: str, code: int | None) -> bool:
    """Tell whether the word before it has its number already: in brackets that are closed, or a protocol that has none.

    "TLS 1.2, 1.3" are both of TLS, which never had a 4.94.
    """
    if _maybe_ipv4(number) is not None or _maybe_other_form(number, before, code) is Certainty.NONE:
        return False
    if _CLOSED.search(text, max(len(text) - BEFORE_CHARACTERS, 0)) is not None:
        return True
    return not before.near and before.last in _TLS and number not in _TLS_VERSIONS


def _is_object_id(number: str, before: WordsBefore, behind: str) -> bool:
    if behind[:1] == "=":
        return _OBJECT_ID.fullmatch(number) is not None
    return before.last in {"", *BEFORE_ADDRESS} and _LONG_OBJECT_ID.fullmatch(number) is not None


def _is_microsofts(clean: str, start: int) -> bool:
    """Whether the id at a place is Microsoft's; only so much before it is read that many ids cost no more than one."""
    return _MICROSOFT.search(clean, max(start - _MICROSOFT_BEFORE, 0), start) is not None


def _glued(prefix: str, number: str, before: WordsBefore) -> Certainty:
    """Judge a number by the letters right before it."""
    pieces = re.split(r"[-_.+~]", prefix)
    mixed = [piece for piece in pieces if _MIXED.match(piece)]
    mark = _MARK.search(prefix)
    if mixed and mark is None:
        return Certainty.NONE if before.last in NEVER or len(mixed) > 1 or len(mixed[0]) >= _SHORT else Certainty.OPEN
    rest = prefix if mark is None else prefix[: mark.start()]
    tail = _TAIL.search(rest)
    word = tail[1].lower() if tail is not None else ""
    if word in NEVER or (mark is not None and not word and before.last in NEVER):
        return Certainty.NONE
    if mark is not None or word in VERSION or word in product_names():
        return Certainty.SURE
    if _maybe_ipv4(number) is not None:
        return _judge_address(number, word, tail[1] if tail is not None else "")
    return Certainty.OPEN if len(word) < 2 or word in OPEN else Certainty.SURE


def _alone(number: str, before: WordsBefore, behind: str, sign: str, code: int | None) -> Certainty:
    """Judge a number that no letters are glued to."""
    last, second = before.last, before.second
    if last in NEVER or (second in PROTOCOLS and (last in VERSION or last in COPULAS)):
        return Certainty.NONE
    is_address = _maybe_ipv4(number) is not None and not re.match(r"[A-Za-z_+~]", behind)
    if is_address and (
        (sign == "[" and _is_surely_an_address(IPv4Address(number)))  # "CALLPILOT[192.0.2.1]"
        or (last not in VERSION and last not in COPULAS and _is_beyond(IPv4Address(number)))  # "Postfix 192.0.2.1"
    ):
        return Certainty.NONE
    if before.near and (last in product_names() or last in VERSION or (last in COPULAS and before.tells_version)):
        return Certainty.SURE
    if is_address:
        if (behind[:1] == "/" and behind[1 : len(number) + 1] == number) or before.names_product:
            return Certainty.SURE  # Sendmail's two, which are the same; "Sendmail ESMTP 8.17.1.9"
        return Certainty.NONE if sign == "[" else _judge_address(number, last, before.spelled, near=before.near)
    verdict = _maybe_other_form(number, before, code)
    return _by_form_or_word(number, before, behind) if verdict is None else verdict


def _by_form_or_word(number: str, before: WordsBefore, behind: str) -> Certainty:
    if _PRE_RELEASE.match(behind) or _PAIR.match(behind):
        return Certainty.SURE
    words = [word.rstrip("0123456789") for word in (before.last, before.second)]
    # "Eudora Internet Mail Server X 3.1.4", "Scrollout F1 2.1.3"
    word = words[1] if len(words[0]) < _SHORTEST_WORD and before.last not in OPEN else words[0]
    if not before.near or len(word) < _SHORTEST_WORD or word in OPEN or word in PLAIN:
        return Certainty.OPEN
    # "uptime 3.5": a product has a capital letter, or a rule.
    is_plain = (
        number.count(".") == 1 and before.spelled.islower() and word not in FILLERS and word not in product_names()
    )
    return Certainty.OPEN if is_plain and not LIKE_SOFTWARE.search(before.spelled) else Certainty.SURE


def _judge_address(number: str, word: str, spelled: str, *, near: bool = True) -> Certainty:
    """Judge what can be an IPv4 address by the word before it."""
    address = IPv4Address(number)
    if word in OPEN or _is_beyond(address):
        return Certainty.NONE
    if near and word not in BEFORE_ADDRESS and LIKE_SOFTWARE.search(spelled) and not _LIKE_HOST.search(spelled):
        return Certainty.SURE
    return Certainty.NONE if address.is_private else Certainty.OPEN


def _is_surely_an_address(address: IPv4Address) -> bool:
    """Whether an address is a private one, or begins with a number that no product's releases have reached."""
    return address.is_private or _is_beyond(address)


def _is_beyond(address: IPv4Address) -> bool:
    return int(address) >> 24 > _LAST_MAJOR


def _maybe_other_form(number: str, before: WordsBefore, code: int | None) -> Certainty | None:
    """Judge what has the form of a date, a telephone number, a status code; None when it has none of them."""
    is_like_software = before.near and LIKE_SOFTWARE.search(before.spelled) is not None
    if _YEAR_FIRST.fullmatch(number):
        return Certainty.OPEN if is_like_software else Certainty.NONE
    if _YEAR_LAST.fullmatch(number) or _PHONE.fullmatch(number):
        return Certainty.NONE
    if (before.last in BEFORE_TIME and _TIME_OR_DAY.fullmatch(number)) or (
        before.last == "in" and _DURATION.fullmatch(number)
    ):
        return Certainty.NONE
    if code is not None and code >= 400 and re.fullmatch(rf"{code // 100}\.[0-7]\.[0-9]{{1,3}}", number):
        return None if is_like_software else Certainty.NONE
    return None


def _is_measured(behind: str) -> bool:
    unit = _UNIT.match(behind)
    return unit is not None and (unit[2] is None or unit[2].lower() in UNITS)


def _maybe_ipv4(number: str) -> IPv4Address | None:
    if number.count(".") != 3:
        return None
    try:
        return IPv4Address(number)
    except AddressValueError:
        return None
