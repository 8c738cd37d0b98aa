"""Records of fresh visits and a second reader's readings, made as a sweep makes them, for tests of their meaning."""

from typing import Any

from scanner.model import Attempt, Dialogue, Exchange, Record, Status, Target
from scanner.settings import Probe, Settings
from scanner.sweeps.record_builder import RecordBuilder
from scanner.verification.evidence import Opinion
from scanner.verification.states import Subject, Verified, judge
from scanner.verification.visits import Visit, visit_of
from tests.support.dialogues import SENDMAIL, SENDMAIL_HARDENED, Replies, dialogue_of

OBSERVER = RecordBuilder("scan", Settings(probe=Probe.DIALOGUE))
HIDDEN = b"220 mail1.lab.example ESMTP\r\n"
SHOWN = b"220 mail1.lab.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
HOST = Subject("192.0.2.1", 25, "mail1.lab.example")


def visit(
    raw: bytes = HIDDEN,
    replies: Replies | Dialogue | None = SENDMAIL_HARDENED,
    status: Status | None = None,
    error: str | None = None,
) -> Record:
    """Make the record of one visit, as a sweep would."""
    dialogue = dialogue_of(replies, unknown_verb=False) if isinstance(replies, dict) else replies
    target = Target(0, "192.0.2.1", 25, "mail1.lab.example")
    return OBSERVER.record(Attempt(target, status, raw, 1795342616.0, 0.1, 0.1, 0.2, error=error, dialogue=dialogue))


def opinion_of(raw: bytes = HIDDEN, replies: Replies = SENDMAIL_HARDENED, error: str | None = None) -> Opinion:
    found = {command.partition(" ")[0]: Exchange(command, *reply, 0.1) for command, reply in replies.items()}
    text = raw.decode("latin-1").rstrip("\r\n")
    return Opinion(Exchange("greeting", int(text[:3]), (text[4:],), 0.1), found["EHLO"], found["HELP"], error)


def with_help(code: int, *lines: str, base: Replies = SENDMAIL_HARDENED) -> Replies:
    return {**base, "HELP": (code, lines)}


def with_ehlo(*lines: str) -> Replies:
    return {"EHLO scanner.lab.example": (250, lines), "HELP": SENDMAIL_HARDENED["HELP"]}


def before(record: Record) -> Visit:
    return visit_of(record)


def verified(*records: Record, known: Visit | None = None, opinion: Opinion | None = None, **options: Any) -> Verified:
    return judge(HOST._replace(before=known), records, opinion=opinion, **options)


LEAKING = visit(SHOWN, SENDMAIL)
CLEAN = visit()
