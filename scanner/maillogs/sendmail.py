r"""Read what Sendmail logs about a client's connection.

A process serves one connection, so its id is the session. At LogLevel 6 to 9 a connection without a message leaves one
line, at its end (before 8.10 "Null connection"); below 6 none. From 10 on its beginning is logged as well, at 15 every
line of the dialogue.

The client is written as `name [address]`, by Sendmail itself; a name has no space and no bracket, and may be missing.
What a client chose (commands, addresses of mail) is read only behind the client's address, or where no space can be in
it.

Sources: sendmail/srvrsmtp.c and sendmail/daemon.c of 8.17; lines of a real 8.17.1.9 (`tests/data/mail-logs`).
"""

import re

from scanner import lazy
from scanner.maillogs.events import EventKind, LineMeaning

_CLIENT = rb"(?:(?P<name>(?:IDENT:)?[\w.@+%!/{}|~^$#&'*=?`-]+) )?\[(?P<address>[^\s\[\]]+)\](?: \(may be forged\))?"
_QUEUE = lazy.pattern(rb"(?:[0-9A-Za-z]{6,20}|NOQUEUE): ")
_SAID = lazy.pattern(rb"<-- (?P<text>\s*(?P<verb>[A-Za-z]{1,16})?.*)")
_GREETED = lazy.pattern(rb"--- (?P<text>220[ -].*)")
_NO_MAIL = lazy.pattern(_CLIENT + rb" did not issue MAIL/EXPN/VRFY/ETRN during connection to \S* ?")
_NULL = lazy.pattern(rb"Null connection from " + _CLIENT)
_CONNECTED = lazy.pattern(rb"connect from " + _CLIENT)
_EARLY = lazy.pattern(rb"rejecting commands from (?:\S* )?\[(?P<address>[^\s\[\]]+)\] due to pre-greeting traffic.*")
_USERS = lazy.pattern(_CLIENT + rb": (?P<verb>VRFY|EXPN) (?P<text>.*)")
_ETRN = lazy.pattern(_CLIENT + rb": (?P<verb>ETRN) (?P<text>.*)")
_FOREIGN = lazy.pattern(_CLIENT + rb": probable open proxy: command=(?P<text>.*)")
_ATTACK = lazy.pattern(_CLIENT + rb": possible SMTP attack: command=(?P<verb>[A-Z]{1,16}).*")
_COUNT = lazy.pattern(rb"from=.*, size=\d+, class=-?\d+, nrcpts=(?P<count>\d{1,9})(?:,.*)?")
_MESSAGE = lazy.pattern(_CLIENT)
_RELAY = lazy.pattern(rb"ruleset=check_relay, arg1=\S+, arg2=\S+, relay=" + _CLIENT + rb", reject=(?P<text>.*)")
_REJECTED = lazy.pattern(rb"ruleset=check_(?P<verb>mail|rcpt), arg1=\S+, relay=" + _CLIENT + rb", reject=(?P<text>.*)")
_TLS = lazy.pattern(rb"STARTTLS=server, relay=" + _CLIENT + rb", version=.*")
_TLS_FAILED = lazy.pattern(rb"STARTTLS=server, error: [^\[\]]*, relay=" + _CLIENT)
_WRAPPERS = lazy.pattern(rb"tcpwrappers \((?P<name>[^\s,()]+), \[?(?P<address>[^\s,()\[\]]+)\]?\) rejection")
_LOST = lazy.pattern(rb"(?:lost input channel|timeout waiting for input) from " + _CLIENT + rb" .*")

#: Tried in this order on the text behind the queue id.
_FORMS = (
    (_NO_MAIL, EventKind.NO_MAIL),
    (_NULL, EventKind.NO_MAIL),
    (_CONNECTED, EventKind.CONNECTED),
    (_EARLY, EventKind.EARLY),
    (_USERS, EventKind.USERS),
    (_RELAY, EventKind.REFUSED),
    (_REJECTED, EventKind.TRIED),
    (_LOST, EventKind.LOST),
    (_FOREIGN, EventKind.FOREIGN),
    (_ATTACK, EventKind.COMMAND),
    (_ETRN, EventKind.COMMAND),
    (_TLS, EventKind.COMMAND),
    (_TLS_FAILED, EventKind.COMMAND),
    (_WRAPPERS, EventKind.REFUSED),
)
_VERBS = {b"mail": "MAIL", b"rcpt": "RCPT"}


def maybe_seen(text: bytes) -> LineMeaning | None:
    """Return what a line says, None when it says nothing about a client."""
    if match := _QUEUE.match(text):
        text = text[match.end() :]
    if text.startswith((b"<-- ", b"--- ")):  # what was said, at LogLevel 15: it must not be read as anything else
        return _said(text)
    if text.startswith(b"from="):
        return _message(text)
    for form, kind in _FORMS:
        if match := form.fullmatch(text):
            # An address of mail may hold what looks like the client; then there are two.
            return None if text.count(b", relay=") > 1 else _seen(form, match, kind)
    return None


def _said(text: bytes) -> LineMeaning | None:
    if match := _SAID.fullmatch(text):
        verb = (match["verb"] or b"UNKNOWN").decode("ascii").upper()
        return LineMeaning(EventKind.COMMAND, commands=(verb,), text=match["text"])
    match = _GREETED.fullmatch(text)
    return None if match is None else LineMeaning(EventKind.GREETED, text=match["text"])


def _message(text: bytes) -> LineMeaning | None:
    """Read the line of a message, or of a try: `nrcpts=0`. What the client chose stands before the last `relay=`."""
    head, _, client = text.rpartition(b", relay=")
    match = _MESSAGE.fullmatch(client)
    if match is None or head.count(b", nrcpts=") != 1:  # of two, one is the client's: which, nobody can tell
        return None
    counted = _COUNT.fullmatch(head)
    if counted is None:
        return None
    messages = int(int(counted["count"]) > 0)
    kind = EventKind.MESSAGE if messages else EventKind.TRIED
    return LineMeaning(kind, match["address"], match["name"], commands=("MAIL",), messages=messages)


def _seen(form: re.Pattern[bytes], match: re.Match[bytes], kind: EventKind) -> LineMeaning:
    groups = match.groupdict()
    verb = groups.get("verb")
    commands: tuple[str, ...] = () if verb is None else (_VERBS.get(verb, verb.decode("ascii")),)
    if form in {_TLS, _TLS_FAILED}:
        commands = ("STARTTLS",)
    return LineMeaning(
        kind,
        groups["address"],
        groups.get("name"),
        commands=commands,
        final=kind is EventKind.NO_MAIL,
        text=groups.get("text") or b"",
    )
