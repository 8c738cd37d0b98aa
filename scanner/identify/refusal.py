"""Classify greetings that refuse the client: too busy, closed, not for us, listed on a block list ...

A 421, 450, 550 or 554 in place of the 220 is a result like any other, and most servers give a reason. A sweep must know
whether the reason is about *its client*: such a host was not observed, its network is missing from the coverage, and
further visits would be rude. "554 Your IP is listed at Spamhaus" is about the client, "421 too busy" is not.

The texts are rules like those for software (`refusals.toml`). They are tried only on greetings that refuse: codes 4yz
and 5yz, or a postscreen teaser ("220-") that ends with one. A text that no rule knows is `other` and not counted as
about the client.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final, Self

from scanner.identify.index import RuleIndex
from scanner.identify.rules import RefusalRule, shipped_refusals
from scanner.model import Banner, Refusal, RefusalKind

#: From this code on a reply refuses (RFC 5321 4.2.1).
_REFUSES: Final = 400
_UNKNOWN: Final = Refusal(RefusalKind.OTHER, refused_us=False, evidence=None)


class RefusalRules:
    """A set of rules for refusals, ready to be asked."""

    def __init__(self, rules: Iterable[RefusalRule]) -> None:
        """Index `rules`; where two are equally specific, the earlier one speaks.

        Raises:
            RuleError: when two rules have the same id.
        """
        self._index = RuleIndex(rules)

    @classmethod
    @cache
    def shipped(cls) -> Self:
        """Return the rules of the program."""
        return cls(shipped_refusals())

    @property
    def rules(self) -> tuple[RefusalRule, ...]:
        """The rules, in the order they were given."""
        return self._index.rules

    def classify(self, banner: Banner) -> Refusal | None:
        """Return what a refusing greeting means; None for a greeting that does not refuse."""
        if banner.code is None or banner.code < _REFUSES:
            return None
        for rule, _ in self._index.matches(banner):
            return Refusal(rule.kind, rule.refused_us, rule.id)
        return _UNKNOWN
