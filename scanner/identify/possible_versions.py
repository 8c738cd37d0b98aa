"""Decide whether a word with digits, but without a dot between numbers, may be a version: "FooMail-7", "SP3", "7beta".

Versions are written in more ways than a list can hold. So anything that stands in a version's place is reported as a
possible version, unless it is known to be something else. That is a number glued to a program's name, a word such as
"build" or "SP" with its number, a commit id, or a short number behind a program's name. A program's name is one of the
rules', a word spelled as makers of software spell names ("FooMail"), or any word behind "ESMTP".

Left out: words in lower case before "ESMTP" (`mail-7` is a host), and numbers behind words that count something.
"""

from typing import Final

from scanner import lazy
from scanner.identify.version_context import WordsBefore, names_software
from scanner.identify.word_lists import CAMEL_CASE, NEVER, NO_PROGRAMS, product_names

#: "FooMail7": a name with a short number, and perhaps a letter.
_GLUED: Final = lazy.pattern(r"([A-Za-z]{3,30})(?:[0-9]{1,4}[a-z]?|[0-9]{1,4}[a-z]{1,6}[0-9]{1,3})")
_BETWEEN: Final = lazy.pattern(r"[-_+~.]")
#: "ver.7", "build-4711", "SP3", "R7": a word for a version, with its number.
_MARKED: Final = lazy.pattern(
    r"(?i:ver|vers|version|build|bld|rel|release|rev|revision|patch|patchlevel|hotfix|update|upd)[-_.]?[0-9]{1,8}[a-z]?"
    r"|(?:R|SP|CU|MR|FP|HF|PL|RU|U|EP)[-_.]?[0-9]{1,3}[a-z]?(?:(?:SP|U|R)[0-9]{1,2})?"
)
#: The same in lower case, behind a program's name alone: "Foobus-r12".
_MARKED_LOWER: Final = lazy.pattern(r"(?:r|sp|cu|mr|fp|hf|pl|p|u|v|b|rc|beta|alpha|svn|git)[0-9]{1,6}[a-z]?")
#: "3-2-1", "7beta", "2023R2", "2019", "7": what may stand behind a program's name.
_NUMBERED: Final = lazy.pattern(
    r"(?:[0-9]{1,3}|(?:19|20)[0-9]{2}|[0-9]{1,4}(?:[-_][0-9]{1,5}){1,4})(?:[-_]?[A-Za-z]{1,8}[-_]?[0-9]{0,4})?"
)
_SMALL: Final = lazy.pattern(r"[0-9]{1,3}[a-z]?")
_MANY: Final = lazy.pattern(r"[0-9]{1,8}")
#: A commit id: hexadecimal, with a letter and a digit.
_STATE: Final = lazy.pattern(r"\+?(?=[0-9]{0,39}[a-f])(?=[a-f]{0,39}[0-9])[0-9a-f]{7,40}")
_PARTED: Final = lazy.pattern(r"[;|,=]\s{0,2}\Z")
_AFTER_PROTOCOL: Final = frozenset({"esmtp", "smtp", "lmtp", "esmtps"})
_YEAR: Final = lazy.pattern(r"(?:19|20)[0-9]{2}")
_RIGHTS: Final = frozenset({"copyright", "rights", "reserved", "c"})


def may_be_version(part: str, before: WordsBefore, ahead: str) -> bool:
    """Tell whether a word may be a version: "FooMail-7" may, "mail-7" not.

    Args:
        part: the word, which has a digit and no number with a dot.
        before: what stands before it.
        ahead: the characters right before it.
    """
    if before.last in NEVER:
        return False
    sign = ahead[-1:]
    if sign != "=" and _MARKED.fullmatch(part) is not None:  # "CN=R3" is a certificate's issuer
        return True
    name = before.spelled
    follows_name = _is_program(name) or (len(name) > 2 and name.isalpha() and _is_behind_protocol(name, before))
    if follows_name and _is_after_name(part, before, ahead):
        return True
    return _is_name_with_number(part, before, sign)


def _is_after_name(part: str, before: WordsBefore, ahead: str) -> bool:
    """Tell whether a word behind a program's name may be its version."""
    if _YEAR.fullmatch(part) and not _RIGHTS.isdisjoint(before.words):
        return False
    if not before.near:  # "FooMail; 7", "FooMail=7"
        is_name = CAMEL_CASE.search(before.spelled) is not None
        return is_name and _PARTED.search(ahead) is not None and _SMALL.fullmatch(part) is not None
    if ahead[-1:] == "#":
        return _MANY.fullmatch(part) is not None
    is_number = _NUMBERED.fullmatch(part) is not None and not (part.isdigit() and before.last.endswith("qmail"))
    return is_number or _STATE.fullmatch(part) is not None or _MARKED_LOWER.fullmatch(part) is not None


def _is_behind_protocol(name: str, before: WordsBefore) -> bool:
    """Tell whether the last word stands right behind "ESMTP", where a product's name does."""
    return before.second in _AFTER_PROTOCOL and name.lower() not in NO_PROGRAMS


def _is_name_with_number(part: str, before: WordsBefore, sign: str) -> bool:
    """Tell whether a word is a program's name and its number in one: "FooMail-7", "Zorblax-XE-12", "FooMail7"."""
    glued = _GLUED.fullmatch(part)
    name, *others = [glued[1], ""] if glued is not None else _BETWEEN.split(part)
    if not others or not name.isalpha() or part.lower() in product_names():
        return False
    follows = sign == " " and before.last in _AFTER_PROTOCOL  # in brackets there are ids, too
    is_behind_protocol = follows and len(name) > 2 and name.lower() not in NO_PROGRAMS
    # Where nothing stands before it, a name is the host's, unless it is written as no host is.
    is_name = is_behind_protocol or (_is_program(name) and (bool(before.words) or CAMEL_CASE.search(name) is not None))
    if not is_name:
        return False
    return glued is not None or any(_is_number(each) for each in others)


def _is_number(piece: str) -> bool:
    patterns = (_SMALL, _NUMBERED, _MARKED, _MARKED_LOWER, _STATE)
    return any(pattern.fullmatch(piece) is not None for pattern in patterns)


def _is_program(word: str) -> bool:
    """Tell whether a word is a program's name, written as hosts are not."""
    return word.lower() in product_names() or (
        any(map(str.isupper, word)) and not word.isupper() and names_software(word)
    )
