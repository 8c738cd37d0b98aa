"""TLS in dialogues: after STARTTLS and on ports where it comes first; what goes wrong there is data."""

from dataclasses import replace
from hashlib import sha256

import pytest

from scanner.engine.certificates import certificate_facts
from scanner.model import Status, Tls
from scanner.settings import Probe
from tests.support.certificates import make_certificate, server_context
from tests.support.servers import Peer, Script
from tests.support.talkers import DIALOGUE, GREETING, Talker, commands, dialogue_with, polite, visit


async def test_an_expired_certificate_is_a_fact_not_a_failure() -> None:
    certificate, key = make_certificate(days=-1, key_type="rsa")
    dialogue = await dialogue_with(Talker(polite(), server_context(certificate, key)))
    assert dialogue.error is None
    assert dialogue.tls is not None
    facts = dialogue.tls.certificates[0]
    assert (facts.key, facts.names) == ("RSA 2048", ("mx.example.org",))
    assert facts.not_after is not None
    assert facts.not_after < "2027"


def test_bytes_that_are_no_certificate_leave_their_hash_and_the_reason() -> None:
    facts = certificate_facts(b"\x30\x03junk")
    assert facts.sha256 == sha256(b"\x30\x03junk").hexdigest()
    assert facts.subject is None
    assert facts.error is not None
    assert facts.error.startswith("ValueError")


@pytest.mark.parametrize(
    ("after", "tls_error"),
    [
        (lambda _peer: None, "closed by the server at TLS"),
        (lambda peer: peer.send(b"this is no handshake at all\r\n") or peer.read_end(), "TLS handshake failed"),
        (lambda peer: peer.read_end(), "no answer to TLS in time"),
    ],
    ids=["closes", "nonsense", "stalls"],
)
async def test_a_broken_handshake_is_reported_and_hangs_nobody(after: Script, tls_error: str) -> None:
    talker = Talker(polite())

    def script(peer: Peer) -> None:
        peer.send(GREETING)
        while line := talker.next_line(peer):
            peer.send(talker.replies[line.split(" ")[0]])
            if line == "STARTTLS":
                after(peer)
                return

    dialogue = await dialogue_with(script, replace(DIALOGUE, dialogue_timeout_s=0.4))
    assert commands(dialogue)[:3] == [("EHLO scanner.example.net", 250), ("HELP", 214), ("STARTTLS", 220)]
    assert dialogue.tls is not None
    assert dialogue.tls.error is not None
    assert dialogue.tls.error.startswith(tls_error)
    assert dialogue.error == dialogue.tls.error
    assert dialogue.extensions[0] == "PIPELINING"


async def test_plain_text_injected_before_the_handshake_is_reported_and_never_read_as_a_reply() -> None:
    certificate, key = make_certificate()
    talker = Talker(polite(STARTTLS=b"220 go on\r\n250-EVIL\r\n250 INJECTED\r\n"), server_context(certificate, key))
    dialogue = await dialogue_with(talker)
    assert dialogue.tls is not None
    assert dialogue.tls.injected == "250-EVIL\\x0d\\x0a250 INJECTED\\x0d\\x0a"
    assert dialogue.tls_extensions == dialogue.extensions


async def test_starttls_that_is_refused_leaves_the_rest_of_the_dialogue() -> None:
    dialogue = await dialogue_with(Talker(polite(STARTTLS=b"454 4.7.0 TLS not available\r\n")))
    assert commands(dialogue)[2:] == [("STARTTLS", 454), ("QUIT", 221)]
    assert dialogue.tls is not None
    assert dialogue.tls.error == "unreadable or negative reply to STARTTLS"
    assert (dialogue.tls_extensions, dialogue.starttls) == ((), True)
    assert dialogue.error is None


async def test_tls_comes_first_on_its_ports_and_the_greeting_is_read_inside() -> None:
    certificate, key = make_certificate("implicit.example.org")
    context = server_context(certificate, key)
    talker = Talker(polite())

    def script(peer: Peer) -> None:
        peer.sock = context.wrap_socket(peer.sock, server_side=True)
        talker(peer)

    for probe, said in ((Probe.GREETING, ["QUIT"]), (Probe.DIALOGUE, ["EHLO scanner.example.net", "HELP", "QUIT"])):
        talker.heard.clear()
        (attempt,) = await visit(script, replace(DIALOGUE, probe=probe, tls_ports=(0,)))
        assert (attempt.status, attempt.raw) == (None, GREETING)
        assert attempt.first_byte_s is not None
        assert attempt.dialogue is not None
        assert attempt.dialogue.tls is not None
        assert attempt.dialogue.tls.implicit
        assert attempt.dialogue.tls.certificates[0].subject == "CN=implicit.example.org"
        assert talker.heard == said


async def test_a_plain_server_on_a_tls_port_is_not_smtp_over_tls() -> None:
    (attempt,) = await visit(Talker(polite()), replace(DIALOGUE, tls_ports=(0,)))
    assert (attempt.status, attempt.raw) == (Status.NOT_SMTP, b"")
    assert attempt.error is not None
    assert attempt.error.startswith("TLS handshake failed")


async def test_a_server_that_closes_in_the_handshake_on_a_tls_port_is_closed_and_one_that_stalls_is_silent() -> None:
    """The first is what Postfix and Exim do when they cannot load their certificate."""

    def closes(peer: Peer) -> None:
        peer.sock.recv(4096)

    def stalls(peer: Peer) -> None:
        peer.read_end()

    options = replace(DIALOGUE, tls_ports=(0,), dialogue_timeout_s=0.4)
    for script, status, error in (
        (closes, Status.CLOSED, "closed by the server at TLS"),
        (stalls, Status.SILENT, "no answer to TLS in time"),
    ):
        (attempt,) = await visit(script, options)
        assert (attempt.status, attempt.raw, attempt.error) == (status, b"", error)
        assert attempt.dialogue is not None
        assert attempt.dialogue.tls == Tls(implicit=True, error=error)
