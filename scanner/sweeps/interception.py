"""Notice that a box in between answers for many hosts: one banner or certificate on implausibly many networks.

A firewall, a provider or an attacker that takes all connections to port 25 answers for every address behind it with its
own name. Then a sweep describes that box many times and no server once. The sign is one host name in the banners, or
one certificate, on addresses of many sites (/24, IPv6 /48); a host or a pool is on one or two. Where a banner has no
host name, its whole text stands for it.

Memory is bounded however large the sweep is: at most `CAPACITY` values are counted, by the method of Misra and Gries.
When a new value finds no room, every count goes down by one, and values at zero are removed. A value that makes up more
than one in `CAPACITY` visits is never lost. `visits` and `networks` are lower bounds.

Left out: judging. A default host name ("localhost") on every appliance looks the same, so those are skipped, and people
judge the rest. What an earlier run of a resumed sweep saw is not known.
Source: J. Misra, D. Gries: Finding Repeated Elements (1982).
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.model import Record

#: Values counted at the same time.
CAPACITY: Final = 4096
#: A value on this many networks is implausible. Large providers use one name on a few.
SUSPICIOUS_NETWORKS: Final = 16
#: Networks stored for one value: enough to show some, and a bound on memory.
MAX_NETWORKS: Final = 24
#: Suspects in the summary.
MAX_SUSPECTS: Final = 20
_NO_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "localhost.local", "unknown", "(none)"})


class _Seen:
    """A value that was seen more than once: its `count` by Misra and Gries, and how many `visits` were really seen."""

    __slots__ = ("count", "networks", "visits")

    def __init__(self, first_ip: str, second_ip: str) -> None:
        self.count = self.visits = 2
        self.networks = {site_of(second_ip): second_ip, site_of(first_ip): first_ip}

    def add(self, ip: str) -> None:
        self.count += 1
        self.visits += 1
        if len(self.networks) < MAX_NETWORKS:
            self.networks.setdefault(site_of(ip), ip)


class _Counter:
    """Counts the values of one kind. `once` holds those of a single visit, with its address: nearly all of them."""

    __slots__ = ("again", "capacity", "once")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.once: dict[str, str] = {}
        self.again: dict[str, _Seen] = {}

    def add(self, value: str, ip: str) -> None:
        seen = self.again.get(value)
        if seen is not None:
            seen.add(ip)
            return
        first = self.once.setdefault(value, ip)
        if first is not ip:
            del self.once[value]
            self.again[value] = _Seen(first, ip)
        elif len(self.once) + len(self.again) > self.capacity:
            self._make_room()

    def _make_room(self) -> None:
        """Lower every count by one, the new value's included, and remove values at zero."""
        self.once.clear()
        for seen in self.again.values():
            seen.count -= 1
        self.again = {value: seen for value, seen in self.again.items() if seen.count}


class Interception:
    """Counts the values of one sweep. Call `observe` for every record, and `suspects` at the end."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._greetings = _Counter(capacity)
        self._certificates = _Counter(capacity)

    def observe(self, record: Record) -> None:
        """Count what identifies the server of a record."""
        banner, ip = record.banner, record.ip
        if banner is None or ip is None:
            return
        self._greetings.add(banner.hostname or banner.text, ip)
        dialogue = record.dialogue
        if dialogue is not None and dialogue.tls is not None and dialogue.tls.certificates:
            self._certificates.add(dialogue.tls.certificates[0].sha256, ip)

    def suspects(self) -> list[dict[str, Any]]:
        """Return what was seen on `SUSPICIOUS_NETWORKS` networks or more, most visits first.

        Each has `kind` (greeting or certificate), `value` (escaped text or SHA-256), `visits`, `networks` (both at
        least; at most `MAX_NETWORKS` are counted) and `addresses`, one of each network.
        """
        found: list[dict[str, Any]] = [
            {
                "kind": kind,
                "value": value,
                "visits": seen.visits,
                "networks": len(seen.networks),
                "addresses": sorted(seen.networks.values()),
            }
            for kind, counter in (("greeting", self._greetings), ("certificate", self._certificates))
            for value, seen in counter.again.items()
            if len(seen.networks) >= SUSPICIOUS_NETWORKS and value.lower() not in _NO_NAMES
        ]
        found.sort(key=lambda suspect: (-suspect["visits"], suspect["value"]))
        return found[:MAX_SUSPECTS]


def site_of(ip: str) -> str:
    """Return the /24 of an IPv4 address or the /48 of an IPv6 address, a site, as text that all its hosts share."""
    if ":" not in ip:
        return ip.rpartition(".")[0]
    # The canonical form (RFC 5952) has its first three groups before any "::", or zeros there.
    groups = [*ip.partition("::")[0].split(":"), "0", "0", "0"] if "::" in ip else ip.split(":")
    return ":".join(groups[:3])


def describe(suspect: Mapping[str, Any]) -> str:
    """Write a suspect on one line."""
    what = "certificate" if suspect["kind"] == "certificate" else "greeting of"
    return (
        f"one {what} {str(suspect['value'])[:80]} on {suspect['networks']} networks or more ({suspect['visits']:,} "
        "visits): something in between may answer for all of them"
    )
