"""Claims about `scanner.policy.file`: nothing in a policy file is overlooked."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.model import Status
from scanner.policy.file import default_document, read_policy
from scanner.policy.policy import Policy
from scanner.policy.rules import Level


def addresses(texts: Sequence[str]) -> frozenset[str]:
    if "bad" in texts:
        raise InputError("'bad': not an IP address")
    return frozenset(texts)


def read(text: str) -> Policy:
    return read_policy("version = 1\n" + text, "p.toml", addresses)


def problem(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_default_document_is_the_default_policy_and_names_every_key() -> None:
    document = default_document()

    assert read_policy(document, "p.toml", addresses) == Policy()
    assert read("") == Policy()
    # What it has as comments, is right, too.
    examples = re.sub(r"^# (?=\[|(?:addresses|level|rule|owner|reason|expires) =)", "", document, flags=re.MULTILINE)
    policy = read_policy(examples, "p.toml", addresses)
    assert (len(policy.ranges), len(policy.waivers)) == (1, 1)


def test_levels_and_options_are_taken_one_by_one() -> None:
    policy = read(
        """
        [rules.certificate-valid]
        min_days_left = 30
        match_name = true
        [rules.starttls-offered]
        level = "error"
        [rules.min-version]
        versions = {Sendmail = "8.18.1", Exim = "4.98"}
        [rules.no-known-exploited]
        verdicts = ["affected_upstream"]
        [rules.banner-equals]
        level = "warning"
        text = "$host ready"
        """
    )

    assert policy.rules["certificate-valid"].level is Level.WARNING
    assert policy.rules["certificate-valid"].options == {
        "min_days_left": 30,
        "allow_self_signed": False,
        "match_name": True,
    }
    assert policy.rules["starttls-offered"].level is Level.ERROR
    assert policy.rules["min-version"].options["versions"] == {"Sendmail": "8.18.1", "Exim": "4.98"}
    assert policy.rules["no-known-exploited"].options["verdicts"] == ("affected_upstream",)
    assert (policy.rules["banner-equals"].level, policy.rules["banner-equals"].options["text"]) == (
        Level.WARNING,
        "$host ready",
    )
    assert policy.rules["no-version-in-greeting"] == Policy().rules["no-version-in-greeting"]


def test_ranges_waivers_and_coverage() -> None:
    policy = read(
        """
        [[ranges]]
        addresses = ["192.0.2.1"]
        rules.no-product-in-greeting.level = "error"
        [[ranges]]
        addresses = ["192.0.2.2"]
        rules.certificate-valid.min_days_left = 0
        [[waivers]]
        rule = "min-version"
        addresses = ["192.0.2.3", "192.0.2.4"]
        owner = "mail team"
        reason = "appliance"
        expires = 2027-01-31
        [coverage]
        min_seen = 1
        ignore = ["refused", "connect_timeout"]
        min_judged.min-version = 0.5
        """
    )

    assert [each.rules for each in policy.ranges] == [
        {"no-product-in-greeting": (Level.ERROR, {})},
        {"certificate-valid": (None, {"min_days_left": 0})},
    ]
    assert "192.0.2.2" in policy.ranges[1].addresses
    (waiver,) = policy.waivers
    assert (waiver.rule, waiver.texts, waiver.owner, waiver.reason) == (
        "min-version",
        ("192.0.2.3", "192.0.2.4"),
        "mail team",
        "appliance",
    )
    assert waiver.expires == date(2027, 1, 31)
    assert policy.min_seen == 1.0
    assert policy.ignore == {Status.REFUSED, Status.CONNECT_TIMEOUT}
    assert (policy.min_judged["min-version"], policy.min_judged["no-version-in-help"]) == (0.5, 0.95)


WAIVER = """[[waivers]]
rule = "min-version"
addresses = ["192.0.2.3"]
owner = "o"
reason = "r"
expires = 2027-01-31
"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("versoin = 1", "versoin: is not a known key here; known keys are version, rules, ranges, waivers, coverage"),
        ("rules = 3", "rules: must be a table"),
        ("[rules.no-versoin]", "rules.no-versoin: is not a known key here; known keys are no-version-in-greeting, "),
        ("[rules]\nmin-version = 1", "rules.min-version: must be a table"),
        (
            "[rules.min-version]\nlevle = 1",
            "rules.min-version.levle: is not a known key here; known keys are level, versions",
        ),
        ("[rules.min-version]\nlevel = 'fatal'", "rules.min-version.level: must be one of error, warning, off"),
        ("[rules.min-version]\nlevel = []", "rules.min-version.level: must be one of error, warning, off"),
        ("[rules.min-version]\nversions = '8'", "rules.min-version.versions: must be a table of products and versions"),
        ("[rules.min-version]\nversions = {a = 8.1}", "rules.min-version.versions: must be a table of products and"),
        ("[rules.min-version]\nversions = {a = 'x'}", "rules.min-version.versions: must be a table of products and"),
        ("[rules.certificate-valid]\nmatch_name = 1", "rules.certificate-valid.match_name: must be true or false"),
        ("[rules.certificate-valid]\nmin_days_left = true", "rules.certificate-valid.min_days_left: must be a whole"),
        ("[rules.certificate-valid]\nmin_days_left = -1", "rules.certificate-valid.min_days_left: must be a whole"),
        ("[rules.certificate-valid]\nmin_days_left = 1.5", "rules.certificate-valid.min_days_left: must be a whole"),
        ("[rules.certificate-valid]\nmin_days_left = 36501", "rules.certificate-valid.min_days_left: must be a whole"),
        ("[rules.banner-equals]\ntext = ' '", "rules.banner-equals.text: must be a text that is not empty"),
        ("[rules.banner-equals]\ntext = 1", "rules.banner-equals.text: must be a text that is not empty"),
        ("[rules.no-known-exploited]\nverdicts = []", "rules.no-known-exploited.verdicts: must be a list of some of"),
        ("[rules.no-known-exploited]\nverdicts = 'possible'", "rules.no-known-exploited.verdicts: must be a list of"),
        ("[rules.no-known-exploited]\nverdicts = ['x']", "verdicts: must be a list of some of affected_upstream, poss"),
        ("[rules.no-known-exploited]\nverdicts = [[]]", "verdicts: must be a list of some of affected_upstream, poss"),
        ("ranges = 1", "ranges: must be written as [[ranges]]"),
        ("ranges = [1]", "ranges[1]: must be a table"),
        ("[[ranges]]\nadresses = []", "ranges[1].adresses: is not a known key here; known keys are addresses, rules"),
        ("[[ranges]]\nrules = {}", "ranges[1].addresses: is missing"),
        (
            "[[ranges]]\naddresses = '192.0.2.1'",
            "ranges[1].addresses: must be a list of addresses, networks and ranges",
        ),
        ("[[ranges]]\naddresses = []", "ranges[1].addresses: must be a list of addresses"),
        ("[[ranges]]\naddresses = [1]", "ranges[1].addresses: must be a list of addresses"),
        ("[[ranges]]\naddresses = ['bad']", "ranges[1].addresses: 'bad': not an IP address"),
        ("[[ranges]]\naddresses = ['a']", "ranges[1].rules: must say what is different in this range"),
        (
            "[[ranges]]\naddresses = ['a']\nrules.x.level = 'off'",
            "ranges[1].rules.x: is not a known key here; known keys are no-",
        ),
        (WAIVER + WAIVER.replace("expires = 2027-01-31", ""), "waivers[2].expires: is missing"),
        (WAIVER.replace('owner = "o"', ""), "waivers[1].owner: is missing"),
        (WAIVER.replace('"r"', '""'), "waivers[1].reason: must be a text that is not empty"),
        (WAIVER.replace('"min-version"', '"coverage"'), "waivers[1].rule: must be one of no-version-in-greeting, "),
        (WAIVER.replace("2027-01-31", '"2027-01-31"'), "waivers[1].expires: must be a day without quotes, such as 20"),
        (WAIVER.replace("2027-01-31", "2027-01-31T00:00:00Z"), "waivers[1].expires: must be a day without quotes"),
        (
            WAIVER + "until = 1",
            "waivers[1].until: is not a known key here; known keys are rule, addresses, owner, reason, expires",
        ),
        ("coverage = 1", "coverage: must be a table"),
        ("[coverage]\nmin = 1", "coverage.min: is not a known key here; known keys are min_seen, ignore, min_judged"),
        ("[coverage]\nmin_seen = 95", "coverage.min_seen: must be a number from 0 to 1"),
        ("[coverage]\nmin_seen = -0.1", "coverage.min_seen: must be a number from 0 to 1"),
        ("[coverage]\nmin_seen = nan", "coverage.min_seen: must be a number from 0 to 1"),
        ("[coverage]\nmin_seen = true", "coverage.min_seen: must be a number from 0 to 1"),
        ("[coverage]\nmin_seen = '1'", "coverage.min_seen: must be a number from 0 to 1"),
        ("[coverage]\nignore = ['silent']", "coverage.ignore: must be a list of some of refused, connect_timeout, unr"),
        ("[coverage]\nignore = 'refused'", "coverage.ignore: must be a list of some of refused"),
        ("[coverage]\nignore = false", "coverage.ignore: must be a list of some of refused"),
        (
            "[coverage]\nmin_judged.x = 1",
            "coverage.min_judged.x: is not a known key here; known keys are no-version-in-greeting",
        ),
        ("[coverage]\nmin_judged.min-version = 2", "coverage.min_judged.min-version: must be a number from 0 to 1"),
        ("[rules", "not valid TOML: "),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(text: str, wanted: str) -> None:
    message = problem(text)

    assert message.startswith("p.toml: ")
    assert wanted in message


@pytest.mark.parametrize("text", ["", "version = 2", "version = true", "version = '1'", "version = 1.0"])
def test_a_file_says_its_version(text: str) -> None:
    with pytest.raises(InputError, match=r"p\.toml: version: must be 1"):
        read_policy(text, "p.toml", addresses)


def test_the_documentation_shows_the_default_policy() -> None:
    """The page and the program must not drift apart."""
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")

    assert f"```toml\n{default_document()}```\n" in page
