"""Visits by the pool to real sockets: what is sent, what is read, and what each ending is reported as."""

import select
import socket
import threading
from collections.abc import Callable

import pytest

from scanner.model import Status, Target
from scanner.smtp import is_whole_greeting
from tests.support.greetings import POSTFIX
from tests.support.pools import settings, sweep, visit_one
from tests.support.servers import Peer, by_ip, free_port, greets, in_turn, loopback_targets, serving, silent


async def test_every_host_of_a_network_is_read_once_and_left_in_good_order() -> None:
    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(300, server.port))
        server.join()
    assert sorted(by_ip(attempts)) == sorted(target.ip for target in loopback_targets(300, 0))
    assert {attempt.status for attempt in attempts} == {None}
    assert {attempt.raw for attempt in attempts} == {POSTFIX}
    assert {peer.received for peer in server.peers} == {b"QUIT\r\n"}
    assert {peer.ended for peer in server.peers} == {"closed"}
    assert (counts.started, counts.finished, counts.sockets) == (300, 300, 0)


async def test_nothing_is_sent_before_the_last_line_of_the_greeting() -> None:
    early: list[bytes] = []

    def postscreen(peer: Peer) -> None:
        early.append(peer.early_bytes(0.2))
        peer.send(b"220-mx.example.org ESMTP\r\n")
        early.append(peer.early_bytes(0.2))
        peer.send(b"220 mx.example.org")
        early.append(peer.early_bytes(0.2))
        peer.send(b" ESMTP Postfix\r")
        early.append(peer.early_bytes(0.2))
        greets(b"\n")(peer)

    with serving(postscreen) as server:
        attempt = await visit_one(server)
    assert early == [b"", b"", b"", b""]
    assert attempt.raw == b"220-mx.example.org ESMTP\r\n220 mx.example.org ESMTP Postfix\r\n"
    assert attempt.status is None
    assert attempt.connect_s is not None
    assert attempt.first_byte_s is not None
    assert 0.2 <= attempt.first_byte_s < attempt.total_s - 0.5
    assert server.peers[0].received == b"QUIT\r\n"


async def test_passive_sends_no_byte_at_all_and_ends_without_a_reset() -> None:
    ends: list[str] = []

    def script(peer: Peer) -> None:
        peer.send(POSTFIX)
        ends.append(peer.read_end())

    with serving(script) as server:
        attempt = await visit_one(server, settings(passive=True))
    assert attempt.raw == POSTFIX
    assert server.peers[0].received == b""
    assert ends == ["closed"]


async def test_a_server_that_hung_up_after_its_greeting_gets_no_quit() -> None:
    ends: list[str] = []

    def script(peer: Peer) -> None:
        peer.send(b"554 go away\r\n")
        peer.sock.shutdown(socket.SHUT_WR)
        ends.append(peer.read_end())

    with serving(script) as server:
        attempt = await visit_one(server)
    assert attempt.raw == b"554 go away\r\n"
    assert attempt.status is None
    assert server.peers[0].received in {b"", b"QUIT\r\n"}  # QUIT when the greeting came before the FIN
    assert ends == ["closed"]


async def test_the_wait_for_the_reply_to_quit_ends() -> None:
    def never_answers(peer: Peer) -> None:
        peer.send(POSTFIX)
        peer.read_end()

    with serving(never_answers) as server:
        attempt = await visit_one(server, settings(quit_timeout_s=0.1))
    assert attempt.raw == POSTFIX
    assert server.peers[0].received == b"QUIT\r\n"
    assert server.peers[0].ended == "closed"


def closes(peer: Peer) -> None:
    peer.sock.close()


def closes_inside(peer: Peer) -> None:
    peer.send(b"220 mx.exam")


def resets(peer: Peer) -> None:
    peer.reset()


def resets_inside(peer: Peer) -> None:
    peer.send(b"220-mx.example.org\r\n")
    threading.Event().wait(0.1)
    peer.reset()


def stalls(peer: Peer) -> None:
    peer.send(b"220-wait\r\n")
    peer.read_end()


def drips(peer: Peer) -> None:
    while peer.ended == "open":
        peer.send(b"220-x\r\n"[:1])
        peer.early_bytes(0.02)
        if select_closed(peer):
            return


def select_closed(peer: Peer) -> bool:
    try:
        return bool(select.select([peer.sock], [], [], 0)[0]) and peer.sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


@pytest.mark.parametrize(
    ("script", "changes", "status", "raw", "error"),
    [
        (closes, {}, Status.CLOSED, b"", None),
        (closes_inside, {}, Status.CUT, b"220 mx.exam", None),
        (resets, {"retries": 0}, Status.RESET, b"", "ECONNRESET"),
        (resets_inside, {}, Status.RESET, b"220-mx.example.org\r\n", "ECONNRESET"),
        (silent, {"greeting_timeout_s": 0.2}, Status.SILENT, b"", None),
        (silent, {"total_timeout_s": 0.2}, Status.SILENT, b"", None),
        (stalls, {"idle_timeout_s": 0.2}, Status.SLOW, b"220-wait\r\n", "idle"),
        (stalls, {"total_timeout_s": 0.2}, Status.SLOW, b"220-wait\r\n", None),
    ],
)
async def test_each_ending_has_its_own_status(
    script: Callable[[Peer], None], changes: dict[str, float], status: Status, raw: bytes, error: str | None
) -> None:
    with serving(script) as server:
        attempt = await visit_one(server, settings(**changes))
    assert (attempt.status, attempt.raw, attempt.error) == (status, raw, error)
    assert all(peer.received == b"" for peer in server.peers)


async def test_a_drip_that_never_ends_is_slow_although_it_is_never_idle() -> None:
    with serving(drips) as server:
        attempt = await visit_one(server, settings(idle_timeout_s=2, total_timeout_s=0.5))
    assert attempt.status is Status.SLOW
    assert attempt.error is None
    assert set(attempt.raw) == {ord("2")}


async def test_an_endless_greeting_is_cut_at_the_limit_and_gets_no_quit() -> None:
    def endless(peer: Peer) -> None:
        while not select_closed(peer):
            peer.sock.settimeout(2)
            peer.send(b"220-" + b"x" * 2000 + b"\r\n")

    with serving(endless) as server:
        attempt = await visit_one(server, settings(max_greeting_bytes=5000))
    assert attempt.status is None
    assert len(attempt.raw) == 5000
    assert attempt.raw.startswith(b"220-xxx")
    assert server.peers[0].received == b""


async def test_a_closed_port_is_refused() -> None:
    attempts, counts = await sweep([Target(0, "127.0.0.1", free_port())])
    assert [(attempt.status, attempt.error) for attempt in attempts] == [(Status.REFUSED, "ECONNREFUSED")]
    assert counts.retried == 0


async def test_a_reset_without_a_byte_is_tried_again_later_and_the_second_answer_counts() -> None:
    with serving(in_turn(resets, greets(POSTFIX))) as server:
        attempt = await visit_one(server)
    assert (attempt.status, attempt.raw, attempt.tries) == (None, POSTFIX, 2)


async def test_retries_are_bounded() -> None:
    with serving(resets) as server:
        attempts, counts = await sweep([Target(0, "127.0.0.1", server.port)], options=settings(retries=3))
    assert [(attempt.status, attempt.tries) for attempt in attempts] == [(Status.RESET, 4)]
    assert (counts.retried, counts.started, len(server.peers)) == (3, 4, 4)


async def test_a_surprise_in_our_own_code_is_that_hosts_status_and_the_sweep_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def surprising(data: bytes) -> bool:
        if b"bomb" in data:
            raise ZeroDivisionError
        return is_whole_greeting(data)

    monkeypatch.setattr("scanner.engine.connection_table.is_whole_greeting", surprising)
    with serving(in_turn(greets(POSTFIX), greets(b"220 bomb\r\n"), greets(POSTFIX))) as server:
        attempts, _ = await sweep(loopback_targets(3, server.port))
    assert sorted(str(attempt.status) for attempt in attempts) == ["None", "None", "bug"]
    assert "ZeroDivisionError" in caplog.text


async def test_a_source_address_is_used() -> None:
    seen: list[str] = []

    def script(peer: Peer) -> None:
        seen.append(peer.sock.getpeername()[0])
        greets(POSTFIX)(peer)

    with serving(script) as server:
        await sweep(loopback_targets(3, server.port), options=settings(source_address="127.3.2.1"))
        server.join()
    assert seen == ["127.3.2.1"] * 3


async def test_ipv6_targets_are_visited_like_any_other() -> None:
    greeting = b"220 six.example.org ESMTP\r\n"
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(greeting)
            sock.recv(100)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        attempts, _ = await sweep([Target(0, "::1", listener.getsockname()[1])])
        thread.join()
    assert [(attempt.status, attempt.raw) for attempt in attempts] == [(None, greeting)]
