"""What the lab counts of its clients, and that no client disturbs another."""

import select
import socket
from contextlib import suppress
from ipaddress import ip_address

import pytest

from scanner.lab.behaviours import BEHAVIOURS
from scanner.lab.server import Lab, LabSettings
from tests.support.lab_clients import (
    NETWORK,
    PATIENCE_S,
    SCALE,
    address_of,
    connect,
    quit_politely,
    read,
    read_all,
    read_line,
    running,
)


def test_clean_quits_are_counted_with_every_byte(dense: Lab) -> None:
    addresses = [str(ip_address(NETWORK + offset)) for offset in range(50)]
    said = [quit_politely(dense, address) for address in (*addresses, addresses[0])]

    statistics = dense.statistics
    assert (statistics.connections, statistics.quits) == (51, 51)
    assert (statistics.hangups, statistics.resets, statistics.early_talkers) == (0, 0, 0)
    assert statistics.bytes_received == 51 * len(b"QUIT\r\n")
    assert statistics.bytes_sent == sum(len(words) for words in said)
    assert statistics.visits["127.1.0.0"] == 2
    assert len(statistics.visits) == 50


def test_a_client_that_hangs_up_is_no_clean_quit(dense: Lab) -> None:
    with connect(dense, "127.1.0.1") as sock:
        sock.recv(65_536)
    quit_politely(dense, "127.1.0.2")  # events are served in order: the first one has been seen

    assert (dense.statistics.hangups, dense.statistics.quits) == (1, 1)


def test_a_client_that_resets_is_counted(dense: Lab) -> None:
    with connect(dense, "127.1.0.1") as sock:
        sock.recv(65_536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    quit_politely(dense, "127.1.0.2")

    assert (dense.statistics.resets, dense.statistics.hangups) == (1, 0)


@pytest.mark.parametrize("name", ["silent", "pause_6s", "endless_lines"])
def test_a_client_that_resets_before_the_greeting_is_counted(name: str) -> None:
    with running(LabSettings(port=0)) as lab:
        with connect(lab, address_of(name)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        quit_politely(lab, address_of("plain"))

        assert (lab.statistics.resets, lab.statistics.hangups) == (1, 0)


def test_a_client_that_does_not_read_a_flood_stops_it_and_nothing_else(mixed: Lab) -> None:
    with socket.socket() as sock:
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that little is on its way
        sock.connect((address_of("endless_lines"), mixed.port))
        while not any(peer.watched & select.EPOLLOUT for peer in list(mixed._peers.values())):
            quit_politely(mixed, address_of("plain"))  # the others are served until the kernel takes no more

        name, *lines, _rest = read(sock, 1_000_000).split(b"\r\n")

    assert name.startswith(b"220-h-")
    assert len(lines) > 50_000
    assert set(lines) == {b"220-and so on"}


def test_closing_a_lab_closes_every_connection() -> None:
    with running(LabSettings(port=0)) as lab:
        clients = [connect(lab, address_of(name)) for name in ("plain", "silent")]
        clients[0].recv(65_536)
        quit_politely(lab, address_of("plain"))

    assert [client.recv(1) for client in clients] == [b"", b""]
    for client in clients:
        client.close()


@pytest.mark.parametrize("name", ["pause_6s", "teaser"])
def test_a_client_that_talks_before_the_greeting_is_an_early_talker(name: str) -> None:
    with running(LabSettings(port=0, time_scale=0.05)) as lab:
        with connect(lab, address_of(name)) as sock:
            sock.sendall(b"EHLO me\r\n")
            sock.sendall(b"NOOP\r\n")
            while not read_line(sock).startswith(b"220 "):
                pass
            sock.sendall(b"QUIT\r\n")
            read_all(sock)

        assert (lab.statistics.early_talkers, lab.statistics.quits) == (1, 1)


def test_a_patient_client_is_no_early_talker() -> None:
    with running(LabSettings(port=0, time_scale=SCALE)) as lab:
        for name in ("pause_6s", "teaser", "split", "drip", "plain"):
            with connect(lab, address_of(name)) as sock:
                while not read_line(sock).startswith(b"220 "):
                    pass
                sock.sendall(b"QUIT\r\n")
                read_all(sock)

        assert (lab.statistics.early_talkers, lab.statistics.quits) == (0, 5)


def test_a_client_may_leave_at_any_time(mixed: Lab) -> None:
    """Closing into pauses, drips and floods leaves the lab serving."""
    for name in BEHAVIOURS:
        with suppress(ConnectionError):
            connect(mixed, address_of(name)).close()

    assert quit_politely(mixed, address_of("plain")).startswith(b"220")


# --- where it listens ----------------------------------------------------------------------------------------
