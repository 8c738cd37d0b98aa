"""Mail servers that repeat the password, in any form and anywhere: nothing of it is in what the smoke test tells."""

import base64
from urllib.parse import quote

import orjson
import pytest

from scanner.delivery.redaction import Redaction
from scanner.smoke.mailboxes import MailboxError
from scanner.smoke.result import SmokeResult, SmokeState, as_json
from tests.support.certificates import server_context
from tests.support.echo_servers import repeated, traces
from tests.support.smoke_tests import AUTH, CERTIFICATE, KEY, LOGIN, WORD, Hands, send_to
from tests.support.smtp_scripts import ScriptedServer

PLAIN = base64.b64encode(f"\0alice\0{WORD}".encode())


def told(result: SmokeResult) -> bytes:
    return orjson.dumps(as_json(result)) + repr(result.steps).encode() + (result.headers or b"")


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (WORD.encode(), "535 no: ***"),
        (base64.b64encode(WORD.encode()), "535 no: ***"),
        (PLAIN, "535 no: ***"),
        (PLAIN.rstrip(b"="), "535 no: ***"),
        (base64.urlsafe_b64encode(f"x:{WORD}".encode()), "535 no: eD***"),
        (quote(WORD).encode(), "535 no: ***"),
        (orjson.dumps(WORD), '535 no: "***"'),
        (b"." * 480 + WORD.encode() * 5, "535 no: " + "." * 480 + "***" * 4),
    ],
)
async def test_of_a_reply_that_repeats_the_password_the_rest_is_shown(form: bytes, shown: str) -> None:
    server = ScriptedServer({**AUTH, "AUTH": b"535 no: " + form + b"\r\n"}, tls=server_context(CERTIFICATE, KEY))

    result = await send_to(server, login=LOGIN, insecure_tls=True)

    assert result.steps[-1].detail == shown
    assert list(traces(WORD, told(result))) == []


async def test_replies_after_the_login_and_the_headers_that_arrive_are_cleaned_too() -> None:
    said = repeated(WORD).encode()[:400]
    replies = {
        "AUTH": b"235 ok\r\n",
        "MAIL": b"250 " + said + b"\r\n",
        "RCPT": b"250 ok\r\n",
        "DATA": b"354 go\r\n",
        ".": b"250 2.0.0 Ok: queued as " + base64.b64encode(WORD.encode()).rstrip(b"=") + b"\r\n",
    }
    server = ScriptedServer({**AUTH, **replies}, tls=server_context(CERTIFICATE, KEY))
    place = Hands()
    place.put(b"Received: from a by mx.example.org (Postfix 3.7 " + said.replace(b"\n", b"") + b") id x\r\nX: \xff\r\n")

    result = await send_to(server, place, login=LOGIN, insecure_tls=True)

    assert list(traces(WORD, told(result))) == []
    assert result.state is SmokeState.DELIVERED
    assert result.queue_id in (None, "***")
    assert result.headers is not None
    assert result.headers.endswith(b"X: \xff\r\n")
    assert b"***" in result.headers


async def test_a_mailbox_that_repeats_its_password_does_not_show_it() -> None:
    server = ScriptedServer(tls=server_context(CERTIFICATE, KEY))
    word = "word-of-the-mailbox"

    class Telling(Hands):
        async def arrival(self) -> bytes:
            raise MailboxError(f"NO {repeated(word)}")

    result = await send_to(server, Telling(), redaction=Redaction(word))

    assert result.state is SmokeState.NOT_ARRIVED
    assert result.steps[-1].detail is not None
    assert result.steps[-1].detail.startswith("NO ***")
    assert list(traces(word, told(result))) == []
