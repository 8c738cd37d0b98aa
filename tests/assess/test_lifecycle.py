"""Claims about `scanner.assess.lifecycle`: age, support, the release to ask for, half-done upgrades."""

from typing import Any

import pytest

from scanner.assess import assess
from scanner.model import Finding, Software


def software(product: str, version: str | None, **more: Any) -> Software:
    return Software(product=product, version=version, **more)


def by_id(findings: tuple[Finding, ...], identifier: str) -> Finding:
    return next(finding for finding in findings if finding.id == identifier)


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.id for finding in findings]


@pytest.mark.parametrize(
    ("product", "version", "release"),
    [
        ("Sendmail", "8.14.7", "8.18.1"),
        ("Exim", "4.96", "4.100.2"),
        ("Postfix", "3.10.1", "3.10.14"),
        ("Postfix", "2.8", "3.9.15"),
    ],
)
def test_the_next_release_has_no_known_flaw_and_is_the_first_such(product: str, version: str, release: str) -> None:
    finding = by_id(assess(software(product, version)), "NEXT-RELEASE")

    assert finding.fixed_in == release
    assert [each for each in assess(software(product, release)) if each.verdict] == []


def test_no_next_release_is_named_where_none_is_known_or_needed() -> None:
    assert "NEXT-RELEASE" not in ids(assess(software("Sendmail", "8.18.2")))
    assert "NEXT-RELEASE" not in ids(assess(software("Sendmail", "8.17.1.9", package="Debian-2+deb12u2")))


@pytest.mark.parametrize(
    ("product", "version", "evidence"),
    [
        ("Exim", "4.96", "support of Exim 4.96 ended on 2023-11-04"),
        ("Exim", "4.96.2", "support of Exim 4.96 ended on 2023-11-04"),
        ("Exim", "3.36", "older than 4.50, the oldest branch listed"),
        ("Exim", "4.100.1", None),
        ("Exim", "4.10", "older than 4.50, the oldest branch listed"),
        ("Postfix", "3.0.15", "support of Postfix 3.0 ended on 2019-02-27"),
        ("Postfix", "3.11.7", None),
        ("Postfix", "2.7.1", "older than 2.8, a branch whose support ended"),  # between two that are listed
        ("Microsoft Exchange Server", "5.5.2653.13", "support of Microsoft Exchange Server 5.5 ended on"),
        ("Microsoft Exchange Server", "4.0.996", "support of Microsoft Exchange Server 4.0 ended"),
        ("Sendmail", "8.6", None),  # upstream has no such table
        ("hMailServer", None, "hMailServer is no longer developed, as stated on 2025-04-20"),
        ("hMailServer", "5.6", "hMailServer is no longer developed, as stated on 2025-04-20"),
    ],
)
def test_the_end_of_support_is_told_by_branch(product: str, version: str | None, evidence: str | None) -> None:
    found = [str(each.evidence) for each in assess(software(product, version)) if each.id == "END-OF-LIFE"]

    assert len(found) == (evidence is not None)
    assert all(each.startswith(evidence or "") for each in found)


def test_the_age_of_a_version_is_the_days_to_the_newest_release() -> None:
    age = by_id(assess(software("Sendmail", "8.14.7")), "VERSION-AGE")

    assert age.title == "Sendmail 8.14.7 is 4633 days behind 8.18.2."
    assert age.evidence == "8.14.7 was released on 2013-04-21, 8.18.2 on 2025-12-27"
    assert age.severity == "low"
    assert by_id(assess(software("Haraka", "3.3.1")), "VERSION-AGE").severity == "info"


@pytest.mark.parametrize("version", ["8.18.2", "8.14.7.1", "8.99"])
def test_a_version_that_is_the_newest_or_has_no_date_has_no_age(version: str) -> None:
    assert "VERSION-AGE" not in ids(assess(software("Sendmail", version)))


@pytest.mark.parametrize(
    ("version", "config", "meaning"),
    [
        ("8.14.7", "8.13.8", "an upgrade that kept the old configuration"),
        ("8.13.8", "8.13.9", "a program that was taken back"),
        ("8.9.3", "8.9.1", "an upgrade that kept the old configuration"),
        ("8.14.7", "8.14.7", None),
        ("8.9.3", "8.9.3+3.4W", None),
        ("8.13.5.20060308", "8.13.5", None),
        ("8.17.1.9", "8.17.1.9", None),
        ("8.9.3", "linuxconf", None),
        ("8.6", "SMI-SVR4", None),
        ("8.14.7", None, None),
        ("8.14.7", "8", None),
    ],
)
def test_binary_and_configuration_of_different_releases_are_a_half_done_upgrade(
    version: str, config: str | None, meaning: str | None
) -> None:
    found = [
        each.title for each in assess(software("Sendmail", version, config_version=config)) if each.id == "CONFIG-SKEW"
    ]

    assert len(found) == (meaning is not None)
    assert all(str(meaning) in title for title in found)
