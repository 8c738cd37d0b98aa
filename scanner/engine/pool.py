"""Decide which connections start, and when: a bounded, paced pool over one epoll, driven by its events and one tick.

After each batch of events the pool delivers what has ended. Then it admits as many targets as the free slots, the
descriptor budget, the global rate and the sinks allow. A tick does the same for what only time brings: time-outs,
turns, retries.

There are two budgets. `concurrency` bounds connection attempts, which last a few seconds each. A connection that is
made, such as one to a silent host, costs only a descriptor. So silent hosts do not slow the sweep down until the
descriptors are used up; then connections that only wait for the reply to QUIT are closed first.

Trouble of this machine is never a target's result. When it lacks something (a descriptor, port or memory), the target
waits and the pool backs off. When nothing works for `PATIENCE_S`, the sweep ends with `LocalError` and can be resumed.
When it has no way to a target, the target waits (`no_way`). A visit that failed while our network was away is repeated
(`away`).

Left out: a second engine (stateless discovery) and several processes. Both fit behind the few methods of `Pool`.
"""

import asyncio
import errno
import logging
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from scanner.engine.away import Away
from scanner.engine.back_off import BackOff
from scanner.engine.connection import Phase, Trace
from scanner.engine.connection_table import BATCH, ConnectionTable
from scanner.engine.descriptors import DescriptorBudget
from scanner.engine.no_way import NoWay
from scanner.engine.pacing import Gate
from scanner.engine.source import TargetSource
from scanner.engine.statistics import PoolStatistics
from scanner.engine.transport import Cause, cause_of, connect_status, error_name, route_error
from scanner.engine.visits import DueVisit, VisitQueue
from scanner.errors import LocalError
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from scanner.timeouts import Lateness, PatientClock

if TYPE_CHECKING:
    from scanner.engine.speaking import Dialogues

log = logging.getLogger(__name__)

#: Connections started at once, so that greetings that have arrived do not wait.
STARTS_PER_PUMP = 256
#: Seconds without a single socket before the sweep is given up.
PATIENCE_S = 20.0
#: When the first targets, this many of them, all have no way, this machine has no network.
NO_WAY_LIMIT = 256
#: Seconds between two ticks: the grain of time-outs and of the rate. An idle pool costs 0.1 % of a core.
TICK_S = 0.01

#: Failed visits that are made again.
_RETRIED = frozenset({Status.CONNECT_TIMEOUT, Status.RESET})

#: Called with the results of a batch, in the order in which they came about.
Deliver = Callable[[list[Attempt]], None]


class Pool:
    """Visits every target of a source once (retries aside) and hands the results to `deliver`.

    `room` returns how many results the sinks can still take; at 0 nothing is admitted until `wake` is called. One pool
    makes one run. `no_way` holds the targets that this machine has no way to, `away` judges visits during which its
    network was away.
    """

    def __init__(
        self,
        settings: Settings,
        source: TargetSource,
        gate: Gate,
        deliver: Deliver,
        *,
        budget: DescriptorBudget,
        room: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace | None = None,
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._deliver = deliver
        self._budget = budget
        self._room = room
        self._trace = trace
        self._clock = PatientClock(clock)
        self._visits = VisitQueue(source, gate)
        self._poller = select.epoll()
        self._connections = ConnectionTable(settings, self._poller, clock=self._clock, trace=trace)
        self._dialogues: Dialogues | None = None
        self._results: list[Attempt] = []
        self.no_way = NoWay(source, self._has_way, patience_s=settings.route_patience_s)
        self.away = Away(self.no_way, settings.source_address)
        self._stopping = False
        self._has_reached = False  # some target had a way, now or in an earlier run of this sweep
        self._started = self._finished = self._retried = self._local_errors = 0
        self._back_off = BackOff()
        self._last_socket_at = self._clock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        counts = self.statistics()
        return (
            f"<Pool started={counts.started} connecting={counts.connecting} waiting={counts.waiting} "
            f"leaving={counts.leaving} deferred={counts.deferred} retrying={counts.retrying}>"
        )

    def statistics(self) -> PoolStatistics:
        """Return the counts of this moment."""
        connections = self._connections
        return PoolStatistics(
            started=self._started,
            finished=self._finished,
            connecting=connections.count(Phase.CONNECTING),
            waiting=connections.count(Phase.WAITING) + connections.count(Phase.READING),
            leaving=connections.count(Phase.LEAVING),
            deferred=self._visits.deferred,
            retrying=self._visits.retrying,
            retried=self._retried,
            local_errors=self._local_errors,
            no_way=len(self.no_way),
            sockets=len(connections),
        )

    @property
    def now(self) -> float:
        """The time of the pool's clock, which its gate uses, too."""
        return self._clock()

    @property
    def lateness(self) -> Lateness:
        """How late this process has run, and how often."""
        return self._clock.lateness

    async def run(self, *, resumed: bool = False) -> None:
        """Visit until the source is exhausted, or after `stop` until the visits in progress are over.

        Args:
            resumed: an earlier run of this sweep visited targets, so this machine has a network even when no target
                that is left has a way.

        Raises:
            LocalError: when this machine cannot open connections at all.
        """
        self._has_reached = resumed
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        self._last_socket_at = self._clock()
        if self._settings.will_speak:
            self._speaking()  # loaded now: during the sweep there may be no descriptor for it
        self.away.begin()
        self._loop.add_reader(self._poller.fileno(), self._on_ready)
        try:
            self._on_tick()
            await self._done
        finally:
            self._loop.remove_reader(self._poller.fileno())
            if self._timer is not None:
                self._timer.cancel()
            self._connections.close_all()
            self.away.close()
            self._poller.close()
            if self._dialogues is not None:
                self._dialogues.cancel()
                await self._dialogues.wait_closed()

    def stop(self) -> None:
        """Admit no more targets; `run` returns when the visits in progress are over. The others get no result."""
        self._stopping = True
        self._visits.clear()
        self.wake()

    def abort(self) -> None:
        """Drop the visits in progress, too; `run` returns at once."""
        self.stop()
        self._connections.close_all()
        if self._dialogues is not None:
            self._dialogues.cancel()
        self.wake()

    def wake(self) -> None:
        """Continue: the sinks have room, or something else has changed."""
        if self._done is not None and not self._done.done():
            self._pump()

    def _on_ready(self) -> None:
        self._clock.tick()
        # After a full batch more events are waiting: they come first, so that no greeting waits long.
        self._pump(admit=self._connections.drain() < BATCH)

    def _on_tick(self) -> None:
        assert self._loop is not None  # noqa: S101  set by run()
        self._timer = self._loop.call_later(TICK_S, self._on_tick)
        self._clock.tick()
        now = self._clock()
        self.away.update(now)
        self._connections.expire(now)
        self._pump(ticking=True)

    def _pump(self, *, admit: bool = True, ticking: bool = False) -> None:
        """Admit what may start, hand over what has ended, and end the run when that was all."""
        assert self._done is not None  # noqa: S101  only run() and its callbacks come here
        if self._done.done():
            return
        try:
            if ticking and self.no_way and not self._stopping:
                self._test_ways(self._clock())
            if admit:
                self._admit(self._clock())
            self._hand_over()
        except Exception as error:  # noqa: BLE001  it belongs to the caller of run(), not to the event loop
            self._done.set_exception(error)
            return
        if self._is_idle:
            self._end(self._done)

    def _hand_over(self) -> None:
        for attempt in self._connections.take_ended():
            self._on_ended(attempt)
        for connection in self._connections.take_handed():
            self._speaking().begin(connection)
        if self._dialogues is not None:
            self._results += [ended for ended in self._dialogues.take_ended() if not self._is_spoiled(ended)]
        if self._results:
            results, self._results = self._results, []
            self._finished += len(results)
            self._deliver(results)

    def _end(self, done: "asyncio.Future[None]") -> None:
        """End the run, unless targets without a way are still worth waiting for."""
        if self._stopping or not self.no_way:
            done.set_result(None)
        elif not self._has_reached:
            done.set_exception(self.no_way.no_network())  # at once: not one target was reached
        elif self.no_way.is_hopeless(self._clock()):
            done.set_result(None)

    @property
    def _is_idle(self) -> bool:
        """Whether nothing is left to do, apart from targets without a way."""
        waiting = self._connections or self._visits or self._dialogues
        return not waiting and (self._visits.exhausted or self._stopping)

    def _test_ways(self, now: float) -> None:
        """Find targets that have got a way; they are visited next."""
        self._visits.visit_first(self.no_way.find_ways(now, idle=self._is_idle))
        if self._has_reached:
            self.no_way.warn(now)

    def _speaking(self) -> "Dialogues":
        """Return the dialogues of this pool. Their code is loaded at the first call, since most sweeps only listen."""
        if self._dialogues is None:
            from scanner.engine.speaking import Dialogues  # noqa: PLC0415  TLS and certificates take 60 ms to load

            self._dialogues = Dialogues(self._settings, self.wake, self._trace, self._clock)
        return self._dialogues

    def _admit(self, now: float) -> None:
        if self._stopping or now < self._back_off.until or (self._dialogues is not None and self._dialogues.full):
            return
        if lifted := self._gate.take_lifted():
            self._visits.renew(lifted, now)
        free = self._budget.connecting - self._connections.count(Phase.CONNECTING)
        count = min(free, self._room(), self._gate.allowance(now), STARTS_PER_PUMP)
        while count > 0 and self._has_descriptor():
            visit = self._visits.next_visit(now)
            if visit is None or not self._start(visit, now):
                return
            count -= 1

    def _has_descriptor(self) -> bool:
        used = len(self._connections) + (len(self._dialogues) if self._dialogues is not None else 0)
        return used < self._budget.sockets or self._connections.give_way()

    def _start(self, visit: DueVisit, now: float) -> bool:
        """Start a visit; return whether the pool may go on."""
        target = visit.target
        if self._gate.is_excluded(target.ip):
            self.no_way.dropped(target.position)
            self._results.append(_without_connection(target, Status.EXCLUDED, None, visit.tries))
            return True
        code = self._connections.open(target, visit.tries)
        cause = cause_of(code, target.ip, self._settings.source_address) if code else None
        if cause is Cause.SHORTAGE:
            self._on_local_error(visit, code, now)
            return False
        self._gate.take()  # also without a way, so that the rate bounds these attempts, too
        if cause is Cause.NO_WAY:
            self._on_no_way(target, code, now)
            return True
        self._started, self._has_reached = self._started + 1, True
        self._last_socket_at, self._back_off.wait_s = now, 0.0
        self.no_way.started(target.position)
        if code:
            self._on_ended(_without_connection(target, connect_status(code), error_name(code), visit.tries))
        return True

    def _has_way(self, ip: str) -> bool:
        return route_error(ip, self._settings.source_address) == 0 and not self.away.is_down(ip)

    def _on_no_way(self, target: Target, code: int, now: float) -> None:
        """Put a target aside that this machine has no way to; give up when no target had one from the start."""
        self.no_way.add(target, code, now)
        if not self._has_reached and len(self.no_way) >= NO_WAY_LIMIT:
            raise self.no_way.no_network()

    def _on_local_error(self, visit: DueVisit, code: int, now: float) -> None:
        """Put the target back, and start nothing for a while."""
        self._local_errors += 1
        if now - self._last_socket_at > PATIENCE_S and not self._connections:
            raise LocalError(
                f"this machine could not open a single connection for {PATIENCE_S:g} s ({error_name(code)}): "
                "free descriptors, ports or memory, or lower --concurrency and --rate, then run again"
            )
        self._back_off.extend(now)
        log.debug("%s: no new connection for %.2f s", error_name(code), self._back_off.wait_s)
        self._visits.defer(visit._replace(due=now))

    def _on_ended(self, attempt: Attempt) -> None:
        """Take the result of one connection: it is final, or the visit is made again later."""
        if attempt.status is not None and self._is_spoiled(attempt):
            return
        if (
            attempt.status not in _RETRIED
            or attempt.raw
            or attempt.tries > self._settings.retries + self.away.times(attempt.target)
        ):
            self._results.append(attempt)
        elif not self._stopping:  # else it stays unvisited, and a resumed sweep makes the other try
            log.debug("%s port %d: %s, to be tried again", attempt.target.ip, attempt.target.port, attempt.status)
            self._try_later(attempt)

    def _is_spoiled(self, attempt: Attempt) -> bool:
        """Whether a visit failed while our network was away; then it is repeated, or the target stays unvisited."""
        now, target = self._clock(), attempt.target
        if not self.away.has_spoiled(attempt, now):
            return False
        if not self._stopping and self.away.may_try_again(target):
            if self.away.is_down(target.ip):
                self.no_way.add(target, errno.ENETDOWN, now)
            else:
                self._try_later(attempt)
        return True

    def _try_later(self, attempt: Attempt) -> None:
        self._retried += 1
        due = self._clock() + self._settings.retry_delay_s
        self._visits.retry(DueVisit(due, attempt.target, attempt.tries + 1))


def _without_connection(target: Target, status: Status, error: str | None, tries: int) -> Attempt:
    return Attempt(target, status, b"", time.time(), None, None, 0.0, tries, error)
