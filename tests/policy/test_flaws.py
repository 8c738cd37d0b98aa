"""Claims about a policy's rules on releases: what nobody knows passes no gate, and is counted and said."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import orjson
import pytest

from scanner.assess.facts import OLD_DAYS
from scanner.cli.entry import run as run_command
from scanner.model import Answer, Assessment, Finding, Record, Software
from scanner.policy.check import PolicyCheck, Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import COVERAGE, FACTS, Policy
from scanner.policy.rules import RULES, Level
from scanner.record import encode
from tests.support.policy_records import dialogue_of, record_of

EXPLOITED, LEAST = "no-known-exploited", "min-version"
PASSED, FAILED, NOT_JUDGED = RuleOutcome.PASSED, RuleOutcome.FAILED, RuleOutcome.NOT_JUDGED
TODAY = date(2026, 11, 23)
KNOWN = Assessment(Answer.NONE_KNOWN, "8.8.0", 41, "2026-11-22")


def assessed(answer: Answer | None, version: str | None = "8.18.2", *findings: Finding) -> Record:
    assessment = None if answer is None else KNOWN._replace(answer=answer)
    software = Software("Sendmail", version=version)
    return record_of(software=software, disclosure=(), findings=findings, assessment=assessment, dialogue=dialogue_of())


def judged(name: str, record: Record, **options: object) -> tuple[RuleOutcome, str, bool]:
    defaults = {key: option.default for key, option in RULES[name].options.items()}
    found = RULES[name].judge(record, {**defaults, **options}, TODAY)
    assert found is not None
    return found.outcome, found.message, found.hidden


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (Answer.NONE_KNOWN, PASSED, "covered since 8.8.0, 41 facts of 2026-11-22"),
        (Answer.KNOWN_FLAWS, PASSED, "covered since 8.8.0, 41 facts of 2026-11-22"),
        (Answer.NOT_COVERED, NOT_JUDGED, "not covered (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (Answer.VERSION_UNKNOWN, NOT_JUDGED, "unknown version (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (Answer.UNDECIDED, NOT_JUDGED, "undecided (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (None, NOT_JUDGED, "its record does not say whether the facts cover it"),
    ],
)
def test_only_what_the_facts_cover_is_free_of_exploited_flaws(
    answer: Answer | None, outcome: RuleOutcome, words: str
) -> None:
    found, message, hidden = judged(EXPLOITED, assessed(answer))

    assert (found, hidden) == (outcome, False)
    assert message.endswith(f"(Sendmail 8.18.2): {words}")


def test_a_flaw_that_is_found_breaks_the_rule_whatever_else_is_not_known() -> None:
    flaw = Finding("CVE-2026-1", "high", "t", "e", "possible", kev=True)

    assert judged(EXPLOITED, assessed(Answer.NOT_COVERED, "8.1", flaw))[0] is FAILED


def test_an_exploited_flaw_that_is_undecided_is_named() -> None:
    flaw = Finding("CVE-2026-1", "high", "t", "e", "undecided", kev=True)

    outcome, message, _ = judged(EXPLOITED, assessed(Answer.UNDECIDED, "8.18.0.1", flaw))

    assert (outcome, message) == (
        NOT_JUDGED,
        "known to be exploited, and undecided (Sendmail 8.18.0.1): CVE-2026-1",
    )


def test_a_server_that_hides_its_version_is_not_judged_and_not_missed() -> None:
    assert judged(EXPLOITED, assessed(Answer.NO_VERSION, None))[::2] == (NOT_JUDGED, True)
    assert judged(LEAST, assessed(Answer.NO_VERSION, None), versions={"Sendmail": "8.18.1"})[::2] == (NOT_JUDGED, True)
    assert judged(LEAST, record_of(software=None), versions={"Sendmail": "8.18.1"})[::2] == (NOT_JUDGED, True)


@pytest.mark.parametrize(
    ("version", "least", "outcome"),
    [
        ("3.9-20231130", "3.8.4", NOT_JUDGED),  # is what 3.8.4 has in the snapshot?
        ("3.9-20231130", "3.8", PASSED),  # 3.9 began where 3.8.0 was
        ("3.9-20231130", "3.9-20231101", PASSED),
        ("3.9-20231130", "3.9-20231201", FAILED),
        ("3.9-20231130", "3.9.0", FAILED),
        ("3.9.0", "3.8.4", PASSED),
    ],
)
def test_a_snapshot_is_not_newer_than_another_branch_s_release_by_its_number(
    version: str, least: str, outcome: RuleOutcome
) -> None:
    record = record_of(software=Software("Postfix", version=version))

    assert judged(LEAST, record, versions={"Postfix": least})[0] is outcome


def checked(*records: Record, today: date = TODAY) -> list[Verdict]:
    check = PolicyCheck(Policy(), today)
    for record in records:
        check.judge(record)
    return check.finish()


def of(verdicts: list[Verdict], rule: str) -> list[tuple[RuleOutcome, str]]:
    return [(each.outcome, each.message) for each in verdicts if each.rule == rule]


@pytest.mark.parametrize("answer", [Answer.NOT_COVERED, Answer.VERSION_UNKNOWN, Answer.UNDECIDED, None])
def test_one_host_of_which_nothing_is_known_is_too_little_coverage(answer: Answer | None) -> None:
    known = [assessed(Answer.NONE_KNOWN) for _ in range(99)]
    coverage = of(checked(*known, assessed(answer)), COVERAGE)

    assert [outcome for outcome, _ in coverage] == [PASSED, FAILED]
    assert coverage[1][1].startswith(
        "no-known-exploited was judged on 99 of 100 hosts seen (99.0%), 100.0% are required"
    )
    assert [outcome for outcome, _ in of(checked(*known), COVERAGE)] == [PASSED]
    assert [outcome for outcome, _ in of(checked(*known, assessed(Answer.NO_VERSION, None)), COVERAGE)] == [PASSED]


def test_the_day_of_the_facts_and_what_they_do_not_tell_is_said() -> None:
    verdicts = checked(
        assessed(Answer.NONE_KNOWN),
        assessed(Answer.NOT_COVERED),
        assessed(Answer.NOT_COVERED),
        assessed(Answer.UNDECIDED),
        assessed(None),
        assessed(Answer.NO_VERSION, None),
    )

    assert of(verdicts, FACTS) == [
        (
            NOT_JUDGED,
            (
                "flaw data of 2026-11-22; hosts that show a version of which flaws are not known: "
                "2 not covered, 1 undecided, 1 not told by the record"
            ),
        )
    ]
    assert of(checked(assessed(Answer.NONE_KNOWN)), FACTS) == [(PASSED, "flaw data of 2026-11-22")]
    assert of(checked(record_of()), FACTS) == []
    assert of(checked(assessed(None)), FACTS)[0][1].startswith("flaw data of an unknown day;")


def test_old_facts_are_a_warning() -> None:
    day = date(2026, 11, 22)
    young = checked(assessed(Answer.NONE_KNOWN), today=date.fromordinal(day.toordinal() + OLD_DAYS))
    old = checked(assessed(Answer.NONE_KNOWN), today=date.fromordinal(day.toordinal() + OLD_DAYS + 1))

    assert of(young, FACTS)[0][0] is PASSED
    assert of(old, FACTS) == [(FAILED, "flaw data of 2026-11-22, 181 days old")]
    assert next(each.level for each in old if each.rule == FACTS) is Level.WARNING


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def check(record: Record, *arguments: str) -> tuple[int, str]:
        Path("s.json").write_bytes(encode(record))
        code = run_command(["policy", "check", "s.json", "--date", "2026-11-23", "--overwrite", *arguments])
        return code, capsys.readouterr().out

    return check


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer.NONE_KNOWN, 0),
        (Answer.NOT_COVERED, 3),
        (Answer.VERSION_UNKNOWN, 3),
        (Answer.UNDECIDED, 3),
        (None, 3),
    ],
)
def test_the_exit_code_passes_only_what_is_known(
    run: Callable[..., tuple[int, str]], answer: Answer | None, code: int
) -> None:
    assert run(assessed(answer))[0] == code


def test_a_record_of_an_earlier_version_is_read_and_not_judged(run: Callable[..., tuple[int, str]]) -> None:
    line = orjson.loads(encode(assessed(Answer.NONE_KNOWN)))
    del line["assessment"]
    Path("old.json").write_bytes(orjson.dumps(line) + b"\n")

    assert run(assessed(None), "old.json")[0] == 3


def test_the_day_of_the_facts_is_in_every_report(run: Callable[..., tuple[int, str]]) -> None:
    record, day = assessed(Answer.NONE_KNOWN), "flaw data of 2026-11-22"

    assert day in run(record, "--junit", "r.xml", "--sarif", "r.sarif")[1]
    assert f"<system-out>{day}</system-out></testcase>" in Path("r.xml").read_text("ascii")
    assert orjson.loads(Path("r.sarif").read_bytes())["runs"][0]["properties"]["facts"] == day
    assert day in run(record, "--json")[1]
    assert f"::notice title=facts at whole sweep::whole sweep: {day}\n" in run(record, "--github")[1]
