"""A network with live, refused, dark and unreachable addresses, in network namespaces of its own (Linux, root).

On loopback every address accepts. Here a scanner's namespace reaches four ranges through one gateway:

- live: local to the gateway's namespace, where a lab listens on every address;
- refused: local to a third namespace, where nothing listens: its kernel answers with RST;
- dark: the gateway drops what is sent there and says nothing (a `blackhole` route, when it forwards);
- unreachable: the gateway answers with ICMP host unreachable. Linux limits that, per source, to five messages at once
  and then one a second (`ip_error` in the kernel, not adjustable in a namespace), so the range is small.

Delay and loss (netem) act on both ends of the scanner's link, each way. No namespace has a default route or a link to
the outside: nothing can leave the machine. What was made is removed at the end, whatever happens; names carry the
process id, so that two runs do not meet. Left out: IPv6.

Sources: ip-route(8), ip-netns(8), tc-netem(8).
"""

import os
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from types import TracebackType
from typing import Self

from scanner.errors import LocalError
from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings

_PREFIX = "smtplab"
_COMMAND_S = 20.0
_NUMBERS = count(1)  # a process may have several networks
# Link addresses, one /30 for each pair; the routes of the ranges point at them.
_SCANNER, _GATEWAY = "10.199.0.1", "10.199.0.2"
_TO_REFUSED, _REFUSED_SIDE = "10.199.0.5", "10.199.0.6"
#: Kernel settings of the gateway: forward, and do not limit ICMP errors beyond what cannot be switched off.
_GATEWAY_SYSCTLS = {"ip_forward": "1", "icmp_ratelimit": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLayout:
    """Which addresses are what, as CIDR. They must not overlap each other or 10.199.0.0/29 (the links)."""

    live: str = "10.199.16.0/20"
    refused: str = "10.199.32.0/20"
    dark: str = "10.199.128.0/17"
    unreachable: str = "10.199.64.0/29"


class LabNetwork:
    """Namespaces, links, ranges and a lab in them. Use as a context manager (root).

    `lab` is the lab's process, `port` the port it listens on. `delay_ms` and `loss_percent` act in each direction.
    """

    def __init__(
        self,
        settings: LabSettings | None = None,
        *,
        ranges: NetworkLayout | None = None,
        delay_ms: float = 0.0,
        loss_percent: float = 0.0,
    ) -> None:
        """Prepare, do not make anything. Without settings: the mixed profile on port 25."""
        self.settings = replace(settings or LabSettings(port=25), in_namespace=True, bind=("0.0.0.0",))  # noqa: S104 - a namespace without a way out
        self.ranges = ranges or NetworkLayout()
        number = next(_NUMBERS)
        roles = ("scanner", "gateway", "refused")
        self._names = {role: f"{_PREFIX}-{os.getpid()}-{number}-{role}" for role in roles}
        self._netem = [f"delay {delay_ms:g}ms"] * (delay_ms > 0) + [f"loss {loss_percent:g}%"] * (loss_percent > 0)
        self._undo = ExitStack()
        self.lab = LabProcess(self.settings, prefix=self._inside("gateway"))

    def __enter__(self) -> Self:
        """Make the network and start the lab.

        Raises:
            LocalError: when a namespace, link, route or qdisc cannot be made; nothing is left behind.
        """
        with ExitStack() as stack:
            for name in self._names.values():
                _ip("netns", "add", name)
                stack.callback(_ip, "netns", "delete", name)
            self._link("scanner", _SCANNER, "gateway", _GATEWAY)
            self._link("gateway", _TO_REFUSED, "refused", _REFUSED_SIDE)
            self._route()
            self._degrade()
            stack.enter_context(self.lab)
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the lab and remove the network."""
        self._undo.__exit__(kind, error, trace)

    @property
    def port(self) -> int:
        """The port the lab listens on."""
        return self.lab.port

    def command(self, *command: str) -> tuple[str, ...]:
        """Return the command line that runs `command` where the scanner is."""
        return (*self._inside("scanner"), *command)

    def run(self, *command: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command where the scanner is and return what it said; its exit code is the caller's to judge.

        Raises:
            subprocess.TimeoutExpired: when it takes longer; it has been killed.
        """
        return subprocess.run(  # noqa: S603 - the caller's own command, no shell
            self.command(*command), capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def _inside(self, role: str) -> tuple[str, ...]:
        return (_tool("ip"), "netns", "exec", self._names[role])

    def _link(self, left: str, left_address: str, right: str, right_address: str) -> None:
        """Join two namespaces by a veth pair; each end is called after the other side."""
        a, b = self._names[left], self._names[right]
        _ip("link", "add", right, "netns", a, "type", "veth", "peer", "name", left, "netns", b)
        for name, device, address in ((a, right, left_address), (b, left, right_address)):
            _ip("-n", name, "address", "add", f"{address}/30", "dev", device)
            for up in ("lo", device):
                _ip("-n", name, "link", "set", up, "up")

    def _route(self) -> None:
        scanner, gateway, refused = (self._names[role] for role in ("scanner", "gateway", "refused"))
        ranges = self.ranges
        for cidr in (ranges.live, ranges.refused, ranges.dark, ranges.unreachable):
            _ip("-n", scanner, "route", "add", cidr, "via", _GATEWAY)
        _ip("-n", gateway, "route", "add", "local", ranges.live, "dev", "lo")
        _ip("-n", gateway, "route", "add", ranges.refused, "via", _REFUSED_SIDE)
        _ip("-n", gateway, "route", "add", "blackhole", ranges.dark)
        _ip("-n", gateway, "route", "add", "unreachable", ranges.unreachable)
        _ip("-n", refused, "route", "add", "local", ranges.refused, "dev", "lo")
        _ip("-n", refused, "route", "add", f"{_SCANNER}/32", "via", _TO_REFUSED)
        for name, value in _GATEWAY_SYSCTLS.items():
            _check(*self._inside("gateway"), "sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}")

    def _degrade(self) -> None:
        if self._netem:
            words = " ".join(self._netem).split()
            for role, device in (("scanner", "gateway"), ("gateway", "scanner")):
                _check(_tool("tc"), "-n", self._names[role], "qdisc", "add", "dev", device, "root", "netem", *words)


def namespace_problem() -> str | None:
    """Return why network namespaces cannot be made here, None when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"{_PREFIX}-{os.getpid()}-probe"
    try:
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
    except LocalError as error:
        return str(error)
    return None


def netem_problem() -> str | None:
    """Return why delay and loss cannot be simulated here, None when they can."""
    name = f"{_PREFIX}-{os.getpid()}-probe"
    try:
        _ip("netns", "add", name)
        try:
            _check(_tool("tc"), "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
        finally:
            _ip("netns", "delete", name)
    except LocalError as error:
        return str(error)
    return None


def _ip(*arguments: str) -> None:
    _check(_tool("ip"), *arguments)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise LocalError(f"lab: the command {name!r} is missing: install iproute2")
    return path


def _check(*command: str) -> None:
    """Run a system command; what it says becomes the message when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)  # noqa: S603 - our own words
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise LocalError(f"lab: {' '.join(command)}: {said[0]}")
