"""What a scanner must find at each address of a lab, so that recall and correctness can be computed.

A truth lists only what the bytes decide. A field that is listed with None must be unknown in the record; a field that
is not listed may be anything (two readings of an old banner can both be right). Statuses hold for the default
time-outs of `scanner.settings`, when they and the lab's delays are scaled alike.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import orjson

from scanner.errors import InputError, SinkError
from scanner.files.places import FilePlace
from scanner.lab.personality import Personality, population
from scanner.model import Status


@dataclass(frozen=True, slots=True)
class Truth:
    """What must be in the record of one address.

    `banner` and `software` map fields of the record's objects of that name to their values; `flags` must be among the
    banner's flags; `never` is a product that must not be found. `form` is the id of the greeting form, if any.
    """

    ip: str
    behaviour: str
    form: str | None
    status: Status
    banner: Mapping[str, object]
    software: Mapping[str, str | None]
    flags: tuple[str, ...]
    never: str | None

    @property
    def product(self) -> str | None:
        """The product that the greeting names; None when it names none."""
        return self.software.get("product")

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "ip": self.ip,
            "behaviour": self.behaviour,
            "form": self.form,
            "status": self.status,
            "banner": dict(self.banner),
            "software": dict(self.software),
            "flags": list(self.flags),
            "never": self.never,
        }


def expected(ip: str | int, seed: int = 1, profile: str = "mixed", silent: float = 0.0) -> Truth:
    """Return what a scanner must find at this address.

    Raises:
        InputError: when the profile is unknown or a number is out of its range.
    """
    address = ip_address(ip)
    return _truth(address, population(profile, seed, silent).personality(int(address)))


def mismatches(record: Mapping[str, Any], truth: Truth) -> list[str]:
    """Return how a record (as decoded from JSON) differs from the truth, one sentence each; empty when it is right."""
    if record["status"] != truth.status:
        return [f"{truth.ip}: status is {record['status']!r}, not {str(truth.status)!r} ({truth.behaviour})"]
    found: list[str] = []
    for name, facts in (("banner", truth.banner), ("software", truth.software)):
        part = record.get(name) or {}
        found += (
            f"{truth.ip}: {name}.{field} is {part.get(field)!r}, not {value!r} ({truth.behaviour}, {truth.form})"
            for field, value in facts.items()
            if not _same(field, part.get(field), value)
        )
    flags = (record.get("banner") or {}).get("flags", ())
    found += (f"{truth.ip}: flag {flag!r} is missing" for flag in truth.flags if flag not in flags)
    if truth.never and (record.get("software") or {}).get("product") == truth.never:
        found.append(f"{truth.ip}: software.product is {truth.never!r}, which this only resembles ({truth.form})")
    return found


def truths(networks: Iterable[str], seed: int, profile: str, silent: float = 0.0) -> Iterator[Truth]:
    """Yield the truth of every address of some networks (CIDR), the first and last one included.

    Raises:
        InputError: when a network cannot be read.
    """
    people = population(profile, seed, silent)
    for text in networks:
        for address in _network(text):
            yield _truth(address, people.personality(int(address)))


def write_truths(place: FilePlace, all_truths: Iterable[Truth]) -> None:
    """Write truths as JSON Lines.

    Raises:
        SinkError: when the file cannot be written.
    """
    try:
        with place.opened() as (file, _):
            for truth in all_truths:
                file.write(orjson.dumps(truth.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise SinkError(f"{place.label}: cannot be written ({error.strerror})") from None


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return IPv6Network(text) if ":" in text else IPv4Network(text)
    except ValueError as error:
        raise InputError(f"lab: --truth-for {text}: {error}") from None


def _truth(address: IPv4Address | IPv6Address, host: Personality) -> Truth:
    behaviour, form = host.behaviour, host.form
    banner: dict[str, object] = dict(behaviour.banner)
    if form:
        banner["code"] = form.code
        if form.has_hostname:
            banner["hostname"] = host.hostname
        if host.rendering.server_time:
            banner["server_time"] = host.rendering.server_time
    return Truth(
        ip=str(address),
        behaviour=behaviour.name,
        form=form.id if form else None,
        status=behaviour.status,
        banner=banner,
        software=form.software if form else {},
        flags=behaviour.flags,
        never=form.never if form else None,
    )


def _same(field: str, found: object, value: object) -> bool:
    """Compare a field of a record with the truth; a moment may be written with any offset."""
    if field == "server_time" and isinstance(found, str) and isinstance(value, str):
        return datetime.fromisoformat(found) == datetime.fromisoformat(value)
    return found == value
