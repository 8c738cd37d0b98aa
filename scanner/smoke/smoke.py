"""Send one test message to one recipient, wait for it, and read what its headers show.

A change to a mail server's greeting is done when a message has gone through the server. This sends exactly one
(`request`, `message`, `sending`), waits for it where it should arrive (a `Mailbox`, opened before the message is sent),
and reads in its header lines which hop still shows a version (`received`).

The host may have several addresses: the first that accepts a connection gets the message, through the engine's gate
with the user's exclusions. There are no retries: a message is never sent twice.

Left out: more than one recipient, delivery status (RFC 3464). A server that relays elsewhere is judged by what arrives.
"""

import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from scanner.delivery.redaction import Redaction
from scanner.engine import Gate
from scanner.engine.dialogue import own_name
from scanner.engine.gated_connect import connect_through
from scanner.engine.transport import check_source_address
from scanner.errors import LocalError
from scanner.smoke.mailboxes import Mailbox, MailboxError
from scanner.smoke.message import compose
from scanner.smoke.received import software_in_headers
from scanner.smoke.request import SmokeTest, tls_context
from scanner.smoke.result import SmokeResult, SmokeState
from scanner.smoke.sending import Envelope, Sent, send
from scanner.smoke.steps import SessionStep, StepFailed, Steps
from scanner.sweeps.plan import Plan, make_plan
from scanner.targets import COMMAND_LINE, TextSource, parse_exclusions, parse_spec
from scanner.timeouts import patience

#: Addresses of one host that are tried, one after another.
_MAX_ADDRESSES: Final = 8


#: Makes the place once targets and exclusions are known; a place that connects somewhere does so through the gate.
MakePlace = Callable[[Gate], Mailbox]


async def smoke_test(
    test: SmokeTest, make_place: MakePlace, on_step: Callable[[SessionStep], None] = lambda _step: None
) -> SmokeResult:
    """Send the message, wait for it and read its headers.

    Raises:
        InputError: before anything was sent: names that cannot be resolved, a host that is excluded, a place that
            cannot be opened.
        LocalError: when this machine cannot open a connection.
    """
    test.validated()
    if test.login is not None:
        test.redaction.add(test.login.password, test.login.user)
    steps = Steps(on_step, test.redaction)
    started_at, started = time.time(), time.monotonic()
    plan = await _plan(test)
    gate = Gate(plan.excluded, rate=0, subnet_rate=0)
    addresses = _addresses(plan)
    steps.add("resolve", time.monotonic() - started, ", ".join(addresses))
    async with make_place(gate) as place:
        ip, sent = await _deliver(test, gate, addresses, steps)
        queue_id = None if sent.queue_id is None else test.redaction.clean(sent.queue_id)
        result = SmokeResult(test, SmokeState.FAILED, started_at, ip, (), sent.tls, queue_id)
        if sent.accepted_at is not None:
            result = await _await_arrival(result, place, steps, sent.accepted_at)
    return result._replace(steps=tuple(steps.taken))


async def _plan(test: SmokeTest) -> Plan:
    if test.source_address is not None:
        check_source_address(test.source_address)
    asked = parse_spec([TextSource(COMMAND_LINE, [test.host])])
    never = parse_exclusions([TextSource(COMMAND_LINE, test.exclude)])
    return await make_plan(asked, never, test.settings())


def _addresses(plan: Plan) -> list[str]:
    return [plan.visited.pick(i) for i in range(min(plan.visited.count, _MAX_ADDRESSES))]


async def _deliver(test: SmokeTest, gate: Gate, addresses: Sequence[str], steps: Steps) -> tuple[str | None, Sent]:
    """Connect and send, both within the test's time-out."""
    steps.left_s = test.timeout_s
    message, context = compose(test, datetime.now(UTC)), tls_context(test.ca_file, insecure=test.insecure_tls)
    try:
        async with steps.step("connect") as note:
            ip, sock, note.detail = await _connected(test, gate, addresses)
    except StepFailed:
        return None, Sent()
    envelope = Envelope(
        sender=test.sender,
        recipient=test.recipient,
        message=message,
        server_name=test.host,
        ehlo_name=test.ehlo_name or own_name(sock),
        tls_context=context,
        starttls=test.starttls,
        login=test.login,
    )
    return ip, await send(sock, envelope, steps)


async def _connected(test: SmokeTest, gate: Gate, addresses: Sequence[str]) -> tuple[str, socket.socket, str]:
    """Return the first address that accepts a connection, the socket, and what was tried.

    Raises:
        StepFailed: when none does.
        LocalError: when this machine could not even try one of them.
    """
    tried: list[str] = []
    trouble: list[LocalError] = []
    for ip in addresses:
        try:
            sock, status, error = await connect_through(
                gate, ip, test.port, source=test.source_address, timeout_s=test.connect_timeout_s
            )
        except LocalError as problem:  # the next may be of the family that this machine has a way to
            trouble.append(problem)
            tried.append(f"{ip} port {test.port}: {problem}")
            continue
        tried.append(f"{ip} port {test.port}" + ("" if status is None else f": {error or status}"))
        if sock is not None:
            return ip, sock, "; ".join(tried)
    if len(trouble) == len(tried):
        raise trouble[0]
    raise StepFailed("; ".join(tried))


async def _await_arrival(result: SmokeResult, place: Mailbox, steps: Steps, accepted_at: float) -> SmokeResult:
    """Wait for the message; what keeps it from being seen is a step that failed."""
    wait_s = result.test.timeout_s
    try:
        async with patience(wait_s):
            headers = _without_secrets(await place.arrival(), result.test.redaction)
    except TimeoutError:
        steps.add("arrival", time.monotonic() - accepted_at, f"not seen in {wait_s:g} s", ok=False)
        return result._replace(state=SmokeState.NOT_ARRIVED)
    except MailboxError as error:
        steps.add("arrival", time.monotonic() - accepted_at, ascii(str(error))[1:-1], ok=False)
        return result._replace(state=SmokeState.NOT_ARRIVED)
    arrived_s = time.monotonic() - accepted_at
    steps.add("arrival", arrived_s, f"{len(headers)} bytes of headers")
    leaks = software_in_headers(headers)
    return result._replace(state=SmokeState.DELIVERED, arrived_s=arrived_s, headers=headers, leaks=leaks)


def _without_secrets(headers: bytes, redaction: Redaction) -> bytes:
    return redaction.clean(headers.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
