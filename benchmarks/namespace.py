"""Networks of our own: namespaces without any way out, for what loopback cannot show.

Two shapes. `dark_network`: one namespace in which 1 of 128 addresses of a range lives and the rest swallow every
packet. `wire`: two namespaces joined by a pair of virtual network cards, for programs that send packets past the
kernel's TCP. Addresses are 198.18.0.0/15 (RFC 2544: benchmarks) and, where millions are needed, 10.0.0.0/8; neither
can leave, since a new namespace has no card but the ones made here. Needs root and the `ip` command; everything is
removed at the end.
"""

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import BenchmarkError, UnavailableError

#: The hosts behind the wire, all of them alive, and the two ends of the wire.
HOSTS = ipaddress.IPv4Network("198.18.0.0/16")
CLIENT = "198.19.0.1"
SERVER = "198.19.0.2"
#: An address on the wire that no kernel owns, for programs that bring their own TCP: nobody answers with RST for it.
UNOWNED = "198.19.0.9"
CLIENT_MAC = "02:00:c6:13:00:01"
SERVER_MAC = "02:00:c6:13:00:02"
CARD = "wire0"
#: Where `ip netns` keeps the names.
_NAMED = Path("/run/netns")
#: One address of so many lives in a dark network: 99.2 % are dark.
DARK_SHARE = 128


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of ours."""

    name: str

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs another one inside; it replaces itself, so CPU and signals are the program's."""
        return ["ip", "netns", "exec", self.name, *command]

    def ip(self, *arguments: str) -> None:
        """Run `ip` inside."""
        _ip("-n", self.name, *arguments)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        raise BenchmarkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def namespace(role: str) -> Iterator[Namespace]:
    """Make a namespace with loopback up and nothing else, and remove it at the end.

    Raises:
        UnavailableError: without root or the `ip` command.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise UnavailableError("network namespaces need root and the `ip` command")
    space = Namespace(f"sweepbench-{role}-{os.getpid()}")
    try:
        _ip("netns", "add", space.name)
        space.ip("link", "set", "lo", "up")
        yield space
    finally:
        if (_NAMED / space.name).exists():  # also when a signal came while it was being made
            _ip("netns", "delete", space.name)


@contextmanager
def dark_network(range_: ipaddress.IPv4Network) -> Iterator[tuple[Namespace, ipaddress.IPv4Network]]:
    """Yield a namespace where the first 1/128 of the range lives, on loopback, and the rest never answers.

    A card without ARP sends what is not local to a card that takes nothing which is not addressed to it.
    """
    live = next(range_.subnets(prefixlen_diff=DARK_SHARE.bit_length() - 1))
    with namespace("dark") as space:
        space.ip("link", "add", "name", "dark0", "type", "veth", "peer", "name", "dark1")
        space.ip("link", "set", "dark0", "arp", "off", "up")
        space.ip("link", "set", "dark1", "arp", "off", "up")
        space.ip("address", "add", f"{CLIENT}/32", "dev", "dark0")
        space.ip("route", "add", str(range_), "dev", "dark0")
        space.ip("route", "add", "local", str(live), "dev", "lo")
        yield space, live


@contextmanager
def wire() -> Iterator[tuple[Namespace, Namespace]]:
    """Yield a client's and a server's namespace; every address of `HOSTS` lives in the second."""
    with namespace("client") as client, namespace("server") as server:
        peer = ["peer", "name", CARD, "address", SERVER_MAC, "netns", server.name]
        client.ip("link", "add", "name", CARD, "address", CLIENT_MAC, "type", "veth", *peer)
        for space, address in ((client, CLIENT), (server, SERVER)):
            space.ip("address", "add", f"{address}/24", "dev", CARD)
            space.ip("link", "set", CARD, "up")
        client.ip("route", "add", str(HOSTS), "via", SERVER)
        server.ip("route", "add", "local", str(HOSTS), "dev", "lo")
        server.ip("neighbour", "add", UNOWNED, "lladdr", CLIENT_MAC, "dev", CARD, "nud", "permanent")
        yield client, server
