"""Claims about `scanner.sweeps.record_builder`: how a visit's ending and its bytes become one status and one record."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify.combine import CONTRADICTION
from scanner.model import DISCLOSED, Dialogue, Record, Status
from scanner.record import EventIds, encode
from scanner.settings import Settings
from scanner.smtp import parse_banner
from scanner.sweeps import record_builder
from scanner.sweeps.record_builder import RecordBuilder, final_status
from tests.support.attempts import TARGET, attempt, spoken
from tests.support.dialogues import POSTFIX_REPLIES, SENDMAIL_REPLIES, dialogue_of
from tests.support.greetings import SENDMAIL_8_14

#: All endings that a conversation with bytes can have, apart from a whole greeting.
ENDINGS = (Status.CUT, Status.SLOW, Status.RESET, Status.UNREACHABLE)


def observed(raw: bytes, status: Status | None = None, *, settings: Settings | None = None) -> Record:
    return RecordBuilder("scan", settings or Settings()).record(attempt(raw, status))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"220 mx ESMTP\r\n", Status.READY),
        (b"220-a\r\n220 b\r\n", Status.READY),
        (b"421 4.3.2 busy\r\n", Status.BUSY),
        (b"450 later\r\n", Status.TEMPORARY),
        (b"554 no\r\n", Status.REJECTED),
        (b"220-a\r\n554 b\r\n", Status.MALFORMED),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Status.NOT_SMTP),
        (b"220 files.example.com FTP server ready.\r\n", Status.NOT_SMTP),
    ],
)
def test_a_whole_greeting_decides_alone(raw: bytes, status: Status) -> None:
    assert final_status(None, parse_banner(raw)) is status


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "raw",
    [
        b"2",
        b"22",
        b"220",
        b"220 ",
        b"220-",
        b"220 mx.exam",
        b"220-mx.example.com\r\n",
        b"\r\n220-a\r\n22",
        b"554\t",
        b"5",
    ],
)
def test_the_beginning_of_a_reply_leaves_the_ending_as_it_was(raw: bytes, ending: Status) -> None:
    assert final_status(ending, parse_banner(raw)) is ending


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\xff",
        b"hello",
        b"Welcome to the jungle\r\n",
        b"2200 mx.example.com",
        b"22x",
        b"22\n",
        b"1",
        b"199 mx\r\n",
        b"620-mx\r\n",
        b" 220 mx",
        b"\xb2\xb2\xb0 mx",  # superscript digits in Latin-1
        b"\n",
    ],
)
def test_bytes_that_begin_no_reply_are_malformed_however_they_ended(raw: bytes, ending: Status) -> None:
    assert final_status(ending, parse_banner(raw)) is Status.MALFORMED


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-OpenSSH_9.2", b"HTTP/1.1 400 Bad Request\r\nServer: x", b"\x15\x03\x01\x00\x02"]
)
def test_another_protocol_is_that_however_it_ended(raw: bytes, ending: Status) -> None:
    assert final_status(ending, parse_banner(raw)) is Status.NOT_SMTP


def test_a_record_has_what_the_visit_and_the_greeting_say() -> None:
    record = observed(SENDMAIL_8_14)

    assert record[:4] == ("scan", EventIds("scan").of("192.0.2.10", 2525), 1795342616.5, "192.0.2.10")
    assert (record.port, record.host, record.status) == (2525, "mail.example.com", Status.READY)
    assert (record.connect_s, record.first_byte_s, record.total_s, record.tries) == (0.01, 0.25, 0.5, 2)
    assert record.banner == parse_banner(SENDMAIL_8_14)
    assert record.software is not None
    assert (record.software.version, record.software.config_version) == ("8.14.7", "8.13.8")
    assert set(record.disclosure) >= {"product", "version", "config_version"}
    assert record.error is None


@pytest.mark.parametrize(
    "status",
    [
        Status.SILENT,
        Status.CLOSED,
        Status.RESET,
        Status.REFUSED,
        Status.CONNECT_TIMEOUT,
        Status.UNREACHABLE,
        Status.EXCLUDED,
        Status.BUG,
    ],
)
def test_without_a_byte_the_ending_is_the_status_and_there_is_no_greeting(status: Status) -> None:
    record = RecordBuilder("scan", Settings()).record(attempt(b"", status, error="ECONNREFUSED"))

    assert (record.status, record.banner, record.software, record.disclosure) == (status, None, None, ())
    assert record.error == "ECONNREFUSED"


def test_a_reset_inside_the_greeting_keeps_what_was_read() -> None:
    record = observed(b"220-mx.example.com ESMTP Postfix\r\n", Status.RESET)

    assert record.status is Status.RESET
    assert record.banner is not None
    assert record.banner.hostname == "mx.example.com"
    assert record.software is not None
    assert record.software.product == "Postfix"


def test_the_limits_of_the_settings_are_those_of_the_record() -> None:
    record = observed(b"220-x\r\n" * 50, settings=Settings(max_greeting_lines=3))

    assert record.status is Status.MALFORMED
    assert record.banner is not None
    assert (len(record.banner.lines), record.banner.truncated) == (3, True)
    long = observed(b"220-" + b"x" * 500, settings=Settings(max_greeting_bytes=100))
    assert long.banner is not None
    assert len(long.banner.raw) == 100


@given(st.binary(max_size=200), st.sampled_from([None, *ENDINGS]))
def test_any_bytes_with_any_ending_make_a_record_that_can_be_written(raw: bytes, ending: Status | None) -> None:
    record = observed(raw, ending)

    assert record.status is not Status.BUG
    assert encode(record).count(b"\n") == 1


@pytest.mark.parametrize("at", ["parse_banner", "greeting_disclosure"])
def test_our_own_exception_is_that_targets_status_with_the_trace_in_the_log(
    at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    builder = RecordBuilder("scan", Settings())
    monkeypatch.setattr(record_builder, at, fails)
    with caplog.at_level(logging.ERROR):
        record = builder.record(attempt(b"220 \x1b[2J evil\r\n"))

    assert (record.status, record.banner, record.software) == (Status.BUG, None, None)
    assert (record.ip, record.port, record.event_id) == ("192.0.2.10", 2525, EventIds("scan").of("192.0.2.10", 2525))
    assert "ZeroDivisionError" in caplog.text
    assert "bug: no record of 192.0.2.10 could be made from 323230201b5b324a" in caplog.text
    assert "\x1b" not in caplog.text


def test_the_sweep_goes_on_after_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = RecordBuilder("scan", Settings())
    with monkeypatch.context() as broken:
        broken.setattr(record_builder, "parse_banner", None)
        assert builder.record(attempt(SENDMAIL_8_14)).status is Status.BUG

    assert builder.record(attempt(SENDMAIL_8_14)).status is Status.READY


def test_a_hidden_greeting_takes_the_identity_from_the_dialogue() -> None:
    record = spoken(b"220 mail1.lab.example ESMTP\r\n", SENDMAIL_REPLIES)

    assert record.software is not None
    assert (record.software.product, record.software.version, record.software.method) == (
        "Sendmail",
        "8.17.1.9",
        "help",
    )
    assert record.disclosure == ("product", "version")
    assert record.disclosed_in is not None
    assert record.disclosed_in["version"] == ("help",)
    assert record.dialogue == dialogue_of(SENDMAIL_REPLIES)
    assert "CVE-2023-51765" in {finding.id for finding in record.findings}


def test_a_greeting_that_its_server_contradicts_stays_and_has_a_finding() -> None:
    record = spoken(SENDMAIL_8_14, POSTFIX_REPLIES)

    assert record.software is not None
    assert record.software.version == "8.14.7"
    assert record.findings[-1].id == CONTRADICTION
    assert record.findings[-1].title == "The greeting says Sendmail, but the server behaves like Postfix"


def test_a_dialogue_with_an_unknown_server_changes_nothing() -> None:
    record = spoken(b"220 mx ESMTP\r\n", {"QUIT": (221, ("ciao",))})

    assert (record.software, record.findings, record.disclosure) == (None, (), ())
    assert record.disclosed_in == dict.fromkeys(DISCLOSED, ()) | {"hostname": ("greeting",)}


def test_a_dialogue_without_a_greeting_is_kept() -> None:
    dialogue = Dialogue(error="TLS handshake failed")
    record = RecordBuilder("scan", Settings()).record(attempt(b"", Status.SILENT)._replace(dialogue=dialogue))

    assert (record.dialogue, record.disclosed_in, record.software) == (dialogue, None, None)


def test_several_visits_to_a_target_are_told_apart_by_their_position() -> None:
    builder = RecordBuilder("scan", Settings(samples=3), lambda position: position % 3)

    record = builder.record(attempt(SENDMAIL_8_14))

    assert (record.sample, TARGET.position % 3) == (2, 2)
    assert record.event_id == EventIds("scan").of("192.0.2.10", 2525, 2) != EventIds("scan").of("192.0.2.10", 2525)
    assert observed(SENDMAIL_8_14).sample is None
