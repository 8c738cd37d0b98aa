"""Whether a number in a text of a server is a version: judged by the letters, the words and the signs around it.

The order of the questions is the policy of this module:

1. Is it a part of something else: an id that mixes letters and digits, nine digits and more, an object identifier?
2. Do letters stand right before it (`exim-4.94`, `v3.01a`, `TLSv1.2`)? They name what it is a version of.
3. Does a unit follow ("4.5 MB", "99.5%")?
4. Is it an address, a date, a telephone number? Then it is a version only after a product's name or "version".
5. Has it a form that only versions have: `8.14.7/8.13.8`, `4.97-RC1`?
6. Which word stands before it? After "FooMail" or "version" it is one, after "section" none, after "to" it may be one.

Nothing before it at all leaves it open. Left out: what is known of the host; that is the caller's.
"""

import re
from enum import Enum
from ipaddress import AddressValueError, IPv4Address
from typing import Final, NamedTuple

from scanner import lazy
from scanner.identify.word_lists import (
    BEFORE_ADDRESS,
    BEFORE_TIME,
    COMMON,
    COPULAS,
    FILLERS,
    NEVER,
    NO_PROGRAMS,
    OPEN,
    PLAIN,
    PROTOCOLS,
    UNITS,
    VERSION,
    product_names,
    product_phrases,
)


class Certainty(Enum):
    """What a number is."""

    SURE = "sure"  # a version
    OPEN = "open"  # perhaps a version
    NONE = "none"  # something else


class WordsBefore(NamedTuple):
    """What stands before a number: words in lower case, the nearest last.

    `spelled` is the last word as it is written; `near` says that only blanks and brackets part it from the number.
    """

    words: tuple[str, ...]
    spelled: str
    near: bool

    @property
    def last(self) -> str:
        """The word that is nearest; "" when there is none."""
        return self.words[-1] if self.words else ""

    @property
    def second(self) -> str:
        """The word before the nearest; "" when there is none."""
        return self.words[-2] if len(self.words) > 1 else ""

    @property
    def tells_version(self) -> bool:
        """Whether one of the words says that a version follows."""
        return not VERSION.isdisjoint(self.words)

    @property
    def names_product(self) -> bool:
        """Whether a product's name is there, with nothing behind it but words that say little."""
        return self.near and self.last in FILLERS and self.second in product_names()


#: Characters that are looked at before a number and behind it.
_BEFORE: Final = 80
_AFTER: Final = 60
#: A name that is glued to a number.
_MAX_PREFIX: Final = 60
_SEPARATORS: Final = lazy.pattern(r"[._]")
_WORDS: Final = lazy.pattern(
    r"[A-Za-z_-][0-9A-Za-z_-]*+(?:\.[0-9A-Za-z_-]++)++|[A-Za-z][A-Za-z&+]*+[0-9]{0,4}|[0-9]++|[,;!?|=]|\.(?=\s|$)"
)
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
#: Glued to the number, a lone letter is no unit but seconds': "1.1.1k" and "1.8b" are versions.
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
#: A word that a maker of software would write: "FooMail", "smtpd", "MAILER".
_LIKE_SOFTWARE: Final = lazy.pattern(r"[a-z][A-Z]|(?i:mail|mta|smtp|daemon|proxy|gate|exchange)")
#: Microsoft's servers give their version where others have the id of a message.
#: They stand at most so many characters before it, a description of TLS in between.
_MICROSOFT_BEFORE: Final = 300
_MICROSOFT: Final = lazy.pattern(r"\bwith\s(?:Microsoft SMTP Server|mapi)\b", re.IGNORECASE)
#: A number in brackets that are closed, right before another.
_CLOSED: Final = lazy.pattern(r"[0-9][^()\[\]]{0,20}[)\]][^0-9A-Za-z]{1,5}\Z")
_TLS: Final = frozenset({"tls", "tlsv", "ssl", "sslv"})
_TLS_VERSIONS: Final = frozenset({"1.0", "1.1", "1.2", "1.3", "2.0", "3.0"})
#: "v5", IBM's "V5R3M0" and "CSV2R10".
_MARKED: Final = lazy.pattern(r"(?:CS)?[vV][0-9]{1,6}(?:[rR][0-9]{1,2}(?:[mM][0-9]{1,2})?)?[a-z]?")
_WHOLE: Final = lazy.pattern(r"#?[0-9]{1,8}(?:[A-Za-z][0-9]{0,3})?(?:-[0-9]{1,6})?")
_GLUED: Final = lazy.pattern(r"(?P<word>[A-Za-z]{3,20})[-_]?(?P<number>[0-9]{1,8})(?:-[0-9A-Za-z.]{0,20})?")
_DAY: Final = lazy.pattern(r"(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]")
#: A state of the source, as git names it.
_COMMIT: Final = lazy.pattern(r"git[-.](?=[a-f]{0,39}[0-9])[0-9a-f]{7,40}", re.IGNORECASE)
#: The same, told by its number alone, and what comes before such a number.
_HEX: Final = lazy.pattern(r"(?=[a-f]{0,39}[0-9])[0-9a-f]{6,40}", re.IGNORECASE)
_SOURCES: Final = frozenset({"git", "svn", "hg", "cvs", "commit", "rev", "revision", "build"})
_REVISION: Final = lazy.pattern(r"(?:svn|rev|r)[-.]?[0-9]{2,7}", re.IGNORECASE)
#: A word with a capital, as names have.
_CAPITAL: Final = lazy.pattern(r"[A-Z][a-z]{3,30}")
#: Numbers of releases; those of processes, ports and counters are longer.
_SMALL: Final = lazy.pattern(r"[0-9]{1,3}[a-z]?")
#: In a name of a maker's own they make it a name of a host.
_LIKE_HOST: Final = lazy.pattern(r"host|gate|gw|relay|node|hub|proxy", re.IGNORECASE)
_HP_PATCH: Final = lazy.pattern(r"PHNE_[0-9]{3,6}(?:\+\w{1,20})?")
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
    if _CLOSED.search(text, max(len(text) - _BEFORE, 0)) is not None:
        return True
    return not before.near and before.last in _TLS and number not in _TLS_VERSIONS


def _is_object_id(number: str, before: WordsBefore, behind: str) -> bool:
    if behind[:1] == "=":
        return _OBJECT_ID.fullmatch(number) is not None
    return before.last in {"", *BEFORE_ADDRESS} and _LONG_OBJECT_ID.fullmatch(number) is not None


def _is_microsofts(clean: str, start: int) -> bool:
    """Whether the id at a place is Microsoft's; only so much before it is read that many ids cost no more than one."""
    return _MICROSOFT.search(clean, max(start - _MICROSOFT_BEFORE, 0), start) is not None


def words_before(clean: str, start: int) -> WordsBefore:
    """Return what stands before a place in a text."""
    words: list[str] = []
    between: list[str] = []
    for token in reversed(_WORDS.findall(clean[max(start - _BEFORE, 0) : start])):
        # Names with dots are hosts, and no words but for "Ready.Version" and "iQ.Suite".
        is_word = "." not in token[1:] or token.lower() in product_names()
        word = token if is_word else token.rpartition(".")[2]
        if word[0].isalpha() and (is_word or word.lower() in VERSION):
            words.append(word)
            if len(words) == 3:
                break
        elif not words:
            between.append(token)
    last = words[0] if words else ""
    near = not between or (between in (["."], ["="]) and last.lower() in VERSION)  # "ver. 3.0", "version=3.0"
    return WordsBefore(tuple(word.lower() for word in reversed(words)), last, near)


def judge_word(part: str, before: WordsBefore, sign: str = "") -> Certainty:
    """Judge a word with digits and without a number that has a dot: "v5", "5" after "version", "PHNE_28810".

    `sign` is the character before it.
    """
    if _HP_PATCH.fullmatch(part) or _COMMIT.fullmatch(part):
        return Certainty.SURE
    if _MARKED.fullmatch(part):
        return Certainty.NONE if before.last in NEVER else Certainty.SURE
    if before.near and _is_of_the_source(part, before):
        return Certainty.OPEN
    if _WHOLE.fullmatch(part) and before.near:
        return _judge_whole(part, before, sign)
    return _judge_glued_word(part)


def _judge_glued_word(part: str) -> Certainty:
    """Judge a word that ends with a number without a dot: "exim4", "FooMail-20231130"."""
    glued = _GLUED.fullmatch(part)
    if glued is None or part.lower() in product_names():
        return Certainty.NONE
    word, is_day = glued["word"], _DAY.fullmatch(glued["number"]) is not None
    if is_day and word.lower() in VERSION | product_names():
        return Certainty.SURE
    is_open = word.lower() in product_names() or (is_day and names_software(word))
    return Certainty.OPEN if is_open else Certainty.NONE


def _is_of_the_source(part: str, before: WordsBefore) -> bool:
    """Tell whether a word may be a state of the source: "r1234" after a program's name, "abcdef1" after "commit"."""
    if _HEX.fullmatch(part):
        return before.last in _SOURCES
    return _REVISION.fullmatch(part) is not None and names_software(before.spelled)


def names_software(word: str) -> bool:
    """Tell whether a word may be a program's name: one that is known, one like "FooMail", or any with a capital.

    Words that servers use for other things are none.
    """
    if word.lower() in product_names() or _LIKE_SOFTWARE.search(word):
        return word.lower() not in NEVER | BEFORE_ADDRESS
    return _CAPITAL.fullmatch(word) is not None and word.lower() not in NO_PROGRAMS


def _judge_whole(part: str, before: WordsBefore, sign: str) -> Certainty:
    """Judge a number without a dot by the word right before it."""
    last = before.last
    if last in VERSION or (last in COPULAS and before.tells_version):
        return Certainty.SURE if PROTOCOLS.isdisjoint(before.words) else Certainty.NONE
    if last in product_names():
        if len(part) <= 4 or _DAY.fullmatch(part):
            return Certainty.SURE
        return Certainty.NONE if last.endswith("qmail") else Certainty.OPEN  # qmail's is the number of a process
    return _judge_small(part, before, sign)


def _judge_small(part: str, before: WordsBefore, sign: str) -> Certainty:
    """Judge a number without a dot after a word that is no product's name by itself."""
    last = before.last
    if not (_SMALL.fullmatch(part) or _DAY.fullmatch(part)):
        return Certainty.NONE
    if not product_phrases().isdisjoint((before.words[-2:], before.words)):
        return Certainty.SURE
    if last in NEVER or last in BEFORE_ADDRESS - {"gateway", "relay"}:
        return Certainty.NONE
    names_product = last in COMMON and not product_names().isdisjoint(before.words)  # "GroupWise Internet Agent 7"
    is_said_so = sign == "/" and len(last) >= _SHORTEST_WORD and last not in NO_PROGRAMS  # "foobus/7"
    return Certainty.OPEN if names_product or is_said_so or names_software(before.spelled) else Certainty.NONE


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
    # "uptime 3.5": whoever names a product writes it with a capital, or it is in the rules.
    is_plain = (
        number.count(".") == 1 and before.spelled.islower() and word not in FILLERS and word not in product_names()
    )
    return Certainty.OPEN if is_plain and not _LIKE_SOFTWARE.search(before.spelled) else Certainty.SURE


def _judge_address(number: str, word: str, spelled: str, *, near: bool = True) -> Certainty:
    """Judge what can be an IPv4 address by the word before it."""
    address = IPv4Address(number)
    if word in OPEN or _is_beyond(address):
        return Certainty.NONE
    if near and word not in BEFORE_ADDRESS and _LIKE_SOFTWARE.search(spelled) and not _LIKE_HOST.search(spelled):
        return Certainty.SURE
    return Certainty.NONE if address.is_private else Certainty.OPEN


def _is_surely_an_address(address: IPv4Address) -> bool:
    """Whether an address is a private one, or begins with a number that no product's releases have reached."""
    return address.is_private or _is_beyond(address)


def _is_beyond(address: IPv4Address) -> bool:
    return int(address) >> 24 > _LAST_MAJOR


def _maybe_other_form(number: str, before: WordsBefore, code: int | None) -> Certainty | None:
    """Judge what has the form of a date, a telephone number, a status code; None when it has none of them."""
    is_like_software = before.near and _LIKE_SOFTWARE.search(before.spelled) is not None
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
