"""What a comparison keeps of a record (`Observation`), and of all records of a target in one sweep (`TargetHistory`).

Not every visit is conclusive. A server that was busy, slow or cut off was not seen to hide anything, and a server that
refused our address may greet other clients with its version. `Observation.concludes` and `Observation.presence` hold
that judgement; docs/diff.md has it as a table.

A record with a complete dialogue tells more than a greeting, because HELP may show the version. So each observation has
its facts twice: from all replies, and from the greeting alone. Two sweeps are compared by what both of them looked at.

Several visits to one target (`--samples`) are a set: a pool of servers that answers in another order has not changed.
"""

import zlib
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import orjson

from scanner.errors import InputError
from scanner.identify.disclosure import NAMED
from scanner.identify.leaks import versions_in_greeting
from scanner.identify.unconfirmed import possible_disclosures
from scanner.model import BANNER_STATUSES, CONCLUSIVE, MOMENTARY, NEGATIVE, Record, Software, Status
from scanner.smtp.grammar import Flag
from scanner.targets.address import MAPPED_FIRST, MAPPED_LAST, V4_BITS, parse_address, v4_text, v6_text

#: How much of the software is disclosed: nothing, its name, its version.
NOTHING, NAME, VERSION = 0, 1, 2
#: Perhaps something: a word or a number that no rule knows. It is neither more nor less than the others.
UNSURE: Final = -1

#: Errors beside `unreachable` that may mean this machine's own routes.
_OUR_ROUTES: Final = ("ENETUNREACH", "EAFNOSUPPORT")
#: Wording that only one product uses has at least this (`scanner.identify.combine`).
_RECOGNISED: Final = 0.6
#: What a time of ours can be: the years 1 to 9999, in Unix seconds.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_VERSIONS: Final = ("version", "config_version", "patch", "build", "package")


class SeenSoftware(NamedTuple):
    """The software of one observation. `detail` is NOTHING, NAME, VERSION or UNSURE; the rest is None when unknown."""

    product: str | None = None
    version: str | None = None
    detail: int = NOTHING


class Observation(NamedTuple):
    """What a comparison keeps of one record. Plain values only, so that it can be stored as JSON.

    `presence` is whether something answers there, None when the visit does not tell. `concludes` is whether the visit
    shows what it is. `spoke` is whether the dialogue was complete, so that `everything` has more than `banner`.
    """

    event_id: str
    scan: int
    status: str
    refused_us: bool
    presence: bool | None
    concludes: bool
    spoke: bool
    everything: SeenSoftware
    banner: SeenSoftware
    certificate: str | None
    at: float | None
    host: str | None
    masked: bool

    @classmethod
    def of(cls, record: Record, *, time_out_is_gone: bool = False) -> Self:
        """Make the observation of a record; with `time_out_is_gone`, a connection that timed out is a negative answer.

        Raises:
            TypeError, ValueError, AttributeError: when a field holds what no record has.
        """
        everything, banner, status = _everything(record), _greeting(record), record.status
        refused_us = record.refusal is not None and record.refusal.refused_us
        # A momentary greeting (4yz, RFC 5321, 4.2.1) proves what it names, not what it leaves out.
        concludes = status in CONCLUSIVE or (status in MOMENTARY and banner.product is not None)
        dialogue = record.dialogue
        tls = None if dialogue is None else dialogue.tls
        if not isinstance(record.event_id, str):
            raise TypeError("event_id is not text")
        if record.observed_at is not None and not _FIRST_SECOND <= record.observed_at < _LAST_SECOND:
            raise ValueError("observed_at is beyond the calendar")
        return cls(
            event_id=record.event_id,
            scan=zlib.crc32(record.scan_id.encode()),
            status=status.value,
            refused_us=bool(refused_us),
            presence=False if time_out_is_gone and status is Status.CONNECT_TIMEOUT else _presence(record),
            concludes=concludes and not refused_us,
            spoke=dialogue is not None and dialogue.error is None,
            everything=everything,
            banner=banner,
            certificate=_maybe_text(tls.certificates[0].sha256) if tls is not None and tls.certificates else None,
            at=record.observed_at,
            host=_maybe_text(record.host),
            masked=record.banner is not None and Flag.MASKED in record.banner.flags,
        )

    def packed(self) -> str:
        """Return it as text for `unpacked`."""
        return orjson.dumps((*self[:7], tuple(self.everything), tuple(self.banner), *self[9:])).decode()

    @classmethod
    def unpacked(cls, text: str) -> Self:
        """Return what was packed."""
        *first, everything, banner, certificate, at, host, masked = orjson.loads(text)
        return cls._make((*first, SeenSoftware(*everything), SeenSoftware(*banner), certificate, at, host, masked))


def _presence(record: Record) -> bool | None:
    if record.status in BANNER_STATUSES:
        return True
    if record.status in NEGATIVE and not (record.error or "").startswith(_OUR_ROUTES):
        return False
    return None


def _everything(record: Record) -> SeenSoftware:
    software = record.software
    if software is None:  # a product that no rule knows can show its version, too
        if not set(_VERSIONS) & set(record.disclosure):
            return SeenSoftware(detail=UNSURE) if _is_doubtful(record) else SeenSoftware()
        versions = () if record.banner is None else dict.fromkeys(versions_in_greeting(record.banner, record.ip))
        return SeenSoftware(version=", ".join(versions) or None, detail=VERSION)
    return _facts(software, frozenset(record.disclosure), software.version)


def _is_doubtful(record: Record) -> bool:
    """Say whether a greeting may name a product, or show a version, that is not known here."""
    banner = record.banner if record.status is Status.READY else None
    return banner is not None and bool(possible_disclosures(banner, record.software, record.ip))


def _greeting(record: Record) -> SeenSoftware:
    """Return what a sweep that only read the greeting would have known."""
    software, places = record.software, record.disclosed_in
    if software is None or places is None:
        return _everything(record)
    disclosed = frozenset(word for word, where in places.items() if "greeting" in where)
    by_greeting = software.method == "banner"
    if not by_greeting and "product" not in disclosed:
        return SeenSoftware()
    return _facts(software, disclosed, software.version if by_greeting else None)


def _facts(software: Software, disclosed: frozenset[str], version: str | None) -> SeenSoftware:
    detail = VERSION if not disclosed.isdisjoint(_VERSIONS) else NAME if "product" in disclosed else NOTHING
    # A guess does not prove that one product replaced another.
    known = software.confidence >= (NAMED if software.method == "banner" else _RECOGNISED)
    return SeenSoftware(_maybe_text(software.product) if known else None, _version_text(software, version), detail)


def _version_text(software: Software, version: str | None) -> str | None:
    """Write all that tells one release from another: "8.14.7/8.13.8 p3 Debian-2"."""
    numbers = f"{version or ''}/{software.config_version}" if software.config_version else version
    rest = (software.vendor_tag, software.patch, software.build, software.package)
    return " ".join(str(part) for part in (numbers, *rest) if part) or None


def _maybe_text(value: object) -> str | None:
    """Return text, whatever a file that somebody edited has there: it must be hashable."""
    return None if value is None else str(value)


@dataclass(slots=True)
class TargetHistory:
    """All observations of one target in one sweep. `add` each; `last` is the latest, the others are of all."""

    last: Observation
    presences: set[bool | None] = field(default_factory=set)
    statuses: set[str] = field(default_factory=set)
    everything: set[SeenSoftware] = field(default_factory=set)
    banner: set[SeenSoftware] = field(default_factory=set)
    certificates: set[str] = field(default_factory=set)
    scans: set[int] = field(default_factory=set)
    concludes: bool = False
    spoke: bool = True
    masked: bool = False

    def add(self, observation: Observation) -> None:
        """Add one observation."""
        if (observation.at or 0.0) >= (self.last.at or 0.0):
            self.last = observation
        self.presences.add(observation.presence)
        self.scans.add(observation.scan)
        if not observation.concludes:
            return
        self.concludes = True
        self.spoke = self.spoke and observation.spoke
        self.masked = self.masked or observation.masked
        self.everything.add(observation.everything)
        self.banner.add(observation.banner)
        if observation.status not in MOMENTARY:
            self.statuses.add(observation.status)
        if observation.certificate is not None:
            self.certificates.add(observation.certificate)

    @property
    def presence(self) -> bool | None:
        """Whether something answers: True when any observation shows it, False when all deny it, else None."""
        if True in self.presences:
            return True
        return False if self.presences == {False} else None


def target_key(ip: object, port: object) -> str:
    """Return text that sorts like address and port: IPv4 first, each by number. IPv4-mapped addresses are IPv4.

    Raises:
        InputError: when they are not an address and a port.
    """
    try:
        bits, value = parse_address(ip if isinstance(ip, str) else repr(ip))
    except ValueError as error:
        raise InputError(str(error)) from None
    if type(port) is not int or not 1 <= port <= 65535:
        raise InputError(f"not a port: {port!a}")
    if bits == V4_BITS or MAPPED_FIRST <= value <= MAPPED_LAST:
        return f"4{value & 0xFFFFFFFF:08x}{port:04x}"
    return f"6{value:032x}{port:04x}"


def target_of(key: str) -> tuple[str, int]:
    """Return address and port of a key, the address in its canonical form."""
    value = int(key[1:-4], 16)
    return v4_text(value) if key[0] == "4" else v6_text(value), int(key[-4:], 16)
