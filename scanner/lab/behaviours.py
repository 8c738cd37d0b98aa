"""Everything odd that a host on port 25 can do, as data: what it sends when, how it ends, what a scanner must conclude.

A behaviour is a script: pauses and bytes, then an ending. Some carry the greeting of a real product (paused, split,
dripped), the others bring their own bytes. Delays are seconds and are scaled by the server (`--time-scale`), so that
tests need not wait. Statuses are those of a scanner with the default time-outs of `scanner.settings`, scaled alike.

`{host}` in a script stands for the host name. Left out: what happens below TCP (dark, refused and unreachable
addresses; see `scanner.lab.netns`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from scanner.lab.greetings import OTHER_FORMS, SILENT_FORMS, Form
from scanner.lab.sendmail import BORROWED_NAMES, SENDMAIL_BUSY, SENDMAIL_FORMS, SENDMAIL_REJECTING
from scanner.model import Status


class ScriptStep(NamedTuple):
    """Wait this many seconds, then send these bytes."""

    delay_s: float
    data: bytes


class ScriptEnd(StrEnum):
    """What a server does after the last step of its script."""

    SERVE = "serve"  # answer commands until QUIT
    REFUSE = "refuse"  # answer 503 to everything but QUIT (RFC 5321, 3.1)
    CLOSE = "close"
    RESET = "reset"  # close with a reset (SO_LINGER 0)
    HOLD = "hold"  # keep the connection open and say nothing more
    REPEAT = "repeat"  # send the last step again, for ever


#: Makes the steps of a script from (host name, whole greeting with its line end, a drawn number).
Play = Callable[[bytes, bytes, int], tuple[ScriptStep, ...]]

#: Every form that greets with 220.
READY_FORMS = (*SENDMAIL_FORMS, *OTHER_FORMS, *SILENT_FORMS)
_EXIM_FORMS = tuple(form for form in OTHER_FORMS if form.id.startswith("exim"))
_SHORT_FORMS = tuple(form for form in READY_FORMS if form.id in {"hidden", "qmail", "postfix", "opensmtpd"})


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """One way to treat a client, and the truth about it.

    `forms` are the greetings it may carry; empty when the script has its own bytes. `banner` maps fields of a
    record's `banner` to what they must be (a carried form adds its own); `flags` must be among the record's.
    `quit_delay_s` passes between QUIT and the answer.
    """

    name: str
    status: Status
    play: Play
    ending: ScriptEnd = ScriptEnd.SERVE
    forms: tuple[Form, ...] = ()
    banner: Mapping[str, object] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    quit_delay_s: float = 0.0


def _at_once(_host: bytes, greeting: bytes, _draw: int) -> tuple[ScriptStep, ...]:
    return (ScriptStep(0.0, greeting),)


def _after(delay_s: float) -> Play:
    return lambda _host, greeting, _draw: (ScriptStep(delay_s, greeting),)


def _say(data: bytes, *, then_s: float = 0.0, then: bytes = b"") -> Play:
    """Return a script that sends `data`, and `then` a while later, whatever the host's product."""

    def play(host: bytes, _greeting: bytes, _draw: int) -> tuple[ScriptStep, ...]:
        steps = (ScriptStep(0.0, data.replace(b"{host}", host)), ScriptStep(then_s, then.replace(b"{host}", host)))
        return steps if then else steps[:1]

    return play


def _mute(_host: bytes, _greeting: bytes, _draw: int) -> tuple[ScriptStep, ...]:
    return ()


def _teaser(host: bytes, greeting: bytes, _draw: int) -> tuple[ScriptStep, ...]:
    return (ScriptStep(0.0, b"220-" + host + b" ESMTP\r\n"), ScriptStep(POSTSCREEN_S, greeting))


def _drip(_host: bytes, greeting: bytes, _draw: int) -> tuple[ScriptStep, ...]:
    return tuple(ScriptStep(DRIP_S, greeting[i : i + 1]) for i in range(len(greeting)))


def _split(_host: bytes, greeting: bytes, draw: int) -> tuple[ScriptStep, ...]:
    """Cut inside the code, somewhere in the text, and between CR and LF."""
    inside = 4 + draw % (len(greeting) - 6)
    cuts = (0, 1 + draw % 2, inside, len(greeting) - 1, len(greeting))
    return tuple(ScriptStep(SPLIT_S, greeting[a:b]) for a, b in pairwise(cuts))


def _multi_line(host: bytes, greeting: bytes, _draw: int) -> tuple[ScriptStep, ...]:
    notice = b"220-%b Authorized use only.\r\n220-All activity is logged.\r\n" % host
    return (ScriptStep(0.0, greeting[:3] + b"-" + greeting[4:] + notice + b"220 Ready\r\n"),)


def _line_end(line_end: bytes) -> Play:
    return lambda _host, greeting, _draw: (ScriptStep(0.0, greeting.replace(b"\r\n", line_end)),)


def _noise(_host: bytes, _greeting: bytes, draw: int) -> tuple[ScriptStep, ...]:
    return (ScriptStep(0.0, bytes((draw * i * 7 + i * i * 13) % 128 | 0x80 for i in range(200)) + b"\x00\xff\r\n"),)


#: Postfix, postscreen_greet_wait: 6 s between the teaser and the greeting.
POSTSCREEN_S = 6.0
#: One byte in 200 ms: a greeting of 30 bytes takes 6 s.
DRIP_S = 0.2
#: Between two segments: long enough to leave in packets of their own.
SPLIT_S = 0.02
#: One line a second, for ever.
TARPIT_S = 1.0
#: Between the first bytes and a reset or a close inside the greeting.
CUT_S = 0.05
#: Exim 4.96 answers QUIT about 0.2 s late.
EXIM_QUIT_S = 0.2

_READY, _REJECTED, _MALFORMED, _NOT_SMTP = Status.READY, Status.REJECTED, Status.MALFORMED, Status.NOT_SMTP
_CLOSE, _HOLD, _REPEAT = ScriptEnd.CLOSE, ScriptEnd.HOLD, ScriptEnd.REPEAT


def _own(name: str, data: bytes, *, code: int = 220, flags: tuple[str, ...] = ()) -> Behaviour:
    """Return a server that greets with its own complete bytes of this code and then serves."""
    status = _READY if code == 220 else _REJECTED
    ending = ScriptEnd.SERVE if code == 220 else ScriptEnd.REFUSE
    return Behaviour(name, status, _say(data), ending, banner={"code": code}, flags=flags)


def _other(name: str, data: bytes, ending: ScriptEnd = _HOLD) -> Behaviour:
    """Return a server of another protocol."""
    return Behaviour(name, _NOT_SMTP, _say(data), ending)


PLAIN = Behaviour("plain", _READY, _at_once, forms=READY_FORMS)
SILENT = Behaviour("silent", Status.SILENT, _mute, _HOLD)

_PACED = (
    Behaviour("pause_1s", _READY, _after(1.0), forms=SENDMAIL_FORMS),
    Behaviour("pause_6s", _READY, _after(6.0), forms=SENDMAIL_FORMS),
    Behaviour("teaser", _READY, _teaser, forms=tuple(f for f in OTHER_FORMS if f.id.startswith("postfix"))),
    Behaviour("split", _READY, _split, forms=READY_FORMS),
    Behaviour("drip", _READY, _drip, forms=_SHORT_FORMS),
    Behaviour("endless_drip", Status.SLOW, _say(b"220 {host}", then_s=DRIP_S, then=b"z"), _REPEAT),
    Behaviour("tarpit", Status.SLOW, _say(b"220-{host}\r\n", then_s=TARPIT_S, then=b"220-wait\r\n"), _REPEAT),
    Behaviour("late_quit", _READY, _at_once, forms=_EXIM_FORMS, quit_delay_s=EXIM_QUIT_S),
    Behaviour("stall_inside", Status.SLOW, _say(b"220-{host} ESMTP\r\n220 "), _HOLD),
)

_ENDED = (
    Behaviour("close_at_once", Status.CLOSED, _mute, _CLOSE),
    Behaviour("close_later", Status.CLOSED, _after(0.5), _CLOSE),
    Behaviour("close_inside_line", Status.CUT, _say(b"220 {host} ES"), _CLOSE),
    Behaviour("close_between_lines", Status.CUT, _say(b"220-{host} ESMTP\r\n"), _CLOSE),
    Behaviour("reset_before", Status.RESET, _mute, ScriptEnd.RESET),
    Behaviour("reset_inside", Status.RESET, _say(b"220-{host} ES", then_s=CUT_S, then=b"M"), ScriptEnd.RESET),
)

_REFUSING = (
    Behaviour(
        "busy",
        Status.BUSY,
        _say(b"421 {host} Service not available, closing transmission channel\r\n"),
        _CLOSE,
        banner={"code": 421},
    ),
    Behaviour("busy_sendmail", Status.BUSY, _at_once, _CLOSE, forms=(SENDMAIL_BUSY,)),
    Behaviour("rejecting_sendmail", _REJECTED, _at_once, ScriptEnd.REFUSE, forms=(SENDMAIL_REJECTING,)),
    _own("no_service", b"554 {host} No SMTP service here\r\n", code=554),
    _own("no_mail_host", b"521 {host} does not accept mail\r\n", code=521),
    _own(
        "blocklisted",
        b"554-{host}\r\n554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using dnsbl.example; "
        b"see https://dnsbl.example/query?ip=127.0.0.1\r\n",
        code=554,
    ),
    _own("gbk", b"550 black ip. (\xb7\xa2\xd0\xc5\xc8\xcbIP)\r\n", code=550),
    Behaviour("temporary", Status.TEMPORARY, _say(b"452 syntax error (connecting)\r\n"), _CLOSE, banner={"code": 452}),
)

_FORMED = (
    Behaviour("multi_line", _READY, _multi_line, forms=tuple(f for f in READY_FORMS if "\r\n" not in f.text)),
    Behaviour("lf_only", _READY, _line_end(b"\n"), forms=READY_FORMS, flags=("lf_only",)),
    Behaviour("cr_cr_lf", _READY, _line_end(b"\r\r\n"), forms=READY_FORMS),
    Behaviour("borrowed_name", _READY, _at_once, forms=BORROWED_NAMES),
    _own("bare_code", b"220\r\n"),
    _own("bare_code_space", b"220 \r\n"),
    _own("blank_line_first", b"\r\n220 {host} ESMTP\r\n"),
    _own("pix_mask", b"220 ***************0*2******2**********************0*00\r\n", flags=("masked",)),
    _own("latin_1", b"220 {host} ESMTP M\xfcller Gie\xdferei\r\n"),
    _own("utf_8", "220 {host} ESMTP bücher 書籍\r\n".encode()),
)

_HOSTILE = (
    _own("ansi_escapes", b"220 {host} ESMTP \x1b[2J\x1b[31mowned\x1b]0;title\x07\x1b[0m\r\n"),
    _own("csv_formula", b"220 =cmd|'/C calc'!A0 ESMTP +1+1 @SUM(A1)\r\n"),
    _own("html", b"220 {host} ESMTP <script>alert(1)</script><img src=x onerror=alert(2)>\r\n"),
    _own("jndi", b"220 {host} ESMTP ${jndi:ldap://{host}/a} {{7*7}} %s%n $(id) `id`\r\n"),
    _own("line_separator", "220 {host} ESMTP a\u2028b\u2029c\u202ed\r\n".encode()),
    _own("nul", b"220 {host} ESMTP a\x00b\r\n"),
    _own("c1_controls", b"220 {host} ESMTP \x80\x85\x9b31m\x7f\r\n"),
    Behaviour("mixed_codes", _MALFORMED, _say(b"220-{host} ESMTP\r\n554 no\r\n"), flags=("mixed_codes",)),
    Behaviour("long_line", _MALFORMED, _say(b"220 {host} " + b"A" * 65_536 + b"\r\n")),
    Behaviour("no_newline", _MALFORMED, _say(b"220 {host} " + b"B" * 1_048_576), _HOLD),
    Behaviour("endless_lines", _MALFORMED, _say(b"220-{host}\r\n", then=b"220-and so on\r\n" * 64), _REPEAT),
    Behaviour("binary", _MALFORMED, _noise, _CLOSE),
)

_FOREIGN = (
    _other("ssh", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
    _other(
        "http",
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 15\r\nConnection: close\r\n\r\n400 Bad Request",
        _CLOSE,
    ),
    _other("tls_alert", b"\x15\x03\x01\x00\x02\x02\x28", _CLOSE),
    _other("ftp", b"220 ProFTPD 1.3.8 Server (Debian) [127.0.0.1]\r\n"),
    _other("ftp_vs", b"220 (vsFTPd 3.0.3)\r\n"),
    _other("pop3", b"+OK POP3 server ready\r\n"),
    _other("imap", b"* OK [CAPABILITY IMAP4rev1] IMAP4 ready\r\n"),
)

#: Every behaviour by its name.
BEHAVIOURS: Mapping[str, Behaviour] = {
    behaviour.name: behaviour
    for behaviour in (PLAIN, SILENT, *_PACED, *_ENDED, *_REFUSING, *_FORMED, *_HOSTILE, *_FOREIGN)
}
