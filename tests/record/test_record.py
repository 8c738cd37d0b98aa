"""Claims about `scanner.record`."""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.identify import RefusalRules
from scanner.model import Finding, Refusal, RefusalKind, Software, Status
from scanner.record import EventIds, decode, encode
from scanner.smtp import parse_banner
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import VALIDATOR, full_record, greeting_of, record_of

#: The fields of a finding that is not a vulnerability, in their order.
NOT_KNOWN = (
    *("evidence", "verdict", "cvss_score", "kev", "attack_path"),
    *("smtp_unauthenticated", "condition", "fixed_in"),
)


def test_a_full_record_is_written_field_by_field_in_the_order_of_the_schema() -> None:
    text = SENDMAIL_8_14[:-2].decode()
    expected = {
        "schema": "smtpsweep.record/1",
        "scan_id": "0199-scan",
        "event_id": EventIds("0199-scan").of("192.0.2.10", 25),
        "observed_at": "2026-11-22T10:16:56.123Z",
        "ip": "192.0.2.10",
        "port": 25,
        "host": "mail.example.com",
        "status": "ready",
        "timing": {"connect_ms": 0.4, "first_byte_ms": 1004.9, "total_ms": 1005.3},
        "tries": 2,
        "banner": {
            "text": text,
            "raw_b64": None,
            "bytes": len(SENDMAIL_8_14),
            "truncated": False,
            "code": 220,
            "lines": [text[4:]],
            "hostname": "mail1.example.com",
            "esmtp": True,
            "server_time": "2026-11-22T10:16:56Z",
            "clock_skew_s": -1,
            "enhanced_code": None,
            "flags": ["teaser"],
        },
        "refusal": None,
        "software": {
            "product": "Sendmail",
            "kind": "software",
            "vendor": "Sendmail",
            "product_line": "Sentrion",
            "version": "8.14.7",
            "config_version": "8.13.8",
            "patch": "p3",
            "vendor_tag": "+Sun",
            "build": "b1",
            "package": "Debian-2",
            "os": "Solaris",
            "os_version": "10",
            "cpe": "cpe:2.3:a:sendmail:sendmail:8.14.7:*:*:*:*:*:*:*",
            "method": "banner",
            "confidence": 0.95,
            "evidence": "sendmail",
        },
        "disclosure": ["product", "version", "config_version", "time"],
        "findings": [
            {
                "id": "CVE-2023-51765",
                "severity": "medium",
                "title": "Old version",
                "evidence": "8.14.7",
                "verdict": "possible",
                "cvss_score": 5.3,
                "kev": True,
                "attack_path": "smtp",
                "smtp_unauthenticated": True,
                "condition": "a setting",
                "fixed_in": "8.18.1",
            },
            {"id": "F-2", "severity": "low", "title": "Date shown", **dict.fromkeys(NOT_KNOWN)},
        ],
        "error": "ECONNRESET",
        "dialogue": None,
        "disclosed_in": None,
        "names": None,
        "sample": None,
        "assessment": None,
    }

    line = encode(full_record())

    assert json.dumps(expected, separators=(",", ":")) + "\n" == line.decode()
    VALIDATOR.validate(expected)


def test_a_visit_without_bytes_has_no_banner_and_no_times_it_did_not_reach() -> None:
    record = record_of(status=Status.REFUSED, connect_s=None, total_s=0.0)

    written = orjson.loads(encode(record))

    assert written["banner"] is None
    assert written["software"] is None
    assert written["timing"] == {"connect_ms": None, "first_byte_ms": None, "total_ms": 0.0}
    assert (written["disclosure"], written["findings"]) == ([], [])
    VALIDATOR.validate(written)


def test_a_refusal_is_written_with_what_it_means_and_comes_back() -> None:
    refusal = Refusal(RefusalKind.DNSBL, refused_us=True, evidence="dnsbl.named")
    greeting = greeting_of(b"554 listed at zen.spamhaus.org\r\n", Status.REJECTED, code=554)

    line = encode(record_of(greeting, refusal=refusal))
    written = orjson.loads(line)

    assert written["refusal"] == {"kind": "dnsbl", "refused_us": True, "evidence": "dnsbl.named"}
    assert decode(line).refusal == refusal
    VALIDATOR.validate(written)


def test_an_imported_banner_has_null_for_what_its_source_does_not_tell() -> None:
    unknown: dict[str, Any] = {"observed_at": None, "ip": None, "port": None, "tries": 0}
    record = record_of(greeting_of(SENDMAIL_8_14), **unknown, connect_s=None, first_byte_s=None, total_s=None)

    line = encode(record)
    written = orjson.loads(line)

    assert {name: written[name] for name in unknown} == unknown
    assert written["timing"] == {"connect_ms": None, "first_byte_ms": None, "total_ms": None}
    assert decode(line)._replace(banner=None) == record._replace(banner=None)
    VALIDATOR.validate(written)


def test_a_line_of_an_earlier_version_has_no_skew_and_no_refusal_and_is_read() -> None:
    data = orjson.loads(encode(full_record()))
    del data["refusal"], data["banner"]["clock_skew_s"]

    assert decode(orjson.dumps(data)) == full_record()._replace(clock_skew_s=None)


def test_a_line_of_an_earlier_version_does_not_say_whether_its_product_is_a_service() -> None:
    software = Software("Some Mail", kind="service", confidence=0.9)
    data = orjson.loads(encode(full_record()._replace(software=software)))
    assert data["software"]["kind"] == "service"
    assert decode(orjson.dumps(data)).software == software
    del data["software"]["kind"]

    assert decode(orjson.dumps(data)).software == replace(software, kind=None)


def test_a_full_record_comes_back_as_it_was() -> None:
    record = full_record()

    assert decode(encode(record)) == record


@given(st.binary(min_size=1, max_size=300))
@example(SENDMAIL_8_14)
@example(b"\r\r\n")
@example(b"220 a\r\r\n")
@example(b"220 \\\r\r\n")  # as long as its text and a CR LF, but not plain
@example(b"220 back\\slash\r\n")
@example(b"220-a\r\n220 b\r\n")
@example(b'220 "\r\n')
@example(b"\n\r\n")
@example(b"220 \xe2\x80\xa8\xff\x00\x1b[2J\n")
def test_any_bytes_make_one_line_of_valid_json_from_which_they_come_back(raw: bytes) -> None:
    greeting = greeting_of(raw, Status.MALFORMED, code=None)

    line = encode(record_of(greeting))
    written = orjson.loads(line)
    back = decode(line)

    assert line.index(b"\n") == len(line) - 1
    assert line.isascii()
    assert written["banner"]["text"] == greeting.text
    assert written["banner"]["lines"] == list(greeting.lines)
    assert back.banner == greeting
    assert encode(back) == line
    VALIDATOR.validate(written)


@given(st.binary(min_size=1, max_size=300) | st.from_regex(rb"(220[- ][ -~]{0,20}\r{0,2}\n){1,3}", fullmatch=True))
@example(b"400\n")
def test_what_the_parser_makes_of_any_bytes_comes_back_and_is_valid(raw: bytes) -> None:
    greeting = parse_banner(raw)

    line = encode(record_of(greeting)._replace(refusal=RefusalRules.shipped().classify(greeting)))
    back = decode(line).banner

    VALIDATOR.validate(orjson.loads(line))
    assert back is not None
    assert back._replace(complete=greeting.complete) == greeting


@pytest.mark.parametrize("end", [b"", b"\r\n"])
@pytest.mark.parametrize("raw", [b"220 a", b"220 a\\b", b"220-a\r\n220 b", b'220 "<${jndi:', b"\r\n220 a", b"~ "])
def test_printable_ascii_and_proper_line_ends_need_no_base64(raw: bytes, end: bytes) -> None:
    written = orjson.loads(encode(record_of(greeting_of(raw + end))))

    assert written["banner"]["raw_b64"] is None
    assert written["banner"]["bytes"] == len(raw + end)


@pytest.mark.parametrize(
    "raw",
    [
        b"220 a\n",
        b"220 a\r",
        b"220 a\r\r\n",
        b"220 \\\r\r\n",
        b"220 a\n\r\n",
        b"220 \t\r\n",
        b"220 \x7f\r\n",
        b"\xff",
        b"\x00",
    ],
)
def test_every_other_byte_is_kept_exactly_in_base64(raw: bytes) -> None:
    written = orjson.loads(encode(record_of(greeting_of(raw))))

    assert written["banner"]["raw_b64"] == b64encode(raw).decode()


@given(
    st.sampled_from(Status),
    st.floats(0, 4e9),
    st.one_of(st.none(), st.floats(0, 1e5)),
    st.floats(0, 1e5),
    st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_what_was_rounded_once_stays_the_same_through_another_round_trip(
    status: Status, at: float, connect_s: float | None, total_s: float, host: str | None
) -> None:
    record = record_of(status=status, observed_at=at, connect_s=connect_s, total_s=total_s, host=host)

    line = encode(record)
    back = decode(line)

    assert encode(back) == line
    assert (back.status, back.host) == (status, host)
    assert back.observed_at == pytest.approx(at, abs=0.000_51)
    assert back.total_s == pytest.approx(total_s, abs=0.000_051)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1795342616.9994, "2026-11-22T10:16:56.999Z"),
        (1795342616.9996, "2026-11-22T10:16:57.000Z"),
        (1795342617.0, "2026-11-22T10:16:57.000Z"),
        (1795342616.0, "2026-11-22T10:16:56.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds_also_when_seconds_alternate(at: float, text: str) -> None:
    assert orjson.loads(encode(record_of(observed_at=at)))["observed_at"] == text


@pytest.mark.parametrize(
    ("status", "complete", "meaning"),
    [
        (Status.READY, True, Status.READY),
        (Status.BUSY, True, Status.BUSY),
        (Status.NOT_SMTP, False, Status.NOT_SMTP),
        (Status.CUT, False, Status.MALFORMED),
        (Status.RESET, False, Status.MALFORMED),
    ],
)
def test_what_a_line_does_not_carry_about_a_greeting_is_filled_in_from_the_status(
    status: Status, complete: bool, meaning: Status
) -> None:
    back = decode(encode(record_of(greeting_of(SENDMAIL_8_14), status=status)))

    assert back.banner is not None
    assert (back.banner.complete, back.banner.status) == (complete, meaning)


def test_a_reader_leaves_fields_alone_that_it_does_not_know() -> None:
    data = orjson.loads(encode(full_record()))
    data["later"] = data["software"]["later"] = data["banner"]["later"] = data["findings"][0]["later"] = 1

    assert decode(orjson.dumps(data)) == full_record()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "smtpsweep.record/2"}, "not a record of schema smtpsweep.record/1"),
        ({"status": "odd"}, "not a record: \"'odd' is not a valid Status\""),
        ({"timing": None}, "not a record: "),
        ({"timing": {}}, "not a record: field 'connect_ms' is missing"),
        ({"observed_at": "yesterday\n"}, "not a record: "),
        ({"banner": {"text": "\u2028", "raw_b64": None, "bytes": 1}}, "not a record: "),
        ({"banner": {"text": "a", "raw_b64": "?", "bytes": 1}}, "not a record: "),
        ({"banner": {"text": 1, "raw_b64": None, "bytes": 1}}, "not a record: "),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_the_reason_on_one_line(
    change: dict[str, Any], complaint: str
) -> None:
    line = orjson.dumps(orjson.loads(encode(full_record())) | change)

    with pytest.raises(InputError) as caught:
        decode(line)

    assert str(caught.value).startswith(complaint)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'"smtpsweep.record/1"', b'{"schema":"other"}', b"\xff"])
def test_what_is_no_json_object_of_this_schema_is_refused(line: bytes) -> None:
    with pytest.raises(InputError, match="not a record"):
        decode(line)


def test_a_finding_of_an_earlier_line_lacks_the_fields_that_came_later() -> None:
    data = orjson.loads(encode(full_record()))
    data["findings"] = [{"id": "F-1", "severity": "low", "title": "A title", "evidence": None}]

    assert decode(orjson.dumps(data)).findings == (Finding("F-1", "low", "A title"),)
    with pytest.raises(InputError, match="field 'title' is missing"):
        decode(orjson.dumps(data | {"findings": [{"id": "F-1", "severity": "low"}]}))
