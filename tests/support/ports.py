"""Ports for servers that are killed and started again, and for tests that run beside others."""

import contextlib
import random
import socket
from typing import Final

#: Not among those that the kernel gives to clients: one that tries again and again could take a killed server's port.
_PORTS: Final = range(20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens, all different."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    message = f"no {count} ports of {_PORTS} are free"
    raise AssertionError(message)
