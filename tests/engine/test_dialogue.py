"""The dialogue after the greeting, against scripted servers: what is said, what is kept, and that nobody hangs it."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from scanner.engine import DescriptorBudget, Gate, Pool
from scanner.engine.certificates import certificate_facts
from scanner.engine.dialogue import own_name
from scanner.engine.speaking import Dialogues
from scanner.settings import Probe
from scanner.targets import ALWAYS_EXCLUDED
from tests.support.certificates import make_certificate, server_context
from tests.support.servers import ListSource, Peer, loopback_targets, serving
from tests.support.talkers import DIALOGUE, GREETING, Talker, commands, dialogue_with, polite, visit
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from scanner.model import Attempt


async def test_everything_a_server_says_is_kept_and_read() -> None:
    certificate, key = make_certificate(names=("mx.example.org", "192.0.2.1"))
    talker = Talker(polite(), server_context(certificate, key))
    dialogue = await dialogue_with(talker)
    assert talker.heard == [
        "EHLO scanner.example.net",
        "HELP",
        "STARTTLS",
        "EHLO scanner.example.net",
        "QUIT",
    ]
    assert commands(dialogue) == [
        ("EHLO scanner.example.net", 250),
        ("HELP", 214),
        ("STARTTLS", 220),
        ("EHLO scanner.example.net", 250),
        ("QUIT", 221),
    ]
    assert dialogue.exchanges[0].lines[0] == "mx.example.org Hello"
    assert dialogue.exchanges[1].lines == ("2.0.0 ask somebody else",)
    assert (
        dialogue.extensions
        == dialogue.tls_extensions
        == ("PIPELINING", "SIZE 10240000", "AUTH PLAIN LOGIN", "STARTTLS")
    )
    assert (dialogue.size, dialogue.auth, dialogue.starttls) == (10240000, ("PLAIN", "LOGIN"), True)
    assert dialogue.error is None
    assert dialogue.tls is not None
    assert (dialogue.tls.version, dialogue.tls.error, dialogue.tls.injected) == ("TLSv1.3", None, None)
    facts = dialogue.tls.certificates[0]
    assert facts == certificate_facts(ssl.PEM_cert_to_DER_cert(certificate.decode()))
    assert (facts.subject, facts.names) == ("CN=mx.example.org", ("mx.example.org", "192.0.2.1"))
    assert (facts.key, facts.serial, facts.self_signed) == ("EC secp256r1", "c0ffee", True)


async def test_the_greeting_comes_with_the_dialogue_and_only_220_gets_one() -> None:
    (attempt,) = await visit(Talker(polite(EHLO=b"250 mx\r\n")))
    assert (attempt.status, attempt.raw) == (None, GREETING)

    def refuses(peer: Peer) -> None:
        peer.send(b"554 no\r\n")
        peer.read_end()

    (refused,) = await visit(refuses)
    assert (refused.raw, refused.dialogue) == (b"554 no\r\n", None)


async def test_the_unknown_verb_is_said_only_when_asked_for() -> None:
    for probe, expected in ((Probe.DIALOGUE, False), (Probe.BEHAVIOUR, True)):
        talker = Talker(polite(EHLO=b"250 mx\r\n"))
        await dialogue_with(talker, replace(DIALOGUE, probe=probe))
        assert ("FOO" in talker.heard) is expected
        assert not {line.split(" ")[0] for line in talker.heard} - {"EHLO", "HELP", "FOO", "QUIT"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "no answer to EHLO in time"),
        (b"250-endless\r\n" * 5000, "unreadable or negative reply to EHLO"),
        (b"x" * 100_000, "unreadable or negative reply to EHLO"),
        (b"250-half", "no answer to EHLO in time"),
    ],
    ids=["silence", "endless", "no line end", "half a line"],
)
async def test_a_reply_that_never_comes_to_an_end_ends_the_dialogue_and_what_came_is_kept(
    reply: bytes, error: str
) -> None:
    def script(peer: Peer) -> None:
        peer.send(GREETING)
        peer.read_line()
        peer.send(reply)
        peer.read_end()

    dialogue = await dialogue_with(script, replace(DIALOGUE, dialogue_timeout_s=0.3))
    assert (dialogue.error, dialogue.tls, dialogue.extensions) == (error, None, ())
    assert [exchange.command for exchange in dialogue.exchanges] == ["EHLO scanner.example.net"] * bool(reply)
    assert sum(len(line) for exchange in dialogue.exchanges for line in exchange.lines) <= len(reply)


@pytest.mark.parametrize(
    ("reply", "lines", "incomplete"),
    [
        (b"214 hi\r\n214 Exim 4.94\r\n", ("hi", "Exim 4.94"), False),
        (b"214 hi\r\n214-Exim\r\n214 4.94\r\n", ("hi", "Exim", "4.94"), False),
        (b"214 hi\r\n214-Exim 4.94\r\n", ("hi", "Exim 4.94"), True),
        (b"214 hi\r\n\r\n", ("hi",), False),
        (b"214-line\r\n" * 150 + b"214 Exim 4.94\r\n", ("line",) * 150 + ("Exim 4.94",), False),
        (b"214-first\r\n", ("first",), True),
        (b"214-" + b"x" * 50 + b"\r\n", ("x" * 50,), True),
    ],
    ids=["two", "two, one of them long", "the second half", "a blank line", "many lines", "half", "half a line"],
)
async def test_all_that_comes_in_answer_to_a_command_is_kept_and_what_is_not_whole_says_so(
    reply: bytes, lines: tuple[str, ...], *, incomplete: bool
) -> None:
    options = replace(DIALOGUE, dialogue_timeout_s=0.3) if incomplete else DIALOGUE
    dialogue = await dialogue_with(Talker(polite(EHLO=b"250 mx\r\n", HELP=reply)), options)
    answer = dialogue.exchanges[1]
    assert (answer.command, answer.code, answer.lines) == ("HELP", 214, lines)
    assert answer.incomplete is incomplete
    assert not dialogue.exchanges[0].incomplete


async def test_a_reply_beyond_our_limit_says_that_it_was_cut() -> None:
    reply = b"214-" + b"line\r\n214-" * 4000 + b"end\r\n214 sendmail version 8.17.1.9\r\n"
    dialogue = await dialogue_with(Talker(polite(EHLO=b"250 mx\r\n", HELP=reply)))
    answer = dialogue.exchanges[1]
    assert (answer.command, answer.incomplete) == ("HELP", True)
    assert "sendmail version 8.17.1.9" not in answer.lines


async def test_a_reply_without_a_code_is_kept_as_it_came_and_ends_the_dialogue() -> None:
    dialogue = await dialogue_with(Talker(polite(EHLO=b"250 mx\r\n", HELP=b"\x1b[31mhelp yourself\r\n")))
    help_reply = dialogue.exchanges[1]
    assert (help_reply.command, help_reply.code, help_reply.lines) == ("HELP", None, ("\\x1b[31mhelp yourself",))
    assert dialogue.error == "unreadable or negative reply to HELP"
    assert dialogue.extensions == ()


async def test_no_more_dialogues_at_a_time_than_allowed_and_all_come_to_their_end() -> None:
    speaking, most = 0, 0

    def script(peer: Peer) -> None:
        nonlocal speaking, most
        peer.send(GREETING)
        peer.read_line()
        speaking += 1
        most = max(most, speaking)
        peer.early_bytes(0.02)
        peer.send(b"250 mx\r\n")
        peer.received = b""
        peer.read_line()
        speaking -= 1
        peer.send(b"214 help\r\n")
        peer.received = b""
        peer.read_line()
        peer.send(b"221 bye\r\n")

    attempts = await visit(script, replace(DIALOGUE, dialogue_concurrency=3), count=20)
    assert len(attempts) == 20
    assert {attempt.dialogue.error for attempt in attempts if attempt.dialogue} == {None}
    assert 1 < most <= 3


async def test_abort_closes_every_dialogue_and_reports_none() -> None:
    attempts: list[Attempt] = []
    ends: list[str] = []

    def stalls(peer: Peer) -> None:
        peer.send(GREETING)
        peer.read_line()
        ends.append(peer.read_end())

    with serving(stalls) as server:
        pool = Pool(
            DIALOGUE,
            ListSource(loopback_targets(5, server.port)),
            Gate(ALWAYS_EXCLUDED, rate=0, subnet_rate=0),
            attempts.extend,
            budget=DescriptorBudget(50, 50, None),
        )
        running = asyncio.create_task(pool.run())
        await eventually(lambda: sum(peer.received.startswith(b"EHLO") for peer in server.peers) >= 5)
        pool.abort()
        await running
    assert attempts == []
    assert len(ends) == 5


def test_the_name_in_ehlo_is_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connected:
        def __init__(self, address: str) -> None:
            self.address = address

        def getsockname(self) -> Sequence[object]:
            return (self.address, 40000)

    for machine, address, expected in (
        ("scan1.example.net", "192.0.2.9", "scan1.example.net"),
        ("laptop", "192.0.2.9", "[192.0.2.9]"),
        ("bad name.example", "2001:db8::9", "[IPv6:2001:db8::9]"),
    ):
        monkeypatch.setattr("scanner.engine.dialogue.socket.gethostname", lambda machine=machine: machine)
        assert own_name(Connected(address)) == expected  # type: ignore[arg-type]  # a socket, as far as is asked


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"probe": Probe.GREETING}, False),
        ({"probe": Probe.DIALOGUE}, True),
        ({"probe": Probe.GREETING, "ports": (25, 465)}, True),
        ({"probe": Probe.GREETING, "ports": (25, 465), "passive": True}, False),
    ],
)
async def test_what_a_dialogue_needs_is_loaded_before_the_first_connection_or_not_at_all(
    changes: dict[str, object], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Dialogues] = []

    def make(*arguments: Any) -> Dialogues:
        made.append(Dialogues(*arguments))
        return made[-1]

    monkeypatch.setattr("scanner.engine.speaking.Dialogues", make)
    attempts: list[Attempt] = []
    options = replace(DIALOGUE, **changes)  # type: ignore[arg-type]  # a table of several types
    pool = Pool(
        options,
        ListSource([]),
        Gate(ALWAYS_EXCLUDED, rate=0, subnet_rate=0),
        attempts.extend,
        budget=DescriptorBudget(50, 50, None),
    )
    await pool.run()
    assert options.will_speak is expected
    assert len(made) == expected
