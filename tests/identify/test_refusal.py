"""What a greeting means that turns the client away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import RuleError
from scanner.identify import RefusalRules, shipped_refusals
from scanner.identify.rule_files import load_refusals
from scanner.model import Refusal, RefusalKind
from scanner.smtp import parse_banner

SHIPPED = RefusalRules.shipped()


def refusal(text: str) -> Refusal | None:
    return SHIPPED.classify(parse_banner(text.encode("latin-1") + b"\r\n"))


@pytest.mark.parametrize(
    ("text", "kind", "refused_us"),
    [
        ("421 4.7.0 h Error: too many connections from 192.0.2.1", RefusalKind.RATE_LIMIT, True),
        ("421 4.3.2 Too many open connections.", RefusalKind.OVERLOAD, False),
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example.org",
            RefusalKind.POLICY,
            True,
        ),
        ("554 5.7.1 blocked using zen.spamhaus.org", RefusalKind.DNSBL, True),
        ("554 Access denied: bad IP reputation", RefusalKind.REPUTATION, True),
        ("554 No SMTP service here", RefusalKind.NOT_ACCEPTING, False),
        ("554 h.example.com ESMTP not accepting messages", RefusalKind.NOT_ACCEPTING, True),
        ("421 h.example.com is down for maintenance", RefusalKind.MAINTENANCE, False),
        ("550 black ip. (\xb7\xa2\xd0\xc5)", RefusalKind.DNSBL, True),
        (
            "421 Cannot connect to SMTP server 192.0.2.1 (192.0.2.1:25), connect error 10060",
            RefusalKind.UPSTREAM,
            False,
        ),
        ("554-mx.example.com\r\n554 Bad DNS PTR resource record.", RefusalKind.NO_REVERSE_DNS, True),
    ],
)
def test_a_refusal_has_a_meaning_and_is_about_us_or_not(text: str, kind: RefusalKind, refused_us: bool) -> None:
    found = refusal(text)

    assert found is not None
    assert (found.kind, found.refused_us) == (kind, refused_us)


@pytest.mark.parametrize("text", ["554 Grr", "421", "450 x", "571 y", "599 spamhausen"])
def test_a_refusal_that_no_rule_knows_is_not_counted_as_about_us(text: str) -> None:
    assert refusal(text) == (RefusalKind.OTHER, False, None)


@pytest.mark.parametrize(
    "text",
    [
        "220 h ESMTP; access denied, spam is blocked using zen.spamhaus.org, too many connections from you",
        "220 h",
        "354 go on, you are blocked",
        "SSH-2.0-blocked",
        "blocked",
    ],
)
def test_a_greeting_that_does_not_refuse_is_no_refusal_whatever_it_says(text: str) -> None:
    assert refusal(text) is None


def test_a_teaser_that_ends_in_a_refusal_is_one() -> None:
    assert refusal("220-mail.example.com ESMTP\r\n521 5.7.1 Blocked by the DNSBL") == (
        RefusalKind.DNSBL,
        True,
        "dnsbl.any",
    )


def test_two_rules_with_one_id_are_refused() -> None:
    twice = [*shipped_refusals(), shipped_refusals()[0]]
    with pytest.raises(RuleError, match="2 rules have the id"):
        RefusalRules(twice)


def test_the_rules_can_be_had() -> None:
    assert SHIPPED.rules == shipped_refusals()
    assert {rule.kind for rule in SHIPPED.rules} | {RefusalKind.OTHER} == set(RefusalKind)


def test_the_most_specific_rule_speaks() -> None:
    text = "".join(
        f"""
        [[refusal]]
        id = "own.{kind.replace("_", "-")}"
        words = ["no"]
        pattern = "no"
        kind = "{kind}"
        refused_us = true
        specificity = {specificity}
        examples = ["554 no"]
        """
        for kind, specificity in (("policy", 10), ("dnsbl", 90), ("rate_limit", 50))
    )
    assert RefusalRules(load_refusals(text, "own.toml")).classify(parse_banner(b"554 no\r\n")) == (
        RefusalKind.DNSBL,
        True,
        "own.dnsbl",
    )


@given(st.sampled_from(["421", "450", "550", "554-a\r\n554"]), st.text(max_size=300))
def test_any_refusing_text_has_a_meaning(code: str, text: str) -> None:
    greeting = parse_banner(f"{code} {text}".encode("utf-8", "replace") + b"\r\n")
    found = SHIPPED.classify(greeting)
    assert (found is None) == (greeting.code is None or greeting.code < 400)
