"""How a smoke test ended: its steps, what arrived, and which header lines name software; as JSON, too."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from scanner.model import Tls
from scanner.smoke.message import message_id
from scanner.smoke.received import HeaderLeak
from scanner.smoke.request import SmokeTest
from scanner.smoke.steps import SessionStep

SCHEMA: Final = "smtpsweep.smoke/1"


class SmokeState(StrEnum):
    """How a smoke test ended. A closed list."""

    DELIVERED = "delivered"  # the message arrived
    NOT_ARRIVED = "not_arrived"  # the server accepted it, and it was not seen in time
    FAILED = "failed"  # it was not sent: `steps` ends with the reason


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
        "message_id": message_id(test),
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
