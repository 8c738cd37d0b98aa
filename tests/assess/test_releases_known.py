"""Claims about which versions there were: nothing is said to be clean of a release that never was."""

from dataclasses import replace

import pytest

from scanner.assess import Assessor, shipped_facts, version_key
from scanner.assess.backports import shipped_backports
from scanner.assess.releases import releases_of
from scanner.assess.versions import is_before_release
from scanner.model import Answer, Finding, Software

FACTS = shipped_facts()
ASSESSOR = Assessor(FACTS, shipped_backports())
COMPLETE = [key for key in FACTS.names() if "releases_complete_from" in FACTS.document["products"][key]]


def answer(product: str, version: str) -> Answer:
    return ASSESSOR.answer(Software(product=product, version=version)).assessment.answer


def flaws(product: str, version: str) -> set[str]:
    return {each.id for each in ASSESSOR.assess(Software(product=product, version=version)) if each.verdict}


def finding(product: str, version: str, name: str) -> Finding | None:
    found = ASSESSOR.assess(Software(product=product, version=version))
    return next((each for each in found if each.id == name), None)


@pytest.mark.parametrize(
    ("product", "version"),
    [
        ("Postfix", "2.3.99"),
        ("Postfix", "2.20"),
        ("Exim", "3.99"),
        ("Exim", "4.06"),
        ("OpenSMTPD", "6.9.9p9"),
        ("OpenSMTPD", "7.8.5"),
        ("Stalwart", "0.11.99"),
        ("Stalwart", "0.15.99"),
        ("Apache James", "2.3.99"),
        ("Apache James", "3.8.9"),
        ("qmail", "1.2.3"),
        ("Sendmail", "8.18.1.1"),
        ("Sendmail", "8.11.6.3"),
        ("Postfix", "3.9.1.1"),
        ("Exim", "4.99.2.1"),
        ("Stalwart", "0.15.4.1"),
        ("qmail", "1.04"),
        ("qmail", "1.09"),
        ("netqmail", "1.03"),
        ("netqmail", "1.09"),
        ("notqmail", "1.06"),
        ("Courier", "1.3.99"),
        ("Courier", "1.9"),
        ("KumoMTA", "2025.99.99"),
        ("KumoMTA", "2025.01.01"),
        ("Haraka", "3.3.0"),
        ("hMailServer", "5.99.1"),
        ("Microsoft Exchange Server", "15.2.1748.49"),  # newer than the newest build of its update
        ("Microsoft Exchange Server", "15.2.1544.99"),
        ("Microsoft Exchange Server", "15.2.1545.1"),  # of no update
    ],
)
def test_a_release_that_never_was_is_unknown(product: str, version: str) -> None:
    assert FACTS.product(product) is not None

    assert answer(product, version) == Answer.VERSION_UNKNOWN
    assert finding(product, version, "VERSION-UNKNOWN") is not None


@pytest.mark.parametrize(
    ("product", "version"),
    [
        ("Postfix", "2.3.19"),
        ("Postfix", "2.8"),
        ("Postfix", "20010228"),
        ("Exim", "3.36"),
        ("Exim", "4.05"),
        ("OpenSMTPD", "6.6.0"),
        ("OpenSMTPD", "7.9.0"),
        ("Stalwart", "0.15.5"),
        ("Apache James", "2.3.2.1"),
        ("qmail", "1.03"),
        ("netqmail", "1.06"),
        ("notqmail", "1.09"),
        ("Sendmail", "8.17.1.9"),
        ("Sendmail", "8.18.1.10"),
        ("Exim", "4.93.0.4"),
        ("Courier", "1.3.13"),
        ("KumoMTA", "2025.01.29-833f82a8"),
        ("Haraka", "3.3.1"),
        ("Microsoft Exchange Server", "15.2.1748.43"),
        ("Microsoft Exchange Server", "15.2.1544.5"),  # a hotfix between two builds that are named
    ],
)
def test_a_release_that_was_is_not(product: str, version: str) -> None:
    assert finding(product, version, "VERSION-UNKNOWN") is None
    assert finding(product, version, "VERSION-UNDECIDED") is None


@pytest.mark.parametrize(
    ("product", "version"),
    [
        ("Exim", "4"),
        ("Postfix", "3"),
        ("Sendmail", "8"),
        ("KumoMTA", "2026"),
        ("Microsoft Exchange Server", "15.2"),
        ("hMailServer", "5"),
        ("Postfix", "3.x"),
        ("Sendmail", "8.*"),
        ("Sendmail", "8.14.X"),
    ],
)
def test_the_beginning_of_a_version_decides_nothing(product: str, version: str) -> None:
    assert (answer(product, version), flaws(product, version)) == (Answer.UNDECIDED, set())
    assert finding(product, version, "VERSION-UNDECIDED") is not None


@pytest.mark.parametrize(
    ("product", "release", "candidates"),
    [
        ("Apache James", "3.7.3", ["3.7.3-RC1", "3.7.3-SNAPSHOT", "3.7.3-M1", "3.7.3a1", "3.7.3b2", "3.7.3.Alpha1"]),
        ("Exim", "4.94.2", ["4.94.2-RC1", "4.94.2-PreRelease", "4.94.2-pre1", "4.94.2-devel", "4.94.2~git1"]),
        ("Haraka", "3.3.3", ["3.3.3-SNAPSHOT", "3.3.3-next", "3.3.3-nightly", "3.3.3-alpha.1", "3.3.3-master"]),
        ("OpenSMTPD", "6.6.4p1", ["6.6.4p1-snapshot", "6.6.4p1-current", "6.6.4p1-rc1"]),
    ],
)
def test_a_candidate_by_any_name_lacks_the_fixes_of_its_release(
    product: str, release: str, candidates: list[str]
) -> None:
    of_candidate = flaws(product, candidates[0])

    assert of_candidate > flaws(product, release)
    assert {each: flaws(product, each) for each in candidates} == dict.fromkeys(candidates, of_candidate)


@pytest.mark.parametrize("version", ["8.9.3a", "8.12.11-1", "8.14.7p2", "8.13.5.20060308"])
def test_a_patch_is_not_a_candidate(version: str) -> None:
    key = version_key("sendmail", version)

    assert key is not None
    assert not is_before_release(key)


@pytest.mark.parametrize("key", COMPLETE)
def test_every_fix_is_in_a_release_that_there_was(key: str) -> None:
    product = FACTS.product(key)
    assert product is not None
    assert product.complete_from is not None
    listed = {release for release, _, _ in product.releases}
    newest = max(listed)
    fixes = [(flaw.id, each) for flaw in product.flaws for each in flaw.ranges if each.fixed is not None]

    assert [
        (name, each.fixed)
        for name, each in fixes
        if product.complete_from <= each.high <= newest and each.high not in listed and not is_before_release(each.high)
    ] == []


def test_the_newest_release_is_listed_with_what_the_entry_says_of_it() -> None:
    for key in COMPLETE:
        product = FACTS.product(key)
        assert product is not None
        assert product.facts["latest"] in {text for _, text, _ in product.releases}
        assert releases_of(product).maybe_unknown(max(each for each, _, _ in product.releases)) is None


def test_a_flaw_without_a_fixed_release_names_none() -> None:
    found = finding("Zimbra Collaboration", "8.8.15", "CVE-2025-48700")

    assert found is not None
    assert (found.verdict, found.evidence) == (
        "possible",
        "Zimbra Collaboration 8.8.15; affected are versions from 8.8.15 and up to 8.8.15p99",
    )
    assert "8.8.16" not in str(found)


def test_a_package_without_the_code_has_no_flaw_in_any_revision() -> None:
    for revision in ("1", "1+deb13u3", "1+deb13u5"):
        package = f"4.98.2-{revision}"
        found = ASSESSOR.assess(Software(product="Exim", version="4.98.2", package=package))
        assert {each.verdict for each in found if each.id == "GCVE-25-2026-09-51-1"} == {"vendor_fixed"}, package


def test_a_state_of_development_has_no_day() -> None:
    released, developed = (finding("Exim", version, "VERSION-AGE") for version in ("4.96", "4.96-58-g4e9ed49f8"))

    assert released is not None
    assert released.title == "Exim 4.96 is 1546 days behind 4.100.1; the newest, 4.100.2, has no day here."
    assert developed is None


def test_the_product_line_says_under_which_name_a_release_was_made() -> None:
    netqmail = Software(product="qmail", product_line="netqmail", version="1.06")

    assert ASSESSOR.answer(netqmail).assessment.answer is Answer.KNOWN_FLAWS
    assert ASSESSOR.answer(replace(netqmail, product_line=None)).assessment.answer is Answer.VERSION_UNKNOWN
