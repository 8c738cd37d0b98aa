"""Claims about words: what speaks of a connection is counted in any case, and rarer lines of Sendmail are read."""

from pathlib import Path

import pytest

from scanner.maillogs.events import LoggedConnection, Manner
from scanner.maillogs.report import LogQuestion
from tests.support.mail_logs import PREFIX, connections, examined, log_file

WORDS = ["connect", "connection", "no MAIL in", "did not issue", "rejecting", "SMTP call", "SMTP command",
         "SMTP session", "SMTP client", "SMTP protocol", "SMTP syntax", "start,", "started,", "error,relay", "session",
         "lost input", "PREGREET", "HANGUP", "greeting"]  # fmt: skip


@pytest.mark.parametrize("change", [str, str.lower, str.upper, str.title, str.capitalize])
@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_speaks_of_a_connection_is_seen_in_any_case(word: str, change: type[str], tmp_path: Path) -> None:
    line = PREFIX + b"sm-mta[77]: new: %b of [198.51.100.7]" % change(word).encode()

    _, report = examined(log_file(tmp_path, line))

    assert [read.unread.lines for read in report.files] == [1]


@pytest.mark.parametrize(
    "line",
    [
        b"mymta[1]: 6ANKGrHt000910: [192.0.2.5] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",
        b"haraka[77]: [NOTICE] [4AC21C94] [core] connect ip=192.0.2.5 port=45966",
        b"exim[1]: no host name found for IP address 192.0.2.5",
        b"exim[1]: host lookup failed for 192.0.2.5",
        b"smtpd[7]: f9c0dbf27cbba6d3 smtp event=closed address=192.0.2.5",
    ],
)
def test_a_line_with_our_address_is_a_doubt_whoever_wrote_it(line: bytes, tmp_path: Path) -> None:
    read = [b"postfix/smtpd[%d]: connect from c.example[198.51.100.7]" % number for number in range(9)]
    log = log_file(tmp_path, *(PREFIX + each for each in (*read, line)))

    doubts = examined(log, question=LogQuestion(scanners=("192.0.2.5",)))[1].doubts

    assert [doubt.partition(":")[0] for doubt in doubts] == [
        "a line with our address was not understood, and may be what is missing"
    ]


def test_the_end_of_a_session_names_the_client_where_its_begin_was_rotated_away(tmp_path: Path) -> None:
    line = b"smtpd[7]: f9c0dbf27cbba6d3 smtp event=closed address=192.0.2.5 host=c.example reason=quit"
    found = only(line, tmp_path)

    assert (found.address, found.name) == ("192.0.2.5", "c.example")


def only(line: bytes, folder: Path) -> LoggedConnection:
    (connection,) = connections(log_file(folder, PREFIX + line))
    return connection


@pytest.mark.parametrize("name", [b"c.example", b"unknown", b"[192.0.2.5]"])
@pytest.mark.parametrize("address", [b"192.0.2.5", b"[192.0.2.5]"])
def test_a_rejection_by_tcpwrappers_names_the_client(name: bytes, address: bytes, tmp_path: Path) -> None:
    found = only(b"sm-mta[7]: 6ANKGrHt000910: tcpwrappers (%b, %b) rejection" % (name, address), tmp_path)

    assert (found.address, found.manner) == ("192.0.2.5", Manner.REFUSED)


@pytest.mark.parametrize(
    "error",
    [
        b"accept failed=-1, reason=unknown, SSL_error=5, errno=104, retry=-1",
        b"accept failed=0, SSL_error=1, errno=0, retry=-1",
    ],
)
def test_a_handshake_that_failed_names_the_client(error: bytes, tmp_path: Path) -> None:
    found = only(b"sm-mta[7]: STARTTLS=server, error: %b, relay=c.example [192.0.2.5]" % error, tmp_path)

    assert (found.address, found.name, found.commands) == ("192.0.2.5", "c.example", frozenset({"STARTTLS"}))
