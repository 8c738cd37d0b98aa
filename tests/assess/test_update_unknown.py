"""Claims about what newer facts leave open: single versions, flaws without versions, listings, days of the future."""

from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.assess import Assessor, load_facts, shipped_facts
from scanner.assess.backports import shipped_backports
from scanner.assess.facts import Facts, Product, merged
from scanner.assess.facts_format import FORMAT
from scanner.assess.releases import releases_of
from scanner.assess.versions import version_key
from scanner.model import Answer, Software
from tests.support.vulnerability_records import cpe, feed, kev, nvd, record
from tests.support.vulnerability_updates import TODAY, take

SHIPPED = shipped_facts()
COVERED = [name for name in SHIPPED.names() if "covered_since" in SHIPPED.document["products"][name]]


def product_of(facts: Facts, key: str) -> Product:
    found = facts.product(key)
    assert found is not None
    return found


def row(product: str, *ranges: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "id": "CVE-2027-0001",
        "product": product,
        "summary": "A test.",
        "ranges": list(ranges),
        "smtp_unauthenticated": None,
        "published": "2027-01-01",
        "as_of": "2027-01-01",
        "range_basis": "nvd",
        "sources": [],
        **more,
    }


def alone(text: str) -> dict[str, str]:
    return {"introduced": text, "last_affected": text}


def verdicts(facts: Facts, product: str, version: str) -> dict[str, str | None]:
    assessor = Assessor(facts, shipped_backports())
    name = product_of(facts, product).facts["names"][0]
    return {each.id: each.verdict for each in assessor.assess(Software(product=name, version=version))}


@pytest.mark.parametrize("key", SHIPPED.names())
def test_between_two_single_versions_every_release_of_every_product_is_undecided(key: str) -> None:
    listed = [(each, text) for each, text, _ in product_of(SHIPPED, key).releases]
    if len(listed) < 3:
        return
    for low, high in ((0, -1), (len(listed) // 2, -1), (0, len(listed) // 2)):
        ranges = alone(listed[low][1]), alone(listed[high][1])
        facts = merged(SHIPPED, {"compiled": "2027-01-01", "vulnerabilities": [row(key, *ranges)]}, "user")
        between = [text for each, text in listed if listed[low][0] < each < listed[high][0]]
        shown = {text: verdicts(facts, key, text).get("CVE-2027-0001") for text in between[:: len(between) // 8 or 1]}
        assert shown == dict.fromkeys(shown, "undecided")


@pytest.mark.parametrize("version", ["4.97", "4.96.2", "4.97.1", "4.97-RC1", "4.97.1-RC1", "4.98-RC1"])
def test_what_nvd_leaves_out_between_two_single_versions_is_undecided(tmp_path: Path, version: str) -> None:
    _, facts = take(tmp_path, nvd("CVE-2026-90001", cpe("exim:exim:4.96:*"), cpe("exim:exim:4.98:*")))

    expected = "possible" if version == "4.98-RC1" else "undecided"
    assert verdicts(facts, "exim", version).get("CVE-2026-90001") == expected


def test_a_row_that_says_where_the_fix_came_decides() -> None:
    ranges = {"introduced": "4.96", "fixed": "4.96.1"}, alone("4.98")
    facts = merged(SHIPPED, {"compiled": "2027-01-01", "vulnerabilities": [row("exim", *ranges)]}, "user")

    assert "CVE-2027-0001" not in verdicts(facts, "exim", "4.97")


def test_between_branches_a_covered_product_is_undecided_and_the_branches_own_ends_are_believed() -> None:
    ranges = {"introduced": "3.4.0", "last_affected": "3.5.2"}, {"introduced": "3.7.0", "last_affected": "3.7.4"}
    facts = merged(SHIPPED, {"compiled": "2027-01-01", "vulnerabilities": [row("postfix", *ranges)]}, "user")

    shown = {text: verdicts(facts, "postfix", text).get("CVE-2027-0001") for text in ("3.5.3", "3.6.1", "3.7.5")}
    assert shown == {"3.5.3": None, "3.6.1": "undecided", "3.7.5": None}


@pytest.mark.parametrize("key", COVERED)
def test_a_flaw_without_usable_versions_leaves_no_release_of_the_product_clean(key: str) -> None:
    listed = product_of(SHIPPED, key).facts["latest"] if key != "hmailserver" else "5.6.8"
    facts = merged(SHIPPED, {"compiled": "2027-01-01", "vulnerabilities": [row(key)]}, "user")
    name = product_of(facts, key).facts["names"][0]

    assessed = Assessor(facts, shipped_backports()).answer(Software(product=name, version=listed))

    assert assessed.assessment.answer in {Answer.UNDECIDED, Answer.VERSION_UNKNOWN}
    assert [each.verdict for each in assessed.findings if each.id == "CVE-2027-0001"] == ["undecided"]
    assert [each.fixed_in for each in assessed.findings if each.id == "CVE-2027-0001"] == [None]
    assert releases_of(product_of(facts, key)).next_clear(version_key(key, "0.1") or ((), ())) is None


NAMELESS = nvd("CVE-2026-90001", cpe("exim:exim:-:*"), modified="2026-12-20T10:00:00")
TOLD = nvd("CVE-2026-90001", cpe("exim:exim:*:*", versionEndExcluding="4.99"), modified="2026-12-10T10:00:00")


@pytest.mark.parametrize("documents", list(permutations((NAMELESS, TOLD))))
def test_versions_that_are_told_at_last_are_taken_whatever_came_first(tmp_path: Path, documents: Any) -> None:
    for document in documents:
        _, facts = take(tmp_path, document)

    assert verdicts(facts, "exim", "4.98").get("CVE-2026-90001") == "possible"
    assert "CVE-2026-90001" not in verdicts(facts, "exim", "4.100.2")


def listed(cve: str, vendor: str = "Exim", product: str = "Exim Internet Mailer") -> Any:
    document = kev(cve)
    document["vulnerabilities"][0] |= {"vendorProject": vendor, "product": product, "vulnerabilityName": "Exim flaw"}
    return document


@pytest.mark.parametrize("documents", list(permutations((TOLD, listed("CVE-2026-90001")))))
@pytest.mark.parametrize("at_once", [True, False])
def test_a_listing_and_its_record_are_one_whatever_came_first(tmp_path: Path, documents: Any, *, at_once: bool) -> None:
    for part in [documents] if at_once else [[each] for each in documents]:
        _, facts = take(tmp_path, *part)

    found = [each for each in facts.document["vulnerabilities"] if each["id"] == "CVE-2026-90001"]
    assert [(each["kev"], each["ranges"], each["summary"]) for each in found] == [
        ("2026-12-30", [{"fixed": "4.99"}], "A flaw. [2J Second line.")
    ]


def test_a_listing_of_a_flaw_that_no_row_knows_is_exploited_and_undecided_for_its_product_alone(tmp_path: Path) -> None:
    outcome, facts = take(tmp_path, listed("CVE-2026-90007"))

    assert (outcome.left_open, outcome.new) == ({"CVE-2026-90007"}, {"CVE-2026-90007"})
    assessor = Assessor(facts, shipped_backports())
    found = assessor.answer(Software(product="Exim", version="4.100.2"))
    assert [(each.verdict, each.kev) for each in found.findings if each.id == "CVE-2026-90007"] == [("undecided", True)]
    assert assessor.answer(Software(product="Sendmail", version="8.18.2")).assessment.answer is Answer.NONE_KNOWN


@pytest.mark.parametrize(
    ("vendor", "product"), [("Eximious", "Mailer"), ("Apache", "Jamestown"), ("x", "x"), ("", "subexim")]
)
def test_a_listing_of_another_product_changes_nothing(tmp_path: Path, vendor: str, product: str) -> None:
    outcome, facts = take(tmp_path, listed("CVE-2026-90007", vendor, product))

    assert (outcome.left_open, outcome.new) == (set(), set())
    assert facts.document["vulnerabilities"] == SHIPPED.document["vulnerabilities"]


def test_a_listing_of_what_was_left_out_on_purpose_stays_out(tmp_path: Path) -> None:
    outcome, _ = take(tmp_path, listed("CVE-2023-42118"))

    assert (outcome.left_open, outcome.new) == (set(), set())


def test_a_record_without_versions_of_a_flaw_known_by_another_name_opens_nothing(tmp_path: Path) -> None:
    alias = next(each for each in SHIPPED.document["vulnerabilities"] if each["product"] == "exim" and "alias" in each)

    outcome, _ = take(tmp_path, record(alias["alias"], "Exim", {"version": "n/a", "status": "affected"}))

    assert (outcome.left_open, outcome.new) == (set(), set())


def test_a_day_that_has_not_come_moves_neither_the_facts_nor_what_comes_later(tmp_path: Path) -> None:
    bounds = cpe("exim:exim:*:*", versionEndExcluding="4.98")
    outcome, facts = take(tmp_path, feed(nvd("CVE-2026-90001", bounds, modified="2099-01-01T00:00:00")))

    assert outcome.in_future == {"CVE-2026-90001": "2099-01-01"}
    assert facts.compiled == "2027-01-15"
    later = nvd("CVE-2026-90001", cpe("exim:exim:*:*", versionEndExcluding="4.99"), modified="2027-02-01T00:00:00")
    _, facts = take(tmp_path, later, today=date(2027, 2, 2))
    assert verdicts(facts, "exim", "4.98").get("CVE-2026-90001") == "possible"


def test_facts_of_a_day_that_has_not_come_are_doubted_and_mended_by_the_next_update(tmp_path: Path) -> None:
    document = {"format": FORMAT, "compiled": "2099-01-01", "vulnerabilities": []}
    (tmp_path / "user.json").write_bytes(orjson.dumps(document))

    assert "a day that has not come" in str(load_facts(tmp_path / "user.json").maybe_warning(TODAY))
    _, facts = take(tmp_path, TOLD)
    assert facts.compiled == "2027-01-15"


def test_a_row_without_versions_never_hides_one_that_has_them_and_still_says_exploited() -> None:
    known = next(
        each for each in SHIPPED.document["vulnerabilities"] if each["product"] == "exim" and "kev" not in each
    )
    for more in ({}, {"kev": "2027-01-02"}):
        document = {"compiled": "2027-01-01", "vulnerabilities": [row("exim", **more) | {"id": known["id"]}]}
        found = next(
            each for each in merged(SHIPPED, document, "u").document["vulnerabilities"] if each["id"] == known["id"]
        )
        assert found == known | more


def test_a_listing_that_is_read_again_changes_nothing(tmp_path: Path) -> None:
    take(tmp_path, listed("CVE-2018-6789", product="x"))
    outcome, _ = take(tmp_path, listed("CVE-2018-6789", product="x"))

    assert outcome.changed == set()
