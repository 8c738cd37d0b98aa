"""Claims about `scanner.policy.judges`: a rule passes only what it has seen, and believes bad news at once."""

from datetime import date
from typing import Any

import pytest

from scanner.model import Answer, Assessment, Dialogue, Finding, Record, Refusal, RefusalKind, Software, Status, Tls
from scanner.policy.judges import MAX_EVIDENCE, Judgement, RuleOutcome, why_not_seen
from scanner.policy.rules import RULES
from tests.support.greetings import NO_PRODUCT, POSTFIX, SENDMAIL_8_14
from tests.support.policy_records import BLOCKED, TODAY, certificate_of, dialogue_of, record_of

PASSED, FAILED, NOT_JUDGED = RuleOutcome.PASSED, RuleOutcome.FAILED, RuleOutcome.NOT_JUDGED


def judged(rule: str, record: Record, today: date = TODAY, **options: Any) -> Judgement | None:
    defaults = {name: option.default for name, option in RULES[rule].options.items()}
    return RULES[rule].judge(record, defaults | options, today)


def outcome(rule: str, record: Record, today: date = TODAY, **options: Any) -> RuleOutcome | None:
    judgement = judged(rule, record, today, **options)
    return None if judgement is None else judgement.outcome


def test_a_version_in_the_greeting_is_told_with_the_greeting() -> None:
    judgement = judged("no-version-in-greeting", record_of(SENDMAIL_8_14))

    assert judgement == Judgement(
        FAILED,
        "the greeting gives away version, config_version (Sendmail 8.14.7)",
        "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT",
    )


@pytest.mark.parametrize(
    ("raw", "status", "version", "product"),
    [
        (NO_PRODUCT, None, PASSED, PASSED),
        (POSTFIX, None, PASSED, FAILED),
        (SENDMAIL_8_14, None, FAILED, FAILED),
        (b"554 5.7.1 mail1.example.com no mail service here\r\n", None, PASSED, PASSED),
        # Of a greeting that others may not get, or that is not whole, only bad news is believed.
        (SENDMAIL_8_14[:-2], Status.CUT, FAILED, FAILED),
        (SENDMAIL_8_14[:30], Status.SLOW, NOT_JUDGED, NOT_JUDGED),
        (BLOCKED, None, NOT_JUDGED, NOT_JUDGED),
        (b"421 mail1.example.com too busy, try later\r\n", None, NOT_JUDGED, NOT_JUDGED),
        (b"450 mail1.example.com try later\r\n", None, NOT_JUDGED, NOT_JUDGED),
        (b"220 mail1.example.com ESMTP\r\n331 what\r\n\x00\xff", Status.SLOW, NOT_JUDGED, NOT_JUDGED),
        (b"\xff\xfe\xfd\xfc", Status.CLOSED, NOT_JUDGED, NOT_JUDGED),
        (b"", Status.SILENT, NOT_JUDGED, NOT_JUDGED),
        # A product that no rule knows
        (b"220 mail1.example.com FooMail version 3.2 ready\r\n", None, FAILED, NOT_JUDGED),
        (b"220 mail1.example.com FooMail 3.2.1 ready\r\n", None, FAILED, NOT_JUDGED),
        (b"220 mail1.example.com (3.2.1) ready\r\n", None, NOT_JUDGED, PASSED),
    ],
)
def test_greetings(raw: bytes, status: Status | None, version: RuleOutcome, product: RuleOutcome) -> None:
    record = record_of(raw, status=status)

    assert (outcome("no-version-in-greeting", record), outcome("no-product-in-greeting", record)) == (version, product)


def test_what_counts_as_a_leak_can_be_chosen() -> None:
    record = record_of(SENDMAIL_8_14)

    assert outcome("no-version-in-greeting", record, fields=("os",)) is PASSED
    assert outcome("no-version-in-greeting", record, fields=("os", "time")) is FAILED


def test_a_version_that_is_only_in_help_is_no_version_in_the_greeting() -> None:
    record = record_of(dialogue=dialogue_of(("2.0.0 This is sendmail version 8.17.1.9", "2.0.0 End of HELP info")))

    assert outcome("no-version-in-greeting", record) is PASSED
    judgement = judged("no-version-in-help", record)
    assert judgement is not None
    assert judgement.outcome is FAILED
    assert judgement.evidence == "2.0.0 This is sendmail version 8.17.1.9"


@pytest.mark.parametrize(
    ("dialogue", "wanted"),
    [
        (None, NOT_JUDGED),
        (dialogue_of(codes={"EHLO": 250}, error="no answer to HELP in time"), NOT_JUDGED),
        (dialogue_of(codes={"EHLO": 250, "HELP": None}), NOT_JUDGED),
        (dialogue_of(), PASSED),
        (dialogue_of(("Error: command not recognized",), codes={"EHLO": 250, "HELP": 500}), PASSED),
        (dialogue_of(("5.3.0 Sendmail 8.17.1.9 -- HELP not implemented",)), FAILED),
        (dialogue_of(("This is qpsmtpd 0.94",)), FAILED),
        (dialogue_of(("This is some server, version 1.2",)), FAILED),
        (dialogue_of(("This is some server 1.2",)), FAILED),
        (dialogue_of(("1.2",)), NOT_JUDGED),
        (dialogue_of(("See RFC 2821 4.1.1.1 and https://tools.ietf.org/html/rfc5321",)), PASSED),
    ],
)
def test_help(dialogue: Dialogue | None, wanted: RuleOutcome) -> None:
    assert outcome("no-version-in-help", record_of(dialogue=dialogue)) is wanted


def test_help_that_names_no_line_with_the_version_is_shown_whole() -> None:
    record = record_of(dialogue=dialogue_of(("one", "two")), disclosed_in={"build": ("help",)})
    judgement = judged("no-version-in-help", record)

    assert judgement is not None
    assert (judgement.message, judgement.evidence) == ("HELP gives away build", "one\\x0d\\x0atwo")


def test_evidence_has_an_end() -> None:
    record = record_of(b"220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; " + b"x" * 400 + b"\r\n")
    numbered = record_of(b"220 mail1.example.com (3.2.1) " + b"x" * 400 + b"\r\n")

    for judgement in (judged("no-version-in-greeting", record), judged("no-version-in-greeting", numbered)):
        assert judgement is not None
        assert judgement.evidence is not None
        assert len(judgement.evidence) == MAX_EVIDENCE


@pytest.mark.parametrize(
    ("dialogue", "wanted"),
    [
        (None, NOT_JUDGED),
        (dialogue_of(), PASSED),
        (dialogue_of(tls=None), PASSED),
        (dialogue_of(starttls=False, tls=None), FAILED),
        (dialogue_of(starttls=False, tls=None, codes={"EHLO": 502}), FAILED),
        (dialogue_of(starttls=False, tls=None, codes={}, error="closed by the server at EHLO"), NOT_JUDGED),
        (dialogue_of(tls=Tls(error="TLS handshake failed: closed")), FAILED),
        (dialogue_of(starttls=False, tls=Tls(version="TLSv1.3", implicit=True)), PASSED),
        (dialogue_of(starttls=False, codes={}, tls=Tls(implicit=True, error="TLS handshake failed")), NOT_JUDGED),
    ],
)
def test_starttls(dialogue: Dialogue | None, wanted: RuleOutcome) -> None:
    assert outcome("starttls-offered", record_of(dialogue=dialogue)) is wanted


def test_a_broken_handshake_can_be_let_pass() -> None:
    record = record_of(dialogue=dialogue_of(tls=Tls(error="TLS handshake failed: closed")))

    assert outcome("starttls-offered", record, must_work=False) is PASSED


@pytest.mark.parametrize(
    ("dialogue", "wanted"),
    [
        (None, NOT_JUDGED),
        (dialogue_of(starttls=False, tls=None), None),
        (dialogue_of(starttls=True, tls=None), NOT_JUDGED),
        (dialogue_of(starttls=False, tls=None, codes={}), NOT_JUDGED),
        (dialogue_of(tls=Tls(error="TLS handshake failed: closed")), NOT_JUDGED),
        (dialogue_of(tls=Tls(version="TLSv1.3")), NOT_JUDGED),
        (certificate_of(), PASSED),
        (certificate_of(error="ValueError: odd"), FAILED),
        (certificate_of(not_after=None), NOT_JUDGED),
        (certificate_of(not_before="soon"), NOT_JUDGED),
        (certificate_of(self_signed=True), FAILED),
        (certificate_of(self_signed=None), PASSED),
        (certificate_of(names=("other.example.net",)), PASSED),
    ],
)
def test_certificates(dialogue: Dialogue | None, wanted: RuleOutcome | None) -> None:
    assert outcome("certificate-valid", record_of(dialogue=dialogue)) is wanted


@pytest.mark.parametrize(
    ("today", "days", "wanted", "message"),
    [
        (date(2025, 12, 31), 0, FAILED, "the certificate is not valid before 2026-01-01"),
        (date(2026, 1, 1), 0, PASSED, "the certificate is valid until 2026-12-31"),
        (date(2026, 12, 17), 14, PASSED, "the certificate is valid until 2026-12-31"),
        (date(2026, 12, 18), 14, FAILED, "the certificate expires on 2026-12-31, in 13 days; 14 are required"),
        (date(2026, 12, 31), 0, PASSED, "the certificate is valid until 2026-12-31"),
        (date(2027, 1, 1), 0, FAILED, "the certificate expired on 2026-12-31"),
    ],
)
def test_a_certificate_is_judged_on_a_day(today: date, days: int, wanted: RuleOutcome, message: str) -> None:
    judgement = judged("certificate-valid", record_of(dialogue=certificate_of()), today, min_days_left=days)

    assert judgement is not None
    assert (judgement.outcome, judgement.message) == (wanted, message)


@pytest.mark.parametrize(
    ("host", "hostname", "wanted"),
    [
        ("MAIL1.example.com.", None, PASSED),
        ("mx.example.org", "mail1.example.com", PASSED),
        ("a.mx.example.org", "mail1.example.com", FAILED),
        ("example.org", None, FAILED),
        (None, "mail1.example.com", PASSED),
        (None, "mail2.example.com", FAILED),
        (None, None, NOT_JUDGED),
    ],
)
def test_a_certificate_is_for_the_name_the_user_gave_or_the_greeting_s(
    host: str | None, hostname: str | None, wanted: RuleOutcome
) -> None:
    record = record_of(dialogue=certificate_of(), host=host)
    assert record.banner is not None
    record = record._replace(banner=record.banner._replace(hostname=hostname))

    assert outcome("certificate-valid", record, match_name=True) is wanted


def test_without_greeting_a_certificate_has_no_name_to_fit() -> None:
    assert (
        outcome("certificate-valid", record_of(dialogue=certificate_of(), banner=None), match_name=True) is NOT_JUDGED
    )


def test_a_self_signed_certificate_can_be_let_pass() -> None:
    record = record_of(dialogue=certificate_of(self_signed=True))

    assert outcome("certificate-valid", record, allow_self_signed=True) is PASSED


@pytest.mark.parametrize(
    ("software", "versions", "wanted"),
    [
        (None, {}, None),
        (None, {"Sendmail": "8.18.1"}, NOT_JUDGED),
        (Software("Postfix", version="3.7"), {"Sendmail": "8.18.1"}, None),
        (Software("Sendmail"), {"Sendmail": "8.18.1"}, NOT_JUDGED),
        (Software("Sendmail", version="8.9.3"), {"sendmail": "8.18.1"}, FAILED),
        (Software("Sendmail", version="8.18.1"), {"SENDMAIL": "8.18.1"}, PASSED),
        (Software("Sendmail", version="8.18.1.Beta2"), {"Sendmail": "8.18.1"}, FAILED),
        (Software("Sendmail", version="8.20"), {"Sendmail": "8.18.1"}, PASSED),
        (Software("OpenSMTPD", version="6.6.2", patch="p1"), {"OpenSMTPD": "6.6.2p1"}, PASSED),
        (Software("OpenSMTPD", version="6.6.2"), {"OpenSMTPD": "6.6.2p1"}, FAILED),
        (Software("MailEnable", version="1.54"), {"MailEnable": "1.6"}, FAILED),
        (Software("Sendmail", version="what"), {"Sendmail": "8.18.1"}, NOT_JUDGED),
        (Software("Sendmail", product_line="Sentrion", version="4.4"), {"Sentrion": "4.5"}, FAILED),
    ],
)
def test_least_versions(software: Software | None, versions: dict[str, str], wanted: RuleOutcome | None) -> None:
    record = record_of(software=software)

    assert outcome("min-version", record, versions=versions) is wanted
    assert outcome("min-version", record._replace(banner=None), versions=versions) is wanted


def test_a_line_with_numbers_of_its_own_is_not_compared_with_others() -> None:
    sentrion = record_of(b"220 mail1.example.com ESMTP Sendmail Sentrion-MTA-4.4.1/Sentrion-MTA-4.4.1; date\r\n")
    assert sentrion.software is not None
    assert sentrion.software.product_line == "Sentrion"

    judgement = judged("min-version", sentrion, versions={"Sendmail": "8.18.1"})
    assert judgement == Judgement(NOT_JUDGED, "Sendmail Sentrion numbers its versions in its own way")
    assert outcome("min-version", sentrion, versions={"Sendmail": "8.18.1", "Sentrion": "4.4"}) is PASSED
    # Other names of lines say nothing about numbers.
    solaris = record_of(b"220 mail1.example.com ESMTP Sendmail 8.9.3+Sun/8.9.1; date\r\n")
    assert outcome("min-version", solaris, versions={"Sendmail": "8.18.1"}) is FAILED


def kev(**changes: Any) -> Finding:
    made: dict[str, Any] = {"severity": "high", "title": "t", "evidence": "e", "kev": True, "verdict": "possible"}
    return Finding("CVE-2023-1", **made | changes)


@pytest.mark.parametrize(
    ("findings", "verdicts", "wanted"),
    [
        ((), ("possible",), PASSED),
        ((kev(),), ("affected_upstream", "possible"), FAILED),
        ((kev(),), ("affected_upstream",), PASSED),
        ((kev(verdict="affected_upstream"),), ("affected_upstream",), FAILED),
        ((kev(verdict="vendor_fixed"),), ("affected_upstream", "possible"), PASSED),
        ((kev(kev=False),), ("possible",), PASSED),
        ((kev(kev=None, verdict=None),), ("possible",), PASSED),
    ],
)
def test_exploited_flaws(findings: tuple[Finding, ...], verdicts: tuple[str, ...], wanted: RuleOutcome) -> None:
    known = Assessment(Answer.KNOWN_FLAWS, "3.00", 79, "2026-11-22")
    record = record_of(software=Software("Exim", version="4.92"), findings=findings, assessment=known)

    judgement = judged("no-known-exploited", record, verdicts=verdicts)
    assert judgement is not None
    assert judgement.outcome is wanted
    if wanted is FAILED:
        assert judgement.message.startswith("known to be exploited (Exim 4.92): CVE-2023-1 (")
        assert judgement.evidence == "e"


@pytest.mark.parametrize("software", [None, Software("Postfix")])
def test_without_a_version_no_flaw_is_known_and_none_ruled_out(software: Software | None) -> None:
    assert outcome("no-known-exploited", record_of(software=software)) is NOT_JUDGED


@pytest.mark.parametrize(
    ("raw", "text", "wanted"),
    [
        (NO_PRODUCT, "$host ESMTP", PASSED),
        (NO_PRODUCT, "mail1.example.com ESMTP", PASSED),
        (NO_PRODUCT, "$host ESMTP ready", FAILED),
        (NO_PRODUCT, "$host", FAILED),
        (SENDMAIL_8_14, "$host ESMTP", FAILED),
        (b"220 ESMTP\r\n", "$host ESMTP", FAILED),
        (b"220-mail1.example.com ESMTP\r\n220 no spam\r\n", "$host ESMTP\nno spam", PASSED),
        (b"554 mail1.example.com ESMTP\r\n", "$host ESMTP", NOT_JUDGED),
        (b"", "$host ESMTP", NOT_JUDGED),
    ],
)
def test_agreed_greetings(raw: bytes, text: str, wanted: RuleOutcome) -> None:
    assert outcome("banner-equals", record_of(raw, status=None if raw else Status.SILENT), text=text) is wanted


def test_a_greeting_without_host_name_is_told_apart() -> None:
    record = record_of(NO_PRODUCT)
    assert record.banner is not None
    nameless = record._replace(banner=record.banner._replace(hostname=None))

    judgement = judged("banner-equals", nameless)
    assert judgement is not None
    assert judgement.message == "the greeting has no host name"
    assert outcome("banner-equals", nameless, text="mail1.example.com ESMTP") is PASSED


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (record_of(NO_PRODUCT), None),
        (record_of(b"521 mail1.example.com no mail here\r\n"), None),
        (record_of(b"SSH-2.0-OpenSSH_9.2\r\n"), None),
        (record_of(b"", status=Status.REFUSED), "refused"),
        (record_of(b"", status=Status.SILENT), "silent"),
        (record_of(b"", status=Status.UNREACHABLE), "unreachable"),
        (record_of(b"", status=Status.BUG), "bug"),
        (record_of(b"421 mail1.example.com too many\r\n", refusal=None), "busy"),
        (record_of(BLOCKED), "it refuses this scanner (dnsbl)"),
        (record_of(BLOCKED, refusal=Refusal(RefusalKind.NOT_ACCEPTING, refused_us=False, evidence=None)), None),
        (record_of(NO_PRODUCT, banner=None), "no greeting"),
    ],
)
def test_what_counts_as_seen(record: Record, reason: str | None) -> None:
    assert why_not_seen(record) == reason
