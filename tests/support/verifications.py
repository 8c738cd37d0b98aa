"""Stored sweeps for tests of the verification, and a fresh look at a fake host."""

from pathlib import Path
from typing import Any

from scanner.model import Attempt, Status, Target
from scanner.record import encode
from scanner.settings import Probe, Settings
from scanner.sweeps.record_builder import RecordBuilder
from scanner.targets import COMMAND_LINE, Spec, TextSource, parse_spec
from tests.support.dialogues import HARDENED_REPLIES, POSTFIX_REPLIES, SENDMAIL_REPLIES, dialogue_of
from tests.support.greetings import NO_PRODUCT_LAB, SENDMAIL_8_17
from tests.support.mail_hosts import MailHost

LEAKING, HARDENED = MailHost(SENDMAIL_8_17, SENDMAIL_REPLIES), MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)


POSTFIX_HOST = MailHost(b"220 mail2.lab.example ESMTP Postfix\r\n", POSTFIX_REPLIES)


BUILDER = RecordBuilder("scan-1", Settings(probe=Probe.DIALOGUE))


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "rate": 0,
        "subnet_rate": 0,
        "samples": 3,
        "ehlo_name": "scanner.example.net",
        "connect_timeout_s": 2.0,
        "greeting_timeout_s": 0.4,
        "dialogue_timeout_s": 2.0,
        "total_timeout_s": 6.0,
        "retries": 0,
    }
    return Settings(**values | changes)


def spec(*texts: str) -> Spec:
    return parse_spec([TextSource(COMMAND_LINE, texts)])


def stored(ip: str, port: int, server: MailHost | bytes = LEAKING, at: float = 1795342616.0, **changes: Any) -> bytes:
    """Return the line that a sweep with a dialogue would have stored of a server."""
    raw = server if isinstance(server, bytes) else server.greeting
    dialogue = dialogue_of(SENDMAIL_REPLIES if server is LEAKING else HARDENED_REPLIES, unknown_verb=False)
    attempt = Attempt(Target(0, ip, port), None if raw else Status.REFUSED, raw, at, 0.1, 0.1, 0.2)
    return encode(BUILDER.record(attempt._replace(dialogue=dialogue if raw else None))._replace(**changes))


def sweep_file(folder: Path, *lines: bytes) -> Path:
    path = folder / "sweep.jsonl"
    path.write_bytes(b"".join(lines))
    return path
