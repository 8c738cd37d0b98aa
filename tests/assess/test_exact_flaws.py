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
CUMULATIVE = "Microsoft's security updates by product (until 2026-06-28); CVE records of Microsoft; CISA KEV 2026.08.07"
JUNE_2026 = "2026-42897 2026-45500 2026-45501 2026-45502 2026-45503 2026-45504 2026-45583 2026-47631"

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
            "2025-59248 2025-59249 2025-64666 2025-64667 2026-21527 " + JUNE_2026
        ),
        HEALTH,
    ),
    (
        "Microsoft Exchange Server",
        "15.2.1748.36",
        "2025-53782 2025-59248 2025-59249 2025-64666 2025-64667 2026-21527 " + JUNE_2026,
        HEALTH,
    ),
    ("Microsoft Exchange Server", "15.2.1748.43", JUNE_2026, CUMULATIVE),
    ("Microsoft Exchange Server", "15.2.1748.48", "", CUMULATIVE),
    (
        "Microsoft Exchange Server",
        "15.1.2507.6",
        (
            "2022-21978 2022-21979 2022-21980 2022-24477 2022-24516 2022-30134 2022-34692 2022-41040 "
            "2022-41078 2022-41079 2022-41080 2022-41082 2022-41123 2023-21529 2023-21706 2023-21707 "
            "2023-21709 2023-21710 2023-21745 2023-21761 2023-21762 2023-21763 2023-21764 2023-28310 "
            "2023-32031 2023-35368 2023-35388 2023-36035 2023-36039 2023-36050 2023-36439 2023-36744 "
            "2023-36745 2023-36756 2023-36757 2023-36777 2023-36778 2023-38181 2023-38182 2023-38185 "
            "2024-21410 2024-26198 2024-49040 2025-25005 2025-25006 2025-25007 2025-33051 2025-53782 "
            "2025-53786 2025-59248 2025-59249 2025-64666 2025-64667 2026-21527 " + JUNE_2026
        ),
        CUMULATIVE,
    ),
    (
        "MailEnable",
        "8.50",
        (
            "2015-9277 2015-9278 2015-9279 2015-9280 2019-12923 2019-12924 2019-12925 2019-12926 2019-12927 "
            "2025-44148 2026-32850 2026-32851 2026-32852"
        ),
        "NVD 2015, 2019, 2025, 2026",
    ),
    ("MailEnable", "10.24", "2026-32850 2026-32851 2026-32852", "NVD 2019, 2026"),
    (
        "Postfix",
        "3.9-20231130",
        ("2023-51764 2026-43964 POSTFIX-3.11.6-1 POSTFIX-3.11.6-2 POSTFIX-3.11.6-3 POSTFIX-3.11.7-1 POSTFIX-3.11.7-2"),
        "HISTORY of Postfix (20231222: the option); announcements of 3.11.6 and 3.11.7",
    ),
    ("Haraka", "3.0.5", "2026-34752 GHSA-4GXG-Q43P-HFR2 HARAKA-3.3.4-SECURITY", "CHANGELOG.md of 3.3.4; NVD"),
    ("hMailServer", "5.3.3", "2013-5571 2025-52372 2025-52373 2025-52374", "NVD 2013, 2025"),
    (
        "MDaemon",
        "19.5.5",
        (
            "2019-13612 2020-18723 2020-18724 2021-27180 2021-27181 2021-27182 2021-27183 2022-29975 "
            "2022-29976 2024-11182 2025-3929"
        ),
        "NVD 2019 to 2025; CISA KEV",
    ),
    (
        "SmarterMail",
        "16.3.6900",
        ("2019-7211 2019-7212 2019-7213 2019-7214 2021-32233 2025-52691 2026-23760 2026-24423 2026-26930"),
        "NVD 2019 to 2026; CISA KEV",
    ),
    (
        "Zimbra Collaboration",
        "8.8.15p33",
        (
            "2022-3569 2022-37393 2022-41352 2023-26562 2023-34192 2023-37580 2023-41106 2023-43102 "
            "2023-43103 2024-45518 2024-45519 2025-48700"
        ),
        "NVD 2022 to 2025, as far as it could be had; CISA KEV",
    ),
    ("IceWarp Mail Server", "13.0.2.9", "2022-35115", "NVD, as far as it could be had"),
    ("Libraesva Email Security Gateway", "5.5.6", "2025-59689", "CVE record of 2025-10-21; CISA KEV"),
    ("Libraesva Email Security Gateway", "5.5.7", "", "CVE record of 2025-10-21"),
    ("Barracuda Email Security Gateway", "9.2.0.006", "2023-2868", "NVD 2023; CISA KEV"),
    ("SonicWall Email Security", "10.0.9", "2021-20021 2021-20022 2021-20023", "NVD 2021; CISA KEV"),
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
        ("CVE-2026-42897", "Microsoft Exchange Server", ["15.1.2507.69", "15.2.2562.43"], ["15.2.2562.37"]),
        ("CVE-2026-45583", "Microsoft Exchange Server", ["15.1.2507.71", "15.2.1748.48"], ["15.2.1748.46"]),
        ("CVE-2019-0586", "Microsoft Exchange Server", ["15.0.1395.4", "15.2.330.5"], ["15.2.221.12", "15.1.1591.10"]),
        ("CVE-2019-1084", "Microsoft Exchange Server", ["14.3.468.0"], ["14.3.461.1", "14.2.247.5"]),
        ("CVE-2019-0686", "Microsoft Exchange Server", ["14.3.442.0"], ["14.3.435.0"]),
        ("CVE-2019-12923", "MailEnable", ["10.24", "9.83", "8.64"], ["10.23", "9.82", "8.63"]),
        ("CVE-2020-12846", "Zimbra Collaboration", ["8.8.15p10", "9.0.0p3"], ["8.8.15p9", "9.0.0p2", "8.7.11"]),
        ("CVE-2020-35123", "Zimbra Collaboration", ["8.8.15p17", "9.0.0p10"], ["8.8.15p16", "9.0.0p9"]),
        ("CVE-2015-2249", "Zimbra Collaboration", ["8.6.0p5"], ["8.6.0p4", "8.5.1"]),
        ("CVE-2019-7211", "SmarterMail", ["16.3.6995"], ["16.3.6970"]),
        ("CVE-2010-0276", "Domino", ["9.0.1", "10.0.1"], ["8.0.2FP3"]),
        ("CVE-2010-5336", "IceWarp Mail Server", ["10.2.1"], ["10.2.0"]),
        ("CVE-2020-3133", "Cisco Secure Email Gateway", ["13.0.0-392"], ["12.5.1-037"]),
        ("CVE-2024-20401", "Cisco Secure Email Gateway", ["15.5.1-055"], ["15.5.0-048", "14.2.0-620"]),
        ("CVE-2022-20960", "Cisco Secure Email Gateway", ["14.2.1-015", "14.3.0-020"], ["14.2.0-620", "14.3.0-019"]),
        ("CVE-2017-6327", "Symantec Messaging Gateway", ["10.6.3-267"], ["10.6.3-266", "10.6.2"]),
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
