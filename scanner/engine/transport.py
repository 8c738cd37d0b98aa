"""Open sockets to targets, and translate what the network says into a `Status`, by one table.

No other module opens a socket to a target or looks at an errno. An error that the kernel gives at once, before a packet
has left, is about this machine (`cause_of`), except for an answer over loopback. A later error is about the network.

A socket here is the plain C type (`socket.SocketType`): the Python class around it costs 0.6 us a connection and adds
nothing that is used.
"""

import errno
import socket
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from scanner.errors import SettingsError
from scanner.model import Status
from scanner.targets.address import parse_address

#: The status of a failed connection attempt. Any other errno is UNREACHABLE, with the name of the errno beside it.
CONNECT_ERRORS: Mapping[int, Status] = MappingProxyType(
    {
        errno.ECONNREFUSED: Status.REFUSED,
        errno.ECONNRESET: Status.RESET,
        errno.ECONNABORTED: Status.RESET,
        errno.EPIPE: Status.RESET,
        errno.ETIMEDOUT: Status.CONNECT_TIMEOUT,  # the kernel's own limit came before ours
        errno.EHOSTUNREACH: Status.UNREACHABLE,  # ICMP host unreachable, administratively prohibited; no ARP answer
        errno.ENETUNREACH: Status.UNREACHABLE,  # ICMP network unreachable
    }
)

#: Errors of connect(2) that come from the target even when they come at once. All others are then this machine's.
PEER_ERRORS = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT})

#: Errors that say that this machine lacks something for any connection. The target is tried again later.
SHORTAGE_ERRORS = frozenset(
    {
        errno.EMFILE,  # this process has no descriptor left
        errno.ENFILE,  # the system has none
        errno.EADDRNOTAVAIL,  # no ephemeral port left; without a source address for this target it is NO_WAY
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EAGAIN,  # connect(2): no free local port or routing cache entry
    }
)

#: Errors that waiting does not cure: a source address of the other family, or no support for the family.
HOPELESS_ERRORS = frozenset({errno.EAFNOSUPPORT})


class Cause(Enum):
    """Why a connection could not even be started."""

    TARGET = "target"  # the target's answer: its result
    SHORTAGE = "shortage"  # this machine cannot open any connection now
    NO_WAY = "no_way"  # this machine has no way to this target now: no route, interface down, local firewall


#: Linux: choose the port at connect time, so that one source address serves more than 28,000 connections (ip(7)).
_IP_BIND_ADDRESS_NO_PORT = 24

#: A route does not depend on the port.
_ANY_PORT = 25

_IN_PROGRESS = frozenset({0, errno.EINPROGRESS})
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


def start_connection(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
    """Open a non-blocking socket and start to connect it.

    Returns:
        The socket, which the caller closes, and an errno: 0 when the connection is in progress or already made.

    Raises:
        OSError: when no socket could be made, or not with this source address; the target is never the cause.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = socket.SocketType(family, _STREAM)
    try:
        if source is not None:
            _bind(sock, family, source)
        code = sock.connect_ex((ip, port))
    except OSError:
        sock.close()
        raise
    return sock, 0 if code in _IN_PROGRESS else code


def cause_of(code: int, ip: str, source: str | None) -> Cause:
    """Say what an errno is about that `start_connection` returned or raised."""
    if code in PEER_ERRORS:
        return Cause.TARGET
    if code == errno.EADDRNOTAVAIL and route_error(ip, source):
        return Cause.NO_WAY  # no source address for it; with a route it is a port that is lacking
    if code in SHORTAGE_ERRORS:
        return Cause.SHORTAGE
    if code == errno.ENETUNREACH and _is_broadcast(ip, source):
        return Cause.TARGET  # a broadcast address is not a host, whatever the routes are
    return Cause.NO_WAY


def route_error(ip: str, source: str | None, *, broadcast: bool = False) -> int:
    """Ask the kernel for a route to an address; return 0, or the errno.

    Nothing is sent: connecting a UDP socket only looks up the route.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        sock = socket.SocketType(family, socket.SOCK_DGRAM)
    except OSError as error:
        return error.errno or errno.EIO
    try:
        if broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if source is not None:
            _bind(sock, family, source)
        return sock.connect_ex((ip, _ANY_PORT))
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        sock.close()


def _is_broadcast(ip: str, source: str | None) -> bool:
    """Whether an address can be reached as a broadcast only: UDP may then go there with SO_BROADCAST."""
    return route_error(ip, source) == errno.EACCES and not route_error(ip, source, broadcast=True)


def _bind(sock: socket.SocketType, family: int, source: str) -> None:
    if (":" in source) != (family == socket.AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "the source address is of the other family")
    sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))


def check_source_address(source: str) -> None:
    """Try a source address before anything is visited.

    Raises:
        SettingsError: when it is not an address, or no socket of this machine can be bound to it.
    """
    try:
        parse_address(source)  # Python's bind would ask the DNS for a name, once for each connection
    except ValueError:
        raise SettingsError(f"--source-address {source!a}: not an IP address") from None
    try:
        with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET) as sock:
            sock.bind((source, 0))
    except OSError as error:
        raise SettingsError(f"--source-address {source}: not an address of this machine ({error.strerror})") from None


def connection_error(sock: socket.SocketType) -> int:
    """Return and clear the errno pending on a socket; 0 when there is none."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def connect_status(code: int) -> Status:
    """Translate the errno of a failed connection attempt."""
    return CONNECT_ERRORS.get(code, Status.UNREACHABLE)


def read_status(code: int) -> Status:
    """Translate the errno of a failed read on a connection that was made."""
    return Status.UNREACHABLE if code in {errno.EHOSTUNREACH, errno.ENETUNREACH} else Status.RESET


def error_name(code: int) -> str:
    """Return the name of an errno: "ECONNREFUSED"."""
    return errno.errorcode.get(code, f"errno {code}")
