"""Judge the records of a sweep by a policy: one verdict for each rule at each host, then verdicts on the whole sweep.

A policy has rules with levels and options, ranges with other levels and options, waivers, and a required coverage. The
coverage fails the check when too many hosts were not seen, or not judged by a rule. Without it a sweep that reached no
host would pass.

Records go in one at a time and verdicts come out. Memory grows by 100 bytes a record, to recognise the repeats of a
resumed sweep. Today's date is an argument, because waivers and certificates expire. Left out: reading the policy file
(`policy.file`), the rules themselves (`policy.rules`), and writing reports (`policy.reports`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from typing import Final, NamedTuple

from scanner.assess.facts import OLD_DAYS, shipped_facts
from scanner.model import Record, Status
from scanner.policy.judges import RuleOutcome, shows_version, why_not_seen
from scanner.policy.policy import COVERAGE, EXPIRED_WAIVER, FACTS, UNUSED_WAIVER, Policy, RuleSetting
from scanner.policy.rules import RULES, Level
from scanner.policy.waivers import Waiver, Waivers, is_among

_NOT_KNOWN: Final = "of a product not known"


class Verdict(NamedTuple):
    """The outcome of one rule at one host; `ip` is None in a verdict on the whole check.

    `host` is the name the user gave for the address. `message` is our text, with names and versions that a server gave.
    `evidence` is what the server sent; in a verdict without an address it names the subject. `waiver` is set only where
    the outcome is waived. Texts can hold any characters, so every report escapes them.
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
        self._asked: Counter[str] = Counter()  # hosts seen that a rule at level error applies to
        self._judged: Counter[str] = Counter()
        self._why: dict[str, str] = {}  # by rule, the first reason why a host was not judged
        self._records: set[int] = set()
        self._facts_of: set[str] = set()
        self._not_told: Counter[str] = Counter()  # hosts that show a version whose flaws are not known, by the answer

    def judge(self, record: Record) -> list[Verdict]:
        """Return the verdicts on one record; empty for a repeat, an excluded target and an ignored status."""
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
            if reason is not None:  # half a greeting can break a rule, but it cannot show that a rule is kept
                found = [each for each in found if each.outcome is not RuleOutcome.NOT_JUDGED]
            else:
                self._count(verdict for verdict, hidden in judged if not hidden)
                self._note_facts(record)
        if reason is not None:
            found.append(_coverage_at(record, RuleOutcome.NOT_JUDGED, f"not seen: {reason}"))
        return found

    def finish(self, planned: int | None = None) -> list[Verdict]:
        """Return the verdicts on the whole check: coverage, waivers, facts.

        `planned` is how many hosts should have been visited, where that is known better than from the records.
        """
        known = max(self.known, planned or 0)
        missing = known - self.known
        if missing:
            self._not_seen["no record"] += missing
        whole = (self._judged_enough(), self._expired(), self._unused(), self._facts_used())
        return [self._seen_enough(known), *chain.from_iterable(whole)]

    def _note_facts(self, record: Record) -> None:
        """Remember the day of the facts, and the hosts with a version that the facts do not cover."""
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
        """Return the verdict on the facts: their day, and the number of hosts that they do not cover."""
        if not self._facts_of and not self._not_told:
            return
        days = sorted(self._facts_of)
        if not days and self._not_told.keys() == {_NOT_KNOWN}:  # our own facts do not cover it
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
        """Yield each verdict, and whether the host hides what the rule judges."""
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
        message = f"{self.seen:,} of {known:,} hosts were seen ({share:.1%}), {least:.1%} are required"
        if reasons:
            message += f"; not seen: {reasons}"
        # Without any host no policy is satisfied.
        return _overall(COVERAGE, Level.ERROR, message, "hosts seen", failed=not self.seen or share < least)

    def _judged_enough(self) -> Iterator[Verdict]:
        for name, asked in self._asked.items():
            judged, least = self._judged[name], self.policy.min_judged[name]
            if judged / asked < least:
                message = (
                    f"{name} was judged on {judged:,} of {asked:,} hosts seen ({judged / asked:.1%}), "
                    f"{least:.1%} are required; for example: {self._why[name]}"
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
    """Counts verdicts by rule, level and outcome, for the exit code of a check."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Level, RuleOutcome]] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.counts[verdict.rule, verdict.level, verdict.outcome] += 1

    def failed(self, level: Level) -> int:
        """Return how often a rule is broken at a level, without coverage."""
        return sum(
            self.counts[key] for key in self.counts if key[1:] == (level, RuleOutcome.FAILED) and key[0] != COVERAGE
        )

    @property
    def covered(self) -> bool:
        """Whether enough was seen and judged."""
        return not self.counts[COVERAGE, Level.ERROR, RuleOutcome.FAILED]
