"""Claims about `scanner.assess.against_nvd`: rows are held against NVD records, and what differs is printed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.assess import shipped_facts
from scanner.assess.__main__ import main
from scanner.assess.against_nvd import compare
from scanner.assess.facts import Facts
from scanner.errors import InputError
from tests.support.vulnerability_records import cpe, nvd


def row(flaw: str, product: str, *ranges: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"id": flaw, "product": product, "summary": "A test.", "ranges": list(ranges), "sources": ["here"], **more}


def facts(*rows: dict[str, Any], left_out: tuple[str, ...] = ()) -> Facts:
    document = shipped_facts().document
    return Facts({**document, "left_out": list(left_out), "vulnerabilities": list(rows)}, "here")


def put(folder: Path, *items: dict[str, Any]) -> Path:
    for item in items:
        (folder / f"{item['id']}.json").write_bytes(orjson.dumps(item))
    return folder


EXIM = cpe("exim:exim:*:*", versionEndExcluding="4.98")
SAME = row("CVE-2026-90001", "exim", {"fixed": "4.98"})


def lines(folder: Path, known: Facts) -> dict[str, list[str]]:
    return {kind: found for kind, found in compare(folder, known).lines.items() if found}


def test_a_row_that_says_what_nvd_says_is_counted_and_not_shown(tmp_path: Path) -> None:
    found = compare(
        put(tmp_path, nvd("CVE-2026-90001", EXIM)), facts(SAME, row("CVE-2026-90002", "exim", {"fixed": "4"}))
    )

    assert found.is_clean
    assert list(found.shown()) == [
        (
            "1 row compared: 0 missing, 0 extra, 0 differs, 0 explained; 0 records without usable versions, "
            "0 published before the search began; rows without a record in the folder: 1"
        )
    ]


def test_a_flaw_without_a_row_is_missing_unless_it_was_left_out(tmp_path: Path) -> None:
    put(tmp_path, nvd("CVE-2026-90001", EXIM))

    (line,) = compare(tmp_path, facts()).lines["missing"]

    assert line.startswith("exim CVE-2026-90001: NVD ..4.98);")
    assert compare(tmp_path, facts(left_out=("CVE-2026-90001",))).is_clean


def test_a_flaw_of_before_the_search_began_is_counted(tmp_path: Path) -> None:
    old = nvd("CVE-2017-90001", cpe("microsoft:exchange_server:2016:-"), published="2017-01-01T00:00:00.000")

    found = compare(put(tmp_path, old), facts())

    assert (found.is_clean, found.before_search) == (True, 1)


@pytest.mark.parametrize(
    ("match", "kinds"),
    [
        (cpe("nginx:nginx:*:*", versionEndExcluding="2"), ["extra"]),
        (cpe("exim:exim:-:*"), []),  # it names the product, and no versions
        (None, []),  # not analysed yet
    ],
)
def test_a_row_whose_record_is_of_another_product_is_extra(
    tmp_path: Path, match: dict[str, Any] | None, kinds: list[str]
) -> None:
    item = nvd("CVE-2026-90001", match or EXIM)
    if match is None:
        item["configurations"] = [{"nodes": []}]

    assert list(lines(put(tmp_path, item), facts(SAME))) == kinds


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([{"fixed": "4.99"}], "ours alone 4.98, 4.98.1, 4.98.2; ours ..4.99); NVD ..4.98)"),
        ([{"introduced": "4.97", "fixed": "4.98"}], "NVD alone 3.36, 3.951, 3.952 and "),
        (
            [{"fixed": "4.97"}, {"introduced": "4.99", "last_affected": "4.99"}],
            "ours alone 4.99; NVD alone 4.97, 4.97.1; ours ..4.97) [4.99, 4.99]; NVD ..4.98)",
        ),
    ],
)
def test_versions_that_one_side_alone_has_are_shown(tmp_path: Path, ranges: list[dict[str, str]], said: str) -> None:
    put(tmp_path, nvd("CVE-2026-90001", EXIM))

    (line,) = lines(tmp_path, facts(row("CVE-2026-90001", "exim", *ranges)))["differs"]

    assert line.startswith(f"exim CVE-2026-90001: {said}")


def test_a_difference_with_a_note_is_explained(tmp_path: Path) -> None:
    put(tmp_path, nvd("CVE-2026-90001", EXIM))
    found = compare(tmp_path, facts(row("CVE-2026-90001", "exim", {"fixed": "4.97"}, note="Upstream says so.")))

    assert found.is_clean
    (line,) = found.lines["explained"]
    assert line.endswith("note: Upstream says so.")


def test_long_lists_are_cut(tmp_path: Path) -> None:
    ranges = [{"introduced": f"4.{minor}", "last_affected": f"4.{minor}"} for minor in (50, 60, 70, 80)]
    put(tmp_path, nvd("CVE-2026-90001", EXIM))

    (line,) = lines(tmp_path, facts(row("CVE-2026-90001", "exim", *ranges)))["differs"]

    assert "ours [4.50, 4.50] [4.60, 4.60] [4.70, 4.70] and 1 more; NVD ..4.98)" in line


def test_of_exchange_the_first_builds_of_what_nvd_names_are_asked_for(tmp_path: Path) -> None:
    # The later builds of the update have the fix; older updates are not named since nobody supports them.
    item = nvd("CVE-2026-90001", cpe("microsoft:exchange_server:2016:cumulative_update_23"))
    whole = {"introduced": "15.1", "fixed": "15.1.2507.16"}
    late = {"introduced": "15.1.2507.9", "fixed": "15.1.2507.16"}
    put(tmp_path, item)

    assert lines(tmp_path, facts(row("CVE-2026-90001", "exchange", whole))) == {}
    assert list(lines(tmp_path, facts(row("CVE-2026-90001", "exchange", late)))) == ["differs"]


def test_the_shipped_rows_can_all_be_compared(tmp_path: Path) -> None:
    """A product whose releases cannot be read, or a row without an end, would end this."""
    document = shipped_facts().document
    items = [
        nvd(each["id"], cpe(f"{document['products'][each['product']]['cpe'][0]}:*:*", versionEndExcluding="0.1"))
        for each in document["vulnerabilities"]
        if each["id"].startswith("CVE-")
    ]
    feed = {"vulnerabilities": [{"cve": item} for item in items]}
    (tmp_path / "feed.json").write_bytes(orjson.dumps(feed))

    found = compare(tmp_path, shipped_facts())

    assert found.compared == len(items)


@pytest.mark.parametrize("text", [b"{", orjson.dumps({"vulnerabilities": [1]})])
def test_a_damaged_file_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "bad.json").write_bytes(text)

    with pytest.raises(InputError, match=r"bad\.json"):
        compare(tmp_path, facts())


def test_the_command_ends_with_what_is_left_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, nvd("CVE-2026-90001", EXIM))

    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("missing   exim CVE-2026-90001: ")
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: python -m scanner.assess FOLDER")
    assert main([str(tmp_path / "none.json")]) == 2
    assert "none.json: cannot be read" in capsys.readouterr().err
    (tmp_path / "CVE-2026-90001.json").unlink()
    known = next(each for each in shipped_facts().document["vulnerabilities"] if each["id"] == "CVE-2026-34752")
    assert known["ranges"] == [{"fixed": "3.1.4"}]
    put(tmp_path, nvd(known["id"], cpe("haraka_project:haraka:*:*", versionEndExcluding="3.1.4")))
    assert main([str(tmp_path)]) == 0


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    put(tmp_path, nvd("CVE-2026-90001", EXIM))

    done = subprocess.run(
        [sys.executable, "-m", "scanner.assess", str(tmp_path)], env=os.environ, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.startswith(b"missing   exim CVE-2026-90001: ")


def test_a_folder_in_which_nothing_could_be_compared_is_not_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.json").write_text('{"a": 1}')

    assert main([str(tmp_path)]) == 3

    printed = capsys.readouterr()
    assert printed.out.startswith("0 rows compared: ")
    assert printed.err.endswith(": no record of it names a version of a row: nothing was compared\n")


@pytest.mark.parametrize("damage", [{"id": 5}, {"id": "\x1b[2J"}, {"published": 5}, {"configurations": 7}], ids=str)
def test_a_damaged_record_is_named_with_its_file(
    damage: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, nvd("CVE-2026-90001", EXIM))
    (tmp_path / "damaged.json").write_bytes(orjson.dumps({**nvd("CVE-2026-90002", EXIM), **damage}))

    assert main([str(tmp_path)]) == 2

    printed = capsys.readouterr()
    assert printed.err.startswith(f"{tmp_path / 'damaged.json'}: a record is damaged: ")
    assert (printed.out, "\x1b" in printed.err) == ("", False)


def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    other = nvd("CVE-2026-90001", cpe("nginx:nginx:*:*", versionEndExcluding="2"))
    odd = row("CVE-2026-90001", "exim", {"fixed": "4.98", "introduced": "\x1b[2J4"})

    shown = "\n".join(compare(put(tmp_path, other), facts(odd)).shown())

    assert "\\x1b[2J4" in shown
    assert "\x1b" not in shown
