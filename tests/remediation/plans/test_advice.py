"""What a plan advises: the release to install, and what each product needs."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from scanner.model import Answer, Assessment, Finding, Software
from scanner.remediation.plans.model import PLAN_FOLDER, RemediationPlan
from scanner.remediation.plans.patching import advise
from scanner.remediation.plans.products import GENERAL, PLANS, plan_for
from scanner.remediation.sendmail import facts as sendmail_facts
from tests.support.plan_pages import shell_blocks, written
from tests.support.plan_records import host
from tests.support.records import FLAW

ALL_PLANS = (*PLANS.values(), GENERAL)


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
