r"""Find versions in a text that a server sent: "foobar/2.7.1 ready" holds 2.7.1. Nothing else decides it.

A greeting, a reply, a certificate or a `Received:` line may show the version of a product that no rule knows. So every
number with a dot counts as a version until the text shows that it is something else. There are three results: certainly
a version (`is_sure`), possibly a version, not a version. Callers treat a possible version as undecided.

- First URLs, clock times, sections of RFCs, telephone numbers, the enhanced status code that begins a reply, and
  the host names that the caller knows are replaced by blanks, so that places stay the same.
- Then each word with a digit is judged. Addresses, host names, mail addresses and message ids are not versions. Other
  numbers with a dot are judged by what stands around them (`dotted_numbers`).
- A number without a dot is a version after a word for one ("version 5", "v2500", "Exim 4"), and may be one after what
  looks like a program's name ("Foobus/7"). A commit id ("git-abc") may be one without any digit.
- What the caller knows to be the server's version is one whatever stands around it.

The text is printable ASCII, escaped (`\xNN`). The work grows linearly with its length.

Left out: versions in words ("four dot nine"), and digits that are not ASCII.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, NamedTuple

from scanner import lazy
from scanner.identify.dotted_numbers import judge_dotted_number
from scanner.identify.possible_versions import may_be_version
from scanner.identify.undotted_numbers import judge_word
from scanner.identify.version_context import Certainty, words_before
from scanner.identify.word_lists import words_before_versions
from scanner.model import Software

#: Characters of a version that are shown.
_MAX_VERSION: Final = 60
#: A text without it has no version, except behind a word such as "version".
_HINT: Final = lazy.pattern(r"[.vV_][0-9x]|[tT][-.][0-9A-Fa-f]")
#: The letters before a number, with what may part them from it.
_LETTERS: Final = lazy.pattern(r"(?<![A-Za-z])([A-Za-z]++)[0-9]{0,4}[^0-9A-Za-z,;!?|]{0,80}+[0-9]")
_DIGIT: Final = lazy.pattern(r"[0-9]")
#: A commit id, also one of letters alone: git-abc.
_STATE: Final = lazy.pattern(
    r"(?<![0-9A-Za-z_.@])(?:git|svn|hg)[-.:_ ]([0-9a-f]{3,40})(?![0-9A-Za-z_.-])", re.IGNORECASE
)
_ESCAPED: Final = lazy.pattern(r"\\x[0-9a-f]{2}|\\\\")
_OTHER: Final = lazy.pattern(
    r"""
    (?:https?|ftp):// \S*+ | (?<![\w.-]) www\. \S*+
    # a clock's time
  | (?<![0-9:.]) (?: (?<![A-Za-z]) | (?<=[0-9]T) ) [0-9]{1,2} : [0-9]{2} (?: : [0-9]{2} (?: [.,][0-9]{1,9} )? )?
    (?![0-9:])
  | \b RFC s? [ -]? [0-9]{1,5} (?: [,;:]? [ ] (?: sections? [ ] )? [0-9]{1,3} (?: \. [0-9]{1,3} ){1,5} )?
  | (?<![0-9A-Za-z]) \+ [0-9] [0-9 ().\/-]{5,20} [0-9]                                 # a telephone
  | (?: \# [245] | \b ([245]) [0-9]{2} [ -] \1 ) \. [0-9]{1,3} \. [0-9]{1,3} (?![0-9.])  # (#5.7.1), "550 5.7.1"
    """,
    re.VERBOSE | re.IGNORECASE,
)
_STATUS_CODE: Final = lazy.pattern(r"\s{0,3}([245])\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9A-Za-z.])")
#: Fields of `Software` that show how old it is.
_FIELDS: Final = ("version", "config_version", "patch", "build", "package")
#: A day: a number before one of these is not a version.
_MONTH: Final = lazy.pattern(
    r"[-/ .]{0,2}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}(?![0-9A-Za-z])", re.IGNORECASE
)
#: One word of a text, and the parts of one.
_CHUNK: Final = lazy.pattern(r"[^\s()<>\[\]{}\"',;|*!?&=]++")
_PART: Final = lazy.pattern(r"[^/:#@]++")
_NUMBER: Final = lazy.pattern(r"(?<![0-9])[0-9]++(?:[._][0-9]++)++|(?<![0-9A-Za-z.])[0-9]{1,3}+\.x(?![0-9A-Za-z])")
_HOST_NAME: Final = lazy.pattern(r"(?:[0-9A-Za-z_-]++\.)++([A-Za-z][A-Za-z-]{1,23}|[xX][nN]--[0-9A-Za-z-]{1,59})")
#: Ends of a version that look like the last label of a host name.
_RELEASE_ENDS: Final = frozenset(
    {
        *("alpha", "beta", "gamma", "rc", "pre", "dev", "ga", "final", "release", "snapshot", "snap", "stable", "git"),
        *("deb", "rpm", "tgz", "gz", "zip", "tar", "exe", "msi", "jar", "build", "patch", "hotfix"),
    }
)


class FoundVersion(NamedTuple):
    """A version in a text: its spelling, where it begins, and whether it is certainly one (`is_sure`) or possibly."""

    version: str
    start: int
    is_sure: bool


def find_versions(
    text: str, *, code: int | None = None, hosts: Iterable[str] = (), known: Collection[str] = ()
) -> tuple[FoundVersion, ...]:
    """Return the versions in a text, and what may be one, in their order.

    Args:
        text: one line that a server sent, without its reply code; escaped printable ASCII.
        code: the reply code of that line; None when it has none.
        hosts: names and addresses of the server and of ours, which are no versions.
        known: what is known to be its version, patch or package.
    """
    if _DIGIT.search(text) is None and _STATE.search(text) is None:
        return ()
    clean = _blank_known_texts(text, code, hosts)
    found = list(_known_in(clean, known))
    ends = 0
    for chunk in _CHUNK.finditer(clean):
        if _DIGIT.search(chunk[0]) is None:
            continue
        for each in _in_chunk(clean, chunk[0], chunk.start(), code):
            if each.start >= ends and not any(_is_inside(each, other) for other in found[: len(known)]):
                found.append(each)
                ends = each.start + len(each.version)
    states = (FoundVersion(match[0][:_MAX_VERSION], match.start(), is_sure=False) for match in _STATE.finditer(clean))
    found += [each for each in states if not any(_is_inside(other, each) for other in found)]
    return tuple(sorted(found, key=lambda each: each.start))


def versions_of_software(softwares: Iterable[Software | None]) -> frozenset[str]:
    """Return every version, patch level, build and package revision of these identities. "Debian" alone has none."""
    values = {getattr(software, field) for software in softwares if software is not None for field in _FIELDS}
    return frozenset(value for value in values if value and _DIGIT.search(value))


def may_show_version(text: str, start: int = 0) -> bool:
    """Tell quickly whether a text may hold a version: False only where `find_versions` returns none that is sure.

    `start` is where in the text to begin.
    """
    if _HINT.search(text, start) is not None or "\\" in text:
        return True
    return any(match[1].lower() in words_before_versions() for match in _LETTERS.finditer(text, start))


def is_host_name(word: str) -> bool:
    """Tell whether a word is a name with dots, like `mx1.4.example.com`, and not a version with an end of letters."""
    match = _HOST_NAME.fullmatch(word.rstrip("."))
    if match is None or match[1].lower() in _RELEASE_ENDS:
        return False
    return any(not label.isdigit() for label in word.rstrip(".").split(".")[:-1])


def _blank_known_texts(text: str, code: int | None, hosts: Iterable[str]) -> str:
    """Replace by blanks what is not a version whatever stands around it; places stay the same."""
    clean = _ESCAPED.sub(_blank, text) if "\\" in text else text
    status = _STATUS_CODE.match(clean)
    if status is not None and code is not None and status[1] == str(code)[0]:
        clean = _blank(status) + clean[status.end() :]
    for host in hosts:
        if host and (is_host_name(host) or _maybe_address(host) is not None):
            clean = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", _blank, clean, flags=re.IGNORECASE)
    return _OTHER.sub(_blank, clean)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _known_in(clean: str, known: Collection[str]) -> Iterator[FoundVersion]:
    for value in known:
        match = re.search(rf"(?<![0-9A-Za-z.])v?({re.escape(value)})(?![0-9A-Za-z])", clean, re.IGNORECASE)
        if match is not None:
            yield FoundVersion(match[1], match.start(1), is_sure=True)


def _is_inside(one: FoundVersion, other: FoundVersion) -> bool:
    return other.start <= one.start < other.start + len(other.version)


def _in_chunk(clean: str, chunk: str, start: int, code: int | None) -> Iterator[FoundVersion]:
    """Yield the versions in one word of a text."""
    if _is_mail_address(chunk) or (chunk.count(":") >= 2 and _maybe_address(chunk.rstrip(".:")) is not None):
        return
    for part in _PART.finditer(chunk):
        own = part[0].strip("._-~")
        if own and not is_host_name(own):
            yield from _in_part(clean, own, start + part.start() + part[0].index(own), code)


def _in_part(clean: str, part: str, start: int, code: int | None) -> Iterator[FoundVersion]:
    """Yield the version in a part of a word, and what may be one when there is none that is sure."""
    has_number, open_one = False, None
    for number in _NUMBER.finditer(part):
        has_number = True
        verdict = judge_dotted_number(clean, part, start, number.span(), code)
        if verdict is not Certainty.NONE:
            version = part[number.start() : number.start() + _MAX_VERSION]
            said = FoundVersion(version, start + number.start(), verdict is Certainty.SURE)
            if said.is_sure:
                yield said
                return
            open_one = open_one or said
    if open_one is not None:
        yield open_one
    elif not has_number:
        if part.isdigit() and _MONTH.match(clean, start + len(part)) is not None:
            return
        before = words_before(clean, start)
        verdict = judge_word(part, before, clean[start - 1 : start])
        if verdict is Certainty.NONE and may_be_version(part, before, clean[max(start - 4, 0) : start]):
            verdict = Certainty.OPEN
        if verdict is not Certainty.NONE:
            yield FoundVersion(part[:_MAX_VERSION], start, verdict is Certainty.SURE)


def _is_mail_address(chunk: str) -> bool:
    left, at, right = chunk.rpartition("@")
    return bool(at and left) and (
        not right or is_host_name(right) or right.isalpha() or _maybe_address(right) is not None
    )


def _maybe_address(word: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a word is; None when it is not one."""
    text = word[5:] if word[:5].lower() == "ipv6:" else word
    if len(text) > _MAX_VERSION:
        return None
    try:
        return IPv6Address(text.partition("/")[0]) if ":" in text else IPv4Address(text)
    except AddressValueError:
        return None
