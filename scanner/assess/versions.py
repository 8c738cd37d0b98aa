"""Versions in the order of those who number them: `8.9 < 8.10 < 8.12.11`, `4.99 < 4.100`, `6.6.2 < 6.6.2p1`.

A version read as text or as a decimal number gives wrong answers about vulnerabilities, so it becomes a key: a tuple
that Python compares. First come its numbers, without zeros at their end; then, for versions with the same numbers,

    Beta, RC (before the release)  <  nothing  <  a letter, p1, FP4 (after it)

so that `8.12.0.Beta7 < 8.12 = 8.12.0 < 8.12.0p1 < 8.12.0.1 < 8.12.1`. `p0` is OpenSMTPD's way to say that a portable
release has no patches, so it says nothing.

Before that the text is cleaned as the products' greetings need it: `+Sun` and words after a space are dropped, and
a dash with what follows, which is a package or build number, unless that is a pre-release (`4.99-RC1`).

Exceptions: in MailEnable the part after the dot is a decimal fraction (1.54 < 1.6); Postfix puts a date after a dash
on what comes before that release (2.8-20100306), and before 1.0 its releases were dates (20010228); AsyncOS puts the
build after a dash (15.5.4-012). Left out: what a distribution's package number means (`backports`).
Sources: RELEASE_NOTES of Sendmail, Exim's and OpenSMTPD's change logs, HISTORY of Postfix.
"""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from scanner import lazy

#: The numbers, and what follows them: elements (class, name, number) of one shape, so that any two can be compared.
VersionKey = tuple[tuple[int, ...], tuple[tuple[int, int, int], ...]]

_BEFORE, _END, _AFTER, _NUMBER = -1, 0, 1, 2
#: Names of what comes before a release, and after it, in their order. A single letter is its place in the alphabet.
_PRE_RELEASES: Final = {
    "devstart": 0,
    **dict.fromkeys(("dev", "devel", "current", "next", "trunk", "master", "head"), 1),
    **dict.fromkeys(("snapshot", "nightly", "git", "test", "testing"), 2),
    "prealpha": 3,
    "milestone": 4,
    "alpha": 5,
    "beta": 6,
    "gamma": 7,
    **dict.fromkeys(("pre", "prerelease"), 8),
    "rc": 9,
}
_PATCHES: Final = {"if": 30, "hf": 31, "fp": 32, "pl": 16, "patch": 16}
_P: Final = 16
_P_NAME: Final = "p"

# Longer texts are no versions; longer numbers would cost time and say nothing.
_LONGEST: Final = 64
_TOKEN = lazy.pattern(r"([0-9]{1,18})|([A-Za-z]{1,12})")
_SEPARATORS = lazy.pattern(r"[._]?")
_START = lazy.pattern(r"(?:v|V)?(?=[0-9])")
_DASHED_PRE_RELEASE = lazy.pattern(rf"[-~](?=(?:{'|'.join(_PRE_RELEASES)})(?![A-Za-z]))", re.IGNORECASE)
#: Short names of candidates: 3.0-M1, 1.2.0a1, 1.2.0b2. A letter alone is a patch (8.9.3a).
_SHORT_NAMES: Final = {"m": "milestone", "a": "alpha", "b": "beta"}
_SHORT_PRE_RELEASE = lazy.pattern(
    r"(?:(?<=[0-9])[-~](?P<milestone>m)|(?<=[0-9])(?P<letter>[ab]))(?=[0-9]{1,2}(?![0-9A-Za-z]))", re.IGNORECASE
)
#: "3.x" and "4.*" are many versions.
_WILDCARD = lazy.pattern(r"[0-9]\.[xX*](?![0-9A-Za-z])")
#: Ends that do not make it another state: words after a blank, numbers of packages, builds, commits, vendors' words.
_KNOWN_END = lazy.pattern(
    r"\Z|[\s/(),;]|\+(?:[0-9]|dfsg|ds|nmu|b[0-9])"
    r"|[-+_.~]?(?:deb|debian|ubuntu|suse|sun|redhat|rhel|el|fc|mdk|linux|ga|gr|pl|p|r)(?![A-Za-z])"
    r"|-[0-9]|-g[0-9a-f]{6}",
    re.IGNORECASE,
)
#: What is under development, wherever that stands to the number; and milestones, which most products do not have.
_MOVING = lazy.pattern(
    r"(?<=[0-9])[-~._]?(?:current|next|trunk|master|head|git|test|testing|nightly|m(?=[0-9]))(?![A-Za-z])",
    re.IGNORECASE,
)
_DATE_ALONE = lazy.pattern(r"\A(?=(?:19|20)[0-9]{6}(?![0-9.]))")
_DASHED_DATE = lazy.pattern(r"-((?:19|20)[0-9]{6})(?![0-9])")
_DASHED_BUILD = lazy.pattern(r"(?<=[0-9])-(?=[0-9])")
_DECIMAL = lazy.pattern(r"(?:v|V)?([0-9]{1,18})(?:\.([0-9]{1,18}))?(?![0-9A-Za-z.])")

_NUMBERS = lazy.pattern(r"[vV]?[0-9]{1,18}(?:\.[0-9]{1,18}){0,9}")
_WRITTEN_NUMBERS = lazy.pattern(r"[0-9]+")
#: A release of most products has this many numbers; what follows them is a snapshot's or a vendor's.
_RELEASE_NUMBERS: Final = 3

#: Products whose number after the first dot is a decimal fraction.
DECIMAL_FRACTION: Final = frozenset({"mailenable"})
#: Products where the number after a dash is that of a build of the release: 15.5.4-012 of AsyncOS.
DASHED_BUILDS: Final = frozenset({"cisco-esa", "symantec-mg"})
#: Products that count the snapshots before the first release of a branch from 0: 8.16.0.29 came before 8.16.1.
SNAPSHOTS_FROM_0: Final = frozenset({"sendmail"})
#: Products where a dash and a date mark a snapshot before the release named.
DATED_SNAPSHOTS: Final = frozenset({"postfix"})


def version_key(product: str, text: str) -> VersionKey | None:
    """Return the key by which versions of a product sort; None when the text is not a version.

    `product` is a key of the vulnerability data (`sendmail`, `exim` ...); an unknown one has no exceptions.
    """
    read = _maybe_read(product, text.strip())
    return None if read is None else _key(read[0])


def maybe_unread(product: str, text: str) -> str | None:
    """Return what stands behind the numbers of a version and is none of the ends that are known; None when nothing is.

    Known are what makes a candidate or a patch, a vendor's word, and the numbers of packages, builds and commits. A
    word for what is under development (`-current`) is not: the state that it names came before the number, or after.
    """
    text = text.strip()
    read = _maybe_read(product, text)
    if read is None:
        return None
    tokens, end = read
    if moving := _MOVING.search(text):
        return moving[0]
    letters = [token for token, following in zip_longest(tokens, tokens[1:]) if _is_lone_letter(token, following)]
    if letters:
        return str(letters[0])
    return None if _KNOWN_END.match(end) or is_before_release(_key(tokens)) else end


def _is_lone_letter(token: int | str, following: int | str | None) -> bool:
    return isinstance(token, str) and len(token) == 1 and not (token.lower() == _P_NAME and isinstance(following, int))


def is_before_release(key: VersionKey) -> bool:
    """Tell whether this is a snapshot, alpha, beta or candidate: something before the release whose number it has."""
    return any(kind == _BEFORE for kind, _, _ in key[1])


def release_of(key: VersionKey) -> VersionKey:
    """Return the release that a candidate or snapshot comes before: 8.12.0 of 8.12.0.Beta7; a release is its own."""
    place = next((place for place, (kind, _, _) in enumerate(key[1]) if kind == _BEFORE), None)
    return key if place is None else (key[0], (*key[1][:place], (_END, 0, 0)))


def branch_of(product: str, key: VersionKey) -> tuple[int, ...]:
    """Return the numbers of the branch that a version is of, two of them: (8, 12), (4, 0)."""
    if product in DECIMAL_FRACTION:
        return key[0][:1]
    return (*key[0][:2], 0, 0)[:2]


def extends(product: str, key: VersionKey, text: str) -> bool:
    """Tell whether a version is a release with something added: 8.13.5.20060308 and 8.13.5p2 are of `8.13.5`.

    `text` is that release as it is written. With less than three numbers the next one counts releases (`5.0`, `5.0.1`).
    """
    base = version_key(product, text)
    if base is None or product in DECIMAL_FRACTION or base[1][0][0] != _END:
        return False
    written = len(_WRITTEN_NUMBERS.findall(text))
    numbers = (*base[0], *(0,) * (written - len(base[0])))
    longer = written >= _RELEASE_NUMBERS and len(key[0]) > written and key[0][:written] == numbers
    return longer or (key[0] == base[0] and key[1][0][0] > _END)


def written_numbers(text: str) -> int:
    """Return how many numbers a version begins with: 3 of `8.14.7`, 1 of `4` and of `v4 ready`."""
    match = _NUMBERS.match(text.strip())
    return 0 if match is None else match[0].count(".") + 1


def _long_name(match: re.Match[str]) -> str:
    return f".{_SHORT_NAMES[(match['milestone'] or match['letter']).lower()]}"


def _maybe_read(product: str, text: str) -> tuple[list[int | str], str] | None:
    """Return the numbers and names of a version, and the text behind them; None when it is not a version."""
    if len(text) > _LONGEST or _WILDCARD.search(text):
        return None
    if product in DECIMAL_FRACTION:
        return _maybe_decimal(text)
    if product in DASHED_BUILDS:
        text = _DASHED_BUILD.sub(".", text, count=1)
    if product in DATED_SNAPSHOTS:
        text = _DASHED_DATE.sub(r"~snapshot\1", _DATE_ALONE.sub("0.", text, count=1), count=1)
    text = _SHORT_PRE_RELEASE.sub(_long_name, text, count=1).replace("~snapshot", ".snapshot")
    return _maybe_tokens(_DASHED_PRE_RELEASE.sub(".", text, count=1))


def _maybe_decimal(text: str) -> tuple[list[int | str], str] | None:
    match = _DECIMAL.match(text)
    if match is None:
        return None
    # Digit by digit, a fraction sorts as text does: 54 < 6 < 60.
    return [int(match[1]), *map(int, match[2] or "")], text[match.end() :]


def _maybe_tokens(text: str) -> tuple[list[int | str], str] | None:
    """Cut a version into numbers and names, up to the first thing that does not belong to it, and return that, too."""
    start = _START.match(text)
    if start is None:
        return None
    position, end, tokens = start.end(), start.end(), list[int | str]()
    while match := _TOKEN.match(text, position):
        token: str = match[0]
        if match[2] and _rank(token) is None:
            break  # a word: a system, a vendor
        end = match.end()
        if match[1] and text[end : end + 1].isdigit():
            return None  # longer than any number of a version
        tokens.append(int(token) if match[1] else token)
        separator = _SEPARATORS.match(text, end)
        position = end if separator is None else separator.end()
    return tokens, text[end:]


def _rank(name: str) -> tuple[int, int] | None:
    """Return the class and place of a name inside a version; None when it is a word."""
    name = name.lower()
    if name in _PRE_RELEASES:
        return _BEFORE, _PRE_RELEASES[name]
    if name in _PATCHES:
        return _AFTER, _PATCHES[name]
    return (_AFTER, ord(name) - ord("a") + 1) if len(name) == 1 else None


def _key(tokens: list[int | str]) -> VersionKey:
    length = next((place for place, token in enumerate(tokens) if isinstance(token, str)), len(tokens))
    numbers = [token for token in tokens[:length] if isinstance(token, int)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), (*_suffix(tokens[length:]), (_END, 0, 0))


def _suffix(tokens: list[int | str]) -> Iterator[tuple[int, int, int]]:
    """Yield an element for each name with the number behind it, and for each number that has no name."""
    previous: int | str = 0
    for token, following in zip_longest(tokens, tokens[1:]):
        if isinstance(token, str):
            rank = _rank(token)
            if rank is not None and not (rank == (_AFTER, _P) and following == 0):
                yield *rank, following if isinstance(following, int) else 0
        elif isinstance(previous, int):
            yield _NUMBER, token, 0
        previous = token
