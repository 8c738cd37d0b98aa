"""Visits to one target, and the records that are built of them."""

from scanner.model import Attempt, Record, Status, Target
from scanner.settings import Probe, Settings
from scanner.sweeps.record_builder import RecordBuilder
from tests.support.dialogues import Replies, dialogue_of

TARGET = Target(5, "192.0.2.10", 2525, "mail.example.com")


def attempt(raw: bytes, status: Status | None = None, *, error: str | None = None) -> Attempt:
    return Attempt(TARGET, status, raw, 1795342616.5, 0.01, 0.25 if raw else None, 0.5, 2, error)


def spoken(raw: bytes, replies: Replies) -> Record:
    builder = RecordBuilder("scan", Settings(probe=Probe.DIALOGUE))
    return builder.record(attempt(raw)._replace(dialogue=dialogue_of(replies)))
