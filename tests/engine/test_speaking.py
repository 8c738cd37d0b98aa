"""Claims about `scanner.engine.speaking`: one host's surprise is its own status, and an end leaves no socket open."""

import asyncio
import logging
import socket

import pytest

from scanner.engine import speaking
from scanner.engine.connection import Connection, Trace
from scanner.engine.speaking import Dialogues
from scanner.model import Status, Target
from scanner.settings import Probe, Settings


def conversation() -> tuple[Connection, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    one = Connection(Target(0, "127.0.0.1", 25), 1, ours, 0.0)
    one.raw = b"220 mx.example ESMTP\r\n"
    return one, theirs


def dialogues(ended: asyncio.Event, trace: Trace | None = None) -> Dialogues:
    return Dialogues(Settings(probe=Probe.DIALOGUE), ended.set, trace)


async def test_our_own_failure_is_the_status_of_that_host_and_its_trace_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(speaking, "Speaker", broken)
    ended = asyncio.Event()
    all_ = dialogues(ended)
    one, theirs = conversation()
    with caplog.at_level(logging.ERROR):
        all_.begin(one)
        await ended.wait()

    (attempt,) = all_.take_ended()
    assert (attempt.status, attempt.raw, len(all_)) == (Status.BUG, one.raw, 0)
    assert "a mistake of ours" in caplog.text
    assert theirs.recv(1) == b""
    theirs.close()


async def test_a_dialogue_that_is_dropped_reports_nothing_and_closes_its_socket() -> None:
    ended = asyncio.Event()
    all_ = dialogues(ended)
    one, theirs = conversation()
    theirs.sendall(one.raw)
    theirs.setblocking(False)
    all_.begin(one)
    assert (await asyncio.get_running_loop().sock_recv(theirs, 5)).startswith(b"EHLO")
    all_.cancel()
    await all_.wait_closed()
    await all_.wait_closed()

    assert (all_.take_ended(), len(all_), ended.is_set()) == ([], 0, False)
    theirs.close()


async def test_whoever_listens_hears_what_is_said() -> None:
    ended = asyncio.Event()
    said: list[tuple[str, bytes]] = []
    all_ = dialogues(ended, lambda _target, direction, data, _after_s: said.append((direction, data)))
    one, theirs = conversation()
    theirs.sendall(one.raw)
    theirs.shutdown(socket.SHUT_WR)
    all_.begin(one)
    await ended.wait()
    theirs.close()

    assert ("<", one.raw) in said
