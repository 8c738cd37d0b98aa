"""A `Visit`: what a verification keeps of one visit, small enough to hold one for every host of a sweep.

It is made from a record, or read back from a line that `smtpsweep verify --json` wrote, so that the result of one
verification can be the `--before` of the next. `looked_at` lists the places that were read: a sweep that read only
greetings does not know whether HELP was clean, so a version in HELP is not a regression against it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from scanner.errors import InputError
from scanner.identify.version_search import versions_of_software
from scanner.model import Record, Software, Status
from scanner.sweeps.summary import iso
from scanner.verification.evidence import EvidencePlace, identities, lines_of, place_of, versions_in

VERIFY_SCHEMA: Final = "smtpsweep.verify/1"
#: Below this confidence a product is a hint: it is not enough to call the software replaced.
RECOGNISED: Final = 0.6
#: The rule for a greeting that a firewall has overwritten.
MASK_RULE: Final = "cisco.fixup"
#: Cisco's `inspect esmtp` leaves the length of a keyword that it does not know: XXXXXXXA, XXXXXXXB ...
_CROSSED_OUT: Final = re.compile(r"\s*(?:X{4,}[A-Z]?|\*{4,})\s*", re.IGNORECASE)


class Visit(NamedTuple):
    """One visit, or several of one scan, in short. `versions_in` are those places of `looked_at` that show a version.

    `product` is None where it is not known well enough to be compared; `version` where no reply shows one.
    """

    observed_at: str | None
    status: Status
    greeting: str | None
    product: str | None
    version: str | None
    disclosure: tuple[str, ...]
    looked_at: tuple[EvidencePlace, ...]
    versions_in: tuple[EvidencePlace, ...]

    def document(self) -> dict[str, Any]:
        """Return the visit as JSON has it."""
        return {
            "observed_at": self.observed_at,
            "status": self.status.value,
            "greeting": self.greeting,
            "software": {"product": self.product, "version": self.version},
            "disclosure": list(self.disclosure),
            "looked_at": [place.value for place in self.looked_at],
            "versions_in": [place.value for place in self.versions_in],
        }


def visit_of(record: Record, versions_seen_in: Iterable[EvidencePlace] | None = None) -> Visit:
    """Return a record in short; `versions_seen_in` overrides the places that its lines alone would give."""
    if versions_seen_in is None:
        said = lines_of(record)
        known = versions_of_software((*identities(record), record.software))
        versions_seen_in = {each.place for each in said if versions_in(each, known)}
    shown = set(versions_seen_in)
    software = record.software
    return Visit(
        observed_at=None if record.observed_at is None else iso(record.observed_at),
        status=record.status,
        greeting=None if record.banner is None else record.banner.text,
        product=software.product if _is_certain(software) and software is not None else None,
        version=None if software is None else software.version,
        disclosure=record.disclosure,
        looked_at=_looked_at(record),
        versions_in=tuple(place for place in EvidencePlace if place in shown),
    )


def visit_from(document: object) -> Visit:
    """Read back what `Visit.document` wrote.

    Raises:
        InputError: when it is not a visit.
    """
    if not isinstance(document, dict):
        raise InputError("not a result of verify: a visit is not as verify writes it")
    fields: dict[str, Any] = document
    try:
        return Visit(
            observed_at=_maybe_text(fields["observed_at"]),
            status=Status(fields["status"]),
            greeting=_maybe_text(fields["greeting"]),
            product=_maybe_text(fields["software"]["product"]),
            version=_maybe_text(fields["software"]["version"]),
            disclosure=tuple(map(str, fields["disclosure"])),
            looked_at=tuple(map(EvidencePlace, fields["looked_at"])),
            versions_in=tuple(map(EvidencePlace, fields["versions_in"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a result of verify: {str(error)!a}") from None


def is_masked(record: Record) -> bool:
    """Tell whether a firewall has overwritten the greeting (Cisco's `fixup protocol smtp`, `inspect esmtp`)."""
    named, _ = identities(record)
    if named is not None and named.evidence == MASK_RULE:
        return True
    text = "" if record.banner is None else "".join(record.banner.lines)
    return any(text.upper().count(each) >= 10 and not set(text.upper()) - set(f"{each}0123456789 ") for each in "*X")


def is_crossed_out(line: str) -> bool:
    """Tell whether a firewall has overwritten a line of a reply: "XXXXXXXA", "********"."""
    return _CROSSED_OUT.fullmatch(line) is not None


def _is_certain(software: Software | None) -> bool:
    return software is not None and software.confidence >= RECOGNISED and software.evidence != MASK_RULE


def _looked_at(record: Record) -> tuple[EvidencePlace, ...]:
    if record.banner is None:
        return ()
    places = [EvidencePlace.GREETING]
    dialogue = record.dialogue
    if dialogue is not None:
        answered = {place_of(each) for each in dialogue.exchanges if each.code is not None and not each.incomplete}
        places += [place for place in EvidencePlace if place in answered]
        if dialogue.tls is not None and dialogue.tls.certificates:
            places.append(EvidencePlace.CERTIFICATE)
    return tuple(places)


def _maybe_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} where a text should be")
