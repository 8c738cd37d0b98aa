"""The results of a verification: each host is judged when its result is read.

A state needs all visits of a host, and these are made in passes. So `FreshVisits` holds the records of all hosts,
packed, and `VerificationResults` unpacks and judges one host at a time.
"""

from collections.abc import Iterable, Iterator, Sequence

from scanner.identify.behaviour import first_reply
from scanner.model import Record
from scanner.smoke.received import HeaderLeak
from scanner.sweeps.plan import Plan
from scanner.verification.baseline import BaselineVisit, Key, MessageHeaders, has_line_of, leaks_of
from scanner.verification.request import VerificationRequest, count_keys, keys_of
from scanner.verification.states import Subject, Verified, judge
from scanner.verification.visiting import FreshVisits


class VerificationResults:
    """The result of every host, in the order of the addresses; each iteration judges the hosts anew.

    `strangers` are the messages without a `Received:` line of any of the hosts: they are no evidence for one.
    """

    def __init__(
        self, request: VerificationRequest, plan: Plan, visits: FreshVisits, chosen: frozenset[Key] | None
    ) -> None:
        self._request, self._plan, self._visits, self._chosen = request, plan, visits, chosen
        self.strangers = tuple(self._strangers())

    def __len__(self) -> int:
        """Return how many hosts there are, an address and port each."""
        return count_keys(self._plan, self._chosen)

    def __iter__(self) -> Iterator[Verified]:
        """Judge one host after another."""
        return map(self._judged, keys_of(self._plan, self._chosen))

    def claimed(self) -> frozenset[int]:
        """Return the identities of the header lines that one of the hosts wrote."""
        if not self._request.messages:
            return frozenset()
        return frozenset(
            id(leak)
            for key in keys_of(self._plan, self._chosen)
            for leak in self._leaks(key, self._visits.records(key))
        )

    def _strangers(self) -> Iterator[MessageHeaders]:
        """Yield the messages that have no `Received:` line of any of the hosts."""
        strangers = list(self._request.messages)
        for key in keys_of(self._plan, self._chosen) if strangers else ():
            names = tuple(self._names(key, self._visits.records(key)))
            strangers = [message for message in strangers if not has_line_of(message, key, names)]
        yield from strangers

    def _judged(self, key: Key) -> Verified:
        visits, before = self._visits, self._request.baseline.get(key)
        records = visits.records(key)
        return judge(
            Subject(*key, self._plan.hosts.get(key[0]), None if before is None else before.visit),
            records,
            opinion=visits.opinions.get(key),
            received=self._leaks(key, records),
            asked=self._plan.settings.samples,
            agree=self._request.agree,
            is_unread=0 < len(self.strangers) == len(self._request.messages),
        )

    def _leaks(self, key: Key, records: Iterable[Record]) -> Sequence[HeaderLeak]:
        return leaks_of(key, self._names(key, records), self._request.messages)

    def _names(self, key: Key, records: Iterable[Record]) -> Iterator[str]:
        return names_of(records, self._plan.hosts.get(key[0]), self._request.baseline.get(key))


def names_of(records: Iterable[Record], host: str | None, before: BaselineVisit | None) -> Iterator[str]:
    """Yield what a host is called: by the user, and by itself in greeting and EHLO."""
    yield from filter(None, (host, None if before is None else before.host))
    for record in records:
        if record.banner is not None and record.banner.hostname is not None:
            yield record.banner.hostname
        ehlo = first_reply(record.dialogue, "EHLO") if record.dialogue is not None else None
        if ehlo is not None and ehlo.lines:
            yield ehlo.lines[0].partition(" ")[0]
