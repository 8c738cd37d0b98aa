"""A policy: its rules with levels and options, ranges with other settings, waivers, and the required coverage.

`scanner.policy.file` reads one from a file, `scanner.policy.check` judges records by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scanner.model import NOT_CONNECTED, Status
from scanner.policy.rules import RULES, Level, RuleText
from scanner.policy.waivers import AddressSet, Waiver

#: The names of verdicts that are not about a rule of the policy.
COVERAGE: Final = "coverage"
EXPIRED_WAIVER: Final = "waiver-expired"
UNUSED_WAIVER: Final = "waiver-unused"
FACTS: Final = "facts"
#: Statuses that `coverage.ignore` may name: the connection was not accepted.
EMPTY: Final = tuple(status for status in Status if status in NOT_CONNECTED)
DEFAULT_MIN_SEEN: Final = 0.95


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """A rule as a policy sets it: with every option."""

    level: Level
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RangeRules:
    """What a range changes: for each rule a level (None leaves it) and some of the options."""

    addresses: AddressSet
    rules: Mapping[str, tuple[Level | None, Mapping[str, Any]]]


def default_rules() -> dict[str, RuleSetting]:
    """Return every rule with its default level and options."""
    return {
        name: RuleSetting(rule.text.level, {key: option.default for key, option in rule.options.items()})
        for name, rule in RULES.items()
    }


def default_min_judged() -> dict[str, float]:
    """Return the fraction of hosts on which each rule must be judged."""
    return {name: rule.min_judged for name, rule in RULES.items()}


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. Where several ranges have an address, the last one wins; fractions are 0 to 1."""

    rules: Mapping[str, RuleSetting] = field(default_factory=default_rules)
    ranges: Sequence[RangeRules] = ()
    waivers: Sequence[Waiver] = ()
    min_seen: float = DEFAULT_MIN_SEEN
    min_judged: Mapping[str, float] = field(default_factory=default_min_judged)
    ignore: frozenset[Status] = frozenset()

    def rules_at(self, places: Sequence[int]) -> dict[str, RuleSetting]:
        """Return the rules for an address that is in these ranges."""
        rules = dict(self.rules)
        for place in places:
            for name, (level, options) in self.ranges[place].rules.items():
                before = rules[name]
                rules[name] = RuleSetting(before.level if level is None else level, {**before.options, **options})
        return rules


_OTHER_TEXTS: Final = (
    RuleText(
        COVERAGE,
        "Enough hosts must have been seen and judged.",
        "A host that was not seen may have findings. Sweep again from where the hosts can be reached, with --probe "
        "dialogue where a rule needs it; for whole networks set coverage.ignore.",
        Level.ERROR,
    ),
    RuleText(
        EXPIRED_WAIVER,
        "A waiver must not have expired.",
        "Fix what was waived and remove the waiver, or decide again and give it a later day.",
        Level.ERROR,
    ),
    RuleText(UNUSED_WAIVER, "A waiver should be needed.", "Remove the waiver: no host breaks its rule.", Level.WARNING),
    RuleText(
        FACTS,
        "The facts about flaws should be up to date.",
        "Import newer facts (smtpsweep vulns --update) and sweep again. The flaws of a host that they do not cover are "
        "unknown, so an empty list there is not a pass.",
        Level.WARNING,
    ),
)


def rule_texts(policy: Policy) -> tuple[RuleText, ...]:
    """Return the text of every rule that a check by this policy can name."""
    return (*(rule.text._replace(level=policy.rules[name].level) for name, rule in RULES.items()), *_OTHER_TEXTS)
