"""Identify the software that a greeting names: "220 mail.example.com ESMTP Exim 4.96" is Exim, version 4.96.

`index` finds the rules that match, the most specific first. The first rule that can read its version decides, unless
the words behind the name disclaim it (`disclaimers`: "Exim is better"); `matches` returns what all of them say.

What a rule captured (versions, never host names or dates) is the key of a bounded cache of finished `Software`. The
pattern itself runs on every greeting, so the cache cannot confuse two hosts. A cache of whole greetings, with host name
and date cut out, would save a microsecond or two (benchmarks/identify.py), but it would be wrong as soon as a rule
looks at the host name.

A greeting is a claim: `confidence` says how good it is, `evidence` which rule it rests on. Left out: how a server
behaves (`behaviour`).
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Final, Literal, Protocol, Self

from scanner import lazy
from scanner.identify.cpe import cpe_name
from scanner.identify.disclaimers import DATE_STARTS, MAY_DISCLAIM, is_disclaimed, is_not_a_version
from scanner.identify.index import RuleIndex, Try, line_starts, matches_in
from scanner.identify.rules import GRAMMARS, Rule, shipped_rules
from scanner.identify.systems import system, system_version
from scanner.model import Banner, Software, Status

#: For every host of a sweep: a global is found in half the time of an enumeration's member.
_NOT_SMTP: Final = Status.NOT_SMTP
_FIRST_LINE: Final = (0,)
#: Finished identities kept. Versions in the world are hundreds; a hostile network can fill it, not grow it.
_CACHED_SOFTWARE: Final = 4096

#: RFC 2606: no host has this name. It stands in for the host name that rules expect before a product.
PLACEHOLDER_HOST: Final = "host.invalid"
#: "MailServer", "Mail Server", "iMail", "MailSMTP", "SMTPd": capitals as only names of products have them.
_WRITTEN_LIKE_PRODUCT: Final = lazy.pattern(
    r"[A-Z][a-z]+ ?[A-Z][a-z]|\b[a-z][A-Z][a-z]|[A-Z][a-z]+[A-Z]{2}|[A-Z]{2}[a-z]"
)

_ADDRESS: Final = lazy.pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

#: The software of a match; None when its version cannot be read, False when what stands in its place is not one.
_Identity = Software | Literal[False] | None
_MakeIdentity = Callable[[Rule, tuple[str | None, ...]], _Identity]
#: Products, with the place in the text where the words behind the name disclaim it.
_Disclaimed = set[tuple[str, int]]


class Identifier(Protocol):
    """Identifies the software that a greeting names. `Fingerprints` does, and a user's database (`recog`)."""

    def identify(self, banner: Banner) -> Software | None:
        """Return the software, None when it names none that is known."""


class _Plain(dict[Rule, _Identity]):
    """The identities of rules that capture nothing, one a rule. Found in a third of the time that the cache takes."""

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
        """Return what the most specific rule that matches says; None when none does, or it is not a mail server's.

        This runs for every host of a sweep, so it repeats `matches` without the cost of going on after the first. A
        test compares the two.
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
                    identity = self._plain[rule] if match.lastindex is None else self._captured(rule, match.groups())
                    end = match.end()
                    if disclaimed or (text[end : end + 1] in MAY_DISCLAIM and text[end : end + 7] not in DATE_STARTS):
                        disclaimed = disclaimed or set()
                        if _is_disclaimed(rule, match, identity, disclaimed):
                            continue
                    if identity:
                        return identity
            if banner.hostname is None and (first := self._at_the_beginning(text, tries)):
                return first
        return None if self._after is None or banner.status is _NOT_SMTP else self._after.identify(banner)

    def matches(self, banner: Banner) -> tuple[Software, ...]:
        """Return what every rule that matches says, the most specific first."""
        if banner.status is _NOT_SMTP:
            return ()
        text, tries = self._index.asked(banner)
        software: dict[Rule, Software] = {}
        disclaimed: _Disclaimed = set()
        for rule, match in matches_in(text, tries):
            identity = self._captured(rule, match.groups())
            if not _is_disclaimed(rule, match, identity, disclaimed) and identity:
                software.setdefault(rule, identity)
        if not software and banner.hostname is None:
            first = self._at_the_beginning(text, tries)
            return (first,) if first else ()
        return tuple(software.values())

    def _at_the_beginning(self, text: str, tries: Iterable[Try[Rule]]) -> _Identity:
        """Return the product that stands where rules expect a host name: "DavMail 6.3.12 SMTP ready".

        A single word could be the host's own name ("courier ESMTP ready"), so it needs a version behind it, several
        words with capitals, or capitals as only names of products have them.
        """
        text = f"{PLACEHOLDER_HOST} " + text.partition("\n")[0]
        for rule, match_at in tries:
            match = None if _is_sure(rule) else match_at(text, 0)
            if match is None:
                continue
            identity = self._captured(rule, match.groups())
            if not identity or _is_disclaimed(rule, match, identity, set()):
                continue
            numbered = identity.version is not None and _ADDRESS.fullmatch(identity.version) is None
            if numbered or _WRITTEN_LIKE_PRODUCT.search(match[0], len(PLACEHOLDER_HOST) + 1):
                return identity
        return None

    def _make_identity(self, rule: Rule, groups: tuple[str | None, ...]) -> _Identity:
        """Make the identity from what a rule captured; None when its grammar cannot read that.

        False when an address, a day or a size stands in the version's place: then the rule counts as not matching.
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
    """Return the software that a greeting names, by the shipped rules; None when they do not know any."""
    return _shipped().identify(banner)


def _is_sure(rule: Rule) -> bool:
    """Tell whether no words can disclaim the name: refusals match whole texts, services the host name as well."""
    return bool(rule.codes) or "kind" in rule.fixed


def _is_disclaimed(rule: Rule, match: re.Match[str], software: _Identity, disclaimed: _Disclaimed) -> bool:
    """Tell whether the rest of the line disclaims the name, also for later rules for this product at this place."""
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
