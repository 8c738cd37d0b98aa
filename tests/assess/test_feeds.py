"""Claims about `scanner.assess.feeds`: what one public record says about our products."""

from typing import Any

import pytest

from scanner.assess import shipped_facts
from scanner.assess.feeds import read_cve_record, read_nvd_item
from tests.support.vulnerability_records import cpe, metric, nvd, record

PRODUCTS = shipped_facts().document["products"]


@pytest.mark.parametrize(
    ("match", "usable"),
    [
        (cpe("sendmail:sendmail:*:*"), False),  # no bound: nobody looked
        (cpe("sendmail:sendmail:-:*"), False),
        (cpe("sendmail:sendmail:*:*", versionStartIncluding="8.1"), False),
        (cpe("sendmail:sendmail:*:*", versionEndExcluding="unknown"), False),
        (cpe("sendmail:sendmail:*:*", versionStartExcluding="8.1", versionEndIncluding="8.2"), True),
        (cpe("sendmail:sendmail:8.12:beta7"), True),
    ],
)
def test_versions_without_an_upper_bound_are_counted_and_not_used(match: dict[str, Any], *, usable: bool) -> None:
    entries, unusable = read_nvd_item(nvd("CVE-2026-90003", match), PRODUCTS)

    assert (len(entries), unusable) == (1, 0 if usable else 1)
    assert bool(entries[0].ranges) == usable


@pytest.mark.parametrize(
    "match",
    [
        cpe("nginx:nginx:*:*", versionEndExcluding="2"),
        {**cpe("sendmail:sendmail:*:*", versionEndExcluding="9"), "vulnerable": False},
        cpe("sendmail:sendmail_switch:*:*", versionEndExcluding="9"),
    ],
)
def test_other_products_and_platforms_are_not_taken(match: dict[str, Any]) -> None:
    assert read_nvd_item(nvd("CVE-2026-90003", match), PRODUCTS) == ([], 0)


def test_the_edition_of_mailenable_is_in_its_cpe_name() -> None:
    match = cpe("mailenable:mailenable_professional:*:*", versionEndIncluding="3.5")
    entries, _ = read_nvd_item(nvd("CVE-2026-90004", match), PRODUCTS)

    assert entries[0].ranges == [{"last_affected": "3.5", "edition": "professional"}]


def test_a_score_is_taken_where_there_is_one_and_3_1_first() -> None:
    match = cpe("exim:exim:*:*", versionEndExcluding="5")
    both = {"cvssMetricV2": [metric(5, version="2.0")], "cvssMetricV31": [metric(9)], "cvssMetricV40": []}
    (scored,), _ = read_nvd_item(nvd("CVE-2026-90005", match, metrics=both), PRODUCTS)
    (plain,), _ = read_nvd_item(nvd("CVE-2026-90005", match, metrics={}), PRODUCTS)

    assert scored.cvss == {"version": "3.1", "score": 9.0, "vector": "V", "scored_by": "cna"}
    assert plain.cvss is None


def test_a_long_description_becomes_its_first_sentence_cut() -> None:
    text = "An issue was found in it (e.g. here). Another sentence."
    match = cpe("exim:exim:*:*", versionEndExcluding="5")
    for value, summary in [(text, "An issue was found in it (e.g. here)"), ("x" * 500, "x" * 157 + "...")]:
        (entry,), _ = read_nvd_item(
            nvd("CVE-2026-90006", match, descriptions=[{"lang": "en", "value": value}]), PRODUCTS
        )
        assert entry.summary == summary
    (entry,), _ = read_nvd_item(nvd("CVE-2026-90006", match, descriptions=[]), PRODUCTS)
    assert entry.summary == "CVE-2026-90006"


@pytest.mark.parametrize(
    ("vendor", "product", "key"),
    [
        ("Exim", "Exim", "exim"),
        ("n/a", "exim", "exim"),
        ("Sendmail", "Sendmail", "sendmail"),
        ("Apache Software Foundation", "Apache James", "james"),
        ("Pmail", "Mercury Mail Transport System", "mercury"),
        ("F5", "nginx", None),
        ("", "", None),
    ],
)
def test_a_cve_record_names_products_in_words(vendor: str, product: str, key: str | None) -> None:
    made = record("CVE-2026-90010", product, {"version": "0", "lessThan": "5.0", "status": "affected"}, vendor=vendor)
    entries, unusable = read_cve_record(made, PRODUCTS)

    assert ([entry.product for entry in entries], unusable) == ([key] if key else [], 0)


@pytest.mark.parametrize(
    ("version", "ranges"),
    [
        ({"version": "0", "lessThan": "4.99.5"}, [{"fixed": "4.99.5"}]),
        ({"version": "4.97", "lessThan": "4.99.5"}, [{"introduced": "4.97", "fixed": "4.99.5"}]),
        ({"version": "4.97", "lessThanOrEqual": "4.99.5"}, [{"introduced": "4.97", "last_affected": "4.99.5"}]),
        ({"version": "4.97"}, [{"introduced": "4.97", "last_affected": "4.97"}]),
        ({"version": "4.97", "lessThan": "*"}, []),
        ({"version": "n/a"}, []),
        ({"version": "4.97", "lessThan": "4.99", "status": "unaffected"}, []),
    ],
)
def test_a_cve_record_bounds_versions(version: dict[str, str], ranges: list[dict[str, str]]) -> None:
    entries, unusable = read_cve_record(record("CVE-2026-90011", "Exim", {"status": "affected", **version}), PRODUCTS)

    assert [entry.ranges for entry in entries] == [ranges]
    assert unusable == (not ranges)
