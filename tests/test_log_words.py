"""Claims about words: what speaks of a connection is counted in any case, and rarer lines of Sendmail are read."""

from pathlib import Path

import pytest

from scanner.remedy.logs.events import Connection, Manner
from tests.mail_logs import PREFIX, connections, examined, log_file

WORDS = ["connect", "connection", "no MAIL in", "did not issue", "rejecting", "SMTP call", "SMTP command",
         "SMTP session", "SMTP client", "SMTP protocol", "SMTP syntax", "start,", "started,", "error,relay", "session",
         "lost input", "PREGREET", "HANGUP", "greeting"]  # fmt: skip


@pytest.mark.parametrize("change", [str, str.lower, str.upper, str.title, str.capitalize])
@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_speaks_of_a_connection_is_seen_in_any_case(word: str, change: type[str], tmp_path: Path) -> None:
    line = PREFIX + b"sm-mta[77]: new: %b of [198.51.100.7]" % change(word).encode()

    _, report = examined(log_file(tmp_path, line))

    assert [read.unread.lines for read in report.files] == [1]


def only(line: bytes, folder: Path) -> Connection:
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
