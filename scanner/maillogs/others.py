"""What the log lines of OpenSMTPD and Courier say about a client's connection.

OpenSMTPD names each session by 16 hex digits, and logs its begin, its end, failed commands and messages. Courier's
`courieresmtpd` logs the begin, with address and port, and every error with the command; neither the end nor a
successful command, so nearly all of its connections are "no mail" as far as the log tells. Messages are logged by
`courierd`, with the client's address but without its port.

Sources: lines of real OpenSMTPD 6.8.0p2 and Courier 1.0.16 (`tests/data/mail-logs`); `event=` is how OpenSMTPD 5.9 to
6.0 wrote it, `smtp-in:` versions up to 5.7 (usr.sbin/smtpd/smtp_session.c); for `newmsg`, Courier's courier/submit.C.
"""

import re

from scanner import lazy
from scanner.maillogs.events import EventKind, LineMeaning

_SESSION = rb"(?P<session>[0-9a-f]{16}) smtp "
_CONNECTED = lazy.pattern(
    _SESSION + rb"(?:event=)?connected address=\[?(?:IPv6:)?(?P<address>[0-9A-Fa-f.:]+)\]? host=(?P<name>\S+)"
)
_FAILED = lazy.pattern(
    _SESSION + rb'(?:event=)?failed-command (?:address=\S+ host=\S+ )?command="(?P<text>(?P<verb>[A-Za-z]{0,16}).*)" '
    rb'result="[^"]*"?'
)
_BAD = lazy.pattern(_SESSION + rb'bad-input result="(?P<text>.*)"')
_MESSAGE = lazy.pattern(_SESSION + rb"(?:event=)?message (?:address=\S+ host=\S+ )?msgid=[0-9a-f]{8} .*")
_ENDED = lazy.pattern(
    _SESSION + rb"(?:event=)?(?:disconnected|closed) "
    rb"(?:address=\[?(?:IPv6:)?(?P<address>[0-9A-Fa-f.:]+)\]? host=(?P<name>\S+) )?reason=(?P<text>.*)"
)
_TLS = lazy.pattern(_SESSION + rb"(?:event=)?(?:tls|starttls) .*")
_OLD = rb"smtp-in: %b session (?P<session>[0-9a-f]{16})"
_OLD_CONNECTED = lazy.pattern(_OLD % b"New" + rb" from host (?P<name>\S+) \[(?:IPv6:)?(?P<address>[0-9A-Fa-f.:]+)\]")
_OLD_ENDED = lazy.pattern(_OLD % rb"(?:Closing|Disconnecting|Received disconnect from)" + rb"(?P<text>.*)")
_OLD_FAILED = lazy.pattern(_OLD % rb"Failed command on" + rb': "(?P<text>(?P<verb>[A-Za-z]{0,16}).*)" => \d{3} [^"]*')
_OLD_MESSAGE = lazy.pattern(_OLD % rb"Accepted message [0-9a-f]{8} on" + rb": .*")
_OLD_TLS = lazy.pattern(_OLD % rb"Started TLS on" + rb".*")
_OLD_OPENSMTPD = (
    (_OLD_CONNECTED, EventKind.CONNECTED),
    (_OLD_ENDED, EventKind.ENDED),
    (_OLD_FAILED, EventKind.COMMAND),
    (_OLD_MESSAGE, EventKind.MESSAGE),
    (_OLD_TLS, EventKind.COMMAND),
)
_OPENSMTPD = (
    (_CONNECTED, EventKind.CONNECTED),
    (_ENDED, EventKind.ENDED),
    (_FAILED, EventKind.COMMAND),
    (_MESSAGE, EventKind.MESSAGE),
    (_BAD, EventKind.COMMAND),
    (_TLS, EventKind.COMMAND),
)
_USERS = frozenset({"VRFY", "EXPN"})
_SENDING = frozenset({"MAIL", "RCPT", "DATA", "AUTH"})
_FOREIGN = frozenset({"GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "SSH"})

_STARTED = lazy.pattern(rb"started,ip=\[(?P<address>[^\s\[\],]+)\](?:,port=\[(?P<port>\d{1,5})\])?")
_ERROR = lazy.pattern(
    rb'error,relay=(?P<address>[^\s\[\],]+),(?:port=(?P<port>\d{1,5}),)?msg="(?P<said>[^"]*)"'
    rb"(?:,cmd: (?P<text>(?P<verb>[A-Za-z]{0,16}).*))?"
)
_MAIL_REFUSED = lazy.pattern(
    rb"error,relay=(?P<address>[^\s\[\],]+),(?:port=(?P<port>\d{1,5}),)?from=<(?P<text>.*)>: \d{3} .*"
)
#: The client stands last, as `(name [address])`; before it, after `dns; `, what it said in HELO.
_NEW_MESSAGE = lazy.pattern(
    rb"newmsg,id=[0-9A-F.]+: dns; \S+ \((?:(?P<name>[^\s()\[\]]+) )?\[(?P<address>[^\s()\[\]]+)\]\)"
)


def maybe_opensmtpd_seen(text: bytes) -> LineMeaning | None:
    """Return what a line of OpenSMTPD says, None when it says nothing about a client."""
    forms: tuple[tuple[re.Pattern[bytes], EventKind], ...]
    if text[16:22] == b" smtp ":
        forms = _OPENSMTPD
    elif text.startswith(b"smtp-in: "):
        forms = _OLD_OPENSMTPD
    else:
        return None
    for form, kind in forms:
        if match := form.fullmatch(text):
            groups = match.groupdict()
            commands: tuple[str, ...] = ("STARTTLS",) if form in {_TLS, _OLD_TLS} else ()
            if form in {_FAILED, _OLD_FAILED}:
                kind, commands = _failed(groups["verb"])  # noqa: PLW2901  the verb says more than the form
            return LineMeaning(
                kind,
                groups.get("address"),
                groups.get("name"),
                groups["session"],
                commands,
                final=kind is EventKind.ENDED,
                messages=int(kind is EventKind.MESSAGE),
                text=groups.get("text") or b"",
            )
    return None


def maybe_courier_seen(text: bytes) -> LineMeaning | None:
    """Return what a line of Courier says, None when it says nothing about a client."""
    if match := _STARTED.fullmatch(text):
        return LineMeaning(EventKind.CONNECTED, match["address"], session=_port(match))
    if match := _ERROR.fullmatch(text):
        kind, commands = _failed(match["verb"]) if match["verb"] is not None else (EventKind.LOST, ())
        return LineMeaning(kind, match["address"], session=_port(match), commands=commands, text=match["text"] or b"")
    if match := _MAIL_REFUSED.fullmatch(text):
        return LineMeaning(
            EventKind.TRIED, match["address"], session=_port(match), commands=("MAIL",), text=match["text"]
        )
    if match := _NEW_MESSAGE.fullmatch(text):
        return LineMeaning(EventKind.MESSAGE, match["address"], match["name"], session=match["address"], messages=1)
    return None


def _port(match: re.Match[bytes]) -> bytes:
    return match["address"] + b" " + (match["port"] or b"")


def _failed(verb: bytes) -> tuple[EventKind, tuple[str, ...]]:
    """Return what a command was that the server refused."""
    name = verb.decode("ascii").upper() or "UNKNOWN"
    if name in _USERS:
        return EventKind.USERS, (name,)
    if name in _SENDING:
        return EventKind.TRIED, (name,)
    return (EventKind.FOREIGN, ("UNKNOWN",)) if name in _FOREIGN else (EventKind.COMMAND, (name,))
