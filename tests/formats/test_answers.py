"""Claims about the assessment of a release in every format: its answer, and the day of the facts."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from scanner.formats import make_format
from scanner.formats.columns import row_of
from scanner.formats.outcome import flaws_text, sentence
from scanner.model import Answer, Assessment, Finding, Record, Software
from tests.support.formats_corpus import Line, line_of, record_of

KNOWN = Assessment(Answer.NONE_KNOWN, "8.8.0", 41, "2026-11-22")
BASIS = "(covered since 8.8.0, 41 facts of 2026-11-22)"
POSSIBLE = Finding("CVE-2026-1", "high", "t", "e", "possible", kev=True)
MAYBE = Finding("CVE-2026-2", "high", "t", "e", "undecided", kev=True)


def line(answer: Answer | None, *findings: Finding) -> Line:
    assessment = None if answer is None else KNOWN._replace(answer=answer)
    record: Record = record_of(
        b"220 ok\r\n", software=Software("Sendmail", version="8.18.2"), findings=findings, assessment=assessment
    )
    return line_of(record)


def events(name: str, written: Line) -> Iterator[bytes]:
    return (event.body for event in make_format(name).events(written.record, written.line))


@pytest.mark.parametrize(
    ("answer", "findings", "words", "ids"),
    [
        (Answer.NONE_KNOWN, (), f", flaws: none known {BASIS}", f"none known {BASIS}"),
        (Answer.NOT_COVERED, (), f", flaws: not covered {BASIS}", f"not covered {BASIS}"),
        (Answer.VERSION_UNKNOWN, (), f", flaws: unknown version {BASIS}", f"unknown version {BASIS}"),
        (Answer.NO_VERSION, (), "Sendmail 8.18.2", f"no version shown {BASIS}"),
        (None, (), "Sendmail 8.18.2", ""),
        (None, (POSSIBLE,), ", 1 known flaw, 1 known to be exploited", "CVE-2026-1"),
        (Answer.KNOWN_FLAWS, (POSSIBLE,), ", 1 known flaw, 1 known to be exploited", "CVE-2026-1"),
        (
            Answer.UNDECIDED,
            (POSSIBLE, MAYBE),
            f", 1 known flaw, 1 known to be exploited, 1 undecided, other flaws: undecided {BASIS}",
            f"CVE-2026-1, CVE-2026-2 (undecided), others undecided {BASIS}",
        ),
    ],
)
def test_a_sentence_says_what_an_empty_list_is_worth(
    answer: Answer | None, findings: tuple[Finding, ...], words: str, ids: str
) -> None:
    record = line(answer, *findings).record

    assert sentence(record).endswith(words)
    assert flaws_text(record) == ids


@pytest.mark.parametrize("answer", list(Answer))
def test_every_format_carries_the_answer_and_the_day_of_the_facts(answer: Answer) -> None:
    written = line(answer)
    row = row_of(written.record, ())

    assert (row["assessment"], row["covered_since"], row["facts_of"]) == (answer, "8.8.0", "2026-11-22")
    for name in ("ecs", "ocsf", "cef", "leef", "gelf"):
        body = next(events(name, written)).decode()
        assert "2026-11-22" in body, name
        words = str(KNOWN._replace(answer=answer)) if name == "cef" else f"{answer}"
        assert words in body, name


def test_ecs_and_ocsf_keep_the_answer_as_an_object() -> None:
    written = line(Answer.NOT_COVERED)
    wanted = {"answer": "not_covered", "covered_since": "8.8.0", "facts": 41, "facts_of": "2026-11-22"}
    ecs: Any = orjson.loads(next(events("ecs", written)))
    ocsf: Any = orjson.loads(next(events("ocsf", written)))

    assert ecs["smtp"]["assessment"] == wanted
    assert ocsf["unmapped"]["smtp"]["assessment"] == wanted


def test_an_undecided_flaw_is_listed_and_told_apart() -> None:
    written = line(Answer.UNDECIDED, POSSIBLE, MAYBE)
    row = row_of(written.record, ())

    assert (row["flaws"], row["flaws_undecided"]) == (["CVE-2026-1", "CVE-2026-2"], ["CVE-2026-2"])
    found = [orjson.loads(body) for body in events("ocsf", written)]
    flaws = {each["finding_info"]["title"]: each for each in found if each["class_uid"] == 2002}
    confidences = sorted(each["confidence"] for each in found if each["class_uid"] == 2002)
    assert flaws
    assert confidences == ["Low", "Unknown"]


@pytest.mark.parametrize(("rating", "points"), [("critical", 5), ("high", 5), ("medium", 5), ("low", 3), ("info", 1)])
def test_a_flaw_that_may_be_there_is_neither_counted_nor_scored_and_of_medium_severity_at_most(
    rating: str, points: int
) -> None:
    maybe = Finding("CVE-2026-2", rating, "t", "e", "undecided", cvss_score=9.8, kev=True)
    written = line(Answer.UNDECIDED, maybe)
    row = row_of(written.record, ())

    assert (row["flaws_exploited"], row["highest_cvss"]) == (None, None)
    (cef,) = events("cef", written)
    assert f"|{points}|".encode() in cef
    assert b"cs3=CVE-2026-2 (undecided)" in cef
    assert b"cn2=" not in cef
    assert b"cfp1=" not in cef


def test_a_flaw_that_is_there_is_counted_beside_one_that_may_be() -> None:
    maybe = Finding("CVE-2026-2", "critical", "t", "e", "undecided", cvss_score=9.8, kev=True)
    row = row_of(line(Answer.UNDECIDED, POSSIBLE, maybe).record, ())

    assert row["flaws_exploited"] == 1


def test_a_record_of_an_earlier_version_says_nothing_of_it() -> None:
    written = line(Answer.NONE_KNOWN)
    del written.record["assessment"]

    assert row_of(written.record, ())["assessment"] is None
    assert "assessment" not in orjson.loads(next(events("ecs", written)))["smtp"]
    assert flaws_text(written.record) == ""
