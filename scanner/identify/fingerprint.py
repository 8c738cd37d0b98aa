"""From a greeting to the software it names: which rules apply, which one speaks, and what it says.

`index` finds the rules that match, most specific first; the first that can read its version speaks, and `matches`
gives all of them. What a rule captured (versions, never host names or dates) is the key of a bounded cache of finished
`Software`. The pattern itself runs on every greeting, so the cache cannot confuse two hosts. A cache of whole greetings
with host name and date cut out would be faster by a microsecond or two (benchmarks/identify.py), but wrong as soon as
a rule looks at the host name: one percent of a visit is not worth one host with another's identity.

A greeting is a claim: `confidence` says how good, `evidence` which rule made it. Left out: how a server behaves.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Final, Literal, Protocol, Self

from scanner import lazy
from scanner.identify.cpe import cpe_name
from scanner.identify.disclaimers import DATE_STARTS, MAY_DISCLAIM, is_disclaimed, is_not_a_version
from scanner.identify.index import RuleIndex, Try, line_starts
from scanner.identify.rules import GRAMMARS, Rule, shipped_rules
from scanner.identify.systems import system, system_version
from scanner.model import Banner, Software, Status

#: For every host of a sweep: a global is found in half the time of an enumeration's member.
_NOT_SMTP: Final = Status.NOT_SMTP
_FIRST_LINE: Final = (0,)
#: Finished identities kept. Versions in the world are hundreds; a hostile network can fill it, not grow it.
_CACHED_SOFTWARE: Final = 4096

#: RFC 2606: no host is called so. Stands where a greeting begins with the product's name.
_A_HOST: Final = "host.invalid "
_OF_A_PRODUCT: Final = lazy.pattern(r"[A-Z][a-z]+ ?[A-Z][a-z]|\b[a-z][A-Z][a-z]|[A-Z][a-z]+[A-Z]{2}|[A-Z]{2}[a-z]")

_ADDRESS: Final = lazy.pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

#: What a rule says; None when it cannot read what it captured, False when that has only the form of a version.
_Identity = Software | Literal[False] | None
_MakeIdentity = Callable[[Rule, tuple[str | None, ...]], _Identity]
#: Products, and where in the text their names are taken back.
_Disclaimed = set[tuple[str, int]]


class Identifier(Protocol):
    """Anything that can say which software a greeting names. `Fingerprints` is one, a user's database another."""

    def identify(self, banner: Banner) -> Software | None:
        """Return the software, None when it names none that is known."""


class _Plain(dict[Rule, _Identity]):
    """What each rule says that captures nothing: no more than there are rules, and found in a third of the time."""

    def __init__(self, made: _MakeIdentity) -> None:
        """Remember how to make one."""
        self._make_identity = made

    def __missing__(self, rule: Rule) -> _Identity:
        """Make it, once."""
        software = self[rule] = self._make_identity(rule, ())
        return software


class Fingerprints:
    """A set of rules, ready to identify greetings; `after` is asked about greetings that no rule knows."""

    def __init__(self, rules: Iterable[Rule], after: Identifier | None = None) -> None:
        """Index `rules`; where two are equally specific, the earlier one speaks.

        Raises:
            RuleError: when two rules have the same id.
        """
        self._index = RuleIndex(rules)
        self._after = after
        self._captured = lru_cache(_CACHED_SOFTWARE)(self._make_identity)
        self._plain = _Plain(self._make_identity)

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
        cached = self._captured.cache_info().currsize
        return f"<Fingerprints: {len(self.rules)} rules, {self._index.words} words, {cached} cached>"

    def identify(self, banner: Banner) -> Software | None:
        """Return what the most specific rule that matches says; None when none does, or it is no mail server's.

        Every host of a sweep comes here, so this is `matches` once more, without what it costs to go on after the
        first. A test holds the two equal.
        """
        text, tries = self._index.asked(banner)
        if tries and banner.status is not _NOT_SMTP:
            disclaimed: _Disclaimed | None = None
            starts = _FIRST_LINE if len(banner.lines) == 1 else line_starts(text, len(tries))
            for rule, match_at in tries:
                for start in starts:
                    match = match_at(text, start)
                    if match is None:
                        continue
                    said = self._plain[rule] if match.lastindex is None else self._captured(rule, match.groups())
                    end = match.end()
                    if disclaimed or (text[end : end + 1] in MAY_DISCLAIM and text[end : end + 7] not in DATE_STARTS):
                        disclaimed = disclaimed or set()
                        if _is_disclaimed(rule, match, said, disclaimed):
                            continue
                    if said:
                        return said
            if banner.hostname is None and (said := self._at_the_beginning(text, tries)):
                return said
        return None if self._after is None or banner.status is _NOT_SMTP else self._after.identify(banner)

    def matches(self, banner: Banner) -> tuple[Software, ...]:
        """Return what every rule that matches says, the most specific first."""
        software: dict[Rule, Software] = {}
        disclaimed: _Disclaimed = set()
        for rule, match in () if banner.status is _NOT_SMTP else self._index.matches(banner):
            said = self._captured(rule, match.groups())
            if not _is_disclaimed(rule, match, said, disclaimed) and said:
                software.setdefault(rule, said)
        if not software and banner.hostname is None and banner.status is not _NOT_SMTP:
            said = self._at_the_beginning(*self._index.asked(banner))
            return (said,) if said else ()
        return tuple(software.values())

    def _at_the_beginning(self, text: str, tries: Iterable[Try[Rule]]) -> _Identity:
        """Return what a name says that stands where rules expect a host's: "DavMail 6.3.12 SMTP ready".

        A single word could be the host's own name ("courier ESMTP ready"), so it needs a version behind it, several
        words with capitals, or capitals as only names of products have them.
        """
        text = _A_HOST + text.partition("\n")[0]
        for rule, match_at in tries:
            match = None if _is_sure(rule) else match_at(text, 0)
            if match is None:
                continue
            said = self._captured(rule, match.groups())
            if not said or _is_disclaimed(rule, match, said, set()):
                continue
            numbered = said.version is not None and _ADDRESS.fullmatch(said.version) is None
            if numbered or _OF_A_PRODUCT.search(match[0], len(_A_HOST)):
                return said
        return None

    def _make_identity(self, rule: Rule, groups: tuple[str | None, ...]) -> _Identity:
        """Make the identity from what a rule captured; None when its grammar cannot read it.

        False when what has a version's place is an address, a day or a size: then the rule might as well not match.
        """
        names = self._index.compiled(rule).groupindex
        captured = {name: value for name, number in names.items() if groups and (value := groups[number - 1])}
        if not _is_sure(rule) and is_not_a_version(captured.get("version", "")):
            return False
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


def identify(banner: Banner) -> Software | None:
    """Return the software a greeting names, by the shipped rules; None when it names none we know."""
    return _shipped().identify(banner)


def _is_sure(rule: Rule) -> bool:
    """Tell whether what a rule names stays named: refusals go by their words, services by the host's name as well."""
    return bool(rule.codes) or "kind" in rule.fixed


def _is_disclaimed(rule: Rule, match: re.Match[str], software: _Identity, disclaimed: _Disclaimed) -> bool:
    """Tell whether the rest of the line takes the name back, also from any later rule for the product at this place."""
    if software is False or _is_sure(rule):
        return False
    place = (rule.fixed["product"], match.start())
    of_system = (match.lastgroup or "").startswith("os")
    versioned = software is not None and (software.version or "").count(".") > 1 and not of_system
    if not is_disclaimed(match.string, match.end(), versioned=versioned):
        return place in disclaimed
    if not of_system:
        # "Postfix (Fedora hat shop)" is Postfix still, on no system that is known.
        disclaimed.add(place)
    return True


@cache
def _shipped() -> Fingerprints:
    return Fingerprints.shipped()
