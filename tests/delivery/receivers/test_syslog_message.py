"""Claims about `delivery.receivers.syslog_message`: bytes, escapes, lengths and frames."""

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.receivers.syslog_message import MessageStyle, frame, message, own_hostname
from tests.support.syslog_collector import event, unframed

STYLE = MessageStyle(hostname="probe1")


#: RFC 5424, 6: written from its ABNF, for reading back what we write.
GRAMMAR = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>1 (?P<time>-|[0-9T:.-]+Z) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    rb'(?P<proc>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) \[(?P<sdid>[^ =\]"]{1,32})'
    rb'(?P<sd>(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*)\] (?P<msg>.*)',
    re.DOTALL,
)
PARAM = re.compile(rb' ([a-z]+)="((?:[^"\\\]]|\\["\\\]])*)"')


def parsed(raw: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """Read a message back: its parts, and its structured data without escapes."""
    match = GRAMMAR.fullmatch(raw)
    assert match is not None
    data = {name.decode(): re.sub(rb"\\(.)", rb"\1", value).decode() for name, value in PARAM.findall(match["sd"])}
    return match.groupdict(), data


def test_a_message_is_what_rfc_5424_says_byte_by_byte() -> None:
    assert message(event(), STYLE) == (
        b'<134>1 2026-11-22T10:16:56.123000Z probe1 smtpsweep - native [smtpsweep@32473 id="id-1" ip="192.0.2.1"'
        b' port="25"] {}'
    )


def test_facility_severity_enterprise_and_format_are_the_users() -> None:
    style = MessageStyle(name="cef", hostname="h", facility="local7", enterprise=4294967295)
    raw = message(event()._replace(severity=3, time_s=None, key="[2001:db8::1]"), style)
    assert raw == b'<187>1 - h smtpsweep - cef [smtpsweep@4294967295 id="id-1"] {}'


def test_what_structured_data_must_escape_is_escaped_and_reads_back_equal() -> None:
    hostile = 'a"b]c\\d] x="1" [forged@1 y="2"]'
    parts, data = parsed(message(event(key=f"{hostile.replace(' ', '_')} 25")._replace(id=hostile), STYLE))
    assert data == {"id": hostile, "ip": hostile.replace(" ", "_"), "port": "25"}
    assert (parts["sdid"], parts["msg"]) == (b"smtpsweep@32473", b"{}")


def test_ascii_has_no_byte_order_mark_and_other_text_has_one() -> None:
    assert parsed(message(event(body=b"plain"), STYLE))[0]["msg"] == b"plain"
    assert parsed(message(event(body="m\u00e4il".encode()), STYLE))[0]["msg"] == b"\xef\xbb\xbfm\xc3\xa4il"


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])), st.integers(1024, 1300))
def test_a_long_message_is_cut_at_the_end_of_a_character_and_says_so(text: str, max_bytes: int) -> None:
    body = (text * 1400)[:1400].encode()
    style = MessageStyle(hostname="h" * 255, max_bytes=max_bytes)
    raw = message(event(body=body), style)
    parts, data = parsed(raw)
    said = parts["msg"].removeprefix(b"\xef\xbb\xbf") if not body.isascii() else parts["msg"]
    assert len(raw) <= max_bytes
    assert body.startswith(said)
    assert said.decode() is not None
    assert (data.get("truncated") == "1") is (said != body)
    assert said == body or len(raw) > max_bytes - 4 - len(b' truncated="1"')


@pytest.mark.parametrize("beyond", range(5))
def test_no_character_is_cut_in_two(beyond: int) -> None:
    room = 1024 - len(message(event(), STYLE)) + 2 - len(b' truncated="1"') - 3  # of text, behind the order mark
    body = b"x" * (room - beyond) + "\U0001f600".encode() + b"x" * 99
    said = parsed(message(event(body=body), MessageStyle(hostname="probe1", max_bytes=1024)))[0]["msg"]
    assert said == b"\xef\xbb\xbf" + body[: room if beyond in (0, 4) else room - beyond]


def test_a_frame_counts_octets_so_that_no_line_end_begins_a_message() -> None:
    assert frame("\u00e4\n<1>1 forged".encode()) == b"14 \xc3\xa4\n<1>1 forged"
    assert unframed(frame(b"a\nb") + frame(b"10 x")) == [b"a\nb", b"10 x"]


def test_a_machine_whose_name_is_no_hostname_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "forged host")
    assert own_hostname() == "-"
