"""Find targets whose visits gave different answers: a pool of servers behind one address is a set of versions, not one.

With `--samples N` the sweep passes over all targets N times in the same order, so that the visits to one target lie as
far apart as possible. Every visit has its record. This module only finds, for the summary, the targets that gave
different answers. Memory is bounded: the first `MAX_TARGETS` targets with a known product are compared, a few bytes
each, and the summary says how many had no room. All differences are in the records (docs/record-schema.md).

Left out: servers that a load balancer hides by sending one client always to the same server.
"""

from typing import Any, Final

from scanner.model import Record, Software

#: Targets that are compared: at most about 30 MB.
MAX_TARGETS: Final = 200_000
#: Pools in the summary.
MAX_POOLS: Final = 100
#: Different answers stored for one target.
MAX_ANSWERS: Final = 16


class Pools:
    """Finds targets whose visits named different software. Call `observe` for every record, `document` at the end."""

    def __init__(self, max_targets: int = MAX_TARGETS) -> None:
        self._max_targets = max_targets
        self._first: dict[tuple[str | None, int | None], str] = {}
        self._pools: dict[tuple[str | None, int | None], set[str]] = {}
        self._left_out = 0

    def observe(self, record: Record) -> None:
        """Compare the software of a record with that of earlier visits to the target."""
        if record.software is None:
            return
        target, answer = (record.ip, record.port), _answer(record.software)
        first = self._first.get(target)
        if first is None:
            if len(self._first) < self._max_targets:
                self._first[target] = answer
            elif not record.sample:
                self._left_out += 1
        elif first != answer:
            answers = self._pools.setdefault(target, {first})
            if len(answers) < MAX_ANSWERS:
                answers.add(answer)

    def document(self) -> dict[str, Any]:
        """Return the part of the summary: how many targets were compared or left out, and the first pools found."""
        pools = [
            {"ip": ip, "port": port, "software": sorted(answers)}
            for (ip, port), answers in list(self._pools.items())[:MAX_POOLS]
        ]
        return {"compared": len(self._first), "left_out": self._left_out, "found": len(self._pools), "pools": pools}


def _answer(software: Software) -> str:
    return " ".join(filter(None, (software.product, software.version, software.patch, software.package)))
