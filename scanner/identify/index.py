"""Find the rules that apply to a greeting, in a time that does not depend on the number of rules.

A sweep does this for every mail server, with a thousand rules, so nearly all of them must cost nothing:

1. Each rule lists words of which a greeting must have one. The greeting's words are looked up in one index (a set
   intersection), whose cost depends on the length of the greeting. Most greetings lead to one or two rules.
2. Those are tried, the most specific first, at the beginning of each line.

A hostile greeting can lead to hundreds of rules on a hundred lines. So only the most specific `MOST_RULES` are tried,
at the first lines and the last, `MOST_TRIES` times in all: more than three times what any greeting in the corpus needs.

A pattern is compiled when the first greeting leads to it: most sweeps meet a tenth of the products in the world.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

from scanner.errors import RuleError
from scanner.model import Banner

#: Rules tried on one greeting; the busiest of all examples and real greetings points to 18.
MOST_RULES: Final = 40
#: Tries of a rule at a line; the busiest needs 60. A try that fails late takes a few microseconds.
MOST_TRIES: Final = 240
#: Kept combinations of prefilter words that appeared together in one greeting.
_CACHED_CANDIDATES: Final = 1024
# How the parser writes a TAB. Some servers send it where others send a space.
_TAB: Final = "\\x09"
# Letters to lower case, digits as they are, anything else separates words.
_FOLD: Final = bytes(ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else 32 for byte in range(256))


#: A condition that a rule may have in place of a word: 32 characters between round brackets at the end, as ids of
#: sessions are. Rules write it among their flags; the parser does not set it. Such rules come after those with words.
SESSION_ID: Final = "session_id"
_SESSION_ID_OPENS: Final = slice(-34, -33)


class Findable(Protocol):
    """What the index needs of a rule: when to try it, and how."""

    @property
    def id(self) -> str:
        """Its name, unique in a set."""

    @property
    def source(self) -> str:
        """The file it comes from."""

    @property
    def words(self) -> tuple[str, ...]:
        """Words of which the greeting must have one, in lower case."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of the parser, or `SESSION_ID`, that are as good as a word."""

    @property
    def codes(self) -> frozenset[int]:
        """The reply codes it is for; any when empty."""

    @property
    def pattern(self) -> str:
        """A regular expression for the beginning of a line."""

    @property
    def specificity(self) -> int:
        """Of several rules the highest comes first."""


RuleT = TypeVar("RuleT", bound=Findable)
#: A rule, and the match method of its pattern: for a text and where a line begins in it.
Try = tuple[RuleT, Callable[[str, int], re.Match[str] | None]]


class RuleIndex(Generic[RuleT]):
    """A set of rules, ready to be asked for those that match a greeting."""

    def __init__(self, rules: Iterable[RuleT]) -> None:
        """Index `rules`; where two are equally specific, the earlier one comes first.

        Raises:
            RuleError: when two rules have the same id.
        """
        self.rules = tuple(rules)
        for rule_id, count in Counter(rule.id for rule in self.rules).items():
            if count > 1:
                files = sorted({rule.source for rule in self.rules if rule.id == rule_id})
                raise RuleError(f"{count} rules have the id {rule_id}: {', '.join(files)}")
        ranked = sorted(self.rules, key=lambda rule: -rule.specificity)
        self._rank = {rule: rank for rank, rule in enumerate(ranked)}
        # A flag is told from a word by its colon, which no word of a greeting can have.
        self._index: dict[bytes, list[RuleT]] = {}
        for rule in ranked:
            for key in {*rule.words, *(f":{flag}" for flag in rule.flags)}:
                self._index.setdefault(key.encode(), []).append(rule)
        self._keys = frozenset(self._index)
        self._known = self._keys.intersection
        self._session_id = self._keys & {f":{SESSION_ID}".encode()}
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._candidates = lru_cache(_CACHED_CANDIDATES)(self._ranked)

    @property
    def words(self) -> int:
        """How many words and flags there are in the prefilter."""
        return len(self._keys)

    def asked(self, banner: Banner) -> tuple[str, tuple["Try[RuleT]", ...]]:
        """Return a greeting's lines as one text, and the rules to try on it, the most specific first.

        Every mail server of a sweep comes here, and most greetings are one line that one or two rules are tried at.
        """
        lines = banner.lines
        text = lines[0].strip() if len(lines) == 1 else "\n".join(map(str.strip, lines))
        if "\\" in text:  # faster than to look for all of it, in every greeting
            text = text.replace(_TAB, " ")
        try:
            folded = text.encode()  # half the time of what cannot fail
        except UnicodeEncodeError:
            folded = text.encode("ascii", "replace")
        found = self._known(folded.translate(_FOLD).split())
        if banner.flags:
            found |= self._known([f":{flag}".encode() for flag in banner.flags])
        if text and text[-1] == ")" and text[_SESSION_ID_OPENS] == "(":
            found |= self._session_id
        return text, self._candidates(found, banner.code) if found else ()

    def matches(self, banner: Banner) -> Iterator[tuple[RuleT, re.Match[str]]]:
        """Iterate over the rules that match, with each line they match at, the most specific rule first."""
        return matches_in(*self.asked(banner))

    def compiled(self, rule: RuleT) -> re.Pattern[str]:
        """Return the pattern of a rule of this set."""
        pattern = self._patterns.get(rule.id)
        if pattern is None:
            pattern = self._patterns[rule.id] = re.compile(rule.pattern, re.MULTILINE)
        return pattern

    def _ranked(self, found: frozenset[bytes], code: int | None) -> tuple["Try[RuleT]", ...]:
        """Return what to try for these words: first what a word points to, then what a session's id does."""
        tries: list[Try[RuleT]] = []
        for keys in (found - self._session_id, found & self._session_id):
            rules = {rule for key in keys for rule in self._index[key]}
            ranked = sorted(rules, key=self._rank.__getitem__)[:MOST_RULES]
            tries += ((rule, self.compiled(rule).match) for rule in ranked if not rule.codes or code in rule.codes)
        return tuple(tries)


def matches_in(text: str, tries: Sequence["Try[RuleT]"]) -> Iterator[tuple[RuleT, re.Match[str]]]:
    """Iterate over the rules that match a text, with each line they match at; `asked` gave both."""
    starts = line_starts(text, len(tries))
    for rule, match_at in tries:
        for start in starts:
            match = match_at(text, start)
            if match is not None:
                yield rule, match


def line_starts(text: str, tries: int) -> tuple[int, ...]:
    """Return where the lines begin at which `tries` rules are tried, so that all tries are at most `MOST_TRIES`."""
    if "\n" not in text:
        return (0,)
    starts = (0, *(position + 1 for position, character in enumerate(text) if character == "\n"))
    if len(starts) * tries > MOST_TRIES:
        return (*starts[: MOST_TRIES // tries - 1], starts[-1])
    return starts
