"""Claims about logs that are JSON: lists and objects at any depth, whole or cut, and whose text it is."""

import json
from pathlib import Path

import pytest

from scanner.maillogs.events import LogSoftware
from scanner.maillogs.report import LogReport
from tests.support.mail_logs import QUESTION, examined, log_file, read
from tests.support.mail_logs import unix_time as at

AT = at("2026-11-23T20:16:53Z")
TEXTS = ("connect from unknown[192.0.2.5]", "disconnect from unknown[192.0.2.5] quit=1 commands=1")
LINES = tuple(f"Nov 23 20:16:53 mx1 postfix/smtpd[77]: {text}" for text in TEXTS)
DOCUMENTS = {
    "CloudWatch": {"events": [{"timestamp": 1795465013000, "message": line, "eventId": "1"} for line in LINES]},
    "Elastic": {"took": 1, "hits": {"hits": [{"_source": {"@timestamp": "x", "message": line}} for line in LINES]}},
    "Loki": {"data": {"result": [{"stream": {}, "values": [["1795465013000000000", line] for line in LINES]}]}},
    "Google": [{"jsonPayload": {"ident": "postfix/smtpd", "pid": "77", "hostname": "mx1", "message": text},
                "timestamp": "2026-11-23T20:16:53Z"} for text in TEXTS],
    "a list": [{"host": "mx1", "log": line} for line in LINES],
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_export_of_several_lines_is_read_in_any_layout(document: str, indent: int | None, tmp_path: Path) -> None:
    (found,) = read(tmp_path, json.dumps(DOCUMENTS[document], indent=indent))

    assert (found.software, found.address, found.host) == (LogSoftware.POSTFIX, "192.0.2.5", "mx1")
    assert (found.first_at, found.lines) == (AT, 2)


@pytest.mark.parametrize("layout", ["[\n{0},\n{1}\n", "[{0}, {1}", '[\n{0},\n{1},\n{"log": "Nov 23 20'])
def test_a_list_that_was_cut_is_counted_as_broken(layout: str, tmp_path: Path) -> None:
    first, second = (json.dumps({"log": line}) for line in LINES)

    found, report = examined(
        log_file(tmp_path, layout.replace("{0}", first).replace("{1}", second).encode()), question=QUESTION
    )

    assert (len(found), report.counts.broken) == (1, 1)


def report_on(folder: Path, *objects: object) -> tuple[int, LogReport]:
    found, report = examined(log_file(folder, *(json.dumps(each).encode() for each in objects)), question=QUESTION)
    return len(found), report


@pytest.mark.parametrize("field", ["SYSLOG_IDENTIFIER", "program", "ident", "appname"])
@pytest.mark.parametrize("text", [TEXTS[0], "f9c0dbf27cbba6d3 smtp connected address=192.0.2.5 host=x"])
def test_the_text_of_another_program_is_not_a_mail_servers_and_gives_doubt(
    text: str, field: str, tmp_path: Path
) -> None:
    connections, report = report_on(tmp_path, {field: "mymta", "message": text, "time": "2026-11-23T20:16:53Z"})

    assert (connections, report.counts.of_mail_servers) == (0, 0)
    assert any("192.0.2.5" in doubt for doubt in report.doubts)


def test_an_entry_of_the_journal_of_an_unknown_program_that_names_us_gives_doubt(tmp_path: Path) -> None:
    entry = {"__REALTIME_TIMESTAMP": "1795465013250000", "SYSLOG_IDENTIFIER": "mymta", "MESSAGE": TEXTS[0]}

    connections, report = report_on(tmp_path, entry)

    assert connections == 0
    assert any("192.0.2.5" in doubt for doubt in report.doubts)


@pytest.mark.parametrize("value", [{}, [], {"a": {"b": [1, {"c": None}]}}, {"log": 5}, {"log": [300]}, {"tag": "x"}])
def test_an_object_without_a_line_is_broken(value: object, tmp_path: Path) -> None:
    connections, report = report_on(tmp_path, {"log": LINES[0]}, value)

    assert connections == 1
    assert report.counts.broken == (0 if value == [] else 1)


def test_an_object_nested_beyond_reason_is_looked_at_no_deeper(tmp_path: Path) -> None:
    value: object = {"log": LINES[0]}
    for _ in range(12):
        value = {"x": [value]}

    connections, report = report_on(tmp_path, value)

    assert (connections, report.counts.broken, len(report.doubts)) == (0, 1, 1)


@pytest.mark.parametrize("text", TEXTS)
def test_postfix_is_known_by_its_words_where_its_program_has_no_name_before_it(text: str, tmp_path: Path) -> None:
    (found,) = read(tmp_path, f"2026-11-23 20:16:53.250123+0000  localhost smtpd[77]: {text}")

    assert (found.software, found.address, found.host) == (LogSoftware.POSTFIX, "192.0.2.5", "localhost")


@pytest.mark.parametrize(
    "more",
    [
        {"log": {"origin": {"file": {"line": 42}}}},
        {"_line": 23},
        {"sourceLocation": {"file": "a.cc", "line": "142"}},
        {"raw": True},
    ],
)
def test_a_line_number_in_a_programs_source_is_no_line_of_the_log(more: dict[str, object], tmp_path: Path) -> None:
    entry = {"program": "postfix/smtpd", "pid": "77", "message": TEXTS[0], "time": "2026-11-23T20:16:53Z"}

    connections, report = report_on(tmp_path, entry | more)

    assert (connections, report.counts.of_mail_servers, report.counts.broken) == (1, 1, 0)
