"""A folder of plans: what each host gets, what it never gets, and that it is written whole or not at all."""

import gc
import re
import shlex
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from scanner.errors import InputError, SinkError
from scanner.model import Answer, Assessment, Dialogue, Exchange, Finding, Record, Software, Status
from scanner.remediation.plans.model import PLAN_FOLDER, RemediationPlan
from scanner.remediation.plans.patching import advise
from scanner.remediation.plans.products import GENERAL, PLANS, plan_for
from scanner.remediation.plans.writing import NO_ADDRESS, NO_GREETING, NOTHING_SHOWN, PERHAPS_SHOWN, write_plans
from scanner.remediation.sendmail import facts as sendmail_facts
from tests.support.greetings import SENDMAIL_8_14
from tests.support.hostile_texts import HOSTILE
from tests.support.plan_records import host
from tests.support.records import FLAW, full_record, greeting_of, record_of

ALL_PLANS = (*PLANS.values(), GENERAL)


def pages(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def shell_blocks(text: str) -> list[str]:
    """Return what stands in the blocks of commands, as an independent parser sees it."""
    tokens = MarkdownIt().parse(text)
    return [
        token.content for token in tokens if token.type == "fence" and token.info.split()[0] in {"sh", "powershell"}
    ]


def written(tmp_path: Path, *records: Record) -> dict[str, str]:
    write_plans(records, tmp_path / "plan", overwrite=False)
    return pages(tmp_path / "plan")


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


def test_the_newest_fix_is_the_release_to_ask_for() -> None:
    older = Finding("A", "high", "t", verdict="affected_upstream", fixed_in="4.99")
    newer = Finding("B", "low", "t", verdict="possible", fixed_in="4.100")
    fixed = Finding("C", "info", "t", verdict="vendor_fixed", fixed_in="5.0")
    unfixed = Finding("D", "high", "t", verdict="possible")
    clear = Finding("NEXT-RELEASE", "info", "t", fixed_in="4.100.1")

    advice = advise(host(1, "Exim", findings=(older, newer, fixed, unfixed)))

    assert advice.release == "4.100"
    assert advice.unfixed == ("D",)
    assert advice.describe() == "1 affected_upstream, 2 possible, 1 vendor_fixed; fixed in 4.100"
    assert advise(host(1, "Exim", findings=(older, clear))).release == "4.100.1"
    assert advise(host(1, "Exim", findings=(fixed, clear))).release is None
    assert advise(host(1, "Unknown MTA", findings=(older, newer))).release == "4.100"


def test_without_a_version_nothing_is_claimed() -> None:
    assert advise(host(1, None)).describe() == "no version seen, so nothing is known"
    assert advise(host(1)).describe() == "the record does not say whether anybody looked for flaws"


@pytest.mark.parametrize(
    ("answer", "bare", "with_flaw"),
    [
        (Answer.NONE_KNOWN, "none known (covered since 8.8.0, 41 facts of 2026-11-22)", None),
        (Answer.KNOWN_FLAWS, None, "1 possible (covered since 8.8.0, 41 facts of 2026-11-22); fixed in 4.100"),
        (
            Answer.NOT_COVERED,
            "not covered (covered since 8.8.0, 41 facts of 2026-11-22)",
            "1 possible, others not covered (covered since 8.8.0, 41 facts of 2026-11-22); fixed in 4.100",
        ),
        (Answer.VERSION_UNKNOWN, "unknown version (covered since 8.8.0, 41 facts of 2026-11-22)", None),
    ],
)
def test_what_the_list_is_worth_stands_beside_it(answer: Answer, bare: str | None, with_flaw: str | None) -> None:
    assessment = Assessment(answer, "8.8.0", 41, "2026-11-22")
    flaw = Finding("B", "low", "t", verdict="possible", fixed_in="4.100")

    if bare is not None:
        assert advise(host(1, assessment=assessment)).describe() == bare
    if with_flaw is not None:
        assert advise(host(1, "Exim", findings=(flaw,), assessment=assessment)).describe() == with_flaw


def test_an_undecided_flaw_is_open() -> None:
    flaw = Finding("B", "low", "t", verdict="undecided", fixed_in="4.100")

    assert advise(host(1, "Exim", findings=(flaw,))).describe() == "1 undecided; fixed in 4.100"


def test_a_flaw_without_a_fix_is_named(tmp_path: Path) -> None:
    page = written(tmp_path, host(1, findings=(replace(FLAW, fixed_in=None),)))["hosts/192.0.2.1-25.md"]

    assert "No release with a fix is known for `CVE-2023-51765`." in page


def test_all_fixed_by_the_vendor_is_said(tmp_path: Path) -> None:
    fixed = Finding("C", "info", "t", verdict="vendor_fixed", fixed_in="8.18.1")

    known = Assessment(Answer.KNOWN_FLAWS, "8.8.0", 41, "2026-11-22")
    page = written(tmp_path / "known", host(1, findings=(fixed,), assessment=known))["hosts/192.0.2.1-25.md"]
    other = written(tmp_path / "not", host(1, findings=(fixed,)))["hosts/192.0.2.1-25.md"]

    assert "Nothing is open: the package is known to carry the fixes" in page
    assert "Nothing is open" not in other
    assert "Upgrade to" not in page


def test_long_lists_of_flaws_are_cut_and_counted(tmp_path: Path) -> None:
    page = written(tmp_path, host(1, findings=(FLAW,) * 15))["hosts/192.0.2.1-25.md"]

    assert "And 3 more, in the record.\n" in page


def test_a_relative_of_sendmail_is_told_apart(tmp_path: Path) -> None:
    sentrion = Software("Sendmail", product_line="Sentrion", confidence=0.95)

    found = written(tmp_path, host(1, software=sentrion), host(2))

    assert "not on this relative (`Sentrion`)" in found["hosts/192.0.2.1-25.md"]
    assert "relative" not in found["hosts/192.0.2.2-25.md"]


@pytest.mark.parametrize("plan", ALL_PLANS, ids=lambda plan: plan.key)
def test_every_plan_is_complete_and_honest(tmp_path: Path, plan: RemediationPlan) -> None:
    product = next((name for name, each in PLANS.items() if each is plan), "Unknown MTA")
    found = written(tmp_path, host(1, product))
    page, own = found[f"products/{plan.key}.md"], found["hosts/192.0.2.1-25.md"]

    assert ("NOT TRIED" in page) == (plan.tested is None)
    assert ("NOT TRIED" in own) == (plan.tested is None)
    assert "Hiding is not patching." in page
    assert page.count("\n## What stays recognisable\n") == 1
    identifiers = [step.id for step in plan.steps]
    assert len(identifiers) == len(set(identifiers))
    for step in plan.steps:
        assert step.title in page
        assert step.commands in page
    if plan.can_hide:
        assert "rollback" in identifiers
        assert identifiers.index("backup" if "backup" in identifiers else "look") < identifiers.index("apply")
    for file in plan.files:
        assert found[f"products/{plan.key}/{file.name}"] == file.text


@pytest.mark.parametrize("product", ["Sendmail", "Postfix", "Exim"])
def test_plans_with_a_daemon_check_and_try_before_they_apply(product: str) -> None:
    steps = [step.id for step in plan_for(product).steps]

    assert steps.index("backup") < steps.index("check") < steps.index("preflight") < steps.index("apply")
    assert steps.index("apply") < steps.index("rollback") < steps.index("forget")


def test_untried_commands_are_marked_in_their_fence(tmp_path: Path) -> None:
    page = written(tmp_path, host(1, "Microsoft Exchange Server"))["products/exchange.md"]

    infos = [token.info for token in MarkdownIt().parse(page) if token.type == "fence"]
    assert [info for info in infos if info.startswith("powershell")] == [
        f"powershell not-tried step={step}" for step in ("look", "check", "apply", "rollback")
    ]


def test_opensmtpd_is_told_that_there_is_no_setting(tmp_path: Path) -> None:
    found = written(tmp_path, host(1, "OpenSMTPD"))

    assert "There is no setting to change" in found["products/opensmtpd.md"]
    assert shell_blocks(found["products/opensmtpd.md"]) == []
    assert "Right when no version is left" not in found["hosts/192.0.2.1-25.md"]


def test_the_sendmail_files_are_the_facts(tmp_path: Path) -> None:
    found = written(tmp_path, host(1))

    assert found["products/sendmail/helpfile.hide"] == sendmail_facts.HELP_FILE_TEXT
    assert found["products/sendmail/sendmail.mc.snippet"].splitlines() == list(sendmail_facts.MC_SETTINGS)
    assert found["products/sendmail/submit.mc.snippet"].splitlines() == list(sendmail_facts.SUBMIT_MC_SETTINGS)
    assert len(found["products/sendmail/sendmail.cf.sed"].splitlines()) == len(sendmail_facts.CF_EDITS)
    assert "confSMTP_banner" in found["products/sendmail.md"]
    commands = "\n".join(shell_blocks(found["products/sendmail.md"]))
    assert "confSMTP_banner" not in commands


def test_no_step_copies_the_mode_of_a_file_that_only_its_owner_can_read() -> None:
    commands = [step.commands for plan in {*PLANS.values(), GENERAL} for step in plan.steps]

    assert any(f"install -m 644 {PLAN_FOLDER}" in command for command in commands)
    assert not [command for command in commands if re.search(rf"\b(cp|mv)\b[^|;&\n]*{PLAN_FOLDER}", command)]
