"""Claims about `scanner.engine.transport`: the table from errno to status, and source addresses."""

import errno
import select
import socket

import pytest

from scanner.engine import transport
from scanner.engine.transport import (
    CONNECT_ERRORS,
    HOPELESS_ERRORS,
    SHORTAGE_ERRORS,
    Cause,
    cause_of,
    check_source_address,
    connect_status,
    connection_error,
    error_name,
    read_status,
    route_error,
    start_connection,
)
from scanner.errors import SettingsError
from scanner.model import Status
from tests.support.servers import free_port


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (errno.ECONNREFUSED, Status.REFUSED),
        (errno.ECONNRESET, Status.RESET),
        (errno.ECONNABORTED, Status.RESET),
        (errno.EPIPE, Status.RESET),
        (errno.ETIMEDOUT, Status.CONNECT_TIMEOUT),
        (errno.EHOSTUNREACH, Status.UNREACHABLE),
        (errno.ENETUNREACH, Status.UNREACHABLE),
        (errno.EACCES, Status.UNREACHABLE),  # a local packet filter
        (errno.EPERM, Status.UNREACHABLE),  # the same, nftables
        (errno.EAFNOSUPPORT, Status.UNREACHABLE),
        (errno.EPROTO, Status.UNREACHABLE),
        (0, Status.UNREACHABLE),
    ],
)
def test_a_failed_attempt_to_connect_has_the_status_of_its_errno(code: int, status: Status) -> None:
    assert connect_status(code) is status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (errno.ECONNRESET, Status.RESET),
        (errno.EPIPE, Status.RESET),
        (errno.ETIMEDOUT, Status.RESET),  # the kernel gave the connection up
        (errno.EHOSTUNREACH, Status.UNREACHABLE),
        (errno.ENETUNREACH, Status.UNREACHABLE),
    ],
)
def test_a_connection_that_breaks_while_it_is_read_is_never_refused_or_a_connect_time_out(
    code: int, status: Status
) -> None:
    assert read_status(code) is status


def test_trouble_of_this_machine_has_no_status_of_a_target() -> None:
    assert SHORTAGE_ERRORS.isdisjoint(CONNECT_ERRORS)
    assert {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS} <= SHORTAGE_ERRORS


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT])
def test_an_answer_over_loopback_may_come_at_once_and_is_the_targets(code: int) -> None:
    assert cause_of(code, "127.0.0.1", None) is Cause.TARGET


@pytest.mark.parametrize(
    "code",
    [
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT),
        *(errno.EINVAL, 99999),  # a black hole's, and one that nobody has thought of
    ],
)
def test_what_the_kernel_says_at_once_is_this_machines_word(code: int) -> None:
    assert cause_of(code, "127.0.0.1", None) is Cause.NO_WAY


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.EAGAIN])
def test_what_this_machine_lacks_is_no_missing_way(code: int) -> None:
    assert cause_of(code, "127.0.0.1", None) is Cause.SHORTAGE


def test_without_an_address_of_ours_to_come_from_there_is_no_way_but_with_one_a_port_is_lacking() -> None:
    """203.0.113.9 is not an address of this machine: nothing is sent, since no socket can be bound to it."""
    assert cause_of(errno.EADDRNOTAVAIL, "127.0.0.1", "203.0.113.9") is Cause.NO_WAY
    assert cause_of(errno.EADDRNOTAVAIL, "127.0.0.1", "127.0.0.9") is Cause.SHORTAGE


@pytest.mark.parametrize(
    ("ip", "source", "code"),
    [
        ("127.1.2.3", None, 0),
        ("::1", None, 0),
        ("127.0.0.1", "127.5.6.7", 0),
        ("127.0.0.1", "203.0.113.9", errno.EADDRNOTAVAIL),
        ("::1", "127.0.0.1", errno.EAFNOSUPPORT),
    ],
)
def test_the_routes_of_this_machine_are_asked_without_a_packet(ip: str, source: str | None, code: int) -> None:
    assert route_error(ip, source) == code


def test_a_route_that_cannot_be_asked_for_lack_of_a_descriptor_is_none_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, "none left")

    monkeypatch.setattr(socket, "SocketType", none_left)

    assert route_error("127.0.0.1", None) == errno.EMFILE


def test_a_broadcast_address_is_no_hosts_and_does_not_wait_for_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {False: errno.EACCES, True: 0}
    sock, code = start_connection("127.255.255.255", 25, None)  # the loopback network has one, too
    sock.close()
    assert (code, cause_of(code, "127.255.255.255", None)) == (errno.ENETUNREACH, Cause.TARGET)

    monkeypatch.setattr(transport, "route_error", lambda _ip, _source, broadcast=False: answers[broadcast])

    assert cause_of(errno.ENETUNREACH, "192.0.2.255", None) is Cause.TARGET
    answers[True] = errno.EACCES  # a route that prohibits it
    assert cause_of(errno.ENETUNREACH, "192.0.2.255", None) is Cause.NO_WAY


@pytest.mark.parametrize(("code", "name"), [(errno.ECONNREFUSED, "ECONNREFUSED"), (99999, "errno 99999")])
def test_an_errno_has_a_name_for_people(code: int, name: str) -> None:
    assert error_name(code) == name


@pytest.mark.parametrize(("family", "ip"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_connection_is_started_without_waiting_for_it(family: socket.AddressFamily, ip: str) -> None:
    with socket.create_server((ip, 0), family=family) as listener:
        sock, code = start_connection(ip, listener.getsockname()[1], None)
        accepted, peer = listener.accept()

        assert (code, sock.getpeername()[0]) == (0, ip)
        assert sock.getsockname()[:2] == peer[:2]
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        accepted.close()
        sock.close()


def test_a_refusal_is_pending_on_the_socket_once() -> None:
    sock, _ = start_connection("127.0.0.1", free_port(), None)
    assert select.select([], [sock.fileno()], [], 5)[1] == [sock.fileno()]

    assert [connection_error(sock), connection_error(sock)] == [errno.ECONNREFUSED, 0]
    sock.close()


@pytest.mark.parametrize(("ip", "source"), [("127.0.0.1", "127.5.6.7"), ("::1", "::1")])
def test_the_source_address_is_the_one_the_server_sees(ip: str, source: str) -> None:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.create_server((ip, 0), family=family) as listener:
        sock, code = start_connection(ip, listener.getsockname()[1], source)
        accepted, peer = listener.accept()
        accepted.close()
        sock.close()

    assert (code, peer[0]) == (0, source)


@pytest.mark.parametrize(("ip", "source"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
def test_a_source_address_of_the_other_family_has_no_way_to_the_target(ip: str, source: str) -> None:
    with pytest.raises(OSError, match="other family") as caught:
        start_connection(ip, 25, source)

    assert caught.value.errno in HOPELESS_ERRORS


def test_a_socket_that_cannot_be_bound_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.SocketType] = []

    class Remembered(socket.SocketType):
        def __init__(self, family: int, kind: int) -> None:
            super().__init__(family, kind)
            made.append(self)

    monkeypatch.setattr(socket, "SocketType", Remembered)
    with pytest.raises(OSError, match="assign requested address"):
        start_connection("127.0.0.1", 25, "192.0.2.1")

    assert [sock.fileno() for sock in made] == [-1]


@pytest.mark.parametrize("source", ["127.0.0.1", "127.9.8.7", "::1"])
def test_an_address_of_this_machine_can_be_the_source(source: str) -> None:
    check_source_address(source)


@pytest.mark.parametrize("source", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_refused_in_one_line(source: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_source_address(source)

    assert (
        str(caught.value)
        == f"--source-address {source}: not an address of this machine (Cannot assign requested address)"
    )


@pytest.mark.parametrize("source", ["localhost", "", "127.1", "127.0.0.1:25", "fe80::1%lo", "\x1b[31m\n"])
def test_what_is_no_address_is_refused_without_asking_the_dns(source: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_source_address(source)

    assert str(caught.value) == f"--source-address {source!a}: not an IP address"
