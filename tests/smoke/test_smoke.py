"""The smoke test: what is sent, what keeps it from being sent, how it arrives, and what is told of it."""

import asyncio
import email
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.policy import default
from pathlib import Path
from typing import Any

import aiosmtpd.smtp
import pytest
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from hypothesis import given
from hypothesis import strategies as st

from scanner.cli.smoke import verdict
from scanner.errors import InputError
from scanner.smoke.mailboxes import FileMailbox, MailboxError, Maildir
from scanner.smoke.message import compose
from scanner.smoke.receiver import MailReceiver
from scanner.smoke.request import require_one_address, tls_context
from scanner.smoke.result import SmokeState, as_json
from scanner.smoke.sending import StartTls, queue_id
from scanner.smoke.smoke import smoke_test
from scanner.smoke.steps import SessionStep
from tests.support.certificates import server_context
from tests.support.servers import serving
from tests.support.smoke_tests import AUTH, CERTIFICATE, KEY, LOGIN, WORD, Hands, into, make_test, send_to, steps
from tests.support.smtp_scripts import ScriptedServer

# --- the message -----------------------------------------------------------------------------------------------------


def test_the_message_says_what_it_is_and_carries_the_token() -> None:
    test = make_test(25, host="mail.example.com", token="0f8fad5b-d9cb-469f-a165-70867728950e")  # noqa: S106  a mark

    raw = compose(test, datetime(2026, 11, 23, 20, 31, 59, tzinfo=UTC))

    message = email.message_from_bytes(raw, policy=default)
    assert dict(message.items()) == {
        "From": "a@example.com",
        "To": "b@example.com",
        "Subject": "smtpsweep smoke test 0f8fad5b-d9cb-469f-a165-70867728950e",
        "Date": "Mon, 23 Nov 2026 20:31:59 +0000",
        "Message-ID": "<smtpsweep-0f8fad5b-d9cb-469f-a165-70867728950e@example.com>",
        "Auto-Submitted": "auto-generated",
        "X-Smtpsweep-Smoke": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
        "MIME-Version": "1.0",
    }
    assert "through mail.example.com port 25" in message.get_content()
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_each_test_has_a_token_of_its_own() -> None:
    assert make_test(25).token != make_test(25).token


@pytest.mark.parametrize("text", ["a@example.com", "o'neil+x@sub.example.co.uk", "root@localhost", "a@[192.0.2.1]",
                                  "a@[IPv6:2001:db8::1]"])  # fmt: skip
def test_a_plain_address_is_one_recipient(text: str) -> None:
    require_one_address("--to", text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "@example.com", "a@", "a@b@c", "a@x, b@y", "a@x b@y", "<a@x>", "a@x>\r\nRCPT TO:<b@y", "a@x\n",
     "ä@x.example", '"a b"@x.example', "a..b@x.example", "a@-x.example", "a@x..example", "a@" + "x" * 64,
     "x" * 65 + "@a.example", "a@" + ".".join(["x" * 60] * 5), "a@x;b@y", "Bob <b@y.example>"],
)  # fmt: skip
def test_what_is_not_exactly_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^--to .*: not one mail address"):
        require_one_address("--to", text)


@pytest.mark.timeout(10)
@given(st.text("ab.-@[]1", max_size=300))
def test_no_text_takes_long_to_refuse(text: str) -> None:
    with suppress(InputError):
        require_one_address("--from", text)


# --- what cannot be done is said before anything is sent -------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "192.0.2.0/24"}, "a smoke test is for one host"),
        ({"host": "mx:example.com"}, "a smoke test is for one host"),
        ({"sender": "nobody"}, "--from"),
        ({"recipient": "b@example.com,c@example.com"}, "--to"),
        ({"exclude": ["nonsense/99"]}, "nonsense"),
        ({"ca_file": Path("/nowhere.pem")}, "--ca-file /nowhere.pem: cannot be used"),
        ({"ca_file": Path("/dev/null")}, "--ca-file /dev/null: cannot be used"),
        ({"ehlo_name": "a b"}, "--ehlo-name"),
        ({"timeout_s": 0.0}, "--total-timeout"),
        ({"source_address": "192.0.2.1"}, "--source-address"),
        ({"host": "nobody.invalid"}, "cannot be resolved"),
        ({"exclude": ["127.0.0.0/8"]}, "excluded"),
    ],
)
async def test_what_cannot_be_done_is_an_input_error_and_nothing_is_sent(changes: dict[str, Any], said: str) -> None:
    server, place = ScriptedServer(), Hands()

    with serving(server) as running:
        with pytest.raises(InputError, match=said):
            await smoke_test(make_test(running.port, **changes), into(place))
        assert running.peers == []
    assert place.entered == 0


async def test_a_place_that_cannot_be_opened_keeps_the_message_from_being_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with serving(ScriptedServer()) as running:
        test = make_test(running.port)
        with pytest.raises(MailboxError, match="is not a folder"):
            await smoke_test(test, into(FileMailbox(Maildir(tmp_path / "file", test.token))))
        assert running.peers == []


# --- the good case, through a real server ----------------------------------------------------------------------------


class Mta:
    """aiosmtpd as a mail server: writes what it takes into a Maildir, with a Received line of its own."""

    def __init__(self, box: Path, version: str) -> None:
        self._box = box
        self._version = version
        self.envelopes: list[Envelope] = []
        (box / "new").mkdir(parents=True)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802  its name
        self.envelopes.append(envelope)
        line = f"Received: from client by mx.example.org ({self._version}) with ESMTP id 1; Sun\r\n".encode()
        assert envelope.original_content is not None
        (self._box / "new/1.mx").write_bytes(line + envelope.original_content)
        return "250 2.0.0 Ok: queued as 4ABC"

    def authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"alice", WORD.encode()), handled=False)

    async def listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: aiosmtpd.smtp.SMTP(
                self,
                hostname="mx.example.org",
                tls_context=server_context(CERTIFICATE, KEY),
                authenticator=self.authenticate,
                loop=loop,
            ),
            "127.0.0.1",
        )


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(CERTIFICATE)
    return path


async def test_a_message_goes_through_a_real_server_and_its_header_lines_are_judged(
    tmp_path: Path, ca_file: Path
) -> None:
    mta, seen = Mta(tmp_path / "box", "Postfix 3.7.11"), list[SessionStep]()
    server = await mta.listen()
    test = make_test(server.sockets[0].getsockname()[1], ca_file=ca_file, login=LOGIN, starttls=StartTls.REQUIRE)
    place = FileMailbox(Maildir(tmp_path / "box", test.token), every_s=0)
    async with server:
        result = await smoke_test(test, into(place), seen.append)

    assert result.state is SmokeState.DELIVERED
    names = [
        "resolve",
        "connect",
        "greeting",
        "EHLO",
        "STARTTLS",
        "EHLO in TLS",
        "AUTH",
        "MAIL",
        "RCPT",
        "DATA",
        "arrival",
    ]
    assert steps(result) == [(name, True) for name in names]
    assert tuple(seen) == result.steps
    assert result.queue_id == "4ABC"
    assert result.tls is not None
    assert result.tls.certificates[0].names == ("127.0.0.1",)
    assert next(step for step in seen if step.name == "STARTTLS").detail == (
        f"TLSv1.3, 127.0.0.1, self-signed, until {result.tls.certificates[0].not_after}"
    )
    (leak,) = result.versions
    assert (leak.hop, leak.by, leak.product, leak.version) == (1, "mx.example.org", "Postfix", "3.7.11")
    (envelope,) = mta.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("a@example.com", ["b@example.com"])
    assert result.headers is not None
    assert result.headers.startswith(b"Received: ")
    assert result.headers.endswith(b"\r\n")
    assert WORD not in repr(result)


async def test_a_message_without_a_version_in_its_headers_is_clean_and_delivered_to_our_own_receiver() -> None:
    """The server under test hands it on by SMTP to the receiver, as one that is told to do so would."""
    recipient = "b@example.com"
    test = make_test(0)
    receiver = MailReceiver(("127.0.0.1", 0), lmtp=False, recipient=recipient, token=test.token)

    class Relay:
        async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802  its name
            import aiosmtplib  # noqa: PLC0415  a client in a server

            assert envelope.original_content is not None
            line = b"Received: from client by mx.example.org with ESMTP id 1; Sun\r\n"
            await aiosmtplib.send(
                line + envelope.original_content, sender="a@example.com", recipients=[recipient],
                hostname="127.0.0.1", port=receiver.port, start_tls=False,
            )  # fmt: skip
            return "250 OK"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: aiosmtpd.smtp.SMTP(Relay(), hostname="mx", loop=loop), "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await smoke_test(make_test(port, token=test.token), into(receiver))

    assert result.state is SmokeState.DELIVERED
    assert result.leaks == ()
    assert as_json(result)["shows_version"] is False


async def test_a_header_line_with_what_may_be_a_version_is_neither_clean_nor_a_leak() -> None:
    place = Hands()
    place.put(b"Received: from c by h (8.17.1.9) with ESMTP id 1; Sun\r\n")

    result = await send_to(ScriptedServer(AUTH, tls=server_context(CERTIFICATE, KEY)), place, insecure_tls=True)

    assert (result.versions, result.shows_version, as_json(result)["shows_version"]) == ((), None, None)
    told = dict(verdict(result))
    assert told["headers"] == "a number that may be a version"
    assert told["  line 1"] == "hop 1, by h: an unnamed product 8.17.1.9 (may be a version)"


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2.0.0 6ANKVxA0000937 Message accepted for delivery", "6ANKVxA0000937"),
        ("2.0.0 Ok: queued as D17CB3E0", "D17CB3E0"),
        ("OK id=1xVahn-0000BT-22", "1xVahn-0000BT-22"),
        ("2.0.0 5b1e5a8e Message accepted for delivery", "5b1e5a8e"),
        ("Ok. 0000000000003DDC.0000000065B2F0A1.00001234", "0000000000003DDC.0000000065B2F0A1.00001234"),
        ("2.0.0 thanks", None),
        ("", None),
    ],
)
def test_the_name_that_a_server_gives_the_message_is_read_from_its_reply(text: str, name: str | None) -> None:
    assert queue_id(text) == name


async def test_the_json_has_every_step_and_every_leak_and_no_secret() -> None:
    place = Hands()
    place.put(b"Received: from c by h (8.17.1.9/8.17.1.9/Debian-2) with ESMTP id 1; Sun\r\n")
    server = ScriptedServer({**AUTH, "AUTH": b"235 ok\r\n"}, tls=server_context(CERTIFICATE, KEY))

    result = await send_to(server, place, login=LOGIN, insecure_tls=True)
    told = as_json(result)

    assert (told["schema"], told["state"], told["shows_version"]) == ("smtpsweep.smoke/1", "delivered", True)
    assert told["leaks"] == [
        {"header": "Received", "number": 1, "hop": 1, "by": "h", "product": "Sendmail", "version": "8.17.1.9",
         "text": "Received: from c by h (8.17.1.9/8.17.1.9/Debian-2) with ESMTP id 1; Sun", "is_sure": True}
    ]  # fmt: skip
    assert [step["name"] for step in told["steps"]] == [step.name for step in result.steps]
    assert (told["from"], told["to"], told["queue_id"]) == ("a@example.com", "b@example.com", "ABC123")
    assert told["tls"]["version"] == "TLSv1.3"
    assert told["certificate"]["names"] == ("127.0.0.1",)
    assert WORD not in str(told)
    assert WORD not in repr(LOGIN)


def test_tls_is_verified_by_the_systems_authorities_unless_told_otherwise() -> None:
    strict, lax = tls_context(None, insecure=False), tls_context(None, insecure=True)

    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)
