"""Records of fresh visits and a second reader's readings, made as a sweep makes them, for tests of their meaning."""

from typing import Any

from scanner.model import Attempt, Dialogue, Exchange, Record, Status, Target
from scanner.settings import Probe, Settings
from scanner.sweeps.record_builder import RecordBuilder
from scanner.verification.evidence import Opinion
from scanner.verification.states import Subject, Verified, judge
from scanner.verification.visits import Visit, visit_of
from tests.support.dialogues import HARDENED_REPLIES, SENDMAIL_REPLIES, Replies, dialogue_of
from tests.support.greetings import NO_PRODUCT_LAB

BUILDER = RecordBuilder("scan", Settings(probe=Probe.DIALOGUE))
SHOWN = b"220 mail1.lab.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
HOST = Subject("192.0.2.1", 25, "mail1.lab.example")


def visit(
    raw: bytes = NO_PRODUCT_LAB,
    replies: Replies | Dialogue | None = HARDENED_REPLIES,
    status: Status | None = None,
    error: str | None = None,
) -> Record:
    """Make the record of one visit, as a sweep would."""
    dialogue = dialogue_of(replies, unknown_verb=False) if isinstance(replies, dict) else replies
    target = Target(0, "192.0.2.1", 25, "mail1.lab.example")
    return BUILDER.record(Attempt(target, status, raw, 1795342616.0, 0.1, 0.1, 0.2, error=error, dialogue=dialogue))


def opinion_of(raw: bytes = NO_PRODUCT_LAB, replies: Replies = HARDENED_REPLIES, error: str | None = None) -> Opinion:
    found = {command.partition(" ")[0]: Exchange(command, *reply, 0.1) for command, reply in replies.items()}
    text = raw.decode("latin-1").rstrip("\r\n")
    return Opinion(Exchange("greeting", int(text[:3]), (text[4:],), 0.1), found["EHLO"], found["HELP"], error)


def with_help(code: int, *lines: str, base: Replies = HARDENED_REPLIES) -> Replies:
    return {**base, "HELP": (code, lines)}


def with_ehlo(*lines: str) -> Replies:
    return {"EHLO scanner.lab.example": (250, lines), "HELP": HARDENED_REPLIES["HELP"]}


def before(record: Record) -> Visit:
    return visit_of(record)


def verified(*records: Record, known: Visit | None = None, opinion: Opinion | None = None, **options: Any) -> Verified:
    return judge(HOST._replace(before=known), records, opinion=opinion, **options)


LEAKING = visit(SHOWN, SENDMAIL_REPLIES)
CLEAN = visit()
