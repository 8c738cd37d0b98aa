"""Claims about whether two sweeps can be compared, and about what a missing record means."""

from pathlib import Path
from typing import Any

import pytest

from scanner.analysis.changes import ChangeKind
from scanner.errors import InputError
from tests.support.sweeps import (
    SENDMAIL_HOST,
    TUESDAY,
    A,
    B,
    compared,
    dialogue,
    finished,
    kinds,
    later,
    visit,
    with_summaries,
)


def test_a_target_that_is_missing_from_a_file_is_neither_gone_nor_new(tmp_path: Path) -> None:
    changes, comparison = finished(tmp_path, [SENDMAIL_HOST], [visit(B, scan=TUESDAY)])
    assert changes == []
    assert comparison.counts.not_compared == {("after", "no record"): 1, ("before", "no record"): 1}
    assert comparison.absences[1].why_not is not None
    assert "without both summaries" in comparison.absences[1].why_not


def test_two_summaries_of_the_same_complete_plan_make_a_missing_record_an_answer(tmp_path: Path) -> None:
    changes, comparison = finished(tmp_path, [SENDMAIL_HOST], [visit(B, scan=TUESDAY)], **with_summaries(tmp_path))
    assert [(change.kind, change.ip) for change in changes] == [(ChangeKind.GONE, A), (ChangeKind.NEW, B)]
    assert (changes[0].after, changes[0].at, changes[1].before) == (None, None, None)
    assert comparison.counts.compared == 2
    assert comparison.warnings == []


@pytest.mark.parametrize(
    ("summary", "why_not"),
    [
        ({"complete": False}, "the sweep was not complete"),
        ({"not_visited": 1}, "the sweep was not complete"),
        ({"records": 2}, "has 1 of the sweep's 2 records"),
        ({"options": {"ports": [25], "all_statuses": True}}, "should have every target"),
        ({"options": {"ports": [25]}}, "should have every target"),
        ({"statuses": {"connect_timeout": 3}}, "3 targets timed out"),
    ],
)
def test_a_missing_record_means_nothing_when_the_later_sweep_does_not_vouch_for_it(
    tmp_path: Path, summary: dict[str, Any], why_not: str
) -> None:
    options = with_summaries(tmp_path, **summary)
    changes, comparison = finished(tmp_path, [SENDMAIL_HOST], [visit(B, scan=TUESDAY)], **options)
    assert kinds(changes) == ["new"]
    assert comparison.counts.not_compared == {("after", "no record"): 1}
    assert why_not in str(comparison.absences[1].why_not)


def test_time_outs_may_be_the_missing_records_unless_they_count_as_gone(tmp_path: Path) -> None:
    options = with_summaries(tmp_path, statuses={"connect_timeout": 3})
    changes, _ = finished(tmp_path, [SENDMAIL_HOST], [visit(B, scan=TUESDAY)], **options, time_out_is_gone=True)
    assert kinds(changes) == ["gone", "new"]


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"digest": "e" * 32}, "different targets, exclusions or ports"),
        ({"digest": "e" * 32, "seed": 8, "planned": 255}, "different targets, exclusions or ports"),
        ({"digest": "e" * 32, "seed": 8, "options": {"ports": [465], "samples": 1}}, "different targets"),
        ({"shard": "2/2"}, "different shards"),
        ({"scan_id": "another"}, "is the summary of another sweep"),
    ],
)
def test_sweeps_that_do_not_belong_together_are_refused_and_never_forced_to_say_gone(
    tmp_path: Path, after: dict[str, Any], reason: str
) -> None:
    options = with_summaries(tmp_path, **after)
    with pytest.raises(InputError, match=f"{reason}.*; --force compares them all the same"):
        compared(tmp_path, [SENDMAIL_HOST], [visit(B, scan=TUESDAY)], **options)

    changes, comparison = finished(tmp_path, [SENDMAIL_HOST], [visit(B, scan=TUESDAY)], **options, force=True)
    assert changes == []
    assert comparison.counts.not_compared == {("after", "no record"): 1, ("before", "no record"): 1}
    assert any(reason in warning for warning in comparison.warnings)


def test_another_seed_hides_whether_the_targets_were_the_same_unless_their_own_digest_is_there(tmp_path: Path) -> None:
    records = [SENDMAIL_HOST], [visit(B, scan=TUESDAY)]
    changes, comparison = finished(tmp_path, *records, **with_summaries(tmp_path, seed=8, digest="e" * 32))
    assert changes == []
    assert comparison.warnings == [
        "whether both sweeps had the same targets cannot be told: sweep with the same --seed to know"
    ]

    same = {"targets_digest": "1" * 32}
    options = with_summaries(tmp_path, same, seed=8, digest="e" * 32, **same)
    assert kinds(compared(tmp_path, *records, **options)) == ["gone", "new"]
    with pytest.raises(InputError, match="different targets"):
        compared(tmp_path, *records, **with_summaries(tmp_path, same, targets_digest="2" * 32))


def test_other_options_and_versions_are_said(tmp_path: Path) -> None:
    options = {"ports": [25], "probe": "dialogue", "samples": 1, "all_statuses": False, "fingerprints": None}
    _, comparison = finished(
        tmp_path, [SENDMAIL_HOST], [later(SENDMAIL_HOST)], **with_summaries(tmp_path, version="2.0", options=options)
    )
    assert comparison.warnings == [
        "made by different versions of smtpsweep (1.0 and 2.0)",
        "the sweeps had different options: probe greeting and dialogue",
    ]


def test_without_summaries_the_records_tell_what_differs(tmp_path: Path) -> None:
    before = [visit(A, dialogue=dialogue(), at=2000.0), visit(A, port=587, at=2000.0)]
    _, comparison = finished(tmp_path, before, [visit(A, scan=TUESDAY, at=1000.0)])
    monday, tuesday = tmp_path / "monday.jsonl", tmp_path / "tuesday.jsonl"
    assert comparison.warnings == [
        f"only {monday} has dialogues: only greetings are compared",
        f"only {monday} has records of port 587",
        f"{monday} was made after {tuesday}: name the earlier sweep first",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "not a summary of schema"),
        ('{"schema":"smtpsweep.record/1"}', "not a summary, but the records of a sweep"),
        ('{"schema":"smtpsweep.summary/1"}', "options is missing"),
        ("{", "not valid JSON"),
    ],
)
def test_a_summary_that_is_none_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    options = with_summaries(tmp_path)
    options["summaries"][0].write_text(text)
    with pytest.raises(InputError, match=problem):
        compared(tmp_path, [], [], **options)
    options["summaries"][0].unlink()
    with pytest.raises(InputError, match=r"monday\.json: cannot be read \(No such file"):
        compared(tmp_path, [], [], **options)
