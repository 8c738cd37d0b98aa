"""Verdicts for tests of reports, with the texts that hostile servers and edited files bring."""

from datetime import date
from typing import Any

from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.rules import Level, RuleText
from scanner.policy.waivers import Waiver

#: What must be harmless in every report: markup, terminals, formulas, templates, line ends, and what XML forbids.
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><!-- & &amp; &#x0; ' --><![CDATA[x",
    "]]>",
    "\x1b[31mred\x1b]0;title\x07",
    "=cmd|' /C calc'!A0",
    "${jndi:ldap://x}",
    "a\u2028b\u2029c\x85d",
    "`id` $(id)",
    "::error::forged",
    "x\n::error title=forged::y\r\n##[error]z",
    "{{ lookup('pipe','id') }} {0}",
    "[click](http://192.0.2.66/) [red]bold[/red] :smile:",
    "\x00\x01\x08\x0b\x0c\x1f\x7f",
    "\ufffe\uffff\ud800\udfff\ufeff",
    "\u202eevil\u2066",
    "%0A::error::forged %25",
]
RULES = (
    RuleText("no-version-in-greeting", "No version.", "Hide {it}; see [help](1).", Level.ERROR),
    RuleText("starttls-offered", "STARTTLS.", "Switch it on.", Level.WARNING),
    RuleText("banner-equals", "Agreed.", "Set it.", Level.OFF),
)
WAIVER = Waiver(
    "no-version-in-greeting", frozenset({"192.0.2.10"}), ("192.0.2.10",), "mail team", "appliance", date(2027, 1, 31)
)


def verdict_of(outcome: RuleOutcome = RuleOutcome.FAILED, **changes: Any) -> Verdict:
    made = Verdict(
        "no-version-in-greeting",
        Level.ERROR,
        outcome,
        "192.0.2.10",
        25,
        None,
        "the greeting gives away version (Sendmail 8.14.7)",
        "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8",
    )
    return made._replace(**changes)


def hostile(text: str) -> list[Verdict]:
    """Return verdicts with one text in every place that is not ours."""
    waiver = Waiver("r", frozenset(), (text,), text, text, date(2027, 1, 31))
    failed = verdict_of(rule=text, host=text, message=text, evidence=text)
    return [
        failed,
        failed._replace(level=Level.WARNING),
        failed._replace(ip=text),
        failed._replace(ip=None),
        failed._replace(outcome=RuleOutcome.WAIVED, waiver=waiver),
        failed._replace(outcome=RuleOutcome.NOT_JUDGED),
        failed._replace(outcome=RuleOutcome.PASSED),
    ]


ALL_KINDS = [
    verdict_of(),
    verdict_of(rule="starttls-offered", level=Level.WARNING, message="STARTTLS is not offered", evidence=None),
    verdict_of(RuleOutcome.WAIVED, waiver=WAIVER),
    verdict_of(RuleOutcome.NOT_JUDGED, message="no dialogue was held", evidence=None),
    verdict_of(RuleOutcome.PASSED, ip="2001:db8::1", host="mx.example.org", message="nothing", evidence=None),
]
