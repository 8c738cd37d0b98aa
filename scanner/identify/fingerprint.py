"""From a greeting to the software it names: which rules apply, which one speaks, and what it says.

A sweep asks this for every mail server, with hundreds of rules, so nearly all rules must cost nothing:

1. The greeting's words are looked up in one index (a set intersection): its cost depends on the length of the
   greeting, not on the number of rules. Most greetings point to one or two rules.
2. Those are tried, most specific first, at the beginning of each line. The first that matches speaks; `matches`
   gives all of them.
3. What a rule captured (versions, never host names or dates) is the key of a bounded cache of finished `Software`.
   The pattern itself runs on every greeting, so the cache cannot confuse two hosts. A cache of whole greetings with
   host name and date cut out would be faster by a microsecond or two (benchmarks/identify.py), but wrong as soon as
   a rule looks at the host name: one percent of a visit is not worth one host with another's identity.

A greeting is a claim: `confidence` says how good, `evidence` which rule made it. Left out: how a server behaves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Final, Self

from scanner.errors import RuleError
from scanner.identify.cpe import cpe_name
from scanner.identify.rules import Rule, shipped_rules
from scanner.model import Greeting, Software

#: Finished identities kept. Versions in the world are hundreds; a hostile network can fill it, not grow it.
_CACHED_SOFTWARE: Final = 4096
#: Kept combinations of prefilter words that appeared together in one greeting.
_CACHED_CANDIDATES: Final = 1024
# How the parser writes a TAB. Some servers send it where others send a space.
_TAB: Final = "\\x09"
# Letters to lower case, digits as they are, anything else separates words.
_FOLD: Final = bytes(ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else 32 for byte in range(256))


class Fingerprints:
    """A set of rules, ready to identify greetings."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Index `rules`; where two are equally specific, the earlier one speaks.

        Raises:
            RuleError: when two rules have the same id.
        """
        self.rules = tuple(rules)
        for rule_id, count in Counter(rule.id for rule in self.rules).items():
            if count > 1:
                raise RuleError(f"{count} rules have the id {rule_id}: {_sources(self.rules, rule_id)}")
        ranked = sorted(self.rules, key=lambda rule: -rule.specificity)
        self._rank = {rule: rank for rank, rule in enumerate(ranked)}
        # A flag is told from a word by its colon, which no word of a greeting can have.
        self._index: dict[bytes, list[Rule]] = {}
        for rule in ranked:
            for key in {*rule.words, *(f":{flag}" for flag in rule.flags)}:
                self._index.setdefault(key.encode(), []).append(rule)
        self._keys = frozenset(self._index)
        self._candidates = lru_cache(_CACHED_CANDIDATES)(self._ranked)
        self._software = lru_cache(_CACHED_SOFTWARE)(_software)

    @classmethod
    def shipped(cls, further: Iterable[Rule] = ()) -> Self:
        """Return the rules of the program, with `further` ones after them."""
        return cls((*shipped_rules(), *further))

    def __repr__(self) -> str:
        """Show how many rules and prefilter words there are, and how full the cache is."""
        cached = self._software.cache_info().currsize
        return f"<Fingerprints: {len(self.rules)} rules, {len(self._keys)} words, {cached} cached>"

    def identify(self, greeting: Greeting) -> Software | None:
        """Return what the most specific rule that matches says; None when none does."""
        return next(self._spoken(greeting), None)

    def matches(self, greeting: Greeting) -> tuple[Software, ...]:
        """Return what every rule that matches says, the most specific first."""
        return tuple(self._spoken(greeting))

    def _spoken(self, greeting: Greeting) -> Iterator[Software]:
        lines = greeting.lines
        text = lines[0].strip() if len(lines) == 1 else "\n".join(map(str.strip, lines))
        if _TAB in text:
            text = text.replace(_TAB, " ")
        found = self._keys.intersection(text.encode("ascii", "replace").translate(_FOLD).split())
        if greeting.flags:
            found |= self._keys.intersection([f":{flag}".encode() for flag in greeting.flags])
        if not found:
            return
        starts = (0,) if len(lines) == 1 else _line_starts(text)
        for rule in self._candidates(found):
            if rule.codes and greeting.code not in rule.codes:
                continue
            for start in starts:
                match = rule.pattern.match(text, start)
                if match is None:
                    continue
                software = self._software(rule, match.groups())
                if software is not None:
                    yield software
                    break

    def _ranked(self, found: frozenset[bytes]) -> tuple[Rule, ...]:
        return tuple(sorted({rule for key in found for rule in self._index[key]}, key=self._rank.__getitem__))


def identify(greeting: Greeting) -> Software | None:
    """Return the software a greeting names, by the shipped rules; None when it names none we know."""
    return _shipped().identify(greeting)


@cache
def _shipped() -> Fingerprints:
    return Fingerprints.shipped()


def _line_starts(text: str) -> tuple[int, ...]:
    """Return where each line of the joined text begins."""
    return (0, *(position + 1 for position, character in enumerate(text) if character == "\n"))


def _software(rule: Rule, groups: tuple[str | None, ...]) -> Software | None:
    """Make the identity from what a rule captured; None when its grammar cannot read it."""
    captured = {name: value for name, value in zip(rule.groups, groups, strict=True) if value}
    if rule.grammar is not None:
        parsed = rule.grammar(captured)
        if parsed is None:
            return None
        captured = parsed
    version = captured.pop("cpe_version", captured.get("version"))
    return Software(
        **{**rule.fixed, **captured},
        cpe=None if rule.cpe is None else cpe_name(rule.cpe, version),
        confidence=rule.confidence,
        evidence=rule.id,
    )


def _sources(rules: Iterable[Rule], rule_id: str) -> str:
    return ", ".join(sorted({rule.source for rule in rules if rule.id == rule_id}))
