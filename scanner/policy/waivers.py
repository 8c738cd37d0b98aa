"""Waivers: who accepts that a host breaks a rule, why, and until when.

A rule without exceptions is soon switched off, and an exception without an end is forgotten. So a waiver names a rule,
the addresses, an owner, a reason and its last day; all are required. After that day it waives nothing and is itself a
violation, so that its owner decides again. A waiver that no host needs is a warning: it would hide the next violation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Protocol


class AddressSet(Protocol):
    """A set of addresses; `in` may raise ValueError for a text that is not an address."""

    def __contains__(self, ip: str, /) -> bool:
        """Tell whether an address is in the set."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Waiver:
    """One accepted violation. `expires` is its last day; `texts` are the addresses as the file has them."""

    rule: str
    addresses: AddressSet
    texts: tuple[str, ...]
    owner: str
    reason: str
    expires: date

    def __str__(self) -> str:
        """Return the waiver in one line, for reports."""
        return f"waived by {self.owner} until {self.expires}: {self.reason}"

    @property
    def name(self) -> str:
        """What distinguishes it from other waivers of a policy."""
        return f"{self.rule} for {', '.join(self.texts)} (owner {self.owner})"


class Waivers:
    """The waivers of a policy on one day; remembers which of them were needed."""

    def __init__(self, waivers: Iterable[Waiver], today: date) -> None:
        self.expired: list[Waiver] = []
        self._valid: list[Waiver] = []
        self._used: set[int] = set()
        for waiver in waivers:
            (self._valid if today <= waiver.expires else self.expired).append(waiver)

    def maybe_waiver(self, rule: str, ip: str | None) -> Waiver | None:
        """Return the first valid waiver for a rule at an address, and remember that it was needed."""
        for number, waiver in enumerate(self._valid):
            if waiver.rule == rule and is_among(ip, waiver.addresses):
                self._used.add(number)
                return waiver
        return None

    def unused(self) -> list[Waiver]:
        """Return the valid waivers that no host has needed so far."""
        return [waiver for number, waiver in enumerate(self._valid) if number not in self._used]


def is_among(ip: str | None, addresses: AddressSet) -> bool:
    """Tell whether an address of a record is in a set; a missing or malformed address is in no set."""
    try:
        return ip is not None and ip in addresses
    except ValueError:  # sets of addresses refuse to judge other texts
        return False
