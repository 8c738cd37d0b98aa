"""The comparison once more, from the JSON lines, in the plainest way; for small sweeps the results must be equal."""

import json
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.analysis.history import target_key
from scanner.model import Record, Status
from scanner.record import encode
from tests.support.sweeps import (
    MONDAY,
    TUESDAY,
    dialogue,
    finished,
    visit,
)

_GREETED = {"ready", "rejected", "busy", "temporary", "malformed", "not_smtp"}


def reference(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> tuple[set[tuple[str, str, int]], int]:
    """Return the events and how many targets were compared."""
    events, count = set(), 0
    old, new = by_target(before), by_target(after)
    for ip, port in old.keys() & new.keys():
        visits = old[ip, port], new[ip, port]
        there = [presence(each) for each in visits]
        if None in there:
            continue
        if there[0] != there[1]:
            count += 1
            events.add(("new" if there[1] else "gone", ip, port))
        elif not there[0]:
            count += 1
        else:
            good = [[each for each in side if conclusive(each)] for side in visits]
            if all(good):
                count += 1
                events |= {(kind, ip, port) for kind in changed(*good)}
    return events, count


def by_target(lines: list[dict[str, Any]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    targets: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in {line["event_id"]: line for line in lines}.values():
        address: Any = ip_address(line["ip"])
        address = getattr(address, "ipv4_mapped", None) or address
        targets.setdefault((str(address), line["port"]), []).append(line)
    return targets


def presence(visits: list[dict[str, Any]]) -> bool | None:
    if any(each["status"] in _GREETED for each in visits):
        return True
    return False if all(each["status"] in {"refused", "unreachable"} for each in visits) else None


def conclusive(visit: dict[str, Any]) -> bool:
    if visit["refusal"] and visit["refusal"]["refused_us"]:
        return False
    if visit["status"] in {"busy", "temporary"}:
        return visit["software"] is not None
    return visit["status"] in _GREETED


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[str]:
    def apart(name: str) -> bool:
        old, new = ({value for each in side for value in values(each, name)} for side in (before, after))
        return bool(old and new and not old & new)

    if apart("status"):
        yield "status_changed"
    if apart("certificate"):
        yield "certificate_changed"
    old, new = (max(len(each["disclosure"]) for each in side) for side in (before, after))
    if apart("product"):
        yield "software_replaced"
    elif old > new and any(each["status"] == "ready" for each in after):
        yield "now_hidden"
    elif old < new and any(each["status"] == "ready" for each in before):
        yield "now_disclosed"
    elif old == new == 2 and apart("version"):
        yield "version_changed"


def values(each: dict[str, Any], name: str) -> list[str]:
    if name == "status":
        return [] if each["status"] in {"busy", "temporary"} else [each["status"]]
    if name == "certificate":
        tls = (each["dialogue"] or {}).get("tls")
        return [tls["certificates"][0]["sha256"]] if tls else []
    return [each["software"][name]] if each["software"] and each["software"][name] else []


@st.composite
def visits(draw: st.DrawFn, scan: str) -> Record:
    ip = draw(st.sampled_from(["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1"]))
    status = draw(st.one_of(st.just(Status.READY), st.sampled_from(list(Status))))
    product = draw(st.sampled_from([None, "Sendmail", "Sendmail", "Exim"]))
    version = draw(st.sampled_from([None, "1", "1", "2"]))
    greets = status.value in _GREETED
    return visit(
        ip,
        product if greets else None,
        version if greets and product else None,
        scan=scan,
        status=status,
        port=draw(st.sampled_from([25, 25, 587])),
        sample=draw(st.sampled_from([None, 0, 1, 2])),
        refused_us=status.value in _GREETED and draw(st.integers(0, 5)) == 0,
        at=draw(st.sampled_from([1000.0, 2000.0])),
        dialogue=draw(st.sampled_from([None, dialogue("a"), dialogue("b")])) if status is Status.READY else None,
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.lists(visits(MONDAY), max_size=12),
    after=st.lists(visits(TUESDAY), max_size=12),
)
def test_the_comparison_says_what_a_plain_comparison_says(before: list[Record], after: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        changes, comparison = finished(Path(folder), before, after)
    expected, count = reference(*([json.loads(encode(record)) for record in side] for side in (before, after)))
    assert {(change.kind.value, change.ip, change.port) for change in changes} == expected
    assert len(changes) == len(expected)
    assert comparison.counts.compared == count
    targets = {target_key(record.ip, record.port) for record in (*before, *after)}
    assert comparison.counts.compared + comparison.counts.not_compared.total() == len(targets)
    assert [target_key(change.ip, change.port) for change in changes] == sorted(
        target_key(change.ip, change.port) for change in changes
    )
