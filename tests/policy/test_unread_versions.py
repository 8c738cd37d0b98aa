"""A version that no rule reads, and hosts that were not seen as others see them: nothing passes, nothing is 0."""

import json
from datetime import date
from pathlib import Path

import pytest

from scanner.assess.facts import shipped_facts
from scanner.cli.description import describe
from scanner.formats.cef import Cef
from scanner.formats.columns import row_of
from scanner.model import Answer, Record, Status
from scanner.policy.check import PolicyCheck
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS, Policy
from scanner.policy.rules import RULES, versions
from scanner.record import encode
from scanner.remediation.ansible.playbook import write_playbook
from scanner.remediation.plans.patching import advise
from scanner.remediation.plans.writing import write_plans
from scanner.smoke.received import software_in_headers
from tests.support.policy_records import record_of

TODAY = date(2026, 11, 23)
UNREAD = b"220 mx.example.com ESMTP Exim 4 ready\r\n"
FOOMAIL = b"220 mx.example.com ESMTP FooMail 3.2.1 ready\r\n"
PLAIN = b"220 mx.example.com ESMTP\r\n"


def judged(rule: str, record: Record, **options: object) -> tuple[RuleOutcome, str, bool]:
    defaults = {name: option.default for name, option in RULES[rule].options.items()}
    judgement = RULES[rule].judge(record, {**defaults, **options}, TODAY)
    assert judgement is not None
    return judgement.outcome, judgement.message, judgement.hidden


def test_no_version_is_not_said_of_a_server_that_shows_one() -> None:
    record = record_of(b"220 mx.example.com ESMTP Postfix (Debian 3.7.11-0+deb12u1)\r\n")

    assert "version" in record.disclosure
    assert record.assessment is not None
    assert record.assessment.answer is not Answer.NO_VERSION
    hidden = record_of(b"220 mx.example.com ESMTP Postfix\r\n").assessment
    assert hidden is not None
    assert hidden.answer is Answer.NO_VERSION


def test_a_version_counts_where_the_record_of_an_earlier_release_names_none() -> None:
    record = record_of(FOOMAIL)._replace(disclosure=(), disclosed_in=None)

    assert judged("no-version-in-greeting", record)[:2] == (
        RuleOutcome.FAILED,
        "the greeting shows what is written like a version",
    )


def test_a_version_of_a_product_not_known_is_missed_and_said() -> None:
    record = record_of(FOOMAIL)
    assert record.software is None

    assert judged("no-known-exploited", record)[::2] == (RuleOutcome.NOT_JUDGED, False)
    assert judged("min-version", record, versions={"Exim": "4.96"})[::2] == (RuleOutcome.NOT_JUDGED, False)
    assert judged("no-known-exploited", record_of(PLAIN))[::2] == (RuleOutcome.NOT_JUDGED, True)
    check = PolicyCheck(Policy(), TODAY)
    check.judge(record)
    messages = [each.message for each in check.finish() if each.rule == FACTS]
    day, what = shipped_facts().compiled, "hosts that show a version of which flaws are not known"
    assert messages == [f"flaw data of {day}; {what}: 1 of a product not known"]


def test_the_lowest_version_is_not_kept_by_one_that_cannot_be_read_or_is_not_known() -> None:
    read = record_of(b"220 mx.example.com ESMTP Sendmail 8.99.1/8.99.1; Sun, 22 Nov 2026 10:16:56 GMT\r\n")
    assert read.assessment is not None
    assert read.assessment.answer is Answer.VERSION_UNKNOWN
    assert judged("min-version", read, versions={"Sendmail": "8.18.1"}) == (
        RuleOutcome.NOT_JUDGED,
        "Sendmail 8.99.1 is newer than the facts, or was never released: import newer facts",
        False,
    )
    assert judged("min-version", read, versions={"Sendmail": "9.1"})[0] is RuleOutcome.FAILED

    unread = record_of(b"220 mx.example.com ESMTP Sendmail; Sun, 22 Nov 2026 10:16:56 GMT\r\n")
    unread = unread._replace(disclosure=("product", "version"))
    assert judged("min-version", unread, versions={"Sendmail": "8.18.1"}) == (
        RuleOutcome.NOT_JUDGED,
        "Sendmail shows a version that cannot be read",
        False,
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"Microsoft 365": "1"}, "is a service and has none"),
        ({"Postfix": "3.x"}, "a table of products and versions"),
        ({"Postfix": "3.*"}, "a table of products and versions"),
        ({"Sendmail": "8.18.1", "sendmail": "8.17"}, "each product once"),
    ],
)
def test_a_lowest_version_that_judges_nothing_is_refused(value: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        versions(value)


def test_flaws_that_nobody_can_count_are_not_none() -> None:
    unread = json.loads(encode(record_of(FOOMAIL)))

    assert row_of(unread, ())["flaws_exploited"] is None
    (event,) = Cef().events(unread, encode(record_of(FOOMAIL)))
    assert b"knownExploited" not in event.body


def test_hosts_that_were_not_seen_are_not_said_to_give_nothing_away(tmp_path: Path) -> None:
    busy = record_of(b"421 mx.example.com too busy\r\n", ip="192.0.2.1")._replace(status=Status.BUSY, disclosure=())
    ftp = record_of(b"220 ProFTPD 1.3.8 Server ready\r\n", ip="192.0.2.2")._replace(status=Status.NOT_SMTP)
    plain = record_of(PLAIN, ip="192.0.2.3")
    unknown = record_of(FOOMAIL, ip="192.0.2.4")

    plans = write_plans([busy, ftp, plain, unknown], tmp_path / "plans", overwrite=False)
    playbook = write_playbook([busy, ftp, plain, unknown], tmp_path / "ansible", overwrite=False)

    assert plans.hosts == 1
    assert plans.left_out == {"did not show their usual greeting": 1, "are not mail servers": 1, "give nothing away": 1}
    assert (playbook.without_role, playbook.nothing_to_hide, playbook.not_seen) == (1, 1, 2)
    assert advise(unknown).describe() == "the product is not known here, so nothing is known"
    assert describe(ftp)["product"] == "no mail server"


def test_a_service_is_called_one() -> None:
    software = record_of(b"220 mx.example.com ESMTP Sendmail 8.14.7/8.13.8\r\n").software
    assert software is not None
    record = record_of(PLAIN)._replace(software=software)
    assert "kind" not in describe(record)
    assert row_of(json.loads(encode(record)), ())["kind"] == "software"


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("InterScan E-Mail VirusWall NT", [("InterScan E-Mail VirusWall NT", None, True)]),
        ("FooMail/7", [("FooMail", "7", False)]),
        ("Postfix", [("Postfix", None, True)]),
        ("authenticated bits=0", []),
        ("some words", []),
    ],
)
def test_a_header_line_names_any_product_that_a_rule_knows(
    comment: str, found: list[tuple[str, str | None, bool]]
) -> None:
    leaks = software_in_headers(f"Received: by mx.example.com ({comment}) with ESMTP id 1a2b; Sun\r\n".encode())

    assert [(each.product, each.version, each.is_sure) for each in leaks] == found
