"""The sockets a lab listens on, and the rule that nothing outside this machine can reach them.

A lab says odd and hostile things; it must never be a server on a real network. A wildcard listener is bound to the
loopback device (SO_BINDTODEVICE, which needs no privilege since Linux 5.7); any other address must be a loopback
address. Inside a network namespace of its own (`in_namespace`) every address goes, if there is no default route.
"""

import errno
import socket
from ipaddress import ip_address
from pathlib import Path

from scanner.errors import InputError

_BACKLOG = 65_535  # cut by the kernel to net.core.somaxconn
_LOOPBACK_DEVICE = b"lo"
_EXPLAIN = {
    errno.EADDRINUSE: "it is in use: choose another --port, 0 for any",
    errno.EACCES: "not permitted: choose a --port above 1023, or run as root",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine has no IPv6",
}


def listen(addresses: tuple[str, ...], port: int, *, in_namespace: bool) -> list[socket.socket]:
    """Return a non-blocking listener for each address, all on one port; port 0 takes a free one.

    Raises:
        InputError: when an address is not loopback or wildcard (unless `in_namespace`), when the namespace has
            a default route, or when the system refuses.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"lab: --port {port}: must be 0 to 65535")
    if in_namespace and _has_default_route():
        raise InputError("lab: --in-namespace: this network has a default route; use a namespace without one")
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            listeners.append(_listener(address, port, in_namespace=in_namespace))
            port = listeners[0].getsockname()[1]
    except InputError:
        for sock in listeners:
            sock.close()
        raise
    return listeners


def _listener(address: str, port: int, *, in_namespace: bool) -> socket.socket:
    try:
        ip = ip_address(address)
    except ValueError:
        raise InputError(f"lab: --bind {address}: not an IP address") from None
    if not (in_namespace or ip.is_loopback or ip.is_unspecified):
        raise InputError(f"lab: --bind {address}: only loopback addresses, 0.0.0.0 and :: are served")
    sock = socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ip.version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not in_namespace:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LOOPBACK_DEVICE)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        reason = _EXPLAIN.get(error.errno or 0, error.strerror)
        raise InputError(f"lab: cannot listen on {address} port {port}: {reason}") from None
    sock.settimeout(0)
    return sock


def _has_default_route(tables: Path = Path("/proc/net")) -> bool:
    """Return whether this network namespace has a way out (the kernel's routing tables, as text)."""
    ipv4 = [line.split() for line in Path(tables, "route").read_text().splitlines()[1:]]
    ipv6_file = Path(tables, "ipv6_route")
    ipv6 = [line.split() for line in ipv6_file.read_text().splitlines()] if ipv6_file.exists() else []
    return any(fields[1] == fields[7] == "00000000" for fields in ipv4) or any(
        set(fields[0]) == {"0"} and fields[1] == "00" and fields[-1] != "lo" for fields in ipv6
    )
