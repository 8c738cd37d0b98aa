"""Judge the records of a sweep by a policy: one verdict for each rule at each host, then what holds for the whole.

A policy has rules with levels and options, ranges in which other levels and options hold, waivers, and a guard: too
many hosts that were not seen, or not judged by a rule, are a failure of their own (`coverage`). Without it a sweep
that reached nothing would pass.

Records go in one by one, verdicts come out, and memory does not grow with them but for 100 bytes a record, by which
the repeats of a resumed sweep are known. Today's date is an argument: it decides about waivers and certificates.
Left out: reading the file (`policy_file`), the rules themselves (`policy_rules`), and writing reports.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Any, Final, NamedTuple

from scanner.assess.facts import OLD_DAYS, shipped_facts
from scanner.model import Record, Status
from scanner.policy.judges import RuleOutcome, shows_version, why_not_seen
from scanner.policy.rules import RULES, Level, RuleText
from scanner.policy.waivers import AddressSet, Waiver, Waivers, is_among

__all__ = [
    "COVERAGE",
    "FACTS",
    "Level",
    "Policy",
    "PolicyCheck",
    "RangeRules",
    "RuleOutcome",
    "RuleSetting",
    "RuleText",
    "Verdict",
    "VerdictTally",
    "rule_texts",
]

#: The names of what a check says besides the rules.
COVERAGE: Final = "coverage"
EXPIRED_WAIVER: Final = "waiver-expired"
UNUSED_WAIVER: Final = "waiver-unused"
FACTS: Final = "facts"
#: Statuses that `coverage.ignore` may name: nothing accepted the connection.
EMPTY: Final = (Status.REFUSED, Status.CONNECT_TIMEOUT, Status.UNREACHABLE)
DEFAULT_MIN_SEEN: Final = 0.95
_NOT_KNOWN: Final = "of a product not known"


class Verdict(NamedTuple):
    """What became of one rule at one host; `ip` is None for what holds for the whole check.

    `host` is the name the user gave for the address. `message` is ours, with names and versions that a server gave;
    `evidence` is what the server said, or in a verdict without address what the verdict is about. `waiver` is set in
    waived ones only. Texts can hold anything: a report neutralises them.
    """

    rule: str
    level: Level
    outcome: RuleOutcome
    ip: str | None
    port: int | None
    host: str | None
    message: str
    evidence: str | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """A rule as a policy sets it: with every option."""

    level: Level
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RangeRules:
    """What is set otherwise for some addresses: by rule a level, or None to leave it, and some of the options."""

    addresses: AddressSet
    rules: Mapping[str, tuple[Level | None, Mapping[str, Any]]]


def default_rules() -> dict[str, RuleSetting]:
    """Return every rule with its default level and options."""
    return {
        name: RuleSetting(rule.text.level, {key: option.default for key, option in rule.options.items()})
        for name, rule in RULES.items()
    }


def default_min_judged() -> dict[str, float]:
    """Return for every rule the fraction of hosts it must be judged on."""
    return {name: rule.min_judged for name, rule in RULES.items()}


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. Of several ranges with one address the later wins; fractions are 0 to 1."""

    rules: Mapping[str, RuleSetting] = field(default_factory=default_rules)
    ranges: Sequence[RangeRules] = ()
    waivers: Sequence[Waiver] = ()
    min_seen: float = DEFAULT_MIN_SEEN
    min_judged: Mapping[str, float] = field(default_factory=default_min_judged)
    ignore: frozenset[Status] = frozenset()

    def rules_at(self, places: Sequence[int]) -> dict[str, RuleSetting]:
        """Return the rules where these of the ranges apply."""
        rules = dict(self.rules)
        for place in places:
            for name, (level, options) in self.ranges[place].rules.items():
                before = rules[name]
                rules[name] = RuleSetting(before.level if level is None else level, {**before.options, **options})
        return rules


def rule_texts(policy: Policy) -> tuple[RuleText, ...]:
    """Return what a report says of the rules that a check by this policy can name."""
    rules = tuple(rule.text._replace(level=policy.rules[name].level) for name, rule in RULES.items())
    return (
        *rules,
        RuleText(
            COVERAGE,
            "Enough hosts must have been seen and judged.",
            "A host that was not seen is not a host without findings. Sweep again from where the hosts can be reached, "
            "with --probe dialogue where a rule needs it; for whole networks set coverage.ignore.",
            Level.ERROR,
        ),
        RuleText(
            EXPIRED_WAIVER,
            "A waiver must not have expired.",
            "Mend what was waived and remove the waiver, or decide anew and give it a later day.",
            Level.ERROR,
        ),
        RuleText(UNUSED_WAIVER, "A waiver should be needed.", "Remove it: nothing breaks its rule.", Level.WARNING),
        RuleText(
            FACTS,
            "The facts that flaws are told from should be new.",
            "Take newer facts in (smtpsweep vulns --update) and sweep again. Of a host that they do not cover nothing "
            "is known: that no flaw is listed there is no pass.",
            Level.WARNING,
        ),
    )


class PolicyCheck:
    """One check by a policy: `judge` every record, then `finish`."""

    def __init__(self, policy: Policy, today: date) -> None:
        self.policy = policy
        self.known = 0
        self.seen = 0
        self._today = today
        self._waivers = Waivers(policy.waivers, today)
        self._rules_at: dict[tuple[int, ...], dict[str, RuleSetting]] = {}
        self._not_seen: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()  # hosts that were seen and are a rule's business, at level error
        self._judged: Counter[str] = Counter()
        self._why: dict[str, str] = {}  # by rule, the first reason why it was not judged
        self._records: set[int] = set()
        self._facts_of: set[str] = set()
        self._not_told: Counter[str] = Counter()  # hosts that show a version whose flaws nobody knows, by the answer

    def judge(self, record: Record) -> list[Verdict]:
        """Return the verdicts on one record; none for a repeat, and for what was never to be visited or is ignored."""
        key = hash(record.event_id)
        if key in self._records or record.status is Status.EXCLUDED or record.status in self.policy.ignore:
            return []
        self._records.add(key)
        self.known += 1
        reason = why_not_seen(record)
        if reason is not None:
            self._not_seen[reason] += 1
        else:
            self.seen += 1
        found = []
        if record.status is Status.NOT_SMTP:
            found.append(_coverage_at(record, RuleOutcome.PASSED, "seen: no mail server"))
        elif record.banner is not None:
            judged = list(self._by_rules(record))
            found = [verdict for verdict, _ in judged]
            if reason is not None:  # half a greeting can break a rule; that it does not, shows nothing
                found = [each for each in found if each.outcome is not RuleOutcome.NOT_JUDGED]
            else:
                self._count(verdict for verdict, hidden in judged if not hidden)
                self._note_facts(record)
        if reason is not None:
            found.append(_coverage_at(record, RuleOutcome.NOT_JUDGED, f"not seen: {reason}"))
        return found

    def finish(self, planned: int | None = None) -> list[Verdict]:
        """Return what holds for the whole check: coverage and waivers.

        `planned` is how many hosts should have been visited, where that is known better than from the records.
        """
        known = max(self.known, planned or 0)
        missing = known - self.known
        if missing:
            self._not_seen["no record"] += missing
        whole = (self._judged_enough(), self._expired(), self._unused(), self._facts_used())
        return [self._seen_enough(known), *chain.from_iterable(whole)]

    def _note_facts(self, record: Record) -> None:
        """Remember of which day the facts were, and hosts that show a version about whose flaws they say nothing."""
        assessment, software = record.assessment, record.software
        if assessment is not None:
            self._facts_of.add(assessment.facts_of)
        if not shows_version(record) or (assessment is not None and assessment.is_known):
            return
        if software is None:
            self._not_told[_NOT_KNOWN] += 1
        else:
            self._not_told["not told by the record" if assessment is None else assessment.words] += 1

    def _facts_used(self) -> Iterator[Verdict]:
        """Say of which day the facts are, and of how many hosts they know nothing."""
        if not self._facts_of and not self._not_told:
            return
        days = sorted(self._facts_of)
        if not days and self._not_told.keys() == {_NOT_KNOWN}:  # it is our own facts that know nothing of it
            days = [shipped_facts().compiled]
        oldest = (self._today - date.fromisoformat(days[0])).days if days else 0
        message = f"flaw data of {' and '.join(days) or 'an unknown day'}"
        if oldest > OLD_DAYS:
            message += f", {oldest:,} days old"
        if self._not_told:
            counts = ", ".join(f"{count:,} {words}" for words, count in self._not_told.most_common())
            message += f"; hosts that show a version of which flaws are not known: {counts}"
        outcome = (
            RuleOutcome.FAILED
            if oldest > OLD_DAYS
            else RuleOutcome.NOT_JUDGED
            if self._not_told
            else RuleOutcome.PASSED
        )
        yield Verdict(FACTS, Level.WARNING, outcome, None, None, None, message, "facts")

    def _count(self, found: Iterable[Verdict]) -> None:
        for verdict in found:
            if verdict.level is Level.ERROR:
                self._asked[verdict.rule] += 1
                if verdict.outcome is RuleOutcome.NOT_JUDGED:
                    self._why.setdefault(verdict.rule, verdict.message)
                else:
                    self._judged[verdict.rule] += 1

    def _by_rules(self, record: Record) -> Iterator[tuple[Verdict, bool]]:
        """Yield each verdict, and whether the host hides what the rule is about."""
        for name, setting in self._rules_for(record.ip).items():
            judgement = RULES[name].judge(record, setting.options, self._today) if setting.level != Level.OFF else None
            if judgement is None:
                continue
            outcome, waiver = judgement.outcome, None
            if outcome is RuleOutcome.FAILED:
                waiver = self._waivers.maybe_waiver(name, record.ip)
                outcome = outcome if waiver is None else RuleOutcome.WAIVED
            where = (record.ip, record.port, record.host)
            verdict = Verdict(name, setting.level, outcome, *where, judgement.message, judgement.evidence, waiver)
            yield verdict, judgement.hidden

    def _rules_for(self, ip: str | None) -> dict[str, RuleSetting]:
        ranges = self.policy.ranges
        places = tuple(place for place, each in enumerate(ranges) if is_among(ip, each.addresses))
        if places not in self._rules_at:
            self._rules_at[places] = self.policy.rules_at(places)
        return self._rules_at[places]

    def _seen_enough(self, known: int) -> Verdict:
        share, least = (self.seen / known if known else 0.0), self.policy.min_seen
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self._not_seen.most_common())
        message = f"{self.seen:,} of {known:,} hosts were seen ({share:.1%}), {least:.1%} are wanted"
        if reasons:
            message += f"; not seen: {reasons}"
        # No host at all is not enough for any policy.
        return _overall(COVERAGE, Level.ERROR, message, "hosts seen", failed=not self.seen or share < least)

    def _judged_enough(self) -> Iterator[Verdict]:
        for name, asked in self._asked.items():
            judged, least = self._judged[name], self.policy.min_judged[name]
            if judged / asked < least:
                message = (
                    f"{name} was judged on {judged:,} of {asked:,} hosts seen ({judged / asked:.1%}), "
                    f"{least:.1%} are wanted; for example: {self._why[name]}"
                )
                yield _overall(COVERAGE, Level.ERROR, message, f"hosts judged by {name}", failed=True)

    def _expired(self) -> Iterator[Verdict]:
        for waiver in self._waivers.expired:
            message = f"the waiver of {waiver.name} expired on {waiver.expires}"
            yield _overall(EXPIRED_WAIVER, Level.ERROR, message, waiver.name, failed=True)

    def _unused(self) -> Iterator[Verdict]:
        for waiver in self._waivers.unused():
            message = f"the waiver of {waiver.name} was not needed"
            yield _overall(UNUSED_WAIVER, Level.WARNING, message, waiver.name, failed=True)


def _coverage_at(record: Record, outcome: RuleOutcome, message: str) -> Verdict:
    return Verdict(COVERAGE, Level.ERROR, outcome, record.ip, record.port, record.host, message)


def _overall(rule: str, level: Level, message: str, about: str, *, failed: bool) -> Verdict:
    return Verdict(rule, level, RuleOutcome.FAILED if failed else RuleOutcome.PASSED, None, None, None, message, about)


class VerdictTally:
    """Counts verdicts by rule, level and outcome; what a check's end depends on."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Level, RuleOutcome]] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.counts[verdict.rule, verdict.level, verdict.outcome] += 1

    def failed(self, level: Level) -> int:
        """Return how many rules are broken at a level, coverage left out."""
        return sum(
            self.counts[key] for key in self.counts if key[1:] == (level, RuleOutcome.FAILED) and key[0] != COVERAGE
        )

    @property
    def covered(self) -> bool:
        """Whether enough was seen and judged."""
        return not self.counts[COVERAGE, Level.ERROR, RuleOutcome.FAILED]
