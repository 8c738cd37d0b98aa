"""Does mail still flow? One honest test message to one recipient, and what its headers show when it arrives.

A change to a mail server's greeting is not done before a message went through it. This sends exactly one, step by step
(`sending`), waits for it where it should arrive (a `Mailbox`, opened before the message is sent), and reads in its
header lines which hop still shows a version (`received`). The message says what it is, carries a random token by which
it is known, and is marked as made by a program (RFC 3834), so that nobody's vacation reply answers it.

The host may have several addresses: the first that accepts a connection gets the message, through the engine's gate
with the user's exclusions. There are no retries: a message is never sent twice.

Left out: more than one recipient, delivery status (RFC 3464); a server that relays elsewhere is judged by what arrives.
"""

import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from scanner.delivery.redaction import Redaction
from scanner.engine import Gate
from scanner.engine.certificates import accepting_context
from scanner.engine.dialogue import own_name
from scanner.engine.gated_connect import connect_through
from scanner.engine.transport import check_source_address
from scanner.errors import InputError, LocalError
from scanner.model import Tls
from scanner.settings import Settings
from scanner.smoke.mailboxes import MARK_HEADER, Mailbox, MailboxError
from scanner.smoke.received import HeaderLeak, software_in_headers
from scanner.smoke.sending import Envelope, Login, Sent, SessionStep, StartTls, StepFailed, Steps, send
from scanner.sweeps.plan import Plan, make_plan
from scanner.targets import COMMAND_LINE, TextSource, parse_exclusions, parse_spec
from scanner.timeouts import patience

SCHEMA: Final = "smtpsweep.smoke/1"
#: Addresses of one host that are tried, one after another.
_MAX_ADDRESSES: Final = 8


class SmokeState(StrEnum):
    """How a smoke test ended. A closed list."""

    DELIVERED = "delivered"  # the message arrived
    NOT_ARRIVED = "not_arrived"  # the server accepted it, and it was not seen in time
    FAILED = "failed"  # it was not sent: `steps` ends with the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTest:
    """What to send, through which server, and how. `token` is new for each test; it marks the message.

    `timeout_s` is seconds for connecting and sending, and once more for arriving. `redaction` knows the passwords of
    others than `login`: what servers say goes through it.
    """

    host: str
    sender: str
    recipient: str
    port: int = 25
    starttls: StartTls = StartTls.AUTO
    insecure_tls: bool = False
    ca_file: Path | None = None
    login: Login | None = field(default=None, repr=False)
    redaction: Redaction = field(default_factory=Redaction, repr=False)
    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    exclude: Sequence[str] = ()
    ehlo_name: str | None = None
    source_address: str | None = None
    token: str = field(default_factory=lambda: str(uuid.uuid4()))

    def validated(self) -> "SmokeTest":
        """Return self when it can be done.

        Raises:
            InputError: naming what cannot: an address that is not one, a host that is a network, a setting.
        """
        require_one_address("--from", self.sender)
        require_one_address("--to", self.recipient)
        asked = parse_spec([TextSource(COMMAND_LINE, [self.host])])
        if asked.ranges.count + len(asked.names) != 1 or asked.mail_domains:
            raise InputError(f"{self.host!r}: a smoke test is for one host: a name or an address")
        parse_exclusions([TextSource(COMMAND_LINE, self.exclude)])
        self.settings().validated()
        tls_context(self.ca_file, insecure=self.insecure_tls)
        return self

    def settings(self) -> Settings:
        """Return what the engine needs to know; one connection needs no pace."""
        return Settings(
            ports=(self.port,),
            rate=0,
            subnet_rate=0,
            connect_timeout_s=self.connect_timeout_s,
            total_timeout_s=self.timeout_s,
            ehlo_name=self.ehlo_name,
            source_address=self.source_address,
        )


class SmokeResult(NamedTuple):
    """How it went. `arrived_s` counts from the acceptance; `headers` are the bytes as they arrived, None if not.

    Only our own passwords are taken out of them, should a server have written one there.

    `leaks` are the header lines that name software, with a version or without. `ip` is None without a connection.
    """

    test: SmokeTest
    state: SmokeState
    started_at: float
    ip: str | None
    steps: tuple[SessionStep, ...]
    tls: Tls | None = None
    queue_id: str | None = None
    arrived_s: float | None = None
    headers: bytes | None = None
    leaks: tuple[HeaderLeak, ...] = ()

    @property
    def versions(self) -> tuple[HeaderLeak, ...]:
        """The header lines that surely show a version."""
        return tuple(leak for leak in self.leaks if leak.version is not None and leak.is_sure)

    @property
    def shows_version(self) -> bool | None:
        """Whether a header line shows a version; None when the headers were not seen, or a number may be one."""
        if self.headers is None:
            return None
        is_open = any(leak.version is not None for leak in self.leaks)
        return True if self.versions else None if is_open else False


#: What makes the place once targets and exclusions are known: the gate is for who connects somewhere.
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


def compose(test: SmokeTest, now: datetime) -> bytes:
    """Write the message: plain, short, honest, with the token in subject, Message-ID and a header of its own."""
    message = EmailMessage(policy=SMTP_POLICY.clone(max_line_length=998))
    message["From"] = test.sender
    message["To"] = test.recipient
    message["Subject"] = f"smtpsweep smoke test {test.token}"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<smtpsweep-{test.token}@{_domain(test.sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message[MARK_HEADER] = test.token
    message.set_content(_TEXT.format(host=test.host, port=test.port, token=test.token))
    return message.as_bytes()


_TEXT: Final = """\
This is a test message. A mail administrator sent it with smtpsweep, by hand,
through {host} port {port}, to see whether mail still flows after a change to
that server, and whether the headers of a delivered message show its version.

It is one message to one recipient. Nothing needs to be done; it can be deleted.

Test: {token}
"""

#: Letters of a local part without quotes (RFC 5321, 4.1.2: Dot-string), and what may be its domain.
_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z.:]{{2,60}}\]"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@(?:{_DOMAIN})")


def require_one_address(option: str, text: str) -> None:
    """Refuse what is not exactly one plain mail address.

    Raises:
        InputError: naming the option.
    """
    if len(text) > 254 or len(text.rpartition("@")[0]) > 64 or not _ADDRESS.fullmatch(text):
        raise InputError(f"{option} {text!a}: not one mail address such as postmaster@example.com")


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def tls_context(ca_file: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """Return a context that verifies by the system's authorities or those of a file, or accepts any certificate.

    Raises:
        InputError: when the file cannot be read or holds no certificate.
    """
    if insecure:
        return accepting_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "no certificate in it"
        raise InputError(f"--ca-file {ca_file}: cannot be used ({why})") from None


def as_json(result: SmokeResult) -> dict[str, Any]:
    """Return what `smtpsweep verify --received` and other programs read; no secret is in it."""
    test = result.test
    return {
        "schema": SCHEMA,
        "state": result.state.value,
        "started_at": datetime.fromtimestamp(result.started_at, UTC).isoformat(timespec="milliseconds"),
        "host": test.host,
        "ip": result.ip,
        "port": test.port,
        "from": test.sender,
        "to": test.recipient,
        "token": test.token,
        "message_id": f"<smtpsweep-{test.token}@{_domain(test.sender)}>",
        "queue_id": result.queue_id,
        "tls": None if result.tls is None else {"version": result.tls.version, "cipher": result.tls.cipher},
        "certificate": result.tls.certificates[0]._asdict() if result.tls and result.tls.certificates else None,
        "steps": [
            {"name": step.name, "ok": step.ok, "took_ms": round(step.took_s * 1000, 1), "detail": step.detail}
            for step in result.steps
        ],
        "arrived_s": None if result.arrived_s is None else round(result.arrived_s, 3),
        "shows_version": result.shows_version,
        "leaks": [leak._asdict() for leak in result.leaks],
    }
