"""Resolve names before the sweep begins: host names (all A and AAAA records) and the MX hosts of a mail domain.

Host names go through getaddrinfo, so /etc/hosts counts. For MX hosts dnspython asks the system's resolver. All names
are looked up concurrently, a bounded number at a time. A name that cannot be resolved is a value, too: the caller
decides whether the rest is useful without it, and names all that failed, not only the first.

Each name has a time limit. When no name at all is answered, the rest is not asked: a list of thousands must not wait
for a resolver that is gone. Look-ups run in daemon threads of their own, because getaddrinfo cannot be interrupted, and
neither the loop's few threads nor the end of the program must wait for it.

A resumed sweep does not ask again for what it knew (`known`): DNS answers rotate, and the positions of its targets must
stay the same.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scanner.errors import InputError
from scanner.targets import COMMAND_LINE, TextSource, ends_in_number, parse_spec
from scanner.timeouts import FOREVER_S, patience

#: Look-ups in progress at the same time.
_AT_ONCE = 32
#: Seconds for one name.
_TIME_OUT_S = 10.0
#: After this many names in a row without any answer there is no DNS: the others are not asked.
_GIVE_UP_AFTER = 2 * _AT_ONCE
#: Names that one message lists.
_MAX_NAMED = 20


#: Asks for one name.
Ask = Callable[[str], Coroutine[Any, Any, Iterable[str]]]


class Unresolved(NamedTuple):
    """A name without addresses: where it was given, and why."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What names lead to: `addresses` of each host name, `mail_hosts` (names) of each domain, and what `failed`.

    A mail host is looked up like a host name, so it is in `addresses` or in `failed`. A domain without a mail host is
    in `failed` as `mx:DOMAIN`.
    """

    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mail_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, Unresolved] = field(default_factory=dict)


async def resolve(names: Mapping[str, Any], mail_domains: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each host name and of each MX host, by name, in the order given.

    The values of the arguments say where a name was given, for messages.

    Raises:
        InputError: when a name has no address or a domain has no mail host; it lists all of them.
    """
    found = await look_up(names, mail_domains)
    require_all(found.failed)
    return dict(found.addresses)


def require_all(failed: Mapping[str, Unresolved]) -> None:
    """Refuse to go on when names have failed.

    Raises:
        InputError: when any name has failed; it lists them.
    """
    if failed:
        raise InputError(named(failed))


def named(failed: Mapping[str, Unresolved]) -> str:
    """Say in one line which names cannot be resolved, and why."""
    listed = [f"{each.where}: {name!r} {each.reason}" for name, each in list(failed.items())[:_MAX_NAMED]]
    more = len(failed) - len(listed)
    return "; ".join(listed) + (f"; and {more:,} more" if more else "")


async def look_up(names: Mapping[str, Any], mail_domains: Mapping[str, Any], known: Found | None = None) -> Found:
    """Look all names up, in the order given, except those that are known."""
    known = known or Found()
    hosts = {name: str(where) for name, where in names.items()}
    domains = {domain: str(where) for domain, where in mail_domains.items()}
    mail_hosts, failed_domains = await look_up_each(domains, _mail_hosts, known.mail_hosts)
    for domain, exchanges in mail_hosts.items():
        hosts.update((exchange, hosts.get(exchange, domains[domain])) for exchange in exchanges)
    addresses, failed = await look_up_each(hosts, _addresses, known.addresses)
    return Found(addresses, mail_hosts, {f"mx:{domain}": each for domain, each in failed_domains.items()} | failed)


async def look_up_each(
    names: Mapping[str, str], ask: Ask, known: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, Unresolved]]:
    """Call `ask` for each name that is not known; return what each name leads to, and the names that failed."""
    look_ups = _LookUps(ask)
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(look_ups.one(name, where)) for name, where in names.items() if name not in known
        }
    results = {name: known[name] if name in known else tasks[name].result() for name in names}
    failed = {name: result for name, result in results.items() if isinstance(result, Unresolved)}
    return {name: result for name, result in results.items() if not isinstance(result, Unresolved)}, failed


class _LookUps:
    """Look-ups of one kind: a bounded number at a time, and no more once DNS does not answer at all."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._silence = 0  # names in a row without any answer

    async def one(self, name: str, where: str) -> tuple[str, ...] | Unresolved:
        """Return what a name leads to, or why it cannot be resolved."""
        async with self._free:
            if self._silence >= _GIVE_UP_AFTER:
                return Unresolved(where, f"was not looked up: DNS did not answer for {self._silence} names in a row")
            try:
                async with patience(_TIME_OUT_S):
                    found = tuple(await self._ask(name))
            except TimeoutError:
                self._silence += 1
                return Unresolved(where, f"cannot be resolved: no answer from DNS in {_TIME_OUT_S:g} s")
            except (OSError, LookupError, UnicodeError, InputError) as error:  # UnicodeError: not a name by IDNA
                self._silence = self._silence + 1 if _is_silence(error) else 0
                return Unresolved(where, f"cannot be resolved: {_reason(error)}")
        self._silence = 0
        return found or Unresolved(where, "has no address")


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, socket.gaierror) else None  # without its number
    return " ".join((told or str(error)).split()) or type(error).__name__


def _is_silence(error: Exception) -> bool:
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


async def _addresses(name: str) -> Sequence[str]:
    infos = await _in_thread(lambda: socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
    found = list(dict.fromkeys(str(info[4][0]) for info in infos))
    parse_spec([TextSource(COMMAND_LINE, found)], allow_names=False)  # an address that cannot be a target raises here
    return found


async def _in_thread(ask: Callable[[], Any]) -> Any:
    """Call something that may block for any time, in a thread that the end of the program does not wait for."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: Exception | None) -> None:
        if not answer.done():
            answer.set_result(result) if error is None else answer.set_exception(error)

    def call() -> None:
        result, error = None, None
        try:
            result = ask()
        except Exception as raised:  # noqa: BLE001  it belongs to the caller
            error = raised
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=call, name="look-up", daemon=True).start()
    return await answer


async def _mail_hosts(domain: str) -> list[str]:
    """Return the MX hosts, best preference first (RFC 5321, 5.1); without any MX the domain is its own mail host.

    dnspython is imported here: most sweeps name no domain, and it adds a tenth to the start of a sweep.
    """
    import dns.asyncresolver  # noqa: PLC0415  see above
    import dns.exception  # noqa: PLC0415
    import dns.name  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        answer = await dns.asyncresolver.resolve(domain, "MX", lifetime=FOREVER_S)  # the limit is around it
    except dns.resolver.NoAnswer:
        return [domain]
    except dns.exception.DNSException as error:
        raise LookupError(str(error)) from None
    exchanges = sorted((record.preference, record.exchange) for record in answer)
    if [exchange for _, exchange in exchanges] == [dns.name.root]:
        raise LookupError("the domain accepts no mail (null MX, RFC 7505)")
    return [_host_name(exchange.to_text(omit_final_dot=True)) for _, exchange in exchanges]


def _host_name(text: str) -> str:
    """Check a name from a zone, because getaddrinfo reads texts such as `0x7f000001` and `127.1` as addresses."""
    if ends_in_number(text):
        raise LookupError(f"its mail host {text!a} is not a name: a name does not end in a number")
    return text.lower()
