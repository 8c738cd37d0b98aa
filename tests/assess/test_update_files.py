"""Claims about the files of `scanner.assess.update`: a bad one changes nothing, and the user's file is safe."""

import errno
import gzip
import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from scanner.assess import feed_files, shipped_facts
from scanner.assess.update import update
from scanner.errors import InputError, SinkError
from tests.support.vulnerability_records import cpe, kev, metric, nvd
from tests.support.vulnerability_updates import TODAY, UpdateFolder


@pytest.fixture
def data(tmp_path: Path) -> UpdateFolder:
    return UpdateFolder(tmp_path)


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
def test_a_bad_file_leaves_everything_as_it_was(data: UpdateFolder, bad: Any, complaint: str) -> None:
    data.take(data.put("0-good.json", nvd("CVE-2026-90029", cpe("exim:exim:9.0:*"))))
    before = data.user_file.read_bytes()
    path = data.put("1-bad.json", bad)

    with pytest.raises(InputError, match=re.escape(complaint)) as caught:
        data.take(path)

    assert str(caught.value).isprintable()
    assert data.user_file.read_bytes() == before
    assert [each.name for each in data.user_file.parent.iterdir()] == [data.user_file.name]


def test_one_bad_file_of_a_folder_spoils_the_whole_update(data: UpdateFolder) -> None:
    data.put("a.json", nvd("CVE-2026-90031", cpe("exim:exim:9.0:*")))
    data.put("b.json", b"{")

    with pytest.raises(InputError, match=r"b\.json: not valid JSON"):
        data.take()

    assert not data.user_file.parent.exists()


def test_what_cannot_be_read_or_unpacked_is_named(data: UpdateFolder) -> None:
    with pytest.raises(InputError, match=r"in: no file that ends in \.json"):
        data.take()
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file or directory"):
        data.take(data.folder / "none.json")
    for name, content in [("a.json.gz", b"no gzip"), ("b.json.gz", gzip.compress(b"{}" * 99)[:-9])]:
        with pytest.raises(InputError, match=rf"{name}: cannot be read: "):
            data.take(data.put(name, content))


def test_a_damaged_file_of_the_user_is_not_written_over(data: UpdateFolder) -> None:
    known = shipped_facts()
    data.user_file.parent.mkdir()
    data.user_file.write_bytes(b"mine")

    with pytest.raises(InputError, match="not valid JSON"):
        update([data.put("a.json", nvd("CVE-2026-90032", cpe("exim:exim:9.0:*")))], data.user_file, known, TODAY)

    assert data.user_file.read_bytes() == b"mine"


def test_a_place_that_takes_no_file_is_named(data: UpdateFolder) -> None:
    path = data.put("a.json", nvd("CVE-2026-90033", cpe("exim:exim:9.0:*")))
    data.user_file.parent.write_bytes(b"a file where the folder should be")

    with pytest.raises(InputError, match=r"vulnerabilities\.json: cannot be "):
        update([path], data.user_file, shipped_facts(), TODAY)

    folder = data.folder / "taken.json"
    folder.mkdir()
    with pytest.raises(InputError, match=r"taken\.json: cannot be written \(it is a folder\)"):
        update([path], folder, shipped_facts(), TODAY)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(data: UpdateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    data.take(data.put("a.json", nvd("CVE-2026-90035", cpe("exim:exim:9.0:*"))))
    before = data.user_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match=r"vulnerabilities\.json: cannot be written \(No space left on device\)"):
        data.take(data.put("b.json", nvd("CVE-2026-90036", cpe("exim:exim:9.0:*"))))

    assert data.user_file.read_bytes() == before
    assert [each.name for each in data.user_file.parent.iterdir()] == [data.user_file.name]


def test_a_folder_that_cannot_be_made_is_named(data: UpdateFolder) -> None:
    data.put("a.json", nvd("CVE-2026-90037", cpe("exim:exim:9.0:*")))

    with pytest.raises(InputError, match=r"^/proc/none/x\.json: cannot be written \("):
        update([data.folder], Path("/proc/none/x.json"), shipped_facts(), TODAY)


def test_a_file_that_is_too_large_is_not_read(data: UpdateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data.put("a.json", nvd("CVE-2026-90038", cpe("exim:exim:9.0:*")))
    monkeypatch.setattr(feed_files, "_LARGEST_BYTES", path.stat().st_size - 1)

    with pytest.raises(InputError, match=r"a\.json: holds more than 0 MiB: no list of vulnerabilities is so large$"):
        data.take(path)


def test_a_small_file_that_unpacks_to_a_large_one_is_given_up_early(
    data: UpdateFolder, monkeypatch: pytest.MonkeyPatch
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


def test_the_file_is_its_owners_only(data: UpdateFolder) -> None:
    data.take(data.put("a.json", nvd("CVE-2026-90034", cpe("exim:exim:9.0:*"))))

    assert data.user_file.stat().st_mode & 0o777 == 0o600


def test_the_users_file_is_no_fifo_no_archive_and_not_what_is_read(data: UpdateFolder) -> None:
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


def test_folders_that_are_made_are_their_owners_only(data: UpdateFolder) -> None:
    data.take(data.put("a.json", nvd("CVE-2026-90040", cpe("exim:exim:9.0:*"))))

    assert data.user_file.parent.stat().st_mode & 0o777 == 0o700
