"""Visit one host with the engine and the records of a sweep, and show every byte as it comes."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from scanner.engine import Gate, Pool, descriptor_budget
from scanner.engine.transport import check_source_address
from scanner.errors import InputError
from scanner.model import Attempt, Record, Target
from scanner.settings import Settings
from scanner.smtp import escape
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.record_builder import RecordBuilder
from scanner.targets import COMMAND_LINE, TextSource, parse_exclusions, parse_spec

log = logging.getLogger(__name__)

#: Called with the target, the kind ("connected", "<", ">", "closed", or "failed" when there was no connection), one
#: line of printable text, and seconds.
ShowLine = Callable[[Target, str, str, float], None]


class Transcript:
    """Cuts the bytes of each connection into printable lines, each with the time of its last byte.

    Showing lines must not disturb the visit: when it fails, the first `failure` is stored for the caller, and the visit
    goes on to its end.
    """

    def __init__(self, show: ShowLine) -> None:
        """Take the function that shows a line; it may raise OSError."""
        self._show_line = show
        self.failure: OSError | None = None
        self._rest: dict[int, bytes] = {}
        self._connected: set[int] = set()

    def __call__(self, target: Target, kind: str, data: bytes, seconds: float) -> None:
        """Take one event of the engine."""
        if kind != "closed":
            self._connected.add(target.position)
        if kind == "<":
            *whole, rest = (self._rest.get(target.position, b"") + data).split(b"\n")
            self._rest[target.position] = rest
            for line in whole:
                self._show(target, kind, escape(line.removesuffix(b"\r")), seconds)
            return
        rest = self._rest.pop(target.position, b"")
        if rest:
            self._show(target, "<", escape(rest), seconds)
        if kind == "closed" and target.position not in self._connected:
            kind = "failed"
        self._show(target, kind, escape(data.removesuffix(b"\r\n")), seconds)

    def _show(self, target: Target, kind: str, text: str, seconds: float) -> None:
        if self.failure is None:
            try:
                self._show_line(target, kind, text, seconds)
            except OSError as error:
                self.failure = error


async def check_host(
    host: str,
    settings: Settings,
    *,
    exclude: Sequence[str] = (),
    trace: Transcript | None = None,
    on_unvisited: Callable[[str], None] = log.warning,
) -> list[Record]:
    """Visit every address of one host and return a record for each, in the order of the addresses.

    An address that this machine has no way to has no record; `on_unvisited` is called with a line about it.

    Raises:
        InputError: when it is more than one host, cannot be resolved or is excluded.
        LocalError: when this machine cannot open connections, or has no way to any address of the host.
    """
    plan = await _plan(host, settings, exclude)
    if settings.source_address is not None:
        check_source_address(settings.source_address)
    attempts: list[Attempt] = []
    gate = Gate(plan.excluded, rate=settings.rate, subnet_rate=settings.subnet_rate)
    budget = descriptor_budget(settings.concurrency)
    at_once = replace(settings, route_patience_s=0)  # somebody is waiting for the answer
    pool = Pool(at_once, plan.schedule(), gate, attempts.extend, budget=budget, trace=trace)
    await pool.run()
    visited = {attempt.target.ip for attempt in attempts}
    for target in plan.schedule().take(plan.to_visit):
        if target.ip not in visited:
            on_unvisited(f"{target.ip} was not visited: this machine has no way there ({pool.no_way.reasons})")
    builder = RecordBuilder(str(uuid.uuid4()), settings)
    attempts.sort(key=lambda attempt: plan.visited.index_of(attempt.target.ip) or 0)
    return [builder.record(attempt) for attempt in attempts]


async def _plan(host: str, settings: Settings, exclude: Sequence[str]) -> Plan:
    asked = parse_spec([TextSource(COMMAND_LINE, [host])])
    if asked.ranges.count + len(asked.names) + len(asked.mail_domains) > 1:
        raise InputError(
            f"{host!r} is more than one host: networks are visited, at a gentle pace, by 'smtpsweep sweep'"
        )
    return await make_plan(asked, parse_exclusions([TextSource(COMMAND_LINE, exclude)]), settings)
