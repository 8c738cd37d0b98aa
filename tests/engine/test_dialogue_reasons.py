"""Claims about what a dialogue says when it ends early: our words for what the network did."""

import errno
import socket
from collections.abc import Iterator

import pytest
from aiosmtplib.errors import SMTPResponseException, SMTPServerDisconnected

from scanner.engine.dialogue import Speaker, _Protocol
from scanner.settings import Settings


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Speaker(ours, Settings(), None, lambda _direction, _data: None)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (TimeoutError(), "no answer to EHLO in time"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "closed by the server at EHLO"),
        (SMTPServerDisconnected("x"), "closed by the server at EHLO"),
        (SMTPResponseException(-1, "\x1b[31mhostile"), "unreadable or negative reply to EHLO"),
        (OSError(errno.EHOSTUNREACH, "x"), "OSError at EHLO"),
    ],
)
def test_every_end_has_words_of_ours_and_none_of_the_peers(speaker: Speaker, problem: Exception, said: str) -> None:
    speaker._step = "EHLO mx.example"

    assert speaker._reason(problem) == said


async def test_half_a_greeting_inside_tls_is_the_greeting(speaker: Speaker) -> None:
    protocol = _Protocol(lambda _direction, _data: None)
    protocol.reply += b"220-mx.exa"
    speaker._step = "greeting"
    speaker._keep_half_a_reply(protocol)

    assert speaker.greeting == b"220-mx.exa"
