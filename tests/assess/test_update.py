"""Claims about `scanner.assess.update`: newer facts come in whole, or not at all."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.assess import load_facts, shipped_facts
from scanner.assess.changed_rows import changes
from tests.support.vulnerability_records import cpe, feed, kev, nvd, record
from tests.support.vulnerability_updates import UpdateFolder


@pytest.fixture
def data(tmp_path: Path) -> UpdateFolder:
    return UpdateFolder(tmp_path)


def test_a_new_flaw_of_nvd_becomes_a_row_that_says_it_is_not_reviewed(data: UpdateFolder) -> None:
    path = data.put("feed.json", feed(nvd("CVE-2026-90001", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19"))))

    outcome = data.take(path)

    assert (outcome.files, outcome.records, outcome.new, outcome.changed) == (1, 1, {"CVE-2026-90001"}, set())
    assert data.row("CVE-2026-90001") == {
        "id": "CVE-2026-90001",
        "product": "sendmail",
        "summary": "A flaw. [2J Second line.",
        "ranges": [{"fixed": "8.19"}],
        "cvss": {"version": "3.1", "score": 9.1, "vector": "V", "scored_by": "nvd"},
        "smtp_unauthenticated": None,
        "published": "2026-12-01",
        "as_of": "2026-12-24",
        "range_basis": "nvd",
        "note": "Taken from a public record as it is; not reviewed.",
        "sources": ["NVD CVE-2026-90001, modified 2026-12-24"],
    }
    assert load_facts(data.user_file).compiled == "2026-12-24"


def test_a_record_that_names_two_products_makes_two_rows(data: UpdateFolder) -> None:
    matches = [
        cpe("exim:exim:4.99:rc1"),
        cpe("postfix:postfix:*:*", versionStartIncluding="3.9", versionEndIncluding="4"),
    ]
    data.put("one.json", nvd("CVE-2026-90002", *matches))

    data.take()

    assert data.row("CVE-2026-90002", "exim")["ranges"] == [{"introduced": "4.99rc1", "last_affected": "4.99rc1"}]
    assert data.row("CVE-2026-90002", "postfix")["ranges"] == [{"introduced": "3.9", "last_affected": "4"}]


def test_a_row_that_rests_on_nvd_takes_its_newer_versions_and_score(data: UpdateFolder) -> None:
    item = nvd("CVE-2026-45185", cpe("exim:exim:*:*", versionEndExcluding="4.101"))
    before = next(each for each in shipped_facts().document["vulnerabilities"] if each["id"] == "CVE-2026-45185")
    outcome = data.take(data.put("feed.json", {"cve": item}))

    after = data.row("CVE-2026-45185", "exim")
    assert outcome.changed == {"CVE-2026-45185"}
    assert (after["ranges"], after["cvss"]["score"]) == ([{"fixed": "4.101"}], 9.1)
    assert {name: after[name] for name in ("summary", "condition", "attack_path", "published")} == {
        name: before[name] for name in ("summary", "condition", "attack_path", "published")
    }
    assert after["sources"] == [*before["sources"], "NVD CVE-2026-45185, modified 2026-12-24"]
    assert load_facts(data.user_file).compiled == shipped_facts().compiled  # one record says nothing about the rest


@pytest.mark.parametrize(
    ("identifier", "ranges"),
    [("CVE-2014-3956", [{"fixed": "8.14.9"}]), ("CVE-2021-3618", [{"fixed": "8.17.1"}])],
)
def test_where_upstream_was_followed_or_nvd_corrected_versions_stay(
    data: UpdateFolder, identifier: str, ranges: list[dict[str, str]]
) -> None:
    data.take(data.put("f.json", nvd(identifier, cpe("sendmail:sendmail:*:*", versionEndIncluding="8.18"))))

    after = data.row(identifier)
    assert (after["ranges"], after["cvss"]["score"]) == (ranges, 9.1)


def test_a_score_of_nvd_is_replaced_by_nvds_only(data: UpdateFolder) -> None:
    version = {"version": "4.96", "lessThan": "4.98.3", "status": "affected"}
    data.take(data.put("cna.json", record("CVE-2025-30232", "Exim", version)))
    before = data.row("CVE-2025-30232", "exim")
    data.take(data.put("nvd.json", nvd("CVE-2025-30232", cpe("exim:exim:*:*", versionEndExcluding="4.98.3"))))

    assert (before["cvss"]["score"], before["as_of"]) == (7.8, "2026-12-05")
    assert data.row("CVE-2025-30232", "exim")["cvss"]["score"] == 9.1


def test_an_older_record_changes_nothing(data: UpdateFolder) -> None:
    item = nvd(
        "CVE-2021-3618", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.20"), modified="2026-06-17T00:00:00"
    )
    outcome = data.take(data.put("f.json", item))

    assert (outcome.records, outcome.new, outcome.changed) == (1, set(), set())
    assert data.row("CVE-2021-3618")["ranges"] == [{"fixed": "8.17.1"}]


def test_what_was_left_out_on_purpose_stays_out(data: UpdateFolder) -> None:
    outcome = data.take(data.put("f.json", nvd("CVE-2023-42118", cpe("exim:exim:*:*", versionEndExcluding="5"))))

    assert outcome.new == set()


def test_a_cve_record_becomes_a_row_and_a_rejected_one_does_not(data: UpdateFolder) -> None:
    good = record("CVE-2026-90012", "Exim", {"version": "0", "lessThan": "4.101", "status": "affected"})
    rejected = record("CVE-2026-90013", "Exim", {"version": "0", "lessThan": "4.101", "status": "affected"})
    rejected["cveMetadata"]["state"] = "REJECTED"
    data.put("a.json", good)
    data.put("b.json", rejected)

    outcome = data.take()

    assert (outcome.files, outcome.records, outcome.new) == (2, 2, {"CVE-2026-90012"})
    row = data.row("CVE-2026-90012", "exim")
    assert (row["as_of"], row["cvss"]["score"], row["summary"]) == ("2026-12-05", 7.5, "A flaw in e.g. this")


def test_a_listing_as_exploited_is_taken_by_id_and_by_alias(data: UpdateFolder) -> None:
    outcome = data.take(data.put("kev.json", kev("CVE-2023-51765", "CVE-2026-94057", "CVE-2018-6789", "CVE-1999-1")))

    assert outcome.changed == {"CVE-2023-51765", "GCVE-25-2026-09-56-1", "CVE-2018-6789"}
    assert data.row("CVE-2023-51765")["kev"] == "2026-12-30"
    assert data.row("GCVE-25-2026-09-56-1", "exim")["kev"] == "2026-12-30"
    assert load_facts(data.user_file).compiled == shipped_facts().compiled  # a listing says nothing about new flaws


def test_a_flaw_that_is_new_and_exploited_comes_from_one_folder(data: UpdateFolder) -> None:
    data.put("a/feed.json.gz", gzip.compress(orjson.dumps(feed(nvd("CVE-2026-90020", cpe("exim:exim:9.0:*"))))))
    data.put("b/kev.json", kev("CVE-2026-90020"))
    data.put("c/other.json", {"package": "something else"})
    data.put("d/readme.txt", b"not JSON")

    outcome = data.take()

    assert (outcome.files, outcome.unknown_files, outcome.new) == (3, 1, {"CVE-2026-90020"})
    assert outcome.changed == set()
    assert (data.row("CVE-2026-90020", "exim")["kev"], data.row("CVE-2026-90020", "exim")["as_of"]) == (
        "2026-12-30",
        "2026-12-31",
    )


def test_a_second_update_keeps_what_the_first_brought(data: UpdateFolder) -> None:
    data.take(data.put("one.json", nvd("CVE-2026-90021", cpe("exim:exim:9.0:*"))))
    data.take(data.put("two.json", nvd("CVE-2026-90022", cpe("exim:exim:9.1:*"))))
    again = data.take(data.folder / "two.json")

    assert data.row("CVE-2026-90021", "exim")["ranges"] == [{"introduced": "9.0", "last_affected": "9.0"}]
    assert data.row("CVE-2026-90022", "exim")["as_of"] == "2026-12-24"
    assert again.new | again.changed == set()


def test_what_changed_is_told_row_by_row(data: UpdateFolder) -> None:
    first = nvd("CVE-2026-90001", cpe("sendmail:sendmail:8.18.1:*"), metrics={})
    assert data.take(data.put("1.json", feed(first))).changes == ["new: CVE-2026-90001 (sendmail): 8.18.1"]

    later = nvd(
        "CVE-2026-90001",
        cpe("sendmail:sendmail:*:*", versionStartIncluding="8.14", versionEndIncluding="8.18.1"),
        modified="2026-12-25T10:00:00.000",
    )
    assert data.take(data.put("2.json", feed(later))).changes == [
        "changed: CVE-2026-90001 (sendmail): affected: 8.18.1, now 8.14 to 8.18.1; score was none, is 9.1"
    ]

    again = nvd(
        "CVE-2026-90001",
        cpe("sendmail:sendmail:*:*", versionStartIncluding="8.14", versionEndIncluding="8.18.1"),
        modified="2026-12-26T10:00:00.000",
    )
    outcome = data.take(data.put("3.json", feed(again)))
    assert (outcome.changes, outcome.changed) == ([], {"CVE-2026-90001"})  # read again, and the same
    assert outcome.compiled == ("2026-12-25", "2026-12-26")


def test_a_rejected_record_is_not_a_flaw(data: UpdateFolder) -> None:
    bounds = cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19")
    data.put("a.json", feed(nvd("CVE-2026-90001", bounds, vulnStatus="Rejected"), nvd("CVE-2026-90002", bounds)))

    outcome = data.take()

    assert outcome.new == {"CVE-2026-90002"}
    assert outcome.left_open == set()


def test_a_flaw_without_versions_and_without_a_row_is_named(data: UpdateFolder) -> None:
    known = next(row["id"] for row in shipped_facts().document["vulnerabilities"] if row["product"] == "exim")
    data.put("nvd.json", feed(*(nvd(name, cpe("exim:exim:-:*")) for name in ("CVE-2026-90001", known))))
    data.put("cve.json", record("CVE-2026-90002", "Exim", {"version": "0", "status": "affected"}))

    assert data.take().left_open == {"CVE-2026-90001", "CVE-2026-90002"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({}, {"cvss": {"score": 9.8, "vector": "B"}}, "score was none, is 9.8"),
        (
            {"cvss": {"score": 9.8, "vector": "A"}},
            {"cvss": {"score": 9.8, "vector": "B"}},
            "score is still 9.8, with another vector",
        ),
        (
            {"ranges": [{"fixed": "4.99.5"}]},
            {"ranges": [{"fixed": "4.99.6"}]},
            "affected: versions before 4.99.5, now versions before 4.99.6",
        ),
        (
            {"ranges": [{"last_affected": "4.9"}]},
            {"ranges": [{"introduced": "4", "fixed": "4.9"}, {"introduced": "5", "last_affected": "6"}]},
            "affected: versions up to 4.9, now 4 to before 4.9, 5 to 6",
        ),
    ],
)
def test_a_change_is_told_in_words_that_differ(old: dict[str, Any], new: dict[str, Any], said: str) -> None:
    row = {"id": "CVE-2026-90001", "product": "exim", "ranges": [{"fixed": "4.9"}]}

    assert list(changes({**row, **old}, {**row, **new})) == [f"changed: CVE-2026-90001 (exim): {said}"]


def test_a_listing_is_taken_whichever_file_comes_first(data: UpdateFolder) -> None:
    data.put("a.json", kev("CVE-2026-90001"))
    data.put("b.json", feed(nvd("CVE-2026-90001", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19"))))

    data.take()

    assert data.row("CVE-2026-90001")["kev"] == "2026-12-30"


def test_a_listed_flaw_of_a_product_of_ours_without_a_row_is_named(data: UpdateFolder) -> None:
    document = kev("CVE-2026-90001", "CVE-2026-90002", "CVE-2023-51766")
    for item, vendor, product in zip(
        document["vulnerabilities"],
        ("Exim", "Example", "Exim"),
        ("Exim Internet Mailer", "Router", "Exim"),
        strict=True,
    ):
        item |= {"vendorProject": vendor, "product": product}
    data.put("kev.json", document)

    assert data.take().left_open == {"CVE-2026-90001"}
