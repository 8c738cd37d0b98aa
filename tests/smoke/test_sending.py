"""Sending step by step: servers that refuse, break off or lie, TLS that cannot be trusted, passwords that stay ours."""

import base64
from pathlib import Path
from typing import Any

import pytest

from scanner.engine import Gate
from scanner.smoke.mailboxes import Mailbox, MailboxError
from scanner.smoke.result import SmokeState, as_json
from scanner.smoke.sending import StartTls
from scanner.smoke.smoke import smoke_test
from scanner.smoke.steps import SessionStep
from tests.support.certificates import make_certificate, server_context
from tests.support.servers import free_port, serving
from tests.support.smoke_tests import (
    AUTH,
    CERTIFICATE,
    KEY,
    LOGIN,
    STARTTLS,
    WORD,
    Hands,
    into,
    make_test,
    send_to,
    steps,
)
from tests.support.smtp_scripts import ScriptedServer

# --- servers that refuse, break off, or lie --------------------------------------------------------------------------

REFUSAL = b"554-5.7.1 \x1b[31mno\r\n554 5.7.1 <script> `{{ x }}`\xe2\x80\xa8\r\n"
#: Time-outs to try one after the other, until the step that is asked about was reached: on a busy machine the shorter
#: one may be over before.
PATIENCE_S = (0.3, 3.0, 20.0)
SHOWN = r"554 5.7.1 \x1b[31mno / 5.7.1 <script> `{{ x }}`\xe2\x80\xa8"


@pytest.mark.parametrize(
    ("verb", "step"),
    [("", "greeting"), ("EHLO", "EHLO"), ("MAIL", "MAIL"), ("RCPT", "RCPT"), ("DATA", "DATA"), (".", "DATA")],
)
async def test_a_refusal_ends_the_test_at_its_step_with_the_reply_escaped(verb: str, step: str) -> None:
    result = await send_to(ScriptedServer({verb: REFUSAL}))

    assert result.state is SmokeState.FAILED
    assert result.steps[-1][:2] == (step, False)
    assert result.steps[-1].detail == SHOWN
    assert (result.queue_id, result.arrived_s, result.headers) == (None, None, None)


@pytest.mark.parametrize("verb", ["", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_breaks_off_is_said_at_its_step(verb: str) -> None:
    result = await send_to(ScriptedServer({verb: None}))

    assert result.state is SmokeState.FAILED
    assert result.steps[-1][:2] == ({"": "greeting", ".": "DATA"}.get(verb, verb), False)
    assert result.steps[-1].detail == "the server closed the connection"


async def test_a_server_that_never_answers_is_given_up_after_the_time_out() -> None:
    def wait(sock: Any) -> None:
        sock.recv(1)

    for timeout_s in PATIENCE_S:
        result = await send_to(ScriptedServer({"RCPT": wait}), timeout_s=timeout_s)
        if result.steps[-1][0] == "RCPT":
            break

    assert result.steps[-1][:2] == ("RCPT", False)
    assert result.steps[-1].detail == "no answer in time"


@pytest.mark.parametrize("piece", [b"250-more\r\n", b"x" * 100])
async def test_a_reply_without_end_is_cut_off(piece: bytes) -> None:
    def flood(sock: Any) -> None:
        while True:
            sock.sendall(piece * 1000)

    result = await send_to(ScriptedServer({"MAIL": flood}))

    assert result.steps[-1][:2] == ("MAIL", False)
    assert result.steps[-1].detail == "Response too long"


async def test_what_is_no_reply_is_said_escaped() -> None:
    result = await send_to(ScriptedServer({"MAIL": b"SSH-2.0-\x07\r\n"}))

    assert result.steps[-1].detail == r"Malformed SMTP response line: SSH-2.0-\x07"


async def test_the_step_that_failed_is_shown_cut_at_500_characters() -> None:
    result = await send_to(ScriptedServer({"MAIL": b"550 " + b"\x00" * 3000 + b"\r\n"}))

    assert result.steps[-1].detail == "550 " + "\\x00" * 124


async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo() -> None:
    server = ScriptedServer({"EHLO": b"502 what\r\n", "HELO": b"250 mx.example.org\r\n", ".": None})

    result = await send_to(server)

    assert server.said[:2] == ["EHLO client.example.net", "HELO client.example.net"]
    assert ("EHLO", True) in steps(result)


async def test_exactly_one_message_to_one_recipient_is_sent() -> None:
    place = Hands()
    server = ScriptedServer(on_message=lambda message: place.put(message.partition(b"\r\n\r\n")[0]))

    result = await send_to(server, place)

    assert result.state is SmokeState.DELIVERED
    assert server.said == [
        "EHLO client.example.net",
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "DATA",
        "QUIT",
    ]
    assert len(server.messages) == 1
    assert (place.entered, place.left) == (1, 1)


async def test_a_bad_goodbye_does_not_undo_an_accepted_message() -> None:
    place = Hands()
    place.put(b"A: b\r\n")

    assert (await send_to(ScriptedServer({"QUIT": None}), place)).state is SmokeState.DELIVERED


async def test_a_message_that_does_not_arrive_in_time_is_not_delivered_and_not_refused() -> None:
    for timeout_s in PATIENCE_S:
        result = await send_to(ScriptedServer(), timeout_s=timeout_s)
        if result.steps[-1][0] == "arrival":
            break

    assert result.state is SmokeState.NOT_ARRIVED
    assert result.steps[-1][:2] == ("arrival", False)
    assert result.steps[-1].detail == f"not seen in {timeout_s:g} s"
    assert result.queue_id == "ABC123"
    assert as_json(result)["shows_version"] is None


async def test_a_place_that_breaks_while_we_wait_is_said() -> None:
    class Broken(Hands):
        async def arrival(self) -> bytes:
            raise MailboxError("mbox /x\ny: cannot be read (Permission denied)")

    result = await send_to(ScriptedServer(), Broken())

    assert result.state is SmokeState.NOT_ARRIVED
    assert result.steps[-1].detail == r"mbox /x\ny: cannot be read (Permission denied)"


async def test_nobody_listening_is_said_with_the_errno() -> None:
    port = free_port()

    result = await smoke_test(make_test(port), into(Hands()))

    assert result.state is SmokeState.FAILED
    assert result.ip is None
    assert result.steps[-1][:2] == ("connect", False)
    assert result.steps[-1].detail == f"127.0.0.1 port {port}: ECONNREFUSED"


async def test_the_next_address_of_a_name_gets_the_message_when_the_first_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`serving` listens on IPv4 loopback only; both addresses stand for one name."""
    place = Hands()
    place.put(b"A: b\r\n")

    async def both(_name: str) -> list[str]:
        return ["::1", "127.0.0.1"]

    monkeypatch.setattr("scanner.sweeps.resolve._addresses", both)
    monkeypatch.setattr("scanner.smoke.smoke._addresses", lambda _plan: ["::1", "127.0.0.1"])
    result = await send_to(ScriptedServer(), place, host="mail.example.com")

    assert (result.state, result.ip) == (SmokeState.DELIVERED, "127.0.0.1")
    connect = next(step for step in result.steps if step.name == "connect").detail
    assert connect is not None
    assert ": ECONNREFUSED; 127.0.0.1 port " in connect


async def test_the_place_gets_the_gate_with_the_exclusions() -> None:
    gates: list[Gate] = []

    def make(gate: Gate) -> Mailbox:
        gates.append(gate)
        return Hands()

    with serving(ScriptedServer({"MAIL": None})) as running:
        await smoke_test(make_test(running.port, exclude=["127.0.0.2"]), make)

    assert [gates[0].is_excluded(ip) for ip in ("127.0.0.1", "127.0.0.2", "255.255.255.255")] == [False, True, True]


# --- TLS and AUTH ----------------------------------------------------------------------------------------------------


async def test_a_certificate_that_is_not_trusted_ends_the_test_before_the_message() -> None:
    server = ScriptedServer(STARTTLS, tls=server_context(CERTIFICATE, KEY))

    result = await send_to(server)

    assert result.steps[-1][:2] == ("STARTTLS", False)
    assert result.steps[-1].detail is not None
    assert result.steps[-1].detail.startswith("certificate not accepted: self")
    assert server.said == ["EHLO client.example.net", "STARTTLS"]


@pytest.fixture(scope="module")
def other_certificate() -> tuple[bytes, bytes]:
    return make_certificate("other.example", names=("other.example",))


@pytest.fixture
def other_ca_file(tmp_path: Path, other_certificate: tuple[bytes, bytes]) -> Path:
    path = tmp_path / "other.pem"
    path.write_bytes(other_certificate[0])
    return path


async def test_a_certificate_that_is_made_out_to_another_name_is_not_accepted(
    other_ca_file: Path, other_certificate: tuple[bytes, bytes]
) -> None:
    server = ScriptedServer(STARTTLS, tls=server_context(*other_certificate))

    result = await send_to(server, ca_file=other_ca_file)

    assert "certificate is not valid for '127.0.0.1'" in (result.steps[-1].detail or "")


async def test_with_insecure_tls_any_certificate_is_accepted_and_shown() -> None:
    server = ScriptedServer({**STARTTLS, "MAIL": None}, tls=server_context(*make_certificate(days=-1)))

    result = await send_to(server, insecure_tls=True)

    assert ("STARTTLS", True) in steps(result)
    assert ("EHLO in TLS", True) in steps(result)
    assert result.tls is not None


@pytest.mark.parametrize(
    ("starttls", "last"), [(StartTls.AUTO, "MAIL"), (StartTls.NEVER, "MAIL"), (StartTls.REQUIRE, "STARTTLS")]
)
async def test_without_an_offer_of_tls_only_require_fails(starttls: StartTls, last: str) -> None:
    result = await send_to(ScriptedServer({"MAIL": None}), starttls=starttls)

    assert result.steps[-1].name == last
    assert last != "STARTTLS" or result.steps[-1].detail == "the server does not offer it"


async def test_with_never_an_offer_of_tls_is_not_taken() -> None:
    server = ScriptedServer({**STARTTLS, "MAIL": None})

    await send_to(server, starttls=StartTls.NEVER)

    assert "STARTTLS" not in server.said


@pytest.mark.parametrize("reply", [b"454 4.7.0 TLS not available\r\n", None])
async def test_an_offer_of_tls_that_is_not_kept_fails_the_test(reply: bytes | None) -> None:
    server = ScriptedServer({**STARTTLS, "STARTTLS": reply})

    result = await send_to(server)

    assert result.steps[-1][:2] == ("STARTTLS", False)
    assert result.steps[-1].detail in {"454 4.7.0 TLS not available", "the server closed the connection"}


@pytest.mark.parametrize("injected", [b"250 2.1.0 Ok\r\n", b"\x00"])
async def test_plain_text_after_the_reply_to_starttls_fails_the_test(injected: bytes) -> None:
    """A man in the middle puts replies there; they would be taken for the server's inside TLS (RFC 3207, 4.2)."""
    server = ScriptedServer({**STARTTLS, "STARTTLS": b"220 go\r\n" + injected}, tls=server_context(CERTIFICATE, KEY))

    result = await send_to(server, insecure_tls=True)

    assert result.steps[-1][:2] == ("STARTTLS", False)
    assert result.steps[-1].detail is not None
    assert result.steps[-1].detail.startswith(f"{len(injected)} bytes came in plain text after the reply to it: ")
    assert server.messages == []


async def test_a_handshake_that_breaks_is_said() -> None:
    def garbage(sock: Any) -> None:
        sock.sendall(b"220 go\r\n")
        sock.recv(5)
        sock.sendall(b"no TLS at all, sorry\r\n")
        sock.recv(1)

    result = await send_to(ScriptedServer({**STARTTLS, "STARTTLS": garbage}), insecure_tls=True)

    assert result.steps[-1][:2] == ("STARTTLS", False)
    assert result.steps[-1].detail is not None


async def test_the_password_is_not_said_in_plain_text() -> None:
    server = ScriptedServer({"EHLO": b"250-mx\r\n250 AUTH PLAIN\r\n"})

    result = await send_to(server, login=LOGIN)

    assert result.steps[-1][:2] == ("AUTH", False)
    assert result.steps[-1].detail == "not said: the connection is not encrypted"
    assert server.said == ["EHLO client.example.net"]


async def test_a_server_without_a_way_to_log_in_is_said() -> None:
    server = ScriptedServer(
        {**AUTH, "EHLO inside": b"250-mx\r\n250 AUTH GSSAPI\r\n"}, tls=server_context(CERTIFICATE, KEY)
    )

    result = await send_to(server, login=LOGIN, insecure_tls=True)

    assert result.steps[-1].detail == "the server offers no way to log in that is known here"


@pytest.mark.parametrize("form", [WORD.encode(), base64.b64encode(WORD.encode()),
                                  base64.b64encode(f"\0alice\0{WORD}".encode())])  # fmt: skip
async def test_of_a_reply_that_repeats_the_password_the_rest_is_shown(form: bytes) -> None:
    server = ScriptedServer({**AUTH, "AUTH": b"535 no: " + form + b"\r\n"}, tls=server_context(CERTIFICATE, KEY))

    result = await send_to(server, login=LOGIN, insecure_tls=True)

    assert result.steps[-1] == SessionStep("AUTH", ok=False, took_s=result.steps[-1].took_s, detail="535 no: ***")


async def test_a_login_that_is_refused_is_said_with_the_reply() -> None:
    server = ScriptedServer({**AUTH, "AUTH": b"535 5.7.8 no\r\n"}, tls=server_context(CERTIFICATE, KEY))

    result = await send_to(server, login=LOGIN, insecure_tls=True)

    assert result.steps[-1].detail == "535 5.7.8 no"
    assert server.messages == []
