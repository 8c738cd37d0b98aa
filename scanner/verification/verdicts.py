"""Write results of a verification as JSON, and as verdicts of a rule called `verify`.

A host whose finding is gone passes, a host that was not seen well enough is not judged, all others fail. So every
report of a policy check (JUnit, SARIF ...) can be made of a verification, too.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import COVERAGE
from scanner.policy.rules import Level, RuleText
from scanner.verification.states import NOT_SEEN, VerificationState, Verified
from scanner.verification.visits import VERIFY_SCHEMA

VERIFY_RULE: Final = "verify"
RULE_TEXT: Final = RuleText(
    VERIFY_RULE,
    "A finding must be gone, and a visit must have shown that.",
    "Close the place that the evidence names (smtpsweep remedy writes a plan), then verify again. A host that was not "
    "seen is not fixed.",
    Level.ERROR,
)


class JudgedHosts(NamedTuple):
    """How many hosts were seen well enough to be judged."""

    seen: int
    known: int

    def is_enough(self, least: float) -> bool:
        """Tell whether the share of hosts seen is at least `least` (0 to 1); without hosts it never is."""
        return bool(self.known) and self.seen / self.known >= least


def outcome_of(result: Verified, *, strict: bool = False) -> RuleOutcome:
    """Return a result as an outcome of the rule; with `strict` a host that still names its product fails."""
    if result.is_failed or (strict and result.state is VerificationState.HIDDEN_BUT_RECOGNISABLE):
        return RuleOutcome.FAILED
    return RuleOutcome.NOT_JUDGED if result.state in NOT_SEEN else RuleOutcome.PASSED


def verdict_of(result: Verified, *, strict: bool = False) -> Verdict:
    """Return a result as a verdict of the rule `verify`."""
    first = result.evidence[0] if result.evidence else None
    message = result.state.value.replace("_", " ")
    if first is not None:
        message += f": {first.place.value.replace('_', ' ')} {first.what}"
    evidence = None if first is None else first.line
    outcome = outcome_of(result, strict=strict)
    return Verdict(VERIFY_RULE, Level.ERROR, outcome, result.ip, result.port, result.host, message, evidence)


def seen_of(counts: Mapping[VerificationState, int]) -> JudgedHosts:
    """Count the hosts that were seen well enough, and all hosts."""
    return JudgedHosts(sum(count for state, count in counts.items() if state not in NOT_SEEN), sum(counts.values()))


def coverage_verdict(counts: JudgedHosts, least: float) -> Verdict:
    """Return the verdict on coverage: whether enough of the hosts were seen."""
    share = counts.seen / counts.known if counts.known else 0.0
    seen = f"{counts.seen:,} of {counts.known:,} hosts"
    message = f"verify saw {seen} well enough ({share:.1%}), {least:.1%} are required"
    outcome = RuleOutcome.PASSED if counts.is_enough(least) else RuleOutcome.FAILED
    return Verdict(COVERAGE, Level.ERROR, outcome, None, None, None, message, "hosts verified")


def document(result: Verified) -> dict[str, Any]:
    """Return a result as JSON has it (schema `smtpsweep.verify/1`); all texts of servers are printable ASCII."""
    return {
        "schema": VERIFY_SCHEMA,
        "ip": result.ip,
        "port": result.port,
        "host": result.host,
        "state": result.state.value,
        "evidence": [{"place": each.place.value, "line": each.line, "what": each.what} for each in result.evidence],
        "before": None if result.before is None else result.before.document(),
        "after": None if result.after is None else result.after.document(),
        "samples": {"asked": result.asked, "agreed": result.agreed},
    }
