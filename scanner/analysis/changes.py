"""What changed at one target between two sweeps: typed events from two `TargetHistory`, and no event without evidence.

The rules, each with its reason (docs/diff.md has them for users):

- new, gone: the target answered in one sweep, and the other sweep visited it and got a negative answer. A target that
  is missing from a file counts as visited only when the caller knows that (`absent_is_negative`).
- status_changed, certificate_changed, version_changed: the sets of both sides have nothing in common. Sets that share a
  member may come from a pool of servers, of which other members answered; such targets are counted
  (`TargetComparison.in_part`).
- now_hidden, now_disclosed: the target shows less or more of its software. What a greeting leaves out counts only when
  its code is 220, since refusals often leave out the software.
- software_replaced: both sides name a product, and not the same one. Then there is no other event about the software.
"""

import json
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from scanner.analysis.history import UNSURE, VERSION, SeenSoftware, TargetHistory
from scanner.model import Status
from scanner.sweeps.summary import iso

CHANGE_SCHEMA: Final = "smtpsweep.change/1"
#: In place of a status in the reasons of targets that were not compared.
NO_RECORD: Final = "no record"
REFUSED_US: Final = "refused us"


class ChangeKind(StrEnum):
    """What happened to a target. A closed list."""

    NEW = "new"  # something answers where nothing did
    GONE = "gone"  # nothing answers where something did
    STATUS_CHANGED = "status_changed"  # the visit ends in another way: ready, rejected, malformed, not_smtp
    SOFTWARE_REPLACED = "software_replaced"  # another product
    VERSION_CHANGED = "version_changed"  # the same product in another version, patch or package
    NOW_HIDDEN = "now_hidden"  # less is shown of the software
    NOW_DISCLOSED = "now_disclosed"  # more is shown of the software
    CERTIFICATE_CHANGED = "certificate_changed"  # another certificate in STARTTLS


class ChangeSide(NamedTuple):
    """One side of a change, as it is written out: sorted values, several where visits to the target differed."""

    status: tuple[str, ...]
    product: tuple[str, ...]
    version: tuple[str, ...]
    certificate: tuple[str, ...]
    observed_at: float | None
    event_id: str


class Change(NamedTuple):
    """One event. A side is None when its sweep has no record of the target; `at` is when the later sweep saw it."""

    kind: ChangeKind
    ip: str
    port: int
    host: str | None
    before: ChangeSide | None
    after: ChangeSide | None
    at: float | None


class TargetComparison(NamedTuple):
    """What a comparison of one target came to.

    When the target was not compared, there are no kinds, and `why_not` is the inconclusive side and its status.
    `in_part`: the answers differ, but have some in common, so it may be chance.
    """

    kinds: tuple[ChangeKind, ...] = ()
    why_not: tuple[str, str] | None = None
    in_part: bool = False


def judge(
    before: TargetHistory | None, after: TargetHistory | None, *, absent_is_negative: tuple[bool, bool]
) -> TargetComparison:
    """Compare what two sweeps saw at one target; None where there is no record.

    `absent_is_negative` is for each side whether a target without a record was visited and did not answer.
    """
    sides = ("before", before, absent_is_negative[0]), ("after", after, absent_is_negative[1])
    there = []
    for name, seen, negative in sides:
        present = seen.presence if seen is not None else False if negative else None
        if present is None:
            return TargetComparison(why_not=(name, _why(seen)))
        there.append(present)
    if there[0] != there[1]:
        return TargetComparison((ChangeKind.NEW if there[1] else ChangeKind.GONE,))
    if before is None or after is None or not there[0]:
        return TargetComparison()
    for name, seen in (("before", before), ("after", after)):
        if not seen.concludes:
            return TargetComparison(why_not=(name, _why(seen)))
    kinds = tuple(_kinds(before, after))
    return TargetComparison(kinds, in_part=not kinds and _differ(before, after))


def _why(seen: TargetHistory | None) -> str:
    if seen is None:
        return NO_RECORD
    return REFUSED_US if seen.last.refused_us else seen.last.status


def _kinds(before: TargetHistory, after: TargetHistory) -> Iterator[ChangeKind]:
    """Yield what differs between the two histories of a target, both of which are conclusive."""
    if _apart(before.statuses, after.statuses):
        yield ChangeKind.STATUS_CHANGED
    yield from _software_kinds(before, after)
    if _apart(before.certificates, after.certificates):
        yield ChangeKind.CERTIFICATE_CHANGED


def _software_kinds(before: TargetHistory, after: TargetHistory) -> Iterator[ChangeKind]:
    old, new = _comparable(before, after)
    if _apart(_products(old), _products(new)):
        yield ChangeKind.SOFTWARE_REPLACED
        return
    if any(fact.detail == UNSURE for fact in old | new):  # a product that no rule knows is not hidden
        return
    detail_before, detail_after = _detail(old), _detail(new)
    if detail_before > detail_after:
        if Status.READY in after.statuses and not after.masked:  # a firewall hides all that is behind it, from us
            yield ChangeKind.NOW_HIDDEN
    elif detail_before < detail_after:
        if Status.READY in before.statuses:
            yield ChangeKind.NOW_DISCLOSED
    elif _apart(_versions(old), _versions(new)):
        yield ChangeKind.VERSION_CHANGED


def _comparable(before: TargetHistory, after: TargetHistory) -> tuple[set[SeenSoftware], set[SeenSoftware]]:
    """Return the facts that both sweeps looked for: everything only where both had whole dialogues."""
    if before.spoke and after.spoke:
        return before.everything, after.everything
    return before.banner, after.banner


def _differ(before: TargetHistory, after: TargetHistory) -> bool:
    old, new = _comparable(before, after)
    certificates = before.certificates and after.certificates and before.certificates != after.certificates
    return bool(certificates) or old != new or before.statuses != after.statuses


def _apart(before: Collection[str], after: Collection[str]) -> bool:
    """Whether both are known and have nothing in common."""
    return bool(before) and bool(after) and set(before).isdisjoint(after)


def _products(facts: Collection[SeenSoftware]) -> set[str]:
    return {fact.product for fact in facts if fact.product is not None}


def _versions(facts: Collection[SeenSoftware]) -> set[str]:
    return {fact.version for fact in facts if fact.version is not None and fact.detail == VERSION}


def _detail(facts: Collection[SeenSoftware]) -> int:
    return max((fact.detail for fact in facts), default=0)


def states(before: TargetHistory | None, after: TargetHistory | None) -> tuple[ChangeSide | None, ChangeSide | None]:
    """Return both sides as they are written out, with the facts that they were compared by."""
    if before is not None and after is not None:
        old, new = _comparable(before, after)
    else:
        old, new = (seen.everything if seen is not None else set() for seen in (before, after))
    return (
        None if before is None else _state(before, old),
        None if after is None else _state(after, new),
    )


def _state(seen: TargetHistory, facts: set[SeenSoftware]) -> ChangeSide:
    return ChangeSide(
        status=tuple(sorted(seen.statuses | {seen.last.status})),
        product=tuple(sorted(_products(facts))),
        version=tuple(sorted(_versions(facts))),
        certificate=tuple(sorted(seen.certificates)),
        observed_at=seen.last.at,
        event_id=seen.last.event_id,
    )


def encode_change(change: Change) -> bytes:
    """Return a change as one line of JSON in ASCII, schema `smtpsweep.change/1`."""
    document = {"schema": CHANGE_SCHEMA, **change._asdict(), "at": _time(change.at)}
    document |= {"before": _side(change.before), "after": _side(change.after)}
    # ASCII, because some readers take U+2028 for the end of a line, and a file that we did not write may have one.
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def _side(state: ChangeSide | None) -> dict[str, Any] | None:
    return None if state is None else state._asdict() | {"observed_at": _time(state.observed_at)}


def _time(at: float | None) -> str | None:
    return None if at is None else iso(at)
