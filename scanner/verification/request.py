"""What a verification visits: the request of a caller, and the plan that follows from it.

Without targets the plan has every address and port of the baseline and no other; not every address has every port.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scanner.errors import InputError
from scanner.settings import Probe, Settings
from scanner.sweeps.plan import Plan, make_plan
from scanner.targets import COMMAND_LINE, Spec, TextSource, parse_spec
from scanner.verification.baseline import BaselineVisit, Key, MessageHeaders


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRequest:
    """What to verify.

    Without `targets` it is every address and port of `baseline`; where `ports` are named, only those ports.
    `settings` give pace and patience; its ports are those of `targets`, its probe and `samples` are this module's and
    the user's. `agree` visits must show the same, by default all. `messages` are delivered messages' headers.
    """

    settings: Settings
    targets: Spec | None = None
    exclude: Spec = field(default_factory=lambda: parse_spec([]))
    ports: tuple[int, ...] = ()
    baseline: Mapping[Key, BaselineVisit] = field(default_factory=dict)
    agree: int | None = None
    messages: Sequence[MessageHeaders] = ()
    ask_second_reader: bool = True


def chosen_keys(request: VerificationRequest) -> frozenset[Key] | None:
    """Return the addresses and ports to visit; None for all that the targets name."""
    if request.targets is not None:
        return None
    chosen = frozenset(key for key in request.baseline if not request.ports or key[1] in request.ports)
    if not chosen:
        where = f" on port {', '.join(map(str, request.ports))}" if request.baseline else ""
        raise InputError(
            f"nothing to verify: no server{where} has sent a greeting before; name targets, or another file"
        )
    return chosen


async def plan_of(request: VerificationRequest, chosen: frozenset[Key] | None) -> Plan:
    """Return the plan of the visits.

    Raises:
        InputError: when the settings are not valid, or a name cannot be resolved.
    """
    ports = request.ports or ((25,) if chosen is None else tuple(sorted({port for _, port in chosen})))
    settings = replace(request.settings, ports=ports, probe=Probe.DIALOGUE, passive=False).validated()
    hosts = {ip: each.host for (ip, _), each in request.baseline.items() if each.host is not None}
    if request.targets is not None:
        plan = await make_plan(request.targets, request.exclude, settings)
        return replace(plan, hosts={**hosts, **plan.hosts})
    addresses = parse_spec([TextSource(COMMAND_LINE, sorted({ip for ip, _ in chosen or ()}))], allow_names=False)
    plan = await make_plan(addresses, request.exclude, settings)
    return replace(plan, hosts=hosts)


def count_keys(plan: Plan, chosen: frozenset[Key] | None) -> int:
    """Count what `keys_of` yields."""
    return plan.visited.count * len(plan.settings.ports) if chosen is None else sum(1 for _ in keys_of(plan, chosen))


def keys_of(plan: Plan, chosen: frozenset[Key] | None) -> Iterator[Key]:
    """Yield what was to be visited, by address and port."""
    for place in range(plan.visited.count):
        ip = plan.visited.pick(place)
        for port in plan.settings.ports:
            if chosen is None or (ip, port) in chosen:
                yield ip, port
