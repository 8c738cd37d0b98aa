"""Claims about `scanner.policy.check` and `waivers`: levels, ranges, waivers, and the coverage guard."""

from datetime import date
from typing import Any

import pytest

from scanner.model import Record, Status
from scanner.policy.check import PolicyCheck, Verdict, VerdictTally
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import (
    COVERAGE,
    EXPIRED_WAIVER,
    FACTS,
    UNUSED_WAIVER,
    Policy,
    RangeRules,
    RuleSetting,
    default_rules,
    rule_texts,
)
from scanner.policy.rules import RULES, Level
from scanner.policy.waivers import Waiver, is_among
from tests.support.greetings import NO_PRODUCT, POSTFIX, SENDMAIL_8_14
from tests.support.policy_records import dialogue_of, record_of
from tests.support.verdicts import verdict_of

TODAY = date(2026, 11, 23)
GREETING = "no-version-in-greeting"
PASSED, FAILED, WAIVED, NOT_JUDGED = RuleOutcome


def only(*names: str, **changes: Any) -> Policy:
    """Return a policy in which these rules are on, at level error."""
    rules = {
        name: RuleSetting(Level.ERROR if name in names else Level.OFF, setting.options)
        for name, setting in default_rules().items()
    }
    return Policy(rules=rules, **changes)


def waiver(*addresses: str, rule: str = GREETING, expires: date = TODAY) -> Waiver:
    return Waiver(rule, frozenset(addresses), addresses, "mail team", "appliance", expires)


def checked(policy: Policy, *records: Record, planned: int | None = None) -> tuple[list[Verdict], list[Verdict]]:
    check = PolicyCheck(policy, TODAY)
    by_host = [verdict for record in records for verdict in check.judge(record)]
    return by_host, check.finish(planned)


def outcomes(verdicts: list[Verdict]) -> list[tuple[str, RuleOutcome]]:
    return [(verdict.rule, verdict.outcome) for verdict in verdicts]


def test_every_rule_has_a_verdict_on_a_host_that_was_seen() -> None:
    by_host, _ = checked(Policy(), record_of(SENDMAIL_8_14, dialogue=dialogue_of(), host="mx.example.com"))

    assert outcomes(by_host) == [
        (GREETING, FAILED),
        ("no-product-in-greeting", FAILED),
        ("no-version-in-help", PASSED),
        ("starttls-offered", PASSED),
        ("certificate-valid", PASSED),
        ("no-known-exploited", PASSED),
    ]
    assert [verdict.level for verdict in by_host[:2]] == [Level.ERROR, Level.WARNING]
    assert {verdict[3:6] for verdict in by_host} == {("192.0.2.10", 25, "mx.example.com")}


def test_a_host_that_was_not_seen_is_not_judged_and_never_passes() -> None:
    by_host, (overall,) = checked(Policy(), record_of(b"", status=Status.CONNECT_TIMEOUT))

    assert outcomes(by_host) == [(COVERAGE, NOT_JUDGED)]
    assert by_host[0].message == "not seen: connect_timeout"
    assert (overall.outcome, overall.message) == (
        FAILED,
        "0 of 1 hosts were seen (0.0%), 95.0% are required; not seen: 1 connect_timeout",
    )


def test_half_a_greeting_can_break_a_rule_and_counts_as_not_seen() -> None:
    by_host, (overall, *_) = checked(
        only(GREETING, "no-version-in-help"), record_of(SENDMAIL_8_14[:-2], status=Status.CUT)
    )

    assert outcomes(by_host) == [(GREETING, FAILED), (COVERAGE, NOT_JUDGED)]
    assert overall.outcome is FAILED


def test_what_is_no_mail_server_is_seen_and_has_nothing_to_judge() -> None:
    by_host, overall = checked(Policy(), record_of(b"SSH-2.0-OpenSSH_9.2\r\n"))

    assert outcomes(by_host) == [(COVERAGE, PASSED)]
    assert outcomes(overall) == [(COVERAGE, PASSED)]


def test_an_excluded_target_is_no_host() -> None:
    by_host, (overall,) = checked(only(GREETING), record_of(b"", status=Status.EXCLUDED), record_of(NO_PRODUCT))

    assert outcomes(by_host) == [(GREETING, PASSED)]
    assert overall.message == "1 of 1 hosts were seen (100.0%), 95.0% are required"


def test_no_record_at_all_is_a_failure() -> None:
    for planned in (None, 0, 5):
        _, (overall,) = checked(only(GREETING, min_seen=0.0), planned=planned)
        assert overall.outcome is FAILED


def test_the_repeat_of_a_resumed_sweep_counts_once() -> None:
    record = record_of(NO_PRODUCT)
    by_host, (overall,) = checked(only(GREETING), record, record, record._replace(event_id="another"))

    assert len(by_host) == 2
    assert overall.message.startswith("2 of 2 hosts")


@pytest.mark.parametrize(("seen", "unseen", "wanted"), [(19, 1, PASSED), (18, 1, FAILED), (1, 0, PASSED)])
def test_enough_hosts_must_have_been_seen(seen: int, unseen: int, wanted: RuleOutcome) -> None:
    records = [record_of(NO_PRODUCT) for _ in range(seen)]
    _, (overall,) = checked(only(GREETING), *records, *(record_of(b"", status=Status.REFUSED) for _ in range(unseen)))

    assert overall.outcome is wanted


def test_what_was_planned_and_has_no_record_was_not_seen() -> None:
    _, (overall,) = checked(only(GREETING), record_of(NO_PRODUCT), planned=4)

    assert overall.outcome is FAILED
    assert overall.message == "1 of 4 hosts were seen (25.0%), 95.0% are required; not seen: 3 no record"


def test_fewer_planned_than_there_are_records_changes_nothing() -> None:
    _, (overall,) = checked(only(GREETING), record_of(NO_PRODUCT), record_of(NO_PRODUCT), planned=1)

    assert overall.message.startswith("2 of 2 hosts")


def test_empty_addresses_can_be_left_out() -> None:
    policy = only(GREETING, ignore=frozenset({Status.REFUSED}))
    by_host, (overall,) = checked(
        policy, record_of(NO_PRODUCT), record_of(b"", status=Status.REFUSED), record_of(b"", status=Status.SILENT)
    )

    assert outcomes(by_host) == [(GREETING, PASSED), (COVERAGE, NOT_JUDGED)]
    assert overall.message == "1 of 2 hosts were seen (50.0%), 95.0% are required; not seen: 1 silent"


def test_a_rule_that_could_not_judge_enough_hosts_is_a_failure_of_coverage() -> None:
    records = [record_of(NO_PRODUCT), record_of(NO_PRODUCT, dialogue=dialogue_of())]
    _, overall = checked(only("no-version-in-help"), *records)

    assert outcomes(overall) == [(COVERAGE, PASSED), (COVERAGE, FAILED)]
    assert overall[1].message == (
        "no-version-in-help was judged on 1 of 2 hosts seen (50.0%), 95.0% are required; "
        "for example: no dialogue was held: sweep with --probe dialogue"
    )
    assert overall[1].evidence == "hosts judged by no-version-in-help"
    enough = only("no-version-in-help", min_judged={"no-version-in-help": 0.5})
    assert outcomes(checked(enough, *records)[1]) == [(COVERAGE, PASSED)]


def test_a_rule_at_level_warning_needs_no_coverage() -> None:
    rules = dict(only().rules) | {"starttls-offered": RuleSetting(Level.WARNING, {"must_work": True})}
    by_host, overall = checked(Policy(rules=rules), record_of(NO_PRODUCT))

    assert outcomes(by_host) == [("starttls-offered", NOT_JUDGED)]
    assert outcomes(overall) == [(COVERAGE, PASSED)]


def test_hosts_that_were_not_seen_do_not_count_for_what_a_rule_judged() -> None:
    records = [record_of(NO_PRODUCT)] + [record_of(SENDMAIL_8_14[:40], status=Status.CUT) for _ in range(9)]
    _, overall = checked(only(GREETING, min_seen=0.1), *records)

    assert outcomes(overall) == [(COVERAGE, PASSED)]


def test_in_a_range_other_levels_and_options_hold_and_the_later_range_wins() -> None:
    inside, both = frozenset({"192.0.2.1", "192.0.2.2"}), frozenset({"192.0.2.2"})
    policy = only(
        GREETING,
        ranges=[
            RangeRules(inside, {GREETING: (Level.WARNING, {}), "no-product-in-greeting": (Level.ERROR, {})}),
            RangeRules(both, {GREETING: (None, {"fields": ("time",)}), "no-product-in-greeting": (Level.OFF, {})}),
        ],
    )
    found = {}
    for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        by_host, _ = checked(policy, record_of(SENDMAIL_8_14, ip=ip))
        found[ip] = [(verdict.rule, verdict.level, verdict.message.split(" (")[0]) for verdict in by_host]

    assert found == {
        "192.0.2.1": [
            (GREETING, Level.WARNING, "the greeting gives away version, config_version"),
            ("no-product-in-greeting", Level.ERROR, "the greeting gives away product"),
        ],
        "192.0.2.2": [(GREETING, Level.WARNING, "the greeting gives away time")],
        "192.0.2.3": [(GREETING, Level.ERROR, "the greeting gives away version, config_version")],
    }


def test_a_waiver_waives_its_rule_at_its_addresses_and_no_more() -> None:
    mine = waiver("192.0.2.1", "192.0.2.9")
    by_host, overall = checked(
        only(GREETING, "no-product-in-greeting", waivers=[mine]),
        record_of(SENDMAIL_8_14, ip="192.0.2.1"),
        record_of(SENDMAIL_8_14, ip="192.0.2.2"),
        record_of(NO_PRODUCT, ip="192.0.2.9"),
    )

    assert outcomes(by_host)[:4] == [
        (GREETING, WAIVED),
        ("no-product-in-greeting", FAILED),
        (GREETING, FAILED),
        ("no-product-in-greeting", FAILED),
    ]
    assert (by_host[0].waiver, by_host[1].waiver) == (mine, None)
    assert by_host[4].outcome is PASSED
    assert str(mine) == "waived by mail team until 2026-11-23: appliance"
    assert outcomes(overall) == [(COVERAGE, PASSED), (FACTS, PASSED)]


def test_an_expired_waiver_waives_nothing_and_is_a_violation() -> None:
    old = waiver("192.0.2.1", expires=date(2026, 11, 22))
    by_host, overall = checked(only(GREETING, waivers=[old]), record_of(SENDMAIL_8_14, ip="192.0.2.1"))

    assert outcomes(by_host) == [(GREETING, FAILED)]
    assert outcomes(overall)[1:] == [(EXPIRED_WAIVER, FAILED), (FACTS, PASSED)]
    assert overall[1].level is Level.ERROR
    assert overall[1].message == (
        "the waiver of no-version-in-greeting for 192.0.2.1 (owner mail team) expired on 2026-11-22"
    )


def test_a_waiver_that_nobody_needs_is_a_warning() -> None:
    _, overall = checked(only(GREETING, waivers=[waiver("192.0.2.1")]), record_of(NO_PRODUCT, ip="192.0.2.1"))

    assert outcomes(overall)[1:] == [(UNUSED_WAIVER, FAILED)]
    assert overall[1].level is Level.WARNING


def test_of_two_waivers_the_first_is_used() -> None:
    first, second = waiver("192.0.2.1"), waiver("192.0.2.1")
    by_host, overall = checked(only(GREETING, waivers=[first, second]), record_of(SENDMAIL_8_14, ip="192.0.2.1"))

    assert by_host[0].waiver is first
    assert outcomes(overall)[1:] == [(UNUSED_WAIVER, FAILED), (FACTS, PASSED)]


class _Strict:
    """A set like that of a sweep: it refuses to judge what is not an address."""

    def __contains__(self, ip: str) -> bool:
        if ip[:1] not in "0123456789":
            raise ValueError(ip)
        return True


def test_what_is_no_address_is_in_no_range() -> None:
    assert is_among("192.0.2.1", _Strict())
    assert not is_among("nonsense", _Strict())
    assert not is_among(None, _Strict())
    by_host, _ = checked(
        only(GREETING, waivers=[waiver("192.0.2.1")]), record_of(SENDMAIL_8_14)._replace(ip=None, port=None)
    )
    assert outcomes(by_host) == [(GREETING, FAILED)]


def test_a_policy_without_a_word_is_the_default_one() -> None:
    policy = Policy()

    assert policy.min_seen == 0.95
    assert {name: setting.level.value for name, setting in policy.rules.items()} == {
        "no-version-in-greeting": "error",
        "no-product-in-greeting": "warning",
        "no-version-in-help": "error",
        "starttls-offered": "warning",
        "certificate-valid": "warning",
        "min-version": "error",
        "no-known-exploited": "error",
        "banner-equals": "off",
    }


def test_reports_know_every_rule_with_the_level_of_the_policy() -> None:
    texts = {text.name: text for text in rule_texts(only(GREETING))}

    assert list(texts) == [*RULES, COVERAGE, EXPIRED_WAIVER, UNUSED_WAIVER, FACTS]
    assert texts[GREETING].level is Level.ERROR
    assert texts["no-product-in-greeting"].level is Level.OFF


def test_a_tally_tells_violations_warnings_and_coverage_apart() -> None:
    tally = VerdictTally()
    assert (tally.failed(Level.ERROR), tally.failed(Level.WARNING), tally.covered) == (0, 0, True)

    for verdict in (
        verdict_of(),
        verdict_of(),
        verdict_of(level=Level.WARNING),
        verdict_of(PASSED),
        verdict_of(WAIVED),
        verdict_of(NOT_JUDGED),
        verdict_of(rule=COVERAGE),
        verdict_of(NOT_JUDGED, rule=COVERAGE),
    ):
        tally.add(verdict)
    assert (tally.failed(Level.ERROR), tally.failed(Level.WARNING), tally.covered) == (2, 1, False)


def test_postfix_without_a_version_breaks_only_the_warning() -> None:
    by_host, _ = checked(Policy(), record_of(POSTFIX, dialogue=dialogue_of()))

    assert [verdict.rule for verdict in by_host if verdict.outcome is FAILED] == ["no-product-in-greeting"]
