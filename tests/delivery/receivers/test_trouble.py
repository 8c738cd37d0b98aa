"""Trouble with a connection is said in the words of the system, and what is no error of the system by its class."""

import errno
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from scanner.delivery.receivers.trouble import in_words

KEY = ConnectionKey("siem.example", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 514)"), "Connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "Connection reset by peer"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (
            aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")),
            "Connection refused",
        ),
        (
            aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            (
                "ClientConnectorSSLError: Cannot connect to host siem.example:443 ssl:default "
                "[[SSL: WRONG_VERSION_NUMBER] wrong version number]"
            ),
        ),
        (ssl.SSLError(1, "[SSL] bad"), "SSLError: [SSL] bad"),
        (TimeoutError(), "no answer in time"),
        (TimeoutError("the broker\nis silent"), "the broker is silent"),
        (OSError("Multiple exceptions: a, b"), "OSError: Multiple exceptions: a, b"),
        (ConnectionResetError("Connection lost"), "ConnectionResetError: Connection lost"),
        (EOFError(), "EOFError"),
        (ValueError("a\x1b[31m"), r"'ValueError: a\x1b[31m'"),
    ],
    ids=ascii,
)
def test_trouble_is_said_in_the_words_of_the_system(error: Exception, words: str) -> None:
    assert in_words(error) == words
