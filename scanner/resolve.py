"""Names to addresses, before the sweep begins: host names (all A and AAAA) and the MX hosts of a mail domain.

Host names go through getaddrinfo, so /etc/hosts counts; for MX hosts dnspython asks the system's resolver. All names
are looked up at the same time, a bounded number of them under way. A name that cannot be resolved is an input error: to
leave it out in silence would make the sweep look complete.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from scanner.errors import InputError
from scanner.patience import FOREVER_S, patience
from scanner.targets import ends_in_number

#: Look-ups under way at the same time.
_AT_ONCE = 32
#: Seconds for one name.
_TIME_OUT_S = 10.0


async def resolve(names: Mapping[str, Any], mail_domains: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each host name and of each MX host, by name, in the order given.

    The values of the arguments say where a name was given, for messages.

    Raises:
        InputError: when a name has no address, or a domain names no mail host.
    """
    hosts: dict[str, Any] = dict(names)
    for domain, exchanges in (await _all(mail_domains, _mail_hosts)).items():
        hosts.update((exchange, hosts.get(exchange, mail_domains[domain])) for exchange in exchanges)
    return await _all(hosts, _addresses)


async def _all(
    names: Mapping[str, Any], look_up: Callable[[str], Coroutine[Any, Any, Iterable[str]]]
) -> dict[str, tuple[str, ...]]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> tuple[str, ...]:
        async with free:
            try:
                async with patience(_TIME_OUT_S):
                    found = tuple(await look_up(name))
            except TimeoutError:
                raise InputError(f"{names[name]}: {name!r}: no answer from DNS in {_TIME_OUT_S:g} s") from None
            except (OSError, LookupError, UnicodeError) as error:  # UnicodeError: no name by the rules of IDNA
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(f"{names[name]}: {name!r} cannot be resolved: {reason}") from None
        if not found:
            raise InputError(f"{names[name]}: {name!r} has no address")
        return found

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(one(name)) for name in names}
    except ExceptionGroup as group_of_errors:  # not except*, which would wrap what is raised in a group again
        problems, others = group_of_errors.split(InputError)
        if problems is None or others is not None:
            raise
        raise problems.exceptions[0] from None
    return {name: task.result() for name, task in tasks.items()}


async def _addresses(name: str) -> list[str]:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


async def _mail_hosts(domain: str) -> list[str]:
    """Return the MX hosts, best preference first (RFC 5321, 5.1); without any MX the domain is its own mail host.

    dnspython is imported here: most sweeps name no domain, and it would add a tenth to their start.
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
    """Check a name that a zone gave us: getaddrinfo reads some texts as addresses, `0x7f000001` and `127.1` for two."""
    if ends_in_number(text):
        raise LookupError(f"its mail host {text!a} is no name: a name does not end in a number")
    return text.lower()
