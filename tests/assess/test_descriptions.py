"""Claims about records that name a product in their words only, or in what others added, and about damaged ones."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.assess import Assessor, load_facts, shipped_facts
from scanner.assess.backports import shipped_backports
from scanner.assess.descriptions import products_in_description
from scanner.assess.feed_files import layout_error, record_name
from scanner.assess.feeds import read_cve_record, read_nvd_item
from scanner.assess.update import UpdateOutcome, update
from scanner.errors import InputError
from scanner.model import Answer, Software
from tests.support.vulnerability_records import cpe, feed, kev, metric, nvd, record
from tests.support.vulnerability_updates import TODAY, take

PRODUCTS = shipped_facts().document["products"]
CPE = cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Sendmail through 8.18.2 allows remote attackers to run code.", ["sendmail"]),
        ("sendmail through 8.18.2 allows remote code execution", ["sendmail"]),
        ("Exim 4.99 mishandles a header.", ["exim"]),
        ("Exim before 4.99.3 and Postfix before 3.10 improperly read lines.", ["exim", "postfix"]),
        ("An issue was discovered in Exim.", ["exim"]),
        ("A vulnerability was found in the Postfix mail server.", ["postfix"]),
        ("Mercury/32 mail server 4.8 has a buffer overflow.", ["mercury"]),
        ("A plug-in of WordPress sends mail by sendmail.", []),
        ("A flaw in FooMail for Postfix, Exim and others.", []),
        ("The node module sendmail-api through 1.6 allows commands.", []),
        ("A flaw in /usr/sbin/sendmail.pl allows commands.", []),
        ("A flaw.", []),
        ("", []),
    ],
)
def test_a_description_names_a_product_when_it_is_about_it(text: str, keys: list[str]) -> None:
    assert products_in_description(text, PRODUCTS) == keys


def described(text: str) -> list[dict[str, str]]:
    return [{"lang": "en", "value": text}]


def answer_of(folder: Path, *documents: Any) -> tuple[UpdateOutcome, Answer]:
    outcome, facts = take(folder, *documents)
    assessor = Assessor(facts, shipped_backports())
    return outcome, assessor.answer(Software(product="Sendmail", version="8.18.2")).assessment.answer


def test_what_nvd_has_not_analysed_is_left_open_by_its_description(tmp_path: Path) -> None:
    item = nvd("CVE-2026-90007", descriptions=described("sendmail through 8.18.2 allows it."), vulnStatus="Received")
    del item["configurations"]

    outcome, answer = answer_of(tmp_path, feed(item))

    assert (outcome.left_open, outcome.unusable, answer) == ({"CVE-2026-90007"}, 1, Answer.UNDECIDED)


def test_what_nvd_has_analysed_is_not_read_from_its_description() -> None:
    text = described("Sendmail through 8.18.2 allows it.")

    assert read_nvd_item(nvd("CVE-2026-90007", cpe("nginx:nginx:*:*"), descriptions=text), PRODUCTS) == ([], 0)


def nobodys(text: str, *adp: Any) -> Any:
    """Return a CVE record whose owner says "n/a", with what others added to it."""
    made = record("CVE-2026-90008", "n/a", {"version": "n/a", "status": "affected"}, vendor="n/a")
    made["containers"]["cna"]["descriptions"] = described(text)
    return {**made, "containers": {**made["containers"], **({"adp": list(adp)} if adp else {})}}


def test_a_record_without_a_product_is_left_open_by_its_description(tmp_path: Path) -> None:
    outcome, answer = answer_of(tmp_path, nobodys("Sendmail through 8.18.2 allows it."))

    assert (outcome.left_open, answer) == ({"CVE-2026-90008"}, Answer.UNDECIDED)
    assert read_cve_record(record("CVE-2026-90008", "FooMail"), PRODUCTS) == ([], 0)


def test_versions_that_others_added_count_where_the_owner_has_none(tmp_path: Path) -> None:
    affected = {"version": "0", "lessThanOrEqual": "8.18.2", "status": "affected"}
    added = {"affected": [{"vendor": "sendmail", "product": "sendmail", "versions": [affected]}]}

    outcome, answer = answer_of(tmp_path, nobodys("A flaw.", {"title": "CVE Program Container"}, added))

    assert (outcome.new, outcome.left_open, answer) == ({"CVE-2026-90008"}, set(), Answer.KNOWN_FLAWS)


def test_the_owners_versions_come_first() -> None:
    own = record("CVE-2026-90009", "Exim", {"version": "4.1", "lessThan": "4.5", "status": "affected"})
    other = {"version": "4.1", "lessThan": "4.9", "status": "affected"}
    own["containers"]["adp"] = [{"affected": [{"vendor": "exim", "product": "exim", "versions": [other]}]}]

    ((entry,), unusable) = read_cve_record(own, PRODUCTS)

    assert (entry.ranges, unusable) == ([{"introduced": "4.1", "fixed": "4.5"}], 0)


def test_a_product_without_any_versions_is_left_open() -> None:
    ((entry,), unusable) = read_cve_record(record("CVE-2026-90009", "Exim"), PRODUCTS)

    assert (entry.product, entry.ranges, unusable) == ("exim", [], 1)


@pytest.mark.parametrize(
    ("said", "left_open"),
    [
        ({"vendorProject": "Multiple", "product": "Multiple Mail Servers"}, {"CVE-2026-90010"}),
        ({"vendorProject": "N/A", "product": ""}, {"CVE-2026-90010"}),
        ({"vendorProject": "FooMaker", "product": "FooMail"}, set()),
    ],
)
def test_a_listing_of_several_products_is_read_from_its_words(
    tmp_path: Path, said: dict[str, str], left_open: set[str]
) -> None:
    listing = kev("CVE-2026-90010")
    text = "Sendmail contains an overflow that allows it."
    listing["vulnerabilities"][0] |= {**said, "vulnerabilityName": "An overflow", "shortDescription": text}

    outcome, answer = answer_of(tmp_path, listing)

    assert outcome.left_open == left_open
    assert answer is (Answer.UNDECIDED if left_open else Answer.NONE_KNOWN)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            nvd(
                "CVE-2026-90011", CPE, metrics={"cvssMetricV31": [{"cvssData": {"baseScore": 1, "vectorString": "V"}}]}
            ),
            "the record 'CVE-2026-90011' is damaged: 'version' is missing in it",
        ),
        (
            nvd("CVE-2026-90011", CPE, metrics={"cvssMetricV31": [metric("high")]}),  # type: ignore[arg-type]
            "the record 'CVE-2026-90011' is damaged: a value in it is none that can stand there",
        ),
        (nvd("CVE-2026-90011", CPE, published="soon"), "the record 'CVE-2026-90011' is damaged: no date: 'soon'"),
        ({}, "a record without a name is damaged: 'id' is missing in it"),
    ],
)
def test_a_damaged_record_is_named_and_said_in_plain_words(tmp_path: Path, item: Any, message: str) -> None:
    source = tmp_path / "nvd.json"
    source.write_bytes(orjson.dumps(feed(item)))

    with pytest.raises(InputError) as caught:
        update([source], tmp_path / "user.json", load_facts(), TODAY)

    assert str(caught.value) == f"{source}: {message}"


def test_a_record_is_named_by_whichever_id_it_has() -> None:
    assert record_name(record("CVE-2026-90009", "Exim")) == "the record 'CVE-2026-90009'"
    damaged: list[Any] = [{"cveMetadata": 1}, [], {"id": 5}]
    assert [record_name(each) for each in damaged] == ["a record without a name"] * 3
    assert layout_error(IndexError("list index out of range")) == "a value in it is none that can stand there"


def test_a_page_that_is_not_all_of_an_answer_is_named_and_makes_nothing_younger(tmp_path: Path) -> None:
    first = {**feed(nvd("CVE-2026-90012", CPE)), "totalResults": 2, "startIndex": 0}
    second = {**feed(nvd("CVE-2026-90013", CPE)), "totalResults": 2, "startIndex": 1}

    part, _ = take(tmp_path, first)
    whole, _ = take(tmp_path, first, second)

    assert (part.missing, part.compiled[0] == part.compiled[1]) == (1, True)
    assert (whole.missing, whole.compiled[1]) == (0, "2026-12-24")
