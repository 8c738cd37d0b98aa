"""Claims about Exchange: a build has a name, an end of support and its flaws; NVD's names become builds."""

from typing import Any

import pytest

from scanner.assess import assess, shipped_facts, version_key
from scanner.assess.exchange import maybe_builds, maybe_release_name
from scanner.assess.feeds import read_cve_record, read_nvd_item
from scanner.model import Finding, Software
from tests.support.vulnerability_records import cpe, nvd, record

NAME = "Microsoft Exchange Server"
DOCUMENT = shipped_facts().document
EXCHANGE = DOCUMENT["products"]["exchange"]
PROXY_LOGON = {"CVE-2021-26855", "CVE-2021-26857", "CVE-2021-26858", "CVE-2021-27065"}
PROXY_SHELL = {"CVE-2021-34473", "CVE-2021-34523", "CVE-2021-31207"}
PROXY_NOT_SHELL = {"CVE-2022-41040", "CVE-2022-41082"}
#: All that CISA's catalogue of 2026-08-07 has of Exchange Server.
EXPLOITED = {
    *PROXY_LOGON,
    *PROXY_SHELL,
    *PROXY_NOT_SHELL,
    "CVE-2018-8581",
    "CVE-2020-0688",
    "CVE-2020-17144",
    "CVE-2021-31196",
    "CVE-2021-33766",
    "CVE-2021-42321",
    "CVE-2022-41080",
    "CVE-2023-21529",
    "CVE-2024-21410",
    "CVE-2026-42897",
}


def findings(build: str) -> dict[str, Finding]:
    return {each.id: each for each in assess(Software(product=NAME, version=build))}


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ("15.1.2507.6", "Exchange Server 2016 CU23"),
        ("15.01.2507.006", "Exchange Server 2016 CU23"),
        ("15.1.2507.16", "Exchange Server 2016 CU23 Nov22SU"),
        ("15.1.2507.18", "Exchange Server 2016 CU23 Jan23SU with a later update"),
        ("15.2.1544.4", "Exchange Server 2019 CU14"),
        ("15.2.2562.17", "Exchange Server SE RTM"),
        ("15.2.2562.46", "Exchange Server SE RTM Aug26SU"),
        ("15.0.1497.48", "Exchange Server 2013 CU23 Mar23SU"),
        ("15.0.847.32", "Exchange Server 2013 SP1"),
        ("14.3.513.0", "Update Rollup 32 for Exchange Server 2010 SP3"),
        ("8.3.83.6", "Exchange Server 2007 SP3"),
        ("15.1.9999.1", None),
        ("1.0", None),
    ],
)
def test_a_build_has_the_name_that_people_use(build: str, name: str | None) -> None:
    product, key = shipped_facts().product(NAME), version_key("exchange", build)
    assert product is not None
    assert key is not None

    assert maybe_release_name(product, key) == name
    said = findings(build).get("RELEASE-NAME")
    assert (said and said.title) == (None if name is None else f"{build} is {name}.")


def test_a_product_without_names_of_releases_has_no_such_finding() -> None:
    assert "RELEASE-NAME" not in {each.id for each in assess(Software(product="Exim", version="4.96"))}


@pytest.mark.parametrize(
    ("build", "evidence"),
    [
        ("15.2.2562.37", None),
        ("15.2.1748.43", "support of Microsoft Exchange Server 2019 ended on 2025-10-14"),
        ("15.1.225.42", "support of Microsoft Exchange Server 2016 ended on 2025-10-14"),
        ("15.0.1497.2", "support of Microsoft Exchange Server 2013 ended on 2023-04-11"),
        ("14.3.123.4", "support of Microsoft Exchange Server 2010 ended on 2020-10-13"),
        ("8.3.83.6", "support of Microsoft Exchange Server 2007 ended on 2017-04-11"),
        ("6.5.7683", "support of Microsoft Exchange Server 2003 ended on 2014-04-08"),
        ("6.0.6620.7", "support of Microsoft Exchange Server 2000 ended on 2011-01-11"),
    ],
)
def test_the_end_of_support_is_told_by_build(build: str, evidence: str | None) -> None:
    ended = findings(build).get("END-OF-LIFE")

    assert (ended and ended.evidence) == evidence


@pytest.mark.parametrize(
    ("build", "having", "without"),
    [
        ("15.1.2106.2", PROXY_LOGON | PROXY_SHELL | PROXY_NOT_SHELL, set()),
        ("15.1.2106.13", PROXY_SHELL | PROXY_NOT_SHELL, PROXY_LOGON),
        ("15.2.792.10", PROXY_SHELL | PROXY_NOT_SHELL, PROXY_LOGON),
        ("15.2.858.10", PROXY_NOT_SHELL | {"CVE-2021-31207"}, PROXY_LOGON | {"CVE-2021-34473", "CVE-2021-34523"}),
        ("15.1.2375.31", PROXY_NOT_SHELL, PROXY_LOGON | PROXY_SHELL),
        ("15.2.1118.20", set(), PROXY_LOGON | PROXY_SHELL | PROXY_NOT_SHELL),
        ("15.2.1258.12", set(), PROXY_LOGON | PROXY_SHELL | PROXY_NOT_SHELL),
        ("15.1.225.42", EXPLOITED - {"CVE-2020-17144"}, {"CVE-2020-17144"}),  # the first 2016 has all that came later
        ("14.3.496.0", {"CVE-2020-17144", "CVE-2021-26857"}, {"CVE-2020-0688", "CVE-2018-8581", "CVE-2021-26855"}),
        ("14.3.513.0", set(), EXPLOITED),
        ("15.2.2562.17", {"CVE-2026-42897"}, EXPLOITED - {"CVE-2026-42897"}),
        ("15.2.2562.43", set(), EXPLOITED),
    ],
)
def test_the_exploited_flaws_are_told_by_build(build: str, having: set[str], without: set[str]) -> None:
    found = set(findings(build))

    assert having - found == set()
    assert found & without == set()


def test_all_exploited_flaws_of_exchange_are_rows_with_the_path_that_reaches_them() -> None:
    rows = {row["id"]: row for row in DOCUMENT["vulnerabilities"] if row["product"] == "exchange"}

    assert {each for each, row in rows.items() if "kev" in row} == EXPLOITED
    for each in EXPLOITED:
        assert rows[each]["attack_path"] == "other-service"
        assert rows[each]["smtp_unauthenticated"] is False
        assert rows[each]["condition"]


def test_a_build_of_an_update_that_has_no_fix_of_its_own_has_the_flaw() -> None:
    # November 2022: CU11 and CU12 of 2019 got the update, CU10 did not, CU13 came with it.
    assert {build: "CVE-2022-41040" in findings(build) for build in ("15.2.922.27", "15.2.986.36", "15.2.1118.7")} == {
        "15.2.922.27": True,
        "15.2.986.36": False,
        "15.2.1118.7": True,
    }


@pytest.mark.parametrize(
    ("version", "update", "builds"),
    [
        ("2016", "cumulative_update_23", ("15.1.2507.6", "15.1.2507.71")),
        ("2019", "-", ("15.2.221.12", "15.2.221.18")),
        ("2013", "sp1", ("15.0.847.32", "15.0.847.64")),
        ("2010", "sp3_rollup_30", ("14.3.496.0", "14.3.496.0")),
        ("2016", "cumulative_update_99", None),
        ("15.1.2507.6", "*", None),
        ("*", "*", None),
    ],
)
def test_what_nvd_names_are_builds(version: str, update: str, builds: tuple[str, str] | None) -> None:
    assert maybe_builds(EXCHANGE["release_names"], version, update) == builds


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("2016:cumulative_update_23", [{"introduced": "15.1.2507.6", "last_affected": "15.1.2507.71"}]),
        ("15.2.2562.50:*", [{"introduced": "15.2.2562.50", "last_affected": "15.2.2562.50"}]),
        ("2016:cumulative_update_99", []),
    ],
)
def test_an_nvd_record_of_exchange_speaks_of_builds(name: str, ranges: list[dict[str, Any]]) -> None:
    entries, unusable = read_nvd_item(
        nvd("CVE-2026-90020", cpe(f"microsoft:exchange_server:{name}")), DOCUMENT["products"]
    )

    assert [each.ranges for each in entries] == [ranges]  # without ranges the product is left undecided
    assert unusable == (not ranges)


@pytest.mark.parametrize(
    ("name", "low"),
    [
        ("Microsoft Exchange Server 2019 Cumulative Update 14", "15.2.1544.4"),
        ("Microsoft Exchange Server 2016 Cumulative Update 23", "15.1.2507.6"),
        ("Microsoft Exchange Server 2019", "15.2.221.12"),
        ("Microsoft Exchange Server Subscription Edition RTM", "15.02.0.0"),
        ("Microsoft Exchange Server 2019 Cumulative Update 99", "15.02.0.0"),
    ],
)
def test_a_cve_record_of_microsoft_begins_with_the_update_that_it_names(name: str, low: str) -> None:
    """The records begin every update with the first build of all, so the fix of one would be undone by the next."""
    made = record(
        "CVE-2026-90021",
        name,
        {"version": "15.02.0.0", "lessThan": "15.02.9999.001", "status": "affected"},
        vendor="Microsoft",
    )

    entries, _ = read_cve_record(made, DOCUMENT["products"])

    assert [(each.product, each.ranges) for each in entries] == [
        ("exchange", [{"introduced": low, "fixed": "15.02.9999.001"}])
    ]
