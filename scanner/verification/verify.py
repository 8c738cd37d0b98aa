"""A fresh look at hosts whose finding should be gone: visits by the sweep's own engine, then a second reader.

    stored sweep, targets -> plan -> Pool (greeting, EHLO, HELP, STARTTLS, QUIT; N visits to each) -+
                                     Gate                                                           +-> states.judge
                                       -> second_opinion (aiosmtplib, one more visit) -------------+

All connections, the second reader's too, pass one gate with the user's exclusions and rates. A host of the stored sweep
that is excluded now is not visited and has no result; `Fresh.excluded` counts them. Networks that refuse us too often
are treated as in a sweep.

A verdict needs all visits of a host, and these are made in passes; so the records of all hosts are held until the end,
packed, and each host is judged when its result is asked for (`Results`).
"""

import asyncio
import logging
import uuid
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from scanner.engine import Gate, Pool, descriptor_budget
from scanner.engine.transport import check_source_address
from scanner.errors import InputError, LocalError
from scanner.identify.behaviour import first_reply
from scanner.model import Attempt, Record, Status, Target
from scanner.record import decode, encode
from scanner.settings import Probe, Settings
from scanner.smoke.received import HeaderLeak
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.record_builder import RecordBuilder
from scanner.sweeps.unvisited import no_way_notice
from scanner.targets import COMMAND_LINE, Schedule, Spec, TextSource, parse_spec
from scanner.verification.baseline import Earlier, Headers, Key, has_line_of, leaks_of
from scanner.verification.evidence import Opinion
from scanner.verification.second_opinion import second_opinion
from scanner.verification.states import Subject, Verified, judge

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRequest:
    """What to verify. Without `targets` it is every address and port of `earlier`, on `ports` only where any are named.

    `settings` give pace and patience; its ports are those of `targets`, its probe and `samples` are this module's and
    the user's. `agree` visits must show the same, by default all. `messages` are delivered messages' headers.
    """

    settings: Settings
    targets: Spec | None = None
    exclude: Spec = field(default_factory=lambda: parse_spec([]))
    ports: tuple[int, ...] = ()
    earlier: Mapping[Key, Earlier] = field(default_factory=dict)
    agree: int | None = None
    messages: Sequence[Headers] = ()
    ask_second_reader: bool = True


class VerificationProgress(NamedTuple):
    """How far it is: visits made, then hosts that the second reader has read."""

    visits: int
    to_visit: int
    read_again: int
    to_read_again: int


class Results:
    """The result of every host, in the order of the addresses, judged anew whenever it comes by.

    `strangers` are the messages without a `Received:` line of any of the hosts: they say nothing of them.
    """

    def __init__(
        self, request: VerificationRequest, plan: Plan, look: "_FreshLook", chosen: frozenset[Key] | None
    ) -> None:
        self._request, self._plan, self._look, self._chosen = request, plan, look, chosen
        self.strangers = tuple(self._strangers())

    def __len__(self) -> int:
        """Return how many hosts there are, an address and port each."""
        return _count(self._plan, self._chosen)

    def __iter__(self) -> Iterator[Verified]:
        """Judge one host after another."""
        return map(self._judged, _keys(self._plan, self._chosen))

    def claimed(self) -> frozenset[int]:
        """Return the identities of the header lines that one of the hosts wrote."""
        if not self._request.messages:
            return frozenset()
        return frozenset(
            id(leak) for key in _keys(self._plan, self._chosen) for leak in self._leaks(key, self._look.records(key))
        )

    def _strangers(self) -> Iterator[Headers]:
        """Yield the messages that have no `Received:` line of any of the hosts."""
        strangers = list(self._request.messages)
        for key in _keys(self._plan, self._chosen) if strangers else ():
            names = tuple(self._names(key, self._look.records(key)))
            strangers = [message for message in strangers if not has_line_of(message, key, names)]
        yield from strangers

    def _judged(self, key: Key) -> Verified:
        look, before = self._look, self._request.earlier.get(key)
        records = look.records(key)
        return judge(
            Subject(*key, self._plan.hosts.get(key[0]), None if before is None else before.visit),
            records,
            opinion=look.opinions.get(key),
            received=self._leaks(key, records),
            asked=self._plan.settings.samples,
            agree=self._request.agree,
            is_unread=0 < len(self.strangers) == len(self._request.messages),
        )

    def _leaks(self, key: Key, records: Iterable[Record]) -> Sequence[HeaderLeak]:
        return leaks_of(key, self._names(key, records), self._request.messages)

    def _names(self, key: Key, records: Iterable[Record]) -> Iterator[str]:
        return _names(records, self._plan.hosts.get(key[0]), self._request.earlier.get(key))


class Fresh(NamedTuple):
    """What was found.

    `excluded` hosts of the stored sweep were not visited. `unclaimed` are header lines that no verified host wrote.
    """

    results: Results
    excluded: int
    unclaimed: tuple[HeaderLeak, ...]


async def verify(
    request: VerificationRequest, on_progress: Callable[[VerificationProgress], None] = lambda _: None
) -> Fresh:
    """Visit, and ask the second reader; every host is judged when its result is read.

    Args:
        request: what to verify.
        on_progress: called whenever something has ended.

    Raises:
        InputError: when there is nothing to visit, or a name cannot be resolved; nothing was visited then.
        LocalError: when this machine cannot open connections.
    """
    chosen = _chosen(request)
    plan = await _plan(request, chosen)
    if plan.settings.source_address is not None:
        check_source_address(plan.settings.source_address)
    look = _FreshLook(plan, chosen, on_progress)
    await look.visit()
    if request.ask_second_reader:
        await look.ask_second_reader()
    results = Results(request, plan, look, chosen)
    claimed = results.claimed()
    unclaimed = tuple(leak for message in request.messages for leak in message.leaks if id(leak) not in claimed)
    return Fresh(results, 0 if chosen is None else len(chosen) - len(results), unclaimed)


def _chosen(request: VerificationRequest) -> frozenset[Key] | None:
    """Return the addresses and ports to visit; None for all that the targets name."""
    if request.targets is not None:
        return None
    chosen = frozenset(key for key in request.earlier if not request.ports or key[1] in request.ports)
    if not chosen:
        where = f" on port {', '.join(map(str, request.ports))}" if request.earlier else ""
        raise InputError(f"nothing to verify: no SMTP server was heard{where} before; name targets, or another file")
    return chosen


async def _plan(request: VerificationRequest, chosen: frozenset[Key] | None) -> Plan:
    ports = request.ports or ((25,) if chosen is None else tuple(sorted({port for _, port in chosen})))
    settings = replace(request.settings, ports=ports, probe=Probe.DIALOGUE, passive=False).validated()
    hosts = {ip: each.host for (ip, _), each in request.earlier.items() if each.host is not None}
    if request.targets is not None:
        plan = await make_plan(request.targets, request.exclude, settings)
        return replace(plan, hosts={**hosts, **plan.hosts})
    addresses = parse_spec([TextSource(COMMAND_LINE, sorted({ip for ip, _ in chosen or ()}))], allow_names=False)
    plan = await make_plan(addresses, request.exclude, settings)
    return replace(plan, hosts=hosts)


class _Chosen:
    """A schedule's targets, those left out that nobody asked for: not every address has every port."""

    def __init__(self, schedule: Schedule, chosen: Container[Key]) -> None:
        self._schedule = schedule
        self._chosen = chosen

    def take(self, n: int) -> list[Target]:
        """Return up to `n` further targets; none when there are no more."""
        while taken := self._schedule.take(n):
            chosen = [target for target in taken if (target.ip, target.port) in self._chosen]
            if chosen:
                return chosen
        return []

    def targets_at(self, positions: Sequence[int]) -> list[Target]:
        """Return the targets at these positions."""
        return self._schedule.targets_at(positions)


class _FreshLook:
    """The visits: records and second opinions of every host, as they come in."""

    def __init__(
        self, plan: Plan, chosen: frozenset[Key] | None, on_progress: Callable[[VerificationProgress], None]
    ) -> None:
        settings = plan.settings
        self._on_progress = on_progress
        self._progress = VerificationProgress(0, _count(plan, chosen) * settings.samples, 0, 0)
        self._packed: dict[Key, list[bytes]] = {}
        self._greeted: dict[Key, None] = {}
        self.opinions: dict[Key, Opinion] = {}
        self._settings = settings
        self._hosts = plan.hosts
        self._schedule = plan.schedule()
        self._source = self._schedule if chosen is None else _Chosen(self._schedule, chosen)
        self._observer = RecordBuilder(str(uuid.uuid4()), settings, self._schedule.sample)
        self._pool: Pool | None = None
        self._gate = Gate(
            plan.excluded,
            rate=settings.rate,
            subnet_rate=settings.subnet_rate,
            refusal_limit=settings.refusal_limit,
            refusal_action=settings.refusal_action,
        )

    async def visit(self) -> None:
        """Make all visits; a host that this machine has no way to is not visited.

        Raises:
            LocalError: when this machine cannot open connections, or has no way to any of them.
        """
        budget = descriptor_budget(self._settings.concurrency)
        pool = self._pool = Pool(self._settings, self._source, self._gate, self._take, budget=budget)
        await pool.run()
        if pool.no_way:
            log.warning(no_way_notice(pool.no_way, len(pool.no_way)))

    def _take(self, attempts: list[Attempt]) -> None:
        assert self._pool is not None  # noqa: S101  it calls
        for attempt in attempts:
            record, target = self._observer.record(attempt), attempt.target
            if record.refusal is not None and record.refusal.refused_us:
                self._gate.refused(target.ip, self._pool.now)
            elif record.status is Status.EXCLUDED and self._gate.is_closed(target.ip):
                continue  # its network was closed meanwhile: this visit was not made
            elif record.banner is not None and self._gate.counts_answers:
                self._gate.greeted(target.ip, self._pool.now)
            key = target.ip, target.port
            self._packed.setdefault(key, []).append(zlib.compress(encode(record), 1))
            if record.status is Status.READY:
                self._greeted[key] = None
        self._say(visits=self._progress.visits + len(attempts))

    def _say(self, **changed: int) -> None:
        self._progress = self._progress._replace(**changed)
        self._on_progress(self._progress)

    def records(self, key: Key) -> list[Record]:
        """Return what the visits to a host brought."""
        return [decode(zlib.decompress(packed)) for packed in self._packed.get(key, ())]

    async def ask_second_reader(self) -> None:
        """Ask it about every host that greeted us with 220, some at a time."""
        ready = iter(self._greeted)
        self._say(to_read_again=len(self._greeted))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.dialogue_concurrency):
                group.create_task(self._ask(ready))

    async def _ask(self, keys: Iterator[Key]) -> None:
        for ip, port in keys:
            try:
                opinion = await second_opinion(self._gate, ip, port, self._settings, self._hosts.get(ip))
            except LocalError as error:  # the visits were made: without the second reader they still count
                opinion = Opinion(error=str(error))
            self.opinions[ip, port] = opinion
            self._say(read_again=len(self.opinions))


def _count(plan: Plan, chosen: frozenset[Key] | None) -> int:
    """Count what `_keys` yields."""
    return plan.visited.count * len(plan.settings.ports) if chosen is None else sum(1 for _ in _keys(plan, chosen))


def _keys(plan: Plan, chosen: frozenset[Key] | None) -> Iterator[Key]:
    """Yield what was to be visited, by address and port."""
    for place in range(plan.visited.count):
        ip = plan.visited.pick(place)
        for port in plan.settings.ports:
            if chosen is None or (ip, port) in chosen:
                yield ip, port


def _names(records: Iterable[Record], host: str | None, before: Earlier | None) -> Iterator[str]:
    """Yield what a host is called: by the user, and by itself in greeting and EHLO."""
    yield from filter(None, (host, None if before is None else before.host))
    for record in records:
        if record.banner is not None and record.banner.hostname is not None:
            yield record.banner.hostname
        ehlo = first_reply(record.dialogue, "EHLO") if record.dialogue is not None else None
        if ehlo is not None and ehlo.lines:
            yield ehlo.lines[0].partition(" ")[0]
