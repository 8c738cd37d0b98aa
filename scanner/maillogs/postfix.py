r"""What the log lines of Postfix's smtpd and postscreen say about a client's connection.

A process of smtpd serves one connection after the other, from `connect from` to `disconnect from`; the latter counts
every command since Postfix 3.0 (`ehlo=1 quit=1 unknown=0/1 commands=2/3`: accepted, or accepted/all). postscreen serves
many at once and names each by address and port; whom it lets through goes on in smtpd as a connection of its own.

The client is written as `name[address]`; what a client chose stands behind it.

Sources: smtpd(8), postscreen(8), POSTSCREEN_README; lines of a real 3.7.11 (`tests/data/mail-logs`).
"""

import re

from scanner import lazy
from scanner.maillogs.events import EventKind, LineMeaning

_CLIENT = rb"(?P<name>[^\s\[\]]+)\[(?P<address>[^\s\[\]]+)\](?::\d{1,5})?"
_PORT = rb"(?P<session>\[(?P<address>[^\s\[\]]+)\]:\d{1,5})"
_CONNECTED = lazy.pattern(rb"connect from " + _CLIENT)
_ENDED = lazy.pattern(rb"disconnect from " + _CLIENT + rb"(?P<counts>(?: [a-z_]{1,16}=\d{1,9}(?:/\d{1,9})?)*)")
_COUNT = lazy.pattern(rb" ([a-z_]+)=(\d+)")
_QUEUED = lazy.pattern(rb"[0-9A-Za-z]{6,20}: client=" + _CLIENT + rb"(?:, .*)?")
_LOST = lazy.pattern(rb"(?:lost connection|timeout|too many errors) after \S+(?: \(.*?\))? from " + _CLIENT)
_EARLY = lazy.pattern(rb"improper command pipelining after (?P<after>\S+) from " + _CLIENT + rb"(?:: (?P<text>.*))?")
_FOREIGN = lazy.pattern(rb"warning: non-SMTP command from " + _CLIENT + rb": (?P<text>.*)")
_REJECTED = lazy.pattern(
    rb"(?:NOQUEUE|[0-9A-Za-z]{6,20}): (?:milter-)?reject(?:_warning)?: (?P<verb>[A-Z-]{1,20}) from "
    + _CLIENT
    + rb": (?P<text>.*)"
)
_ETRN = lazy.pattern(rb"warning: reject: (?P<verb>ETRN) \S+ from " + _CLIENT)
_ILLEGAL = lazy.pattern(
    rb"warning: Illegal address syntax from " + _CLIENT + rb" in (?P<verb>[A-Z]{1,16}) command: (?P<text>.*)"
)
_TLS = lazy.pattern(rb"(?:SSL_accept error|setting up TLS connection) from " + _CLIENT + rb"(?:: .*)?")

_SCREEN_CONNECTED = lazy.pattern(rb"CONNECT from " + _PORT + rb" to \S+")
_SCREEN_EARLY = lazy.pattern(rb"PREGREET \d+ after [\d.]+ from " + _PORT + rb": (?P<text>.*)")
_SCREEN_PASSED = lazy.pattern(rb"(?:PASS (?:NEW|OLD)|WHITELISTED|ALLOWLISTED) " + _PORT)
_SCREEN_LOST = lazy.pattern(rb"HANGUP after [\d.]+ from " + _PORT + rb" .*")
_SCREEN_ENDED = lazy.pattern(rb"DISCONNECT " + _PORT)
_SCREEN_FOREIGN = lazy.pattern(rb"NON-SMTP COMMAND from " + _PORT + rb" after \S+: (?P<text>.*)")
_SCREEN_PIPELINING = lazy.pattern(rb"COMMAND PIPELINING from " + _PORT + rb" after (?P<verb>[A-Z]{1,16}): (?P<text>.*)")
_SCREEN_REFUSED = lazy.pattern(rb"(?:BLACKLISTED|DENYLISTED) " + _PORT)
_SCREEN_REJECTED = lazy.pattern(rb"NOQUEUE: reject: (?P<verb>[A-Z]{1,16}) from " + _PORT + rb": (?P<text>.*)")

#: What smtpd says of a client that was gone before it could be asked who it is.
NAMELESS = b"connect from unknown[unknown]"
#: First word -> forms to try, with what they mean.
_FORMS = {
    b"connect": ((_CONNECTED, EventKind.CONNECTED),),
    b"disconnect": ((_ENDED, EventKind.ENDED),),
    b"lost": ((_LOST, EventKind.LOST),),
    b"timeout": ((_LOST, EventKind.LOST),),
    b"too": ((_LOST, EventKind.LOST),),
    b"improper": ((_EARLY, EventKind.EARLY),),
    b"warning:": ((_FOREIGN, EventKind.FOREIGN), (_ETRN, EventKind.COMMAND), (_ILLEGAL, EventKind.COMMAND)),
    b"SSL_accept": ((_TLS, EventKind.COMMAND),),
    b"setting": ((_TLS, EventKind.COMMAND),),
    b"CONNECT": ((_SCREEN_CONNECTED, EventKind.CONNECTED),),
    b"PREGREET": ((_SCREEN_EARLY, EventKind.EARLY),),
    b"PASS": ((_SCREEN_PASSED, EventKind.SCREENED),),
    b"WHITELISTED": ((_SCREEN_PASSED, EventKind.SCREENED),),
    b"ALLOWLISTED": ((_SCREEN_PASSED, EventKind.SCREENED),),
    b"BLACKLISTED": ((_SCREEN_REFUSED, EventKind.REFUSED),),
    b"DENYLISTED": ((_SCREEN_REFUSED, EventKind.REFUSED),),
    b"HANGUP": ((_SCREEN_LOST, EventKind.LOST),),
    b"DISCONNECT": ((_SCREEN_ENDED, EventKind.ENDED),),
    b"NON-SMTP": ((_SCREEN_FOREIGN, EventKind.FOREIGN),),
    b"COMMAND": ((_SCREEN_PIPELINING, EventKind.EARLY),),
}
#: Lines that begin with a queue id, or NOQUEUE.
_OF_MESSAGES = (
    (_QUEUED, EventKind.QUEUED),
    (_REJECTED, EventKind.TRIED),
    (_SCREEN_REJECTED, EventKind.TRIED),
)


def maybe_seen(text: bytes) -> LineMeaning | None:
    """Return what a line says, None when it says nothing about a client."""
    for form, kind in _FORMS.get(text.partition(b" ")[0], _OF_MESSAGES):
        if match := form.fullmatch(text):
            return _seen(form, match, kind)
    return None


def _seen(form: re.Pattern[bytes], match: re.Match[bytes], kind: EventKind) -> LineMeaning:
    groups = match.groupdict()
    verb = groups.get("verb")
    commands: tuple[str, ...] = () if verb is None else (verb.decode("ascii"),)
    messages, complete = 0, False
    if form is _ENDED and groups["counts"]:
        commands, messages, complete = *_counted(groups["counts"]), True
    elif form is _TLS:
        commands = ("STARTTLS",)
    elif form in {_REJECTED, _SCREEN_REJECTED, _ILLEGAL} and verb in {b"VRFY", b"EXPN"}:
        kind = EventKind.USERS
    elif form in {_REJECTED, _SCREEN_REJECTED} and verb == b"CONNECT":
        kind, commands = EventKind.REFUSED, ()
    elif form is _EARLY and groups["after"] != b"CONNECT":
        kind = EventKind.COMMAND  # out of turn, but not before the greeting
    return LineMeaning(
        kind,
        groups["address"],
        groups.get("name"),
        groups.get("session"),
        commands,
        complete,
        kind is EventKind.ENDED,
        messages,
        groups.get("text") or b"",
    )


def _counted(counts: bytes) -> tuple[tuple[str, ...], int]:
    """Return the verbs that were said, and how many messages were taken whole.

    With BDAT (RFC 3030) the parts are counted, not the messages; then the message is at least one.
    """
    numbers = {name: int(count) for name, count in _COUNT.findall(counts)}
    verbs = tuple(name.decode("ascii").upper() for name in numbers if name != b"commands")
    return verbs, numbers.get(b"data", 0) or int(numbers.get(b"bdat", 0) > 0)
