"""The second reader against scripted servers: what it reads, what it says, and that nobody hangs or escapes it."""

import asyncio
import socket
from dataclasses import replace

import pytest

from scanner.engine import Gate
from scanner.model import Exchange
from scanner.settings import Settings
from scanner.targets import ALWAYS_EXCLUDED, COMMAND_LINE, TextSource, parse_spec
from scanner.verification.evidence import Opinion
from scanner.verification.second_opinion import second_opinion
from tests.support.certificates import make_certificate, server_context
from tests.support.dialogues import SENDMAIL_REPLIES
from tests.support.greetings import NO_PRODUCT_LAB, SENDMAIL_8_17
from tests.support.mail_hosts import MailHost
from tests.support.servers import Peer, Script, free_port, serving
from tests.support.waiting import eventually

SETTINGS = Settings(
    rate=0,
    subnet_rate=0,
    ehlo_name="scanner.example.net",
    connect_timeout_s=3,
    greeting_timeout_s=3,
    dialogue_timeout_s=3,
    total_timeout_s=6,
)


def gate(*excluded: str) -> Gate:
    return Gate(parse_spec([TextSource(COMMAND_LINE, excluded)]).ranges or ALWAYS_EXCLUDED, rate=0, subnet_rate=0)


async def opinion_on(script: Script, settings: Settings = SETTINGS) -> Opinion:
    with serving(script) as server:
        if settings.tls_ports == (0,):
            settings = replace(settings, tls_ports=(server.port,))
        return await second_opinion(gate(), "127.0.0.9", server.port, settings)


def said(exchange: Exchange | None) -> tuple[int | None, tuple[str, ...]] | None:
    return None if exchange is None else (exchange.code, exchange.lines)


async def test_greeting_ehlo_and_help_are_read_as_they_are_and_nothing_else_is_said() -> None:
    host = MailHost(SENDMAIL_8_17, SENDMAIL_REPLIES)

    opinion = await opinion_on(host)

    assert said(opinion.greeting) == (220, (SENDMAIL_8_17[4:-2].decode(),))
    assert said(opinion.ehlo) == SENDMAIL_REPLIES["EHLO scanner.lab.example"]
    assert said(opinion.help) is not None
    assert opinion.help is not None
    assert opinion.help.lines[0] == "2.0.0 This is sendmail version 8.17.1.9"
    assert opinion.error is None
    assert host.heard == ["EHLO scanner.example.net", "HELP", "QUIT"]


async def test_a_greeting_that_refuses_is_kept_and_nothing_is_said_after_it() -> None:
    host = MailHost(b"554-mail1 no\r\n554 Sendmail 8.14.4 says no\r\n", SENDMAIL_REPLIES)

    opinion = await opinion_on(host)

    assert said(opinion.greeting) == (554, ("mail1 no", "Sendmail 8.14.4 says no"))
    assert (opinion.ehlo, opinion.help, opinion.error, host.heard) == (None, None, None, [])


async def test_help_that_is_not_known_is_an_answer() -> None:
    opinion = await opinion_on(MailHost(NO_PRODUCT_LAB, {"EHLO": b"250 mail1\r\n", "HELP": b"502 5.3.0 no\r\n"}))

    assert said(opinion.help) == (502, ("5.3.0 no",))
    assert opinion.error is None


async def test_bytes_that_are_no_ascii_come_back_escaped() -> None:
    opinion = await opinion_on(
        MailHost(NO_PRODUCT_LAB, {"EHLO": b"250 m\xff\x1b[31m\r\n", "HELP": b"214 a\xe2\x80\xa8b\\c\r\n"})
    )

    assert said(opinion.ehlo) == (250, ("m\\xff\\x1b[31m",))
    assert said(opinion.help) == (214, ("a\\xe2\\x80\\xa8b\\\\c",))


async def test_a_server_that_hangs_up_leaves_what_was_read_and_why_it_ended() -> None:
    opinion = await opinion_on(MailHost(NO_PRODUCT_LAB, {"EHLO": b"250 mail1\r\n", "HELP": b""}))

    assert said(opinion.ehlo) == (250, ("mail1",))
    assert (opinion.help, opinion.error) == (None, "closed by the server at HELP")


async def test_a_server_that_never_answers_is_given_up() -> None:
    def silent(peer: Peer) -> None:
        peer.send(NO_PRODUCT_LAB)
        peer.read_end()

    opinion = await opinion_on(silent, replace(SETTINGS, dialogue_timeout_s=0.2))

    assert (said(opinion.greeting), opinion.error) == ((220, ("mail1.lab.example ESMTP",)), "no answer to EHLO in time")


async def test_a_tarpit_ends_at_the_total_time_limit() -> None:
    def tarpit(peer: Peer) -> None:
        peer.send(b"220-slow")
        peer.read_end()

    opinion = await opinion_on(tarpit, replace(SETTINGS, total_timeout_s=0.3))

    assert opinion == Opinion(error="no answer to greeting in time")


@pytest.mark.parametrize("greeting", [b"hello\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"220" + b"x" * 100_000 + b"\r\n"])
async def test_what_is_no_reply_is_said_to_be_none(greeting: bytes) -> None:
    opinion = await opinion_on(MailHost(greeting, {}))

    assert opinion == Opinion(error="unreadable reply to greeting")


async def test_a_port_on_which_nobody_listens_is_a_reason_and_no_exception() -> None:
    opinion = await second_opinion(gate(), "127.0.0.9", free_port(), SETTINGS)

    assert opinion == Opinion(error="refused: ECONNREFUSED")


async def test_an_excluded_address_gets_no_connection() -> None:
    with serving(MailHost(NO_PRODUCT_LAB, SENDMAIL_REPLIES)) as server:
        opinion = await second_opinion(gate("127.0.0.8/29"), "127.0.0.9", server.port, SETTINGS)

    assert (opinion, server.peers) == (Opinion(error="excluded"), [])


async def test_where_tls_comes_first_it_is_read_inside() -> None:
    host = MailHost(SENDMAIL_8_17, SENDMAIL_REPLIES, tls=server_context(*make_certificate("mail1.lab.example")))

    opinion = await opinion_on(host, replace(SETTINGS, tls_ports=(0,)))

    assert opinion.error is None
    assert said(opinion.greeting) == (220, (SENDMAIL_8_17[4:-2].decode(),))
    assert host.heard == ["EHLO scanner.example.net", "HELP", "QUIT"]


async def test_a_plain_server_where_tls_should_come_first_is_a_reason() -> None:
    opinion = await opinion_on(MailHost(NO_PRODUCT_LAB, {}), replace(SETTINGS, tls_ports=(0,)))

    assert opinion == Opinion(error="TLS handshake failed: WRONG_VERSION_NUMBER")


async def test_a_cancelled_reading_leaves_no_connection() -> None:
    def silent(peer: Peer) -> None:
        peer.read_end()

    with serving(silent) as server:
        task = asyncio.create_task(second_opinion(gate(), "127.0.0.9", server.port, SETTINGS))
        await eventually(lambda: server.peers)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.join()

    assert server.peers[0].ended in {"closed", "reset"}


async def test_without_a_name_of_our_own_it_says_who_it_is() -> None:
    host = MailHost(NO_PRODUCT_LAB, SENDMAIL_REPLIES)

    await opinion_on(host, replace(SETTINGS, ehlo_name=None))

    assert host.heard[0] in {f"EHLO {socket.gethostname()}", "EHLO [127.0.0.1]"}
