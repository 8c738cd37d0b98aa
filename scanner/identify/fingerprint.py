"""From a greeting to the software it names: which rules apply, which one speaks, and what it says.

`index` finds the rules that match, most specific first; the first that can read its version speaks, and `matches`
gives all of them. What a rule captured (versions, never host names or dates) is the key of a bounded cache of finished
`Software`. The pattern itself runs on every greeting, so the cache cannot confuse two hosts. A cache of whole greetings
with host name and date cut out would be faster by a microsecond or two (benchmarks/identify.py), but wrong as soon as
a rule looks at the host name: one percent of a visit is not worth one host with another's identity.

A greeting is a claim: `confidence` says how good, `evidence` which rule made it. Left out: how a server behaves.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Final, Protocol, Self

from scanner.identify.cpe import cpe_name
from scanner.identify.index import RuleIndex
from scanner.identify.rules import GRAMMARS, Rule, shipped_rules
from scanner.identify.sentences import is_no_version, takes_back
from scanner.identify.systems import system, system_version
from scanner.model import Greeting, Software, Status

#: For every host of a sweep: a global is found in half the time of an enumeration's member.
_NOT_SMTP: Final = Status.NOT_SMTP
#: Finished identities kept. Versions in the world are hundreds; a hostile network can fill it, not grow it.
_CACHED_SOFTWARE: Final = 4096


class Identifier(Protocol):
    """Anything that can say which software a greeting names. `Fingerprints` is one, a user's database another."""

    def identify(self, greeting: Greeting) -> Software | None:
        """Return the software, None when it names none that is known."""


class Fingerprints:
    """A set of rules, ready to identify greetings; `after` is asked about greetings that no rule knows."""

    def __init__(self, rules: Iterable[Rule], after: Identifier | None = None) -> None:
        """Index `rules`; where two are equally specific, the earlier one speaks.

        Raises:
            RuleError: when two rules have the same id.
        """
        self._index = RuleIndex(rules)
        self._after = after
        self._software = lru_cache(_CACHED_SOFTWARE)(self._made)

    @classmethod
    def shipped(cls, further: Iterable[Rule] = (), after: Identifier | None = None) -> Self:
        """Return the rules of the program, with `further` ones beside them and another database after them."""
        return cls((*shipped_rules(), *further), after)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order they were given."""
        return self._index.rules

    def __repr__(self) -> str:
        """Show how many rules and prefilter words there are, and how full the cache is."""
        cached = self._software.cache_info().currsize
        return f"<Fingerprints: {len(self.rules)} rules, {self._index.words} words, {cached} cached>"

    def identify(self, greeting: Greeting) -> Software | None:
        """Return what the most specific rule that matches says; None when none does, or it is no mail server's."""
        if greeting.status is _NOT_SMTP:
            return None
        for rule, match in self._meant(greeting):
            software = self._software(rule, match.groups())
            if software is not None:
                return software
        return None if self._after is None else self._after.identify(greeting)

    def matches(self, greeting: Greeting) -> tuple[Software, ...]:
        """Return what every rule that matches says, the most specific first."""
        said: dict[Rule, Software] = {}
        for rule, match in self._meant(greeting):
            software = None if rule in said else self._software(rule, match.groups())
            if software is not None:
                said[rule] = software
        return tuple(said.values())

    def _meant(self, greeting: Greeting) -> Iterator[tuple[Rule, re.Match[str]]]:
        """Yield the matches whose name the rest of the line does not take back, from any rule for the product."""
        taken_back: set[tuple[str, int]] = set()
        for rule, match in self._index.matches(greeting):
            # Refusals are known by their words, services by the host's name as well.
            if rule.codes or "kind" in rule.fixed:
                yield rule, match
                continue
            if "version" in match.re.groupindex and is_no_version(match["version"] or ""):
                continue
            text, end = match.string, match.end()
            if end == len(text) or not takes_back(text, end):  # most greetings end with the name
                if not taken_back or (rule.fixed["product"], match.start()) not in taken_back:
                    yield rule, match
            elif not (match.lastgroup or "").startswith("os"):
                # "Postfix (Fedora hat shop)" is Postfix still, on no system that is known.
                taken_back.add((rule.fixed["product"], match.start()))

    def _made(self, rule: Rule, groups: tuple[str | None, ...]) -> Software | None:
        """Make the identity from what a rule captured; None when its grammar cannot read it."""
        names = self._index.compiled(rule).groupindex
        captured = {name: value for name, number in names.items() if (value := groups[number - 1])}
        if rule.grammar is not None:
            parsed = GRAMMARS[rule.grammar][0](captured)
            if parsed is None:
                return None
            captured = parsed
        if "os" in captured:
            captured["os"] = system(captured["os"])
            if "os_version" in captured:
                captured["os_version"] = system_version(captured["os"], captured["os_version"])
        version = captured.pop("cpe_version", captured.get("version"))
        return Software(
            **{**rule.fixed, **captured},
            cpe=None if rule.cpe is None else cpe_name(rule.cpe, version),
            confidence=rule.confidence,
            evidence=rule.id,
        )


def identify(greeting: Greeting) -> Software | None:
    """Return the software a greeting names, by the shipped rules; None when it names none we know."""
    return _shipped().identify(greeting)


@cache
def _shipped() -> Fingerprints:
    return Fingerprints.shipped()
