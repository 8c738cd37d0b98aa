"""A folder of plans: what each host gets, what it never gets, and that it is written whole or not at all."""

import gc
import re
import shlex
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from scanner.errors import InputError, SinkError
from scanner.model import Dialogue, Exchange, Finding, Record, Software, Status
from scanner.remediation.plans.products import PLANS
from scanner.remediation.plans.writing import NO_ADDRESS, NO_GREETING, NOTHING_SHOWN, PERHAPS_SHOWN, write_plans
from tests.support.greetings import SENDMAIL_8_14
from tests.support.hostile_texts import HOSTILE
from tests.support.plan_pages import pages, shell_blocks, written
from tests.support.plan_records import host
from tests.support.records import full_record, greeting_of, record_of


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_server_reaches_no_command_no_file_name_and_no_markup(tmp_path: Path, text: str) -> None:
    hostile = Software(product=text, version=text, config_version=text, package=text, os=text, product_line=text)
    finding = Finding(text, text, text, evidence=text, verdict="possible", condition=text, fixed_in=text, kev=True)
    banner = greeting_of(b"220 x\r\n")._replace(text=text, hostname=text, lines=(text,))
    dialogue = Dialogue((Exchange("HELP", 214, (text, text), 0.1),))
    record = host(1, software=hostile, host=text, findings=(finding,), dialogue=dialogue, banner=banner)
    harmless = host(1, software=Software(product="x", version="x"), host="x", findings=(), banner=greeting_of(b"2"))

    found = written(tmp_path / "a", record)
    expected = written(tmp_path / "b", harmless)

    assert found.keys() == expected.keys()
    for name, page in found.items():
        assert shell_blocks(page) == shell_blocks(expected[name])
        assert re.fullmatch(r"[\t\n -~]*", page)
        tokens = (
            MarkdownIt("commonmark", {"html": True})
            .enable("table")
            .parse(page.removeprefix("<!-- smtpsweep.plans/1 -->"))
        )
        kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
        assert not kinds & {"html_block", "html_inline", "image"}
        links = [str(c.attrs["href"]) for t in tokens for c in t.children or () if c.type == "link_open"]
        assert all(re.fullmatch(r"\.\./products/\S+|hosts/\S+|[a-z]+/\S+", link) for link in links)


def test_a_host_page_names_evidence_release_and_commands_with_its_address(tmp_path: Path) -> None:
    software = Software("Sendmail", version="8.14.7", confidence=0.95)
    page = written(tmp_path, full_record()._replace(software=software))["hosts/192.0.2.10-25.md"]

    assert "S: 220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\n" in page
    assert "Hiding is not patching." in page
    assert "Upgrade to `8.18.1` or newer" in page
    assert "`CVE-2023-51765` | `medium` | `possible` | `8.18.1` | `a setting`" in page
    assert "Exploited in the wild, says CISA:** `CVE-2023-51765`" in page
    check, verify = shell_blocks(page)[0].splitlines()
    assert shlex.split(check) == ["smtpsweep", "check", "192.0.2.10", "--probe", "dialogue"]
    assert shlex.split(verify) == ["smtpsweep", "verify", "--before", "sweep.jsonl"]
    assert shell_blocks(page)[1].startswith("smtpsweep smoke 192.0.2.10 --from ")
    assert "[Rollback, when anything is wrong](../products/sendmail.md#8-rollback-when-anything-is-wrong)" in page


def test_links_to_steps_lead_to_headings(tmp_path: Path) -> None:
    found = written(tmp_path, *(host(number, product) for number, product in enumerate((*PLANS, "Unknown MTA"), 1)))

    for page in (text for name, text in found.items() if name.startswith("hosts/")):
        for target, place in re.findall(r"\(\.\./(products/[a-z]+\.md)#([^)]+)\)", page):
            headings = [line[3:] for line in found[target].splitlines() if line.startswith("## ")]
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert place in anchors


def test_the_index_lists_hosts_by_product_and_address(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        host(9),
        host(10),
        host(2, "Exim"),
        record_of(greeting_of(SENDMAIL_8_14), ip="2001:db8::1", port=2525, disclosure=("version",)),
    )

    rows = [line.split(" | ")[0] for line in found["index.md"].splitlines() if "[steps]" in line]
    assert rows == ["| 192.0.2.2 port 25", "| 2001:db8::1 port 2525", "| 192.0.2.9 port 25", "| 192.0.2.10 port 25"]
    assert "[steps](hosts/2001_db8__1-2525.md)" in found["index.md"]
    page = found["hosts/2001_db8__1-2525.md"]
    assert "smtpsweep check 2001:db8::1 --port 2525 --probe dialogue" in page
    assert set(found) >= {"products/sendmail.md", "products/exim.md", "products/general.md"}
    assert "products/postfix.md" not in found


def test_counts_say_what_was_left_out_and_why(tmp_path: Path) -> None:
    count = write_plans(
        [
            host(1),
            host(2),
            host(3, "Exim"),
            host(4, None, b"220 mail ESMTP\r\n", disclosure=()),
            host(5, None, b"220 mail ESMTP\r\n", disclosure=("time",)),
            host(8, None, b"220 mail ESMTP Zorblax\r\n", disclosure=()),
            record_of(ip="192.0.2.6", status=Status.SILENT),
            host(7, ip=None, port=None),
        ],
        tmp_path / "plan",
        overwrite=False,
    )

    assert count.planned == {"Sendmail": 2, "Exim": 1}
    assert count.left_out == {NOTHING_SHOWN: 2, PERHAPS_SHOWN: 1, NO_GREETING: 1, NO_ADDRESS: 1}
    assert (count.hosts, count.records) == (3, 8)
    expected = (
        "3 hosts with a plan (Sendmail 2, Exim 1); 2 without: they give nothing away; "
        "1 without: they may name a product or a version that is not known here; 1 without: they did not greet; "
        "1 without: they were not visited, so there is no address"
    )
    assert count.describe() == expected
    assert f"{expected}." in (tmp_path / "plan" / "index.md").read_text()


def test_no_records_make_an_index_that_says_so(tmp_path: Path) -> None:
    assert list(written(tmp_path)) == ["index.md"]
    assert "0 hosts with a plan." in (tmp_path / "plan" / "index.md").read_text()


def test_what_only_help_gives_away_needs_a_plan(tmp_path: Path) -> None:
    dialogue = Dialogue((Exchange("HELP", 214, ("This is sendmail version 8.17.1.9",), 0.1),))
    shown: dict[str, Any] = {"disclosed_in": {"version": ("help",), "os": (), "hostname": ("greeting",)}}
    page = written(tmp_path, host(1, disclosure=(), dialogue=dialogue, **shown))["hosts/192.0.2.1-25.md"]

    assert "- version: in the `help`\n" in page
    assert "S: 214 This is sendmail version 8.17.1.9\n" in page
    assert "- os" not in page


def test_a_host_that_shows_its_name_only_needs_none(tmp_path: Path) -> None:
    shown = {"hostname": ("greeting",), "version": (), "time": ("greeting",)}
    assert list(written(tmp_path, host(1, disclosure=(), disclosed_in=shown))) == ["index.md"]


def test_the_last_record_of_an_event_counts(tmp_path: Path) -> None:
    clean = host(1, disclosure=())

    assert "hosts/192.0.2.1-25.md" in written(tmp_path / "a", clean, host(1))
    assert "hosts/192.0.2.1-25.md" not in written(tmp_path / "b", host(1), clean)
    again = host(1, product="Exim")
    assert "products/exim.md" in written(tmp_path / "c", host(1), again)


def test_a_sample_that_leaks_is_not_outvoted_by_one_that_does_not(tmp_path: Path) -> None:
    clean = host(1, disclosure=(), event_id="other")

    assert "hosts/192.0.2.1-25.md" in written(tmp_path / "a", host(1), clean)
    assert "hosts/192.0.2.1-25.md" in written(tmp_path / "b", clean, host(1))


def test_a_later_sweep_replaces_an_earlier_one(tmp_path: Path) -> None:
    fixed = host(1, disclosure=(), event_id="other", scan_id="later")

    assert "hosts/192.0.2.1-25.md" not in written(tmp_path, host(1), fixed)


@pytest.mark.parametrize("ip", ["../../etc/passwd", "192.0.2.1;id", "", "fe80::1%$(id)", "1"])
def test_an_address_that_is_none_is_refused_and_nothing_is_left(tmp_path: Path, ip: str) -> None:
    with pytest.raises(InputError, match="address"):
        write_plans([host(1), host(2, ip=ip)], tmp_path / "plan", overwrite=False)

    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_records_leaves_what_was_there(tmp_path: Path) -> None:
    def records() -> Iterator[Record]:
        yield host(2)
        raise InputError("sweep.jsonl:2: not a record")

    before = written(tmp_path, host(1))

    with pytest.raises(InputError, match="not a record"):
        write_plans(records(), tmp_path / "plan", overwrite=True)

    assert pages(tmp_path / "plan") == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_an_existing_folder_is_refused_unless_overwritten(tmp_path: Path) -> None:
    written(tmp_path, host(1))

    with pytest.raises(InputError, match="--overwrite"):
        write_plans([host(2)], tmp_path / "plan", overwrite=False)
    write_plans([host(2)], tmp_path / "plan", overwrite=True)

    assert [path.name for path in (tmp_path / "plan" / "hosts").iterdir()] == ["192.0.2.2-25.md"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("kind", ["home", "file", "link"])
def test_overwriting_never_removes_what_is_no_folder_of_plans(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    if kind == "file":
        home.write_text("mine")
    else:
        home.mkdir()
        (home / "index.md").write_text("# Mine\n")
    place = home
    if kind == "link":
        written(tmp_path, host(1))
        place = tmp_path / "link"
        place.symlink_to(tmp_path / "plan")

    with pytest.raises(InputError, match="is not a folder of plans"):
        write_plans([host(1)], place, overwrite=True)

    assert home.exists()


def test_a_rename_that_fails_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written(tmp_path, host(1))
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)

    with pytest.raises(SinkError, match="No space left"):
        write_plans([host(2)], tmp_path / "plan", overwrite=True)

    assert pages(tmp_path / "plan") == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written"):
        write_plans([host(1)], tmp_path / "file" / "plan", overwrite=False)


def test_memory_stays_far_below_the_pages(tmp_path: Path) -> None:
    """Each of 600 hosts more, 5 kB of pages each, is remembered in less than 2 kB."""
    write_plans([host(1)], tmp_path / "warm", overwrite=False)

    few, many = (peak_of_plans(number, tmp_path / f"{number}") for number in (200, 800))

    assert len(list((tmp_path / "800" / "hosts").iterdir())) == 800
    assert many - few < 600 * 2000


def peak_of_plans(number: int, folder: Path) -> int:
    hosts = (host(1, ip=f"10.0.{each >> 8}.{each & 255}", event_id=f"{each:032x}") for each in range(number))
    gc.collect()
    tracemalloc.start()
    try:
        write_plans(hosts, folder, overwrite=False)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
