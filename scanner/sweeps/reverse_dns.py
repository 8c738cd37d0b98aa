"""Compare host names (`--dns`): what a server calls itself, what DNS calls its address, what its certificate names.

This is a stage between the record builder and delivery that exists only when asked for, so that other sweeps do not pay
for it. A bounded number of records wait here for their look-ups; when there are too many, `room` is 0 and no new visit
begins. A few look-ups run at the same time, each record has one deadline for all its names, and answers are cached,
because servers of one provider share names. The order of records changes, which no reader relies on.

For each record it finds the names of the address (PTR), whether one of them leads back to it, whether the name in the
greeting does, and whether the certificate is made out to that name (RFC 6125, 6.4: a wildcard stands for one whole
label). A name that does not exist is an answer. A DNS server that does not answer is reported in `error`.

Left out: judging (many good servers have a mismatch), and search domains: every name is taken as fully qualified.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

from scanner import lazy
from scanner.errors import InputError
from scanner.model import Certificate, Names, Record
from scanner.smtp import escape
from scanner.timeouts import FOREVER_S, patience

#: Records looked up at the same time, and those that may wait besides.
AT_ONCE: Final = 64
MAX_WAITING: Final = 2_000
#: Seconds for all the names of one record.
DEADLINE_S: Final = 5.0
#: Names of one address that are used: more are a mistake in a zone, or an attack.
MAX_PTR: Final = 8
_CACHED_ANSWERS: Final = 20_000
_HOST_NAME = lazy.pattern(r"(?=.{4,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.){1,126}[A-Za-z][A-Za-z0-9-]{1,62}")

Deliver = Callable[[int, Record], None]


class Resolver(Protocol):
    """What this module needs of `dns.asyncresolver.Resolver`."""

    def resolve(self, qname: str, rdtype: str, *, search: bool, lifetime: float) -> Awaitable[Iterable[Any]]:
        """Ask for records of one type."""

    def resolve_address(self, ipaddr: str, *, lifetime: float) -> Awaitable[Iterable[Any]]:
        """Ask for the names of an address."""


def system_resolver() -> Resolver:
    """Return a resolver that asks the name servers of this machine.

    Raises:
        InputError: when none is configured.
    """
    import dns.asyncresolver  # noqa: PLC0415  it takes a tenth of a second that most sweeps do not need
    import dns.resolver  # noqa: PLC0415

    try:
        resolver = dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise InputError("--dns: this machine has no name server configured (/etc/resolv.conf)") from None
    if not resolver.nameservers:
        raise InputError("--dns: this machine has no name server configured (/etc/resolv.conf)")
    resolver.cache = dns.resolver.LRUCache(_CACHED_ANSWERS)
    return resolver


class NameStage:
    """Looks names up and passes records on. `run` is its one task, which `finish` or `abort` ends."""

    def __init__(
        self,
        resolver: Resolver,
        deliver: Deliver,
        *,
        on_room: Callable[[], None] = lambda: None,
        at_once: int = AT_ONCE,
        max_waiting: int = MAX_WAITING,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Prepare; `deliver` gets each position and record, `on_room` is called when there is room again."""
        self._resolver, self._deliver, self._on_room = resolver, deliver, on_room
        self._at_once, self._max_waiting, self._deadline_s = at_once, max_waiting, deadline_s
        self._waiting: deque[tuple[int, Record]] = deque()
        self._under_way = 0
        self._finishing = self._hurrying = self._aborted = self._was_full = False
        self._some = asyncio.Event()
        self._patience: asyncio.Timeout | None = None

    def __repr__(self) -> str:
        """Show how much is left to do."""
        return f"<NameStage: {len(self._waiting)} waiting, {self._under_way} under way>"

    def put(self, position: int, record: Record) -> None:
        """Take one record, which has an address and a greeting."""
        self._waiting.append((position, record))
        self._some.set()
        if not self.room:
            self._was_full = True

    @property
    def room(self) -> int:
        """How many more records may come; at 0 no new visit may begin until `on_room`, but some may end."""
        return max(0, self._max_waiting - len(self._waiting))

    def finish(self) -> None:
        """Note that no more records come: `run` ends when all are passed on."""
        self._finishing = True
        self._some.set()

    def hurry(self) -> None:
        """Pass on waiting records without looking them up; look-ups in progress end by their deadline."""
        self._hurrying = True

    def abort(self) -> None:
        """Make `run` return at once; records that were not passed on are lost."""
        self._aborted = True
        self.finish()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Look up and pass on until `finish` was called and nothing is left, or until `abort`."""
        try:
            async with asyncio.timeout(None) as self._patience, asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(self._work())
        except TimeoutError:  # not `suppress`, which looks into groups from Python 3.12 on
            pass  # from `abort`; the failure of a worker comes in a group
        self._patience = None

    async def _work(self) -> None:
        while await self._anything():
            position, record = self._waiting.popleft()
            self._under_way += 1
            names = Names(error="not looked up: the sweep was stopped")
            if not self._hurrying:
                names = await names_of(record, self._resolver, self._deadline_s)
            self._under_way -= 1
            self._deliver(position, record._replace(names=names))
            if self._was_full and self.room >= self._max_waiting // 2:
                self._was_full = False
                self._on_room()

    async def _anything(self) -> bool:
        while not self._waiting:
            if self._finishing:
                return False
            self._some.clear()
            await self._some.wait()
        return not self._aborted


async def names_of(record: Record, resolver: Resolver, deadline_s: float = DEADLINE_S) -> Names:
    """Look up the names of a record's server; `error` names questions without an answer. Raises only when cancelled."""
    banner, ip, name = record.banner, record.ip, _host_name(record)
    asked = _Questions(resolver, deadline_s)
    ptr = await asked.names(ip) if ip is not None else ()
    return Names(
        greeting=banner.hostname if banner is not None else None,
        ptr=tuple(escape(each.encode()) for each in ptr),
        forward_confirmed=await asked.leads_to(ptr, ip),
        greeting_confirmed=await asked.leads_to(() if name is None else (name,), ip),
        certificate_matches=_certificate_matches(record, name),
        error=f"no answer for {', '.join(asked.unanswered)}" if asked.unanswered else None,
    )


class _Questions:
    """The look-ups of one record, with one deadline for all. `unanswered` lists the record types without an answer."""

    def __init__(self, resolver: Resolver, deadline_s: float) -> None:
        self._resolver = resolver
        self._left_s = deadline_s
        self.unanswered: list[str] = []

    async def names(self, ip: str) -> tuple[str, ...]:
        """Return the names that DNS gives an address."""
        found = await self._ask("PTR", self._resolver.resolve_address(ip, lifetime=FOREVER_S))
        return tuple(answer.target.to_text(omit_final_dot=True) for answer in found or ())[:MAX_PTR]

    async def leads_to(self, names: tuple[str, ...], ip: str | None) -> bool | None:
        """Return whether one of the names has this address; None when there are no names, or it cannot be told."""
        if not names or ip is None:
            return None
        kind, is_sure = "AAAA" if ":" in ip else "A", True
        for name in names:
            question = self._resolver.resolve(f"{name}.", kind, search=False, lifetime=FOREVER_S)
            found = await self._ask(kind, question)
            if any(answer.address == ip for answer in found or ()):
                return True
            is_sure = is_sure and found is not None
        return False if is_sure else None

    async def _ask(self, kind: str, question: Awaitable[Iterable[Any]]) -> list[Any] | None:
        """Return the answers, an empty list when there is no such name; None when there was no answer."""
        import dns.exception  # noqa: PLC0415  see `system_resolver`
        import dns.resolver  # noqa: PLC0415

        try:
            async with patience(self._left_s) as limit:
                try:
                    return list(await question)
                finally:
                    self._left_s = limit.left_s
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError):  # a TimeoutError is an OSError
            if kind not in self.unanswered:
                self.unanswered.append(kind)
            return None


def _host_name(record: Record) -> str | None:
    """Return the greeting's host name when it can be looked up: no address literal, no single word."""
    name = record.banner.hostname if record.banner is not None else None
    return name if name is not None and _HOST_NAME.fullmatch(name) else None


def _certificate_matches(record: Record, name: str | None) -> bool | None:
    tls = record.dialogue.tls if record.dialogue is not None else None
    if tls is None or not tls.certificates or tls.certificates[0].error is not None or name is None:
        return None
    return is_made_out_to(tls.certificates[0], name)


def is_made_out_to(certificate: Certificate, name: str) -> bool:
    """Return whether a certificate is made out to a host name."""
    own = name.lower()
    any_sibling = f"*.{own.partition('.')[2]}"
    return any(each.lower().rstrip(".") in {own, any_sibling} for each in certificate.names)
