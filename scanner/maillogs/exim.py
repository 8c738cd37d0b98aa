r"""Read what Exim logs about a client's connection, in its main log or in syslog, which has the same lines.

Nothing of a connection without a message is logged by default (Debian's configuration neither). `log_selector` with
`+smtp_connection` logs begin and end, `+smtp_no_mail` a line at the end with every command.

No line names the process (unless `+pid`), so the session is the client's address, with the port where
`+incoming_port` shows it; sessions side by side from one address are told apart by their order only. The client is
written as `name (what it said in HELO) [address]`; behind it our own address (`+incoming_interface`), who the client's
machine says is calling (RFC 1413), and in newer versions the number of the connection (`+connection_id`): `Ci=`, which
stands before `from` in lines about the end.

With `helo_accept_junk_hosts` a HELO may hold anything, so also the end of that form with another's address: a line is
believed when its HELO has no space, bracket or parenthesis (an address literal's own apart), and the form does not end
once more behind the address.

Sources: Exim's specification, chapter 52; lines of a real 4.96 (`tests/data/mail-logs`); src/smtp_in.c, src/host.c and
src/daemon.c of 4.99.
"""

import re

from scanner import lazy
from scanner.maillogs.events import EventKind, LineMeaning

_CLIENT = (
    rb"(?:(?P<name>[^\s()\[\]]+) )?(?P<hello>\((?:\[[^\s()\[\]]*\]|[^\s()\[\]]*)\) )?"
    rb"(?P<session>\[(?P<address>[^\s\[\]]+)\](?::\d{1,5})?)(?: I=\[[^\s\[\]]+\](?::\d{1,5})?)?"
    rb"(?: \((?:via inetd|ODMR customer)\))?(?: TFO\*?)?(?: U=\S{1,127})?(?: Ci=\w{1,20})?"
)
#: What the main log has before its text, whole or in part, when the text goes to syslog.
_OWN_STAMP = lazy.pattern(rb"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})? )?(?:\[\d{1,10}\] )?")
_CALL = rb"connection(?: Ci=\w{1,20})? from " + _CLIENT
_CONNECTED = lazy.pattern(rb"SMTP " + _CALL + rb" \(TCP/IP connection count = \d+\)")
_MESSAGE_ID = rb"[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} "
_CLOSED = lazy.pattern(rb"(?:" + _MESSAGE_ID + rb")?SMTP " + _CALL + rb" (?:closed|(?:TFO )?lost|timed out|D=).*")
_NO_MAIL = lazy.pattern(rb"no MAIL in (?:TFO\*? )?SMTP connection from " + _CLIENT + rb" D=\S+(?P<rest>.*)")
_COMMANDS = lazy.pattern(rb"C=(?:\.\.\.)?([A-Z?,]*)")
_EARLY = lazy.pattern(
    rb"SMTP protocol synchronization error \(input sent without waiting for greeting\): "
    rb"rejected connection from H=" + _CLIENT + rb" input=(?P<text>.*)"
)
_TOO_SOON = lazy.pattern(
    rb"SMTP protocol synchronization error \(next input sent too soon: pipelining was (?:not )?advertised\): "
    rb'rejected "[^"]*" H=' + _CLIENT + rb" next input=(?P<text>.*)"
)
_SYNTAX = lazy.pattern(
    rb'SMTP (?:syntax|protocol) error in "(?P<text>(?P<verb>[A-Za-z]{0,16}).*)" H=' + _CLIENT + rb' (?P<rest>[^"\[\]]*)'
)
_VERIFY = lazy.pattern(rb"unqualified verify rejected: <[^\s<>]*> H=" + _CLIENT)
_HELLO = lazy.pattern(rb"rejected (?P<verb>EHLO|HELO|MAIL) from " + _CLIENT + rb": (?P<text>.*)")
_LOGIN = lazy.pattern(rb"[\w-]{1,64} authenticator failed for (?:H=)?" + _CLIENT + rb": (?P<text>.*)")
_CUT = lazy.pattern(
    rb"(?:SMTP command timeout on(?: TLS)? connection|SMTP data timeout \(message abandoned\) on connection|SMTP call|"
    rb"unexpected disconnection while reading SMTP command|Error or EOF on input) from (?:H=)?" + _CLIENT + rb"(?: .*)?"
)
_REJECTED = lazy.pattern(
    rb"(?:DS )?H="
    + _CLIENT
    + rb"(?: (?:X|CV|F|DN|A|SNI)=\S+)* (?:temporarily )?rejected (?P<verb>[A-Za-z]{1,16})(?P<text>.*)"
)
_REFUSED = lazy.pattern(rb"[Cc]onnection from " + _CLIENT + rb" refused(?P<text>[: ].*)")
_NOT_LET_IN = lazy.pattern(rb"(?:temporarily )?refused connection from " + _CLIENT + rb"(?P<text>[: ].*)")
_TLS = lazy.pattern(rb"TLS error on (?:SMTP )?" + _CALL + rb" (?P<text>.*)")
_MESSAGE = lazy.pattern(_MESSAGE_ID + rb"<= \S+ (?:DS )?H=" + _CLIENT + rb" (?:\S+ )*?P=e?smtp[sa]{0,2}\b.*")
_FORMS = {
    b"SMTP": (
        (_CONNECTED, EventKind.CONNECTED),
        (_CLOSED, EventKind.ENDED),
        (_EARLY, EventKind.EARLY),
        (_TOO_SOON, EventKind.EARLY),
        (_SYNTAX, EventKind.COMMAND),
        (_CUT, EventKind.LOST),
    ),
    b"no": ((_NO_MAIL, EventKind.NO_MAIL),),
    b"unqualified": ((_VERIFY, EventKind.USERS),),
    b"rejected": ((_HELLO, EventKind.COMMAND),),
    b"Connection": ((_REFUSED, EventKind.REFUSED),),
    b"connection": ((_REFUSED, EventKind.REFUSED),),
    b"refused": ((_NOT_LET_IN, EventKind.REFUSED),),
    b"temporarily": ((_NOT_LET_IN, EventKind.REFUSED),),
    b"unexpected": ((_CUT, EventKind.LOST),),
    b"Error": ((_CUT, EventKind.LOST),),
    b"TLS": ((_TLS, EventKind.COMMAND),),
}
_OTHERS = (
    (_MESSAGE, EventKind.MESSAGE),
    (_REJECTED, EventKind.TRIED),
    (_LOGIN, EventKind.TRIED),
    (_CLOSED, EventKind.ENDED),
)
#: Verbs of other protocols, as their first line has them.
_FOREIGN = frozenset({"GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "SSH"})
#: What forms without the name of a command are about.
_NAMED_BY_FORM = {_SYNTAX: ("UNKNOWN",), _VERIFY: ("VRFY",), _TLS: ("STARTTLS",), _LOGIN: ("AUTH",)}


def maybe_seen(text: bytes) -> LineMeaning | None:
    """Return what a line says, None when it says nothing about a client."""
    if match := _OWN_STAMP.match(text):  # in syslog it comes after the tag
        text = text[match.end() :]
    for form, kind in _FORMS.get(text.partition(b" ")[0], _OTHERS):
        if match := form.fullmatch(text):
            return None if _is_ambiguous(form, match) else _seen(form, match, kind)
    return None


def _is_ambiguous(form: re.Pattern[bytes], match: re.Match[bytes]) -> bool:
    """Tell whether the line could be read with another client; what a client wrote made it so."""
    if form is _MESSAGE and match.string.count(b" H=") > 1:  # the sender's address and the subject are the client's
        return True
    return match["hello"] is not None and b") [" in match.string[match.end("session") :]


def _seen(form: re.Pattern[bytes], match: re.Match[bytes], kind: EventKind) -> LineMeaning:
    groups = match.groupdict()
    verb = (groups.get("verb") or b"").decode("ascii").upper()
    commands: tuple[str, ...] = _NAMED_BY_FORM.get(form) or ((verb,) if verb else ())
    complete = False
    if form is _NO_MAIL:
        commands, complete = _listed(groups["rest"])
    elif form is _SYNTAX and verb in _FOREIGN:
        kind = EventKind.FOREIGN
    elif form is _HELLO and verb == "MAIL":
        kind = EventKind.TRIED
    elif form is _REJECTED:
        kind, commands = _rejected(verb)
    return LineMeaning(
        kind,
        groups["address"],
        groups.get("name"),
        groups["session"],
        commands,
        complete,
        kind is EventKind.NO_MAIL,
        int(kind is EventKind.MESSAGE),
        groups.get("text") or b"",
    )


def _rejected(verb: str) -> tuple[EventKind, tuple[str, ...]]:
    match verb:
        case "VRFY" | "EXPN":
            return EventKind.USERS, (verb,)
        case "CONNECTION":
            return EventKind.REFUSED, ()
        case "EHLO" | "HELO" | "ETRN" | "STARTTLS":
            return EventKind.COMMAND, (verb,)
    return EventKind.TRIED, (verb,) if verb in {"MAIL", "RCPT", "AUTH"} else ("DATA",)


def _listed(rest: bytes) -> tuple[tuple[str, ...], bool]:
    """Return the commands of `C=EHLO,QUIT`, and whether these are all (only the last 20 are listed, after dots)."""
    word = rest.rpartition(b" ")[2]
    match = _COMMANDS.fullmatch(word)
    if match is None:
        return (), not rest
    verbs = tuple(verb.decode("ascii").replace("?", "UNKNOWN") for verb in match[1].split(b",") if verb)
    return verbs, b"..." not in word
