"""The rules that a policy can have: names, purpose, default levels and options.

Each option describes the values it takes. The policy file's reader, its documentation (`policy init`) and its messages
all come from the one list here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, Final, NamedTuple

from scanner.assess.flaw_findings import AFFECTED, POSSIBLE
from scanner.assess.versions import version_key
from scanner.identify.rules import known_products, known_services
from scanner.model import DISCLOSED
from scanner.policy.flaws import judge_exploited, judge_version
from scanner.policy.judges import (
    Judge,
    judge_banner,
    judge_certificate,
    judge_greeting,
    judge_help,
    judge_starttls,
)
from scanner.text.nearest import hint


class Level(StrEnum):
    """How much a broken rule matters. A closed list."""

    ERROR = "error"  # a violation: the check fails
    WARNING = "warning"  # reported; the check does not fail
    OFF = "off"  # not judged at all


class RuleText(NamedTuple):
    """A rule's text for reports: a title of one line, and what to do when it is broken."""

    name: str
    title: str
    help: str
    level: Level


class RuleOption(NamedTuple):
    """One option of a rule. `read` converts a value for the rule; its ValueError says what is allowed."""

    default: Any
    meaning: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule. `min_judged` is the default of `[coverage.min_judged]`: the fraction of hosts to be judged."""

    text: RuleText
    judge: Judge
    options: dict[str, RuleOption]
    min_judged: float


def words(*allowed: str) -> Callable[[Any], tuple[str, ...]]:
    """Return the reader of a list of some of these words."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise ValueError(f"a list of some of {', '.join(allowed)}")
        for each in value:
            if each not in allowed:
                raise ValueError(f"a list of some of {', '.join(allowed)}{hint(each, allowed)}")
        return tuple(value)

    return read


def boolean(value: Any) -> bool:
    """Read true or false."""
    if value is not True and value is not False:
        raise ValueError("true or false")
    return bool(value)


def days(value: Any) -> int:
    """Read a number of days."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 36_500:
        raise ValueError("a whole number of days, 0 or more")
    return value


def text(value: Any) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value


def fraction(value: Any) -> float:
    """Read a fraction, 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value) or not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return float(value)


def versions(value: Any) -> dict[str, str]:
    """Read the lowest version of each product.

    A product that is never identified would never be judged, without anyone noticing; so it is an error.
    """
    if not isinstance(value, dict) or not all(_is_version(*each) for each in value.items()):
        raise ValueError('a table of products and versions, such as {Sendmail = "8.18.1"}')
    known, services = known_products(), {name.casefold() for name in known_services()}
    folded = {name.casefold() for name in known}
    for product in value:
        if product.casefold() in services:
            raise ValueError(f"a table of products that show a version: {product[:60]!a} is a service and has none")
        if product.casefold() not in folded:
            raise ValueError(
                f"a table of products that can be identified: {product[:60]!a} is not{hint(product, known)}"
            )
    if len({product.casefold() for product in value}) < len(value):
        raise ValueError("a table with each product once, in whatever case")
    return dict(value)


#: "3.x", "3.*": no release.
_WILDCARD: Final = re.compile(r"(?:^|\.)[xX*](?:\.|$)")


def _is_version(product: str, version: Any) -> bool:
    if not isinstance(version, str) or _WILDCARD.search(version):
        return False
    return version_key(product.casefold(), version) is not None


_VERSION_WORDS: Final = ("version", "config_version", "patch", "build", "package")


def _fields(*default: str) -> dict[str, RuleOption]:
    return {"fields": RuleOption(default, f"what must not be shown, of: {', '.join(DISCLOSED)}", words(*DISCLOSED))}


_RULES: Final = (
    PolicyRule(
        RuleText(
            "no-version-in-greeting",
            "The greeting must not show a version.",
            "Every client learns which flaws to try. Set the greeting to the host name alone. That hides the "
            "version but fixes no flaw: update the server as well.",
            Level.ERROR,
        ),
        judge_greeting,
        _fields(*_VERSION_WORDS),
        0.95,
    ),
    PolicyRule(
        RuleText(
            "no-product-in-greeting",
            "The greeting should not name the product.",
            "The product's name narrows down what an attacker tries first. Most servers let you set the greeting; "
            "the behaviour of a server can still reveal the product.",
            Level.WARNING,
        ),
        judge_greeting,
        _fields("product", "os"),
        0.95,
    ),
    PolicyRule(
        RuleText(
            "no-version-in-help",
            "The reply to HELP must not show a version.",
            "A version that is gone from the greeting is often still in HELP. Sendmail needs an existing help file "
            "without $v; without any help file it shows the version again.",
            Level.ERROR,
        ),
        judge_help,
        _fields(*_VERSION_WORDS),
        0.95,
    ),
    PolicyRule(
        RuleText(
            "starttls-offered",
            "The server should offer STARTTLS.",
            "Without it mail and passwords cross the network in the clear. Give the server a certificate and switch "
            "STARTTLS on (RFC 3207).",
            Level.WARNING,
        ),
        judge_starttls,
        {"must_work": RuleOption(True, "also break the rule when the handshake fails", boolean)},  # noqa: FBT003  a value
        0.95,
    ),
    PolicyRule(
        RuleText(
            "certificate-valid",
            "The certificate should be valid.",
            "Renew the certificate in time, have a known issuer sign it, and issue it for the host's name.",
            Level.WARNING,
        ),
        judge_certificate,
        {
            "min_days_left": RuleOption(14, "days that it must remain valid", days),
            "allow_self_signed": RuleOption(False, "whether it may be self-signed", boolean),  # noqa: FBT003  a value
            "match_name": RuleOption(False, "whether it must be issued for the host's name", boolean),  # noqa: FBT003  a value
        },
        0.95,
    ),
    PolicyRule(
        RuleText(
            "min-version",
            "The software must not be older than agreed.",
            "Update the server. Distributions fix flaws without a new version number: waive hosts with such a package.",
            Level.ERROR,
        ),
        judge_version,
        {"versions": RuleOption({}, 'the lowest version of each product: {Sendmail = "8.18.1"}', versions)},
        1.0,  # of the hosts that show a version: one that hides it is not counted
    ),
    PolicyRule(
        RuleText(
            "no-known-exploited",
            "No flaw that is known to be exploited.",
            "CISA lists the flaw as exploited (KEV). Update at once, or find out that the package has the fix.",
            Level.ERROR,
        ),
        judge_exploited,
        {
            "verdicts": RuleOption(
                (AFFECTED, POSSIBLE),
                f"how certain a finding must be: {AFFECTED}, {POSSIBLE}",
                words(AFFECTED, POSSIBLE),
            )
        },
        1.0,  # as for min-version
    ),
    PolicyRule(
        RuleText(
            "banner-equals",
            "The greeting must be the agreed one.",
            "Set the greeting to the text of the policy.",
            Level.OFF,
        ),
        judge_banner,
        {"text": RuleOption("$host ESMTP", "the text after the code; $host stands for the greeting's host name", text)},
        0.95,
    ),
)

#: Every rule by its name, in the order of reports.
RULES: Final = {rule.text.name: rule for rule in _RULES}
