"""Which connections start, and when: a bounded, paced pool over one poller, driven by readiness and one tick.

After each batch of events the pool hands over what has ended, then admits as many targets as free slots, the descriptor
budget, the global rate and the sinks allow. A tick does the same for what only time brings: time-outs, turns, retries.
Targets come from the source when they are wanted and are never queued ahead, apart from two bounded queues: those whose
network is not due yet, and those that wait for their retry.

There are two budgets. `concurrency` bounds connection attempts under way, a few seconds each; everything that is
connected, silent hosts above all, costs only a descriptor. So a silent host does not slow down the sweep of the others
until the descriptors are used up, and then the ones waiting for nothing but the reply to QUIT give way first.

Trouble of this machine is never a target's result. When it lacks something (descriptor, port, memory) the target waits
and the pool backs off; when nothing works for `PATIENCE_S`, the sweep ends with `LocalError` and can be resumed. When
it has no way to a target, that one waits (`no_way`). A visit that failed while our network was away is redone (`away`).

Left out: a second engine (stateless discovery) and several processes. Both fit behind `Pool`'s few methods.
"""

import asyncio
import errno
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from scanner.engine.away import Away
from scanner.engine.connection_table import BATCH, ConnectionTable, Phase, Trace
from scanner.engine.descriptors import DescriptorBudget
from scanner.engine.no_way import NoWay
from scanner.engine.pacing import Gate
from scanner.engine.readiness import Readiness, best_readiness
from scanner.engine.source import TargetSource
from scanner.engine.statistics import PoolStatistics
from scanner.engine.transport import Cause, cause_of, connect_status, error_name, route_error
from scanner.engine.turns import DueVisit, Turns
from scanner.errors import LocalError
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from scanner.timeouts import Lateness, PatientClock

if TYPE_CHECKING:
    from scanner.engine.speaking import Dialogues

log = logging.getLogger(__name__)

#: Connections started in one go, so that greetings already there are not kept waiting.
STARTS_PER_PUMP = 256
#: Targets taken from the source together.
TAKE = 64
#: Targets that wait for their network's turn. When it is full, no further target is taken from the source.
MAX_DEFERRED = 10_000
#: Seconds a pool in local trouble waits before it tries again: at first, and at most.
BACK_OFF_S = (0.05, 1.0)
#: Seconds without a single socket before the sweep is given up.
PATIENCE_S = 20.0
#: So many targets without a way, and not one with one before them, mean that this machine has no network.
NO_WAY_LIMIT = 256
#: Seconds between two ticks: the grain of time-outs and of the rate. An idle pool costs 0.1 % of a core.
TICK_S = 0.01

#: Called with the results of a batch, in the order in which they came about.
Deliver = Callable[[list[Attempt]], None]


class Pool:
    """Visits every target of a source once (retries aside) and hands the results to `deliver`.

    `room` says how many results the sinks can still take: at 0 nothing is admitted until `wake` is called.
    One pool makes one run. `run` returns when the source is exhausted or a stop is done.
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
        readiness: Readiness | None = None,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._gate = gate
        self._deliver = deliver
        self._budget = budget
        self._room = room
        self._clock = PatientClock(clock)
        self._readiness = readiness or best_readiness()
        self._in_flight = ConnectionTable(settings, self._readiness, clock=self._clock, trace=trace)
        self._results: list[Attempt] = []
        self._trace = trace
        self._dialogues: Dialogues | None = None
        self._fresh: deque[Target] = deque()
        self._deferred = Turns(gate)
        self._retries: deque[DueVisit] = deque()
        self._no_way = NoWay(source, self._has_way, patience_s=settings.route_patience_s)
        self._away = Away(self._no_way, settings.source_address)
        self._exhausted = self._stopping = False
        self._has_reached = False  # some target had a way, now or in an earlier run of this sweep
        self._started = self._finished = self._retried = self._local_errors = 0
        self._back_off_s, self._resume_at = 0.0, 0.0
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
        flight = self._in_flight
        return PoolStatistics(
            started=self._started,
            finished=self._finished,
            connecting=flight.count(Phase.CONNECTING),
            waiting=flight.count(Phase.WAITING) + flight.count(Phase.READING),
            leaving=flight.count(Phase.LEAVING),
            deferred=len(self._deferred),
            retrying=len(self._retries),
            retried=self._retried,
            local_errors=self._local_errors,
            no_way=len(self._no_way),
            sockets=len(flight),
        )

    @property
    def now(self) -> float:
        """The time by the pool's clock, which its gate goes by."""
        return self._clock()

    @property
    def lateness(self) -> Lateness:
        """How often this process did not run in time."""
        return self._clock.lateness

    @property
    def no_way(self) -> NoWay:
        """The targets that this machine has no way to."""
        return self._no_way

    @property
    def away(self) -> Away:
        """What became of visits during which this machine's network was away."""
        return self._away

    async def run(self, *, resumed: bool = False) -> None:
        """Visit until the source is exhausted, or until `stop` and what was under way is over.

        Args:
            resumed: an earlier run of this sweep visited targets, so a lack of ways now is not that of the machine.

        Raises:
            LocalError: when this machine cannot open connections at all.
        """
        self._has_reached = resumed
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        self._last_socket_at = self._clock()
        if self._settings.will_speak:
            self._speaking()  # loaded now: during the sweep descriptors may be short
        self._away.begin()
        self._loop.add_reader(self._readiness.fileno(), self._on_ready)
        try:
            self._on_tick()
            await self._done
        finally:
            self._loop.remove_reader(self._readiness.fileno())
            if self._timer is not None:
                self._timer.cancel()
            self._in_flight.close_all()
            self._away.close()
            self._readiness.close()
            if self._dialogues is not None:
                self._dialogues.cancel()
                await self._dialogues.wait_closed()

    def stop(self) -> None:
        """Admit no more; `run` returns when what is under way is over. Who was not visited gets no result."""
        self._stopping = True
        self._fresh.clear()
        self._deferred.clear()
        self._retries.clear()
        self.wake()

    def abort(self) -> None:
        """Drop what is under way, too; `run` returns at once."""
        self.stop()
        self._in_flight.close_all()
        if self._dialogues is not None:
            self._dialogues.cancel()
        self.wake()

    def wake(self) -> None:
        """Look again: the sinks have room, or something else changed."""
        if self._done is not None and not self._done.done():
            self._pump()

    def _on_ready(self) -> None:
        self._clock.tick()
        # A full batch means that more events are waiting: handle those first, so that no greeting waits long.
        self._pump(admit=self._in_flight.drain() < BATCH)

    def _on_tick(self) -> None:
        assert self._loop is not None  # noqa: S101  set by run()
        self._timer = self._loop.call_later(TICK_S, self._on_tick)
        self._clock.tick()
        now = self._clock()
        self._away.look(now)
        self._in_flight.expire(now)
        self._pump(look=True)

    def _pump(self, *, admit: bool = True, look: bool = False) -> None:
        """Hand over what has ended, admit what may start, and see whether that was all."""
        assert self._done is not None  # noqa: S101  only run() and its callbacks come here
        if self._done.done():
            return
        try:
            if look and self._no_way and not self._stopping:
                self._look_again(self._clock())
            if admit:
                self._admit(self._clock())
            self._hand_over()
        except Exception as error:  # noqa: BLE001  the owner of run() must hear of it, not the event loop
            self._done.set_exception(error)
            return
        if self._is_idle:
            self._end(self._done)

    def _hand_over(self) -> None:
        for attempt in self._in_flight.take_ended():
            self._on_ended(attempt)
        for conversation in self._in_flight.take_handed():
            self._speaking().begin(conversation)
        if self._dialogues is not None:
            self._results += [ended for ended in self._dialogues.take_ended() if not self._is_spoiled(ended)]
        if self._results:
            results, self._results = self._results, []
            self._finished += len(results)
            self._deliver(results)

    def _end(self, done: "asyncio.Future[None]") -> None:
        """End with nobody left to visit, unless some are worth waiting for that this machine has no way to."""
        if self._stopping or not self._no_way:
            done.set_result(None)
        elif not self._has_reached:
            done.set_exception(self._no_way.no_network())  # no patience: not one was reached
        elif self._no_way.is_hopeless(self._clock()):
            done.set_result(None)

    @property
    def _is_idle(self) -> bool:
        """Whether nobody is visited or waits for a visit, those apart that this machine has no way to."""
        waiting = self._in_flight or self._fresh or self._deferred or self._retries or self._dialogues
        return not waiting and (self._exhausted or self._stopping)

    def _look_again(self, now: float) -> None:
        """See who has got a way meanwhile; they are visited next."""
        self._fresh.extendleft(self._no_way.look(now, idle=self._is_idle))
        if self._has_reached:
            self._no_way.warn(now)

    def _speaking(self) -> "Dialogues":
        """Return the dialogues of this pool; their code is loaded at the first call, since most sweeps only listen."""
        if self._dialogues is None:
            from scanner.engine.speaking import Dialogues  # noqa: PLC0415  TLS and certificates cost 60 ms to load

            self._dialogues = Dialogues(self._settings, self.wake, self._trace, self._clock)
        return self._dialogues

    def _admit(self, now: float) -> None:
        if self._stopping or now < self._resume_at or (self._dialogues is not None and self._dialogues.full):
            return
        if lifted := self._gate.take_lifted():
            self._deferred.renew(lifted, now)
        free = self._budget.connecting - self._in_flight.count(Phase.CONNECTING)
        count = min(free, self._room(), self._gate.allowance(now), STARTS_PER_PUMP)
        while count > 0 and self._has_descriptor():
            visit = self._next_visit(now)
            if visit is None or not self._start(visit, now):
                return
            count -= 1

    def _has_descriptor(self) -> bool:
        used = len(self._in_flight) + (len(self._dialogues) if self._dialogues is not None else 0)
        return used < self._budget.sockets or self._in_flight.give_way()

    def _next_visit(self, now: float) -> DueVisit | None:
        """Return the next visit that is due; those that come too early for their network are put aside on the way."""
        if (waited := self._deferred.maybe_due(now)) is not None:
            return waited
        while len(self._deferred) < MAX_DEFERRED:
            visit = self._undeferred(now)
            if visit is None:
                return None
            due = self._gate.reserve(visit.target.ip, now)
            if due <= now:
                return visit
            self._deferred.put(visit._replace(due=due))
        return None

    def _undeferred(self, now: float) -> DueVisit | None:
        if self._retries and self._retries[0].due <= now:
            return self._retries.popleft()
        if not self._fresh and not self._exhausted:
            self._fresh.extend(self._source.take(TAKE))
            self._exhausted = not self._fresh
        return DueVisit(now, self._fresh.popleft(), 1) if self._fresh else None

    def _start(self, visit: DueVisit, now: float) -> bool:
        """Start a visit; return whether the pool may go on."""
        target = visit.target
        if self._gate.is_excluded(target.ip):
            self._no_way.dropped(target.position)
            self._results.append(_without_connection(target, Status.EXCLUDED, None, visit.tries))
            return True
        code = self._in_flight.open(target, visit.tries)
        cause = cause_of(code, target.ip, self._settings.source_address) if code else None
        if cause is Cause.SHORTAGE:
            self._on_local_error(visit, code, now)
            return False
        self._gate.take()  # also of one that has no way, so that the rate bounds how fast they are tried
        if cause is Cause.NO_WAY:
            self._on_no_way(target, code, now)
            return True
        self._started, self._has_reached = self._started + 1, True
        self._last_socket_at, self._back_off_s = now, 0.0
        self._no_way.started(target.position)
        if code:
            self._on_ended(_without_connection(target, connect_status(code), error_name(code), visit.tries))
        return True

    def _has_way(self, ip: str) -> bool:
        return route_error(ip, self._settings.source_address) == 0 and not self._away.is_down(ip)

    def _on_no_way(self, target: Target, code: int, now: float) -> None:
        """Put a target aside that this machine has no way to; when that is so of all from the start, give up."""
        self._no_way.add(target, code, now)
        if not self._has_reached and len(self._no_way) >= NO_WAY_LIMIT:
            raise self._no_way.no_network()

    def _on_local_error(self, visit: DueVisit, code: int, now: float) -> None:
        """Put the target back and leave the machine in peace for a while."""
        self._local_errors += 1
        if now - self._last_socket_at > PATIENCE_S and not self._in_flight:
            raise LocalError(
                f"this machine could not open a single connection for {PATIENCE_S:g} s ({error_name(code)}): "
                "free descriptors, ports or memory, or lower --concurrency and --rate, then run again"
            )
        first_s, most_s = BACK_OFF_S
        self._back_off_s = min(most_s, self._back_off_s * 2 or first_s)
        self._resume_at = now + self._back_off_s
        log.debug("%s: no new connection for %.2f s", error_name(code), self._back_off_s)
        self._deferred.put(visit._replace(due=now))

    def _on_ended(self, attempt: Attempt) -> None:
        """Take the result of one connection: final, or worth another try later in the sweep."""
        if attempt.status is not None and self._is_spoiled(attempt):
            return
        if (
            attempt.status not in _RETRIED
            or attempt.raw
            or attempt.tries > self._settings.retries + self._away.times(attempt.target)
        ):
            self._results.append(attempt)
        elif not self._stopping:  # else it stays unvisited, and a resumed sweep gives it its other try
            log.debug("%s port %d: %s, to be tried again", attempt.target.ip, attempt.target.port, attempt.status)
            self._try_later(attempt)

    def _is_spoiled(self, attempt: Attempt) -> bool:
        """Whether a visit failed while our own network was away; it is made again then, or the target not visited."""
        now, target = self._clock(), attempt.target
        if not self._away.has_spoiled(attempt, now):
            return False
        if not self._stopping and self._away.may_try_again(target):
            if self._away.is_down(target.ip):
                self._no_way.add(target, errno.ENETDOWN, now)
            else:
                self._try_later(attempt)
        return True

    def _try_later(self, attempt: Attempt) -> None:
        self._retried += 1
        self._retries.append(DueVisit(self._clock() + self._settings.retry_delay_s, attempt.target, attempt.tries + 1))


_RETRIED = frozenset({Status.CONNECT_TIMEOUT, Status.RESET})


def _without_connection(target: Target, status: Status, error: str | None, tries: int) -> Attempt:
    return Attempt(target, status, b"", time.time(), None, None, 0.0, tries, error)
