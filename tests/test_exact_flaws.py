"""The exact flaws of single versions, each with where it was looked up: a row that goes missing or too far is seen.

The sets were made from the records and advisories named beside them, not from the program.
"""

import re

import pytest

from scanner.assess import assess, shipped_facts
from scanner.identify.rules import shipped_rules
from scanner.model import Software

NVD_2000S = "NVD feeds 2.0 of 1999 to 2006, RELEASE_NOTES of Sendmail, CERT VU#834865"
NAILS = "Exim: doc/security (21nails), ChangeLog; NVD 2018 to 2026; oss-security 2026-05 to 2026-09"
HEALTH = "Microsoft: Exchange HealthChecker (update to CVE, update to build), build numbers; CISA KEV 2026.08.07"

SETS = [
    (
        "Sendmail",
        "8.9.3",
        (
            "1999-0976 1999-1109 2000-0319 2001-0713 2001-0714 2001-0715 2001-1349 2002-1337 2002-1827 "
            "2002-2261 2003-0161 2003-0681 2003-0694 2006-0058 2006-1173 2006-4434 2009-1490 2009-4565 "
            "2014-3956 2021-3618 2023-51765 SENDMAIL-8.16.1-SECURITY"
        ),
        NVD_2000S,
    ),
    (
        "Sendmail",
        "8.12.11",
        "2006-0058 2006-1173 2006-4434 2009-1490 2009-4565 2014-3956 2021-3618 2023-51765 SENDMAIL-8.16.1-SECURITY",
        NVD_2000S,
    ),
    (
        "Sendmail",
        "8.13.5",
        "2006-0058 2006-1173 2006-4434 2009-4565 2014-3956 2021-3618 2023-51765 SENDMAIL-8.16.1-SECURITY",
        NVD_2000S,
    ),
    (
        "Sendmail",
        "8.13.6",
        "2006-1173 2006-4434 2009-4565 2014-3956 2021-3618 2023-51765 SENDMAIL-8.16.1-SECURITY",
        NVD_2000S,
    ),
    ("Sendmail", "8.14.7", "2014-3956 2021-3618 2023-51765 SENDMAIL-8.16.1-SECURITY", "NVD 2014, 2021, 2023"),
    ("Sendmail", "8.18.1", "", "RELEASE_NOTES of 8.18.2: no security entry"),
    ("Sendmail", "8.18.2", "", "RELEASE_NOTES of 8.18.2"),
    (
        "Exim",
        "4.92.1",
        (
            "2019-15846 2019-16928 2020-12783 2020-28007 2020-28008 2020-28009 2020-28010 2020-28011 "
            "2020-28012 2020-28013 2020-28014 2020-28015 2020-28017 2020-28018 2020-28019 2020-28021 "
            "2020-28022 2020-28023 2020-28024 2020-28025 2020-28026 2021-38371 2022-3559 2022-37451 "
            "2022-37452 2023-42114 2023-42115 2023-42116 2023-42117 2023-42119 2023-51766 2024-39929 "
            "2026-40684 2026-40685 2026-40686 2026-40687 2026-48840 GCVE-25-2026-07-45-1 "
            "GCVE-25-2026-07-45-3 GCVE-25-2026-09-50-1 GCVE-25-2026-09-55-1 GCVE-25-2026-09-56-1 GCVE-25-2026-11-82-1"
        ),
        NAILS,
    ),
    (
        "Exim",
        "4.98.2",
        (
            "2026-40684 2026-40685 2026-40686 2026-40687 2026-45185 2026-48840 GCVE-25-2026-07-45-1 "
            "GCVE-25-2026-07-45-3 GCVE-25-2026-09-50-1 GCVE-25-2026-09-51-1 GCVE-25-2026-09-55-1 "
            "GCVE-25-2026-09-56-1 GCVE-25-2026-11-82-1"
        ),
        NAILS,
    ),
    ("Exim", "4.100.1", "GCVE-25-2026-11-82-1", "Debian changelog of exim4 4.98.2-1+deb13u6"),
    ("Exim", "4.100.2", "", "Debian changelog of exim4 4.98.2-1+deb13u6"),
    (
        "Postfix",
        "2.10.1",
        "2017-10140 2023-51764 2026-43964 POSTFIX-3.11.6-1",
        "HISTORY of Postfix; NVD 2017, 2023, 2026",
    ),
    (
        "Postfix",
        "3.8.0",
        "2023-51764 2026-43964 POSTFIX-3.11.6-1 POSTFIX-3.11.6-2 POSTFIX-3.11.6-3 POSTFIX-3.11.7-2",
        "HISTORY of Postfix; announcements of 3.11.6 and 3.11.7",
    ),
    ("Postfix", "3.11.7", "", "announcement of 3.11.7"),
    (
        "OpenSMTPD",
        "6.3.0p1",
        "2020-35679 2020-35680 2020-8793 2020-8794 2023-29323 OPENSMTPD-7.9.0P0-SECURITY",
        "Qualys 2020-01-28 (the flaw came in May 2018); CHANGES.md",
    ),
    (
        "OpenSMTPD",
        "6.4.0p1",
        "2020-35679 2020-35680 2020-7247 2020-8793 2020-8794 2023-29323 OPENSMTPD-7.9.0P0-SECURITY",
        "Qualys 2020-01-28 (6.4.0 was the first release with it); CHANGES.md",
    ),
    ("OpenSMTPD", "7.9.0p0", "", "change log of 7.9.0p0, 2026-09-13"),
    (
        "Haraka",
        "2.8.8",
        "2016-1000282 2026-34752 GHSA-4GXG-Q43P-HFR2 HARAKA-3.3.4-SECURITY",
        "CHANGELOG.md of 3.3.4; NVD",
    ),
    ("Haraka", "2.8.9", "2026-34752 GHSA-4GXG-Q43P-HFR2 HARAKA-3.3.4-SECURITY", "CHANGELOG.md of 3.3.4; NVD"),
    ("Haraka", "3.1.4", "GHSA-4GXG-Q43P-HFR2 HARAKA-3.3.4-SECURITY", "CHANGELOG.md of 3.3.4; NVD"),
    ("Haraka", "3.3.4", "", "CHANGELOG.md of 3.3.4"),
    ("Microsoft Exchange Server", "15.0.1497.48", "", HEALTH),
    (
        "Microsoft Exchange Server",
        "15.1.2507.37",
        (
            "2024-21410 2024-49040 2025-25005 2025-25006 2025-25007 2025-33051 2025-53782 2025-53786 "
            "2025-59248 2025-59249 2025-64666 2025-64667 2026-21527"
        ),
        HEALTH,
    ),
    (
        "Microsoft Exchange Server",
        "15.2.1748.36",
        "2025-53782 2025-59248 2025-59249 2025-64666 2025-64667 2026-21527",
        HEALTH,
    ),
    ("Microsoft Exchange Server", "15.2.1748.43", "", HEALTH),
    (
        "MailEnable",
        "8.50",
        "2015-9277 2015-9278 2015-9279 2015-9280 2025-44148 2026-32850 2026-32851 2026-32852",
        "NVD 2015, 2025, 2026",
    ),
    ("MDaemon", "24.5.1", "2024-11182 2025-3929", "NVD 2024, 2025; CISA KEV"),
    ("MDaemon", "25.0.2", "", "NVD 2025"),
    ("hMailServer", "5.6.8", "2025-52372 2025-52373 2025-52374", "NVD 2025"),
    ("Stalwart", "0.13.3", "2025-61600 2026-26312", "CHANGELOG.md of 0.13.4 and 0.15.5; NVD"),
    ("Stalwart", "0.15.5", "", "CHANGELOG.md"),
    ("FortiMail", "7.4.2", "2024-6387 2025-32756 FG-IR-24-009", "Fortinet FG-IR-24-009, -258, FG-IR-25-254; NVD"),
    ("SmarterMail", "100.0.9413", "2026-23760 2026-24423 2026-26930", "NVD 2026; CISA KEV"),
]


def found(product: str, version: str) -> set[str]:
    return {each.id for each in assess(Software(product=product, version=version)) if each.verdict}


@pytest.mark.parametrize(("product", "version", "flaws", "source"), SETS, ids=lambda each: str(each)[:30])
def test_a_version_has_exactly_these_flaws(product: str, version: str, flaws: str, source: str) -> None:
    wanted = {f"CVE-{each}" if re.fullmatch(r"[0-9]{4}-[0-9]+", each) else each for each in flaws.split()}

    assert found(product, version) == wanted, source


@pytest.mark.parametrize(
    ("flaw", "product", "without", "having"),
    [
        (
            "CVE-2006-0058",
            "Sendmail",
            ["8.13.6", "8.14.0"],
            ["8.9.0", "8.9.3", "8.10.2", "8.11.7", "8.12.11", "8.13.0"],
        ),
        ("CVE-2011-1764", "Exim", ["4.50", "4.69", "4.76"], ["4.70", "4.75"]),
        ("CVE-2020-7247", "OpenSMTPD", ["6.3.0p1", "6.6.2p1"], ["6.4.0", "6.4.0p1", "6.6.0p1", "6.6.1p1"]),
        ("CVE-2026-34752", "Haraka", ["3.1.4"], ["2.8.8", "3.1.3"]),
        ("GHSA-4GXG-Q43P-HFR2", "Haraka", ["3.3.3"], ["3.3.2"]),
        ("CVE-2016-1000282", "Haraka", ["2.8.9"], ["2.8.8"]),
        ("CVE-2012-0389", "MailEnable", ["5.53", "6.03", "8.60"], ["4.26", "5.52", "6.02"]),
        ("CVE-2015-9277", "MailEnable", ["8.60"], ["8.59"]),
        ("CVE-2015-9280", "MailEnable", ["8.60"], ["8.59"]),
        ("CVE-2008-6967", "MDaemon", ["10.02"], ["9.64", "10.0.1"]),
        ("CVE-2025-3929", "MDaemon", ["25.0.2", "24.5.3"], ["25.0.1", "24.5.2"]),
        ("CVE-2025-52373", "hMailServer", [], ["5.6.8", "5.8.6"]),
        (
            "CVE-2024-45519",
            "Zimbra Collaboration",
            ["8.8.15p46", "10.0.9", "10.1.1"],
            ["8.8.15", "8.8.15p45", "9.0.0p40"],
        ),
        ("CVE-2022-41352", "Zimbra Collaboration", ["10.0.0", "9.0.0p27"], ["8.8.15p33", "9.0.0"]),
        ("CVE-2025-20393", "Cisco Secure Email Gateway", ["15.5.4-012", "16.0.4-016"], ["15.5.4-011", "14.2.0-620"]),
        ("CVE-2025-32756", "FortiMail", ["7.6.3", "7.0.9"], ["7.6.2", "7.0.8"]),
        ("CVE-2019-7214", "SmarterMail", ["16.3.6985"], ["16.3.6970"]),
        ("CVE-2015-1503", "IceWarp Mail Server", ["11.2.0"], ["11.1.2"]),
        ("CVE-2023-25267", "Kerio Connect", ["10.0.0"], ["9.4.1"]),
    ],
)
def test_a_flaw_begins_and_ends_where_upstream_says(
    flaw: str, product: str, without: list[str], having: list[str]
) -> None:
    assert [each for each in without if flaw in found(product, each)] == []
    assert [each for each in having if flaw not in found(product, each)] == []


@pytest.mark.parametrize(
    ("product", "version", "flaw", "system"),
    [("Sendmail", "8.9.3", "CVE-2007-2246", "HP-UX"), ("Sendmail", "5.65", "CVE-1999-1580", "SunOS")],
)
def test_a_flaw_of_one_system_is_listed_there_alone(product: str, version: str, flaw: str, system: str) -> None:
    software = Software(product=product, version=version)
    there = Software(product=product, version=version, os=system)
    elsewhere = Software(product=product, version=version, os="AIX")

    assert flaw in {each.id for each in assess(there)}
    assert flaw not in {each.id for each in (*assess(software), *assess(elsewhere))}


def test_the_fix_of_a_flaw_is_named_though_nvd_names_none() -> None:
    (flaw,) = [each for each in assess(Software(product="Haraka", version="2.8.8")) if each.id == "CVE-2016-1000282"]

    assert flaw.fixed_in == "2.8.9"


@pytest.mark.parametrize("name", ["qmail", "netqmail", "notqmail", "NetQmail"])
def test_qmail_is_known_under_the_names_of_its_successors(name: str) -> None:
    product = shipped_facts().product(name)

    assert product is not None
    assert product.key == "qmail"
    assert found(name, "1.06") >= {"CVE-2011-1431", "CVE-2020-3811"}


@pytest.mark.parametrize(
    ("product", "newest", "day"),
    [
        ("Sendmail", "8.18.2", "2025-12-27"),
        ("OpenSMTPD", "7.9.0p0", "2026-09-13"),
        ("Haraka", "3.3.4", "2026-09-05"),
        ("Stalwart", "0.16.18", "2026-08-17"),
        ("KumoMTA", "2026.06.23", "2026-06-23"),
    ],
)
def test_the_newest_release_is_known_with_its_day(product: str, newest: str, day: str) -> None:
    facts = shipped_facts().product(product)

    assert facts is not None
    assert (facts.facts["latest"], facts.facts["latest_date"]) == (newest, day)
    assert (newest, day) in {(text, when) for _, text, when in facts.releases}


def test_a_host_with_sendmail_8_18_1_is_told_of_8_18_2() -> None:
    titles = [each.title for each in assess(Software(product="Sendmail", version="8.18.1"))]

    assert titles == ["Sendmail 8.18.1 is 696 days behind 8.18.2."]


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("8.8.15", "possible"), ("8.8.15p45", "affected_upstream"), ("8.8.14", "affected_upstream")],
)
def test_a_patch_that_a_greeting_does_not_show_leaves_it_open(version: str, verdict: str) -> None:
    flaws = {each.id: each for each in assess(Software(product="Zimbra Collaboration", version=version))}

    assert flaws["CVE-2024-45519"].verdict == verdict
    assert flaws["CVE-2024-45519"].attack_path == "smtp"
    assert flaws["CVE-2024-45519"].smtp_unauthenticated is True


def test_every_product_of_the_facts_is_recognised_under_one_of_its_names() -> None:
    recognised = {rule.fixed.get("product") for rule in shipped_rules()}
    products = shipped_facts().document["products"]

    assert [key for key, product in products.items() if not recognised & set(product["names"])] == []
