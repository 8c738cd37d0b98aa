"""Decide whether a word with digits, but without a dot between numbers, is a version: "v5", "5" after "version".

"exim4", a commit id and HP's patch names belong here as well. Words that may be versions without being certain are
left to `possible_versions`.
"""

import re
from typing import Final

from scanner import lazy
from scanner.identify.version_context import Certainty, WordsBefore, names_software
from scanner.identify.word_lists import (
    BEFORE_ADDRESS,
    COMMON,
    COPULAS,
    NEVER,
    NO_PROGRAMS,
    PROTOCOLS,
    VERSION,
    product_names,
    product_phrases,
)

#: Shorter words show nothing about the number behind them.
_SHORTEST_WORD: Final = 3
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
#: Numbers of releases; those of processes, ports and counters are longer.
_SMALL: Final = lazy.pattern(r"[0-9]{1,3}[a-z]?")
_HP_PATCH: Final = lazy.pattern(r"PHNE_[0-9]{3,6}(?:\+\w{1,20})?")


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
    """Judge a number without a dot after a word that is not a product's name by itself."""
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
