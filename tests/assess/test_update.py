"""Claims about `scanner.assess.update`: newer facts come in whole, or not at all."""

import errno
import gzip
import os
import re
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.assess import feed_files, load_facts, shipped_facts
from scanner.assess.changed_rows import changes
from scanner.assess.update import UpdateOutcome, update
from scanner.errors import InputError, SinkError
from tests.support.vulnerability_records import cpe, feed, kev, metric, nvd, record

TODAY = date(2027, 1, 15)


class Data:
    """A folder with files to take in, and the user's data file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "in"
        self.folder.mkdir()
        self.user_file = folder / "out" / "vulnerabilities.json"

    def put(self, name: str, document: Any) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(document if isinstance(document, bytes) else orjson.dumps(document))
        return path

    def take(self, source: Path | None = None) -> UpdateOutcome:
        return self.take_all(source or self.folder)

    def take_all(self, *sources: Path, today: date = TODAY) -> UpdateOutcome:
        return update(sources, self.user_file, load_facts(self.user_file), today)

    def row(self, identifier: str, product: str = "sendmail") -> dict[str, Any]:
        rows = load_facts(self.user_file).document["vulnerabilities"]
        found: list[dict[str, Any]] = [each for each in rows if (each["id"], each["product"]) == (identifier, product)]
        assert len(found) == 1
        return found[0]


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def test_a_new_flaw_of_nvd_becomes_a_row_that_says_it_is_not_reviewed(data: Data) -> None:
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


def test_a_record_that_names_two_products_makes_two_rows(data: Data) -> None:
    matches = [
        cpe("exim:exim:4.99:rc1"),
        cpe("postfix:postfix:*:*", versionStartIncluding="3.9", versionEndIncluding="4"),
    ]
    data.put("one.json", nvd("CVE-2026-90002", *matches))

    data.take()

    assert data.row("CVE-2026-90002", "exim")["ranges"] == [{"introduced": "4.99rc1", "last_affected": "4.99rc1"}]
    assert data.row("CVE-2026-90002", "postfix")["ranges"] == [{"introduced": "3.9", "last_affected": "4"}]


def test_a_row_that_rests_on_nvd_takes_its_newer_versions_and_score(data: Data) -> None:
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
    data: Data, identifier: str, ranges: list[dict[str, str]]
) -> None:
    data.take(data.put("f.json", nvd(identifier, cpe("sendmail:sendmail:*:*", versionEndIncluding="8.18"))))

    after = data.row(identifier)
    assert (after["ranges"], after["cvss"]["score"]) == (ranges, 9.1)


def test_a_score_of_nvd_is_replaced_by_nvds_only(data: Data) -> None:
    version = {"version": "4.96", "lessThan": "4.98.3", "status": "affected"}
    data.take(data.put("cna.json", record("CVE-2025-30232", "Exim", version)))
    before = data.row("CVE-2025-30232", "exim")
    data.take(data.put("nvd.json", nvd("CVE-2025-30232", cpe("exim:exim:*:*", versionEndExcluding="4.98.3"))))

    assert (before["cvss"]["score"], before["as_of"]) == (7.8, "2026-12-05")
    assert data.row("CVE-2025-30232", "exim")["cvss"]["score"] == 9.1


def test_an_older_record_changes_nothing(data: Data) -> None:
    item = nvd(
        "CVE-2021-3618", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.20"), modified="2026-06-17T00:00:00"
    )
    outcome = data.take(data.put("f.json", item))

    assert (outcome.records, outcome.new, outcome.changed) == (1, set(), set())
    assert data.row("CVE-2021-3618")["ranges"] == [{"fixed": "8.17.1"}]


def test_what_was_left_out_on_purpose_stays_out(data: Data) -> None:
    outcome = data.take(data.put("f.json", nvd("CVE-2023-42118", cpe("exim:exim:*:*", versionEndExcluding="5"))))

    assert outcome.new == set()


def test_a_cve_record_becomes_a_row_and_a_rejected_one_does_not(data: Data) -> None:
    good = record("CVE-2026-90012", "Exim", {"version": "0", "lessThan": "4.101", "status": "affected"})
    rejected = record("CVE-2026-90013", "Exim", {"version": "0", "lessThan": "4.101", "status": "affected"})
    rejected["cveMetadata"]["state"] = "REJECTED"
    data.put("a.json", good)
    data.put("b.json", rejected)

    outcome = data.take()

    assert (outcome.files, outcome.records, outcome.new) == (2, 2, {"CVE-2026-90012"})
    row = data.row("CVE-2026-90012", "exim")
    assert (row["as_of"], row["cvss"]["score"], row["summary"]) == ("2026-12-05", 7.5, "A flaw in e.g. this")


def test_a_listing_as_exploited_is_taken_by_id_and_by_alias(data: Data) -> None:
    outcome = data.take(data.put("kev.json", kev("CVE-2023-51765", "CVE-2026-94057", "CVE-2018-6789", "CVE-1999-1")))

    assert outcome.changed == {"CVE-2023-51765", "GCVE-25-2026-09-56-1", "CVE-2018-6789"}
    assert data.row("CVE-2023-51765")["kev"] == "2026-12-30"
    assert data.row("GCVE-25-2026-09-56-1", "exim")["kev"] == "2026-12-30"
    assert load_facts(data.user_file).compiled == shipped_facts().compiled  # a listing says nothing about new flaws


def test_a_flaw_that_is_new_and_exploited_comes_from_one_folder(data: Data) -> None:
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


def test_a_second_update_keeps_what_the_first_brought(data: Data) -> None:
    data.take(data.put("one.json", nvd("CVE-2026-90021", cpe("exim:exim:9.0:*"))))
    data.take(data.put("two.json", nvd("CVE-2026-90022", cpe("exim:exim:9.1:*"))))
    again = data.take(data.folder / "two.json")

    assert data.row("CVE-2026-90021", "exim")["ranges"] == [{"introduced": "9.0", "last_affected": "9.0"}]
    assert data.row("CVE-2026-90022", "exim")["as_of"] == "2026-12-24"
    assert again.new | again.changed == set()


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (b"", "not valid JSON"),
        (b'{"vulnerabilities": [', "not valid JSON"),
        ({"vulnerabilities": 5}, "not the layout it claims"),
        ({"vulnerabilities": [{}]}, "not the layout it claims"),
        ({"vulnerabilities": [{"cve": {"id": "CVE-2026-1"}}]}, "is damaged: "),
        ({"vulnerabilities": [{"cve": 5}]}, "is damaged: "),
        ({"cve": nvd("no\n\x1b[2Jid")}, "is damaged: no CVE id"),
        (nvd("CVE-2026-90030", cpe("exim:exim:9:*"), lastModified="soon"), "is damaged: no date"),
        (nvd("CVE-2026-90030", cpe("exim:exim:9:*"), lastModified="2026-02-30"), "is damaged: a value in it"),
        (nvd("CVE-2026-90030", cpe("exim:exim:9:*"), metrics={"cvssMetricV31": [metric(99)]}), "cvss must have"),
        (nvd("CVE-2026-90030", {"vulnerable": True, "criteria": "cpe:2.3"}), "is damaged: a value in it"),
        ({"dataType": "CVE_RECORD"}, "is damaged: "),
        ({"catalogVersion": "1", "vulnerabilities": [{"cveID": "x"}]}, "not the layout it claims"),
        ({"catalogVersion": "1", "vulnerabilities": []}, "not the layout it claims"),
        (kev("CVE-2023-51765", released="soon"), "not the layout it claims: no date"),
        ([], "neither NVD API 2.0, nor CVE JSON 5, nor CISA KEV"),
        ({"package": "other"}, "neither NVD API 2.0, nor CVE JSON 5, nor CISA KEV"),
    ],
)
def test_a_bad_file_leaves_everything_as_it_was(data: Data, bad: Any, complaint: str) -> None:
    data.take(data.put("0-good.json", nvd("CVE-2026-90029", cpe("exim:exim:9.0:*"))))
    before = data.user_file.read_bytes()
    path = data.put("1-bad.json", bad)

    with pytest.raises(InputError, match=re.escape(complaint)) as caught:
        data.take(path)

    assert str(caught.value).isprintable()
    assert data.user_file.read_bytes() == before
    assert [each.name for each in data.user_file.parent.iterdir()] == [data.user_file.name]


def test_one_bad_file_of_a_folder_spoils_the_whole_update(data: Data) -> None:
    data.put("a.json", nvd("CVE-2026-90031", cpe("exim:exim:9.0:*")))
    data.put("b.json", b"{")

    with pytest.raises(InputError, match=r"b\.json: not valid JSON"):
        data.take()

    assert not data.user_file.parent.exists()


def test_what_cannot_be_read_or_unpacked_is_named(data: Data) -> None:
    with pytest.raises(InputError, match=r"in: no file that ends in \.json"):
        data.take()
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file or directory"):
        data.take(data.folder / "none.json")
    for name, content in [("a.json.gz", b"no gzip"), ("b.json.gz", gzip.compress(b"{}" * 99)[:-9])]:
        with pytest.raises(InputError, match=rf"{name}: cannot be read: "):
            data.take(data.put(name, content))


def test_a_damaged_file_of_the_user_is_not_written_over(data: Data) -> None:
    known = shipped_facts()
    data.user_file.parent.mkdir()
    data.user_file.write_bytes(b"mine")

    with pytest.raises(InputError, match="not valid JSON"):
        update([data.put("a.json", nvd("CVE-2026-90032", cpe("exim:exim:9.0:*")))], data.user_file, known, TODAY)

    assert data.user_file.read_bytes() == b"mine"


def test_a_place_that_takes_no_file_is_named(data: Data) -> None:
    path = data.put("a.json", nvd("CVE-2026-90033", cpe("exim:exim:9.0:*")))
    data.user_file.parent.write_bytes(b"a file where the folder should be")

    with pytest.raises(InputError, match=r"vulnerabilities\.json: cannot be "):
        update([path], data.user_file, shipped_facts(), TODAY)

    folder = data.folder / "taken.json"
    folder.mkdir()
    with pytest.raises(InputError, match=r"taken\.json: cannot be written \(it is a folder\)"):
        update([path], folder, shipped_facts(), TODAY)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    data.take(data.put("a.json", nvd("CVE-2026-90035", cpe("exim:exim:9.0:*"))))
    before = data.user_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match=r"vulnerabilities\.json: cannot be written \(No space left on device\)"):
        data.take(data.put("b.json", nvd("CVE-2026-90036", cpe("exim:exim:9.0:*"))))

    assert data.user_file.read_bytes() == before
    assert [each.name for each in data.user_file.parent.iterdir()] == [data.user_file.name]


def test_a_folder_that_cannot_be_made_is_named(data: Data) -> None:
    data.put("a.json", nvd("CVE-2026-90037", cpe("exim:exim:9.0:*")))

    with pytest.raises(InputError, match=r"^/proc/none/x\.json: cannot be written \("):
        update([data.folder], Path("/proc/none/x.json"), shipped_facts(), TODAY)


def test_a_file_that_is_too_large_is_not_read(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data.put("a.json", nvd("CVE-2026-90038", cpe("exim:exim:9.0:*")))
    monkeypatch.setattr(feed_files, "_LARGEST_BYTES", path.stat().st_size - 1)

    with pytest.raises(InputError, match=r"a\.json: holds more than 0 MiB: no list of vulnerabilities is so large$"):
        data.take(path)


def test_a_small_file_that_unpacks_to_a_large_one_is_given_up_early(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data.folder / "a.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for _ in range(64):
            packed.write(bytes(1 << 20))
    monkeypatch.setattr(feed_files, "_LARGEST_BYTES", 4 << 20)

    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"a\.json\.gz: holds more than 4 MiB"):
            data.take(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 16 << 20  # unpacked it is 64 MiB


def test_the_file_is_its_owners_only(data: Data) -> None:
    data.take(data.put("a.json", nvd("CVE-2026-90034", cpe("exim:exim:9.0:*"))))

    assert data.user_file.stat().st_mode & 0o777 == 0o600


def test_the_users_file_is_no_fifo_no_archive_and_not_what_is_read(data: Data) -> None:
    path = data.put("a.json", nvd("CVE-2026-90039", cpe("exim:exim:9.0:*")))
    os.mkfifo(data.folder / "fifo")
    for place, why in (
        (data.folder / "fifo", "it is not a regular file"),
        (data.folder / "x.json.gz", "its name promises gzip"),
        (path, "the data file .* would overwrite --update"),
    ):
        with pytest.raises(InputError, match=why):
            update([path], place, shipped_facts(), TODAY)
    assert sorted(each.name for each in data.folder.iterdir()) == ["a.json", "fifo"]


def test_folders_that_are_made_are_their_owners_only(data: Data) -> None:
    data.take(data.put("a.json", nvd("CVE-2026-90040", cpe("exim:exim:9.0:*"))))

    assert data.user_file.parent.stat().st_mode & 0o777 == 0o700


def test_what_changed_is_told_row_by_row(data: Data) -> None:
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


def test_a_rejected_record_is_not_a_flaw(data: Data) -> None:
    bounds = cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19")
    data.put("a.json", feed(nvd("CVE-2026-90001", bounds, vulnStatus="Rejected"), nvd("CVE-2026-90002", bounds)))

    outcome = data.take()

    assert outcome.new == {"CVE-2026-90002"}
    assert outcome.left_open == set()


def test_a_flaw_without_versions_and_without_a_row_is_named(data: Data) -> None:
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


def test_a_listing_is_taken_whichever_file_comes_first(data: Data) -> None:
    data.put("a.json", kev("CVE-2026-90001"))
    data.put("b.json", feed(nvd("CVE-2026-90001", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19"))))

    data.take()

    assert data.row("CVE-2026-90001")["kev"] == "2026-12-30"


def test_a_listed_flaw_of_a_product_of_ours_without_a_row_is_named(data: Data) -> None:
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
