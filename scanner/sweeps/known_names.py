"""Hold the DNS answers that a sweep began with, so that a resumed sweep has the same targets and positions.

DNS answers rotate. A resumed sweep that asked again would have other targets, so the answers are part of its state and
are used again. Two kinds of names are asked again all the same:

- Names that could not be resolved. If one now leads to targets of the sweep, it is resolved. If it leads elsewhere, it
  stays unresolved, because a new target would move the position of every other one.
- Names of exclusions. The host with such a name today must not be visited, and neither must the one that had it before:
  exclusions never shrink. The new addresses (`later`) do not change any position; the gate refuses those visits.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self

from scanner.errors import StateError
from scanner.sweeps.resolve import Found, Unresolved, look_up, require_all
from scanner.targets import COMMAND_LINE, Ranges, Spec, TextSource, parse_exclusions, parse_spec

#: Why a resumed sweep does not visit a name that can be resolved now.
ELSEWHERE = "which is not in the sweep that is resumed: sweep it on its own"


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The answers of DNS that a sweep began with, and `later`: what excluded names have led to since."""

    targets: Found = field(default_factory=Found)
    exclusions: Found = field(default_factory=Found)
    later: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return this as plain values for the state file; for names that failed, only the names."""
        return {"targets": _plain(self.targets), "exclusions": _plain(self.exclusions), "later": list(self.later)}

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """Return what `plain` was made from, without the reasons why names failed.

        Raises:
            StateError: when the values are damaged.
        """
        try:
            later = tuple(value["later"])
            targets, exclusions = _found(value["targets"]), _found(value["exclusions"])
            addresses = (later, *targets.addresses.values(), *exclusions.addresses.values())
            parse_spec([TextSource(COMMAND_LINE, chain.from_iterable(addresses))], allow_names=False)
        except Exception as error:  # noqa: BLE001  any other value was not written by `plain`
            raise StateError(f"its names are damaged ({type(error).__name__}: {error})") from None
        return cls(targets, exclusions, later)


@dataclass(frozen=True, slots=True)
class Answers:
    """Names resolved for one run.

    `known` is for the state. `targets` and `excluded` decide positions; `later` is excluded on top of that.
    """

    known: KnownNames
    targets: Ranges
    excluded: Ranges
    later: Ranges
    notices: tuple[str, ...] = ()

    @property
    def unresolved(self) -> Mapping[str, Unresolved]:
        """The names of targets that have no address, or now lead outside the sweep."""
        return self.known.targets.failed

    @property
    def hosts(self) -> dict[str, str]:
        """The name that each address was given by; the first one counts."""
        found = reversed(list(self.known.targets.addresses.items()))
        return {address: name for name, addresses in found for address in addresses}


async def ask(targets: Spec, exclusions: Spec, known: KnownNames | None) -> Answers:
    """Resolve the names of targets and exclusions; `known` is what a resumed sweep began with.

    Raises:
        InputError: when the name of an exclusion cannot be resolved.
    """
    before = known or KnownNames()
    never = await look_up(exclusions.names, exclusions.mail_domains, before.exclusions)
    require_all(never.failed)
    now = never if known is None else await look_up(exclusions.names, exclusions.mail_domains)
    require_all(now.failed)
    excluded = _every_way(never)
    later = _every_way(now).union(_parsed(before.later)).minus(excluded)
    found = await look_up(targets.names, targets.mail_domains, before.targets)
    if known is not None:
        found = _settled(found, before.targets, targets)
    notices = () if known is None else tuple(_notices(before.targets, later))
    texts = tuple(later.pick(i) for i in range(later.count))
    return Answers(KnownNames(found, never, texts), _ranges(found), excluded, later, notices)


def _settled(found: Found, before: Found, targets: Spec) -> Found:
    """Mark names as failed that now lead to addresses outside the resumed sweep.

    A name that is new to the sweep stays: it makes it another sweep, which is refused elsewhere.
    """
    retried = [name for name in found.addresses if name not in before.addresses and _had_failed(name, found, before)]
    rest = {name: addresses for name, addresses in found.addresses.items() if name not in retried}
    swept = targets.ranges.union(_ranges(Found(rest)))
    failed = dict(found.failed)
    for name in retried:
        new = _parsed(found.addresses[name]).minus(swept)
        if new:
            reason = f"leads to {new.pick(0)} by now, {ELSEWHERE}"
            failed[name] = Unresolved(_place(name, found, targets), reason)
        else:
            rest[name] = found.addresses[name]
    return Found(rest, found.mail_hosts, failed)


def _had_failed(name: str, found: Found, before: Found) -> bool:
    return name in before.failed or any(f"mx:{domain}" in before.failed for domain in _domains_of(name, found))


def _place(name: str, found: Found, targets: Spec) -> str:
    places = [targets.names.get(name), *(targets.mail_domains[domain] for domain in _domains_of(name, found))]
    return str(next(place for place in places if place is not None))


def _domains_of(name: str, found: Found) -> Iterator[str]:
    return (domain for domain, exchanges in found.mail_hosts.items() if name in exchanges)


def _notices(before: Found, later: Ranges) -> Iterator[str]:
    if before.addresses:
        yield "names were not looked up again: the sweep goes on with the addresses that it began with"
    if later:
        some = f"{later.pick(0)} " if later.count == 1 else f"{later.count:,} addresses "
        yield f"{some}to which excluded names have led since the sweep began will not be visited, either"


def _ranges(found: Found) -> Ranges:
    return _parsed(chain.from_iterable(found.addresses.values()))


def _every_way(found: Found) -> Ranges:
    """Return the addresses of excluded names, and the IPv4 hosts that IPv6 addresses among them lead to."""
    addresses = chain.from_iterable(found.addresses.values())
    return parse_exclusions([TextSource(COMMAND_LINE, addresses)]).ranges


def _parsed(addresses: Iterable[str]) -> Ranges:
    return parse_spec([TextSource(COMMAND_LINE, addresses)], allow_names=False).ranges


def _plain(found: Found) -> dict[str, Any]:
    return {"addresses": dict(found.addresses), "mail_hosts": dict(found.mail_hosts), "failed": list(found.failed)}


def _found(value: Any) -> Found:
    addresses, mail_hosts = (
        {str(name): tuple(map(str, several)) for name, several in value[kind].items()}
        for kind in ("addresses", "mail_hosts")
    )
    return Found(addresses, mail_hosts, {str(name): Unresolved("", "") for name in value["failed"]})
