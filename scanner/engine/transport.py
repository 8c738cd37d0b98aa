"""Sockets to targets, and the one table that turns what the network says into a `Status`.

No other module opens a socket to a target or looks at an errno. A socket here is the plain C type
(`socket.SocketType`): the Python class around it costs 0.6 us a connection and adds nothing that is used.
"""

import errno
import socket
from collections.abc import Mapping
from types import MappingProxyType

from scanner.errors import SettingsError
from scanner.model import Status
from scanner.targets.address import parse_address

#: How a connection attempt that failed is reported. What is not listed is UNREACHABLE with the errno's name beside it.
CONNECT_ERRORS: Mapping[int, Status] = MappingProxyType(
    {
        errno.ECONNREFUSED: Status.REFUSED,
        errno.ECONNRESET: Status.RESET,
        errno.ECONNABORTED: Status.RESET,
        errno.EPIPE: Status.RESET,
        errno.ETIMEDOUT: Status.CONNECT_TIMEOUT,  # the kernel's own limit came before ours
        errno.EHOSTUNREACH: Status.UNREACHABLE,  # ICMP host unreachable, administratively prohibited; no ARP answer
        errno.ENETUNREACH: Status.UNREACHABLE,  # ICMP network unreachable, or no route here
    }
)

#: Trouble of this machine. The target is tried again later and never hears of it in its record.
LOCAL_ERRORS = frozenset(
    {
        errno.EMFILE,  # this process has no descriptor left
        errno.ENFILE,  # the system has none
        errno.EADDRNOTAVAIL,  # no ephemeral port left
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENETDOWN,
        errno.EAGAIN,  # connect(2): no free local port or routing cache entry
    }
)

#: What connect(2) says at once when this machine has no way to the target.
NO_ROUTE_ERRORS = frozenset({errno.ENETUNREACH, errno.EAFNOSUPPORT})

#: Linux: choose the port at connect time, so that one source address serves more than 28,000 connections (ip(7)).
_IP_BIND_ADDRESS_NO_PORT = 24

_IN_PROGRESS = frozenset({0, errno.EINPROGRESS})
_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)


def start_connection(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
    """Open a non-blocking socket and start to connect it.

    Returns:
        The socket, which the caller closes, and an errno: 0 when the connection is under way or already made.

    Raises:
        OSError: when no socket could be made at all; its errno is in `LOCAL_ERRORS`, or says that this machine does
            not speak the address family.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = socket.SocketType(family, _STREAM)
    try:
        if _STREAM == socket.SOCK_STREAM:
            sock.settimeout(0)
        if source is not None:
            _bind(sock, family, source)
        code = sock.connect_ex((ip, port))
    except OSError:
        sock.close()
        raise
    return sock, 0 if code in _IN_PROGRESS else code


def _bind(sock: socket.SocketType, family: int, source: str) -> None:
    if (":" in source) != (family == socket.AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "the source address is of the other family")
    sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))


def check_source_address(source: str) -> None:
    """Try a source address before anything is visited.

    Raises:
        SettingsError: when it is no address, or no socket of this machine can be bound to it.
    """
    try:
        parse_address(source)  # bind(2) of Python would ask the DNS for a name, once for each connection
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
    """Name an errno for people: "ECONNREFUSED"."""
    return errno.errorcode.get(code, f"errno {code}")
