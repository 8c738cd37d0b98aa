"""Claims about what single lines say: those of real servers, other forms, and lines that want to be believed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.maillogs import exim as log_exim
from scanner.maillogs import others as log_others
from scanner.maillogs import postfix as log_postfix
from scanner.maillogs import sendmail as log_sendmail
from scanner.maillogs.events import EventKind, Manner
from scanner.maillogs.sessions import maybe_address
from tests.support.mail_logs import DATA, PREFIX, connections, examined, log_file

#: File of a real server's lines -> its connections: address, manner, commands, messages, lines.
_REAL: dict[str, list[tuple[str, Manner, str, int, list[int]]]] = {
    "sendmail.log": [
        ("127.0.0.1", Manner.NO_MAIL, "", 0, [2]),
        ("198.51.100.2", Manner.USERS, "EXPN VRFY", 0, [3, 4]),
        ("198.51.100.3", Manner.EARLY, "", 0, [5]),
        ("198.51.100.4", Manner.NO_MAIL, "", 0, [6]),
        ("198.51.100.6", Manner.FOREIGN, "", 0, [7, 8]),
        ("198.51.100.7", Manner.NO_MAIL, "", 0, [9]),
        ("198.51.100.8", Manner.TRIED, "MAIL RCPT", 0, [10, 11]),
        ("198.51.100.9", Manner.TRIED, "MAIL RCPT", 0, [12, 13]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [14]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [15]),
        *(("198.51.100.24", Manner.NO_MAIL, "", 0, [line]) for line in range(16, 26)),
        ("198.51.100.24", Manner.REFUSED, "", 0, [26]),
        ("198.51.100.24", Manner.REFUSED, "", 0, [27]),
    ],
    "sendmail-level-15.log": [
        ("127.0.0.1", Manner.SPOKE, "EHLO HELP QUIT", 0, [1, 4, 5, 14, 17, 19]),
        ("127.0.0.1", Manner.NO_MAIL, "", 0, [21, 24, 26]),
    ],
    "postfix.log": [
        ("127.0.0.1", Manner.QUIET, "QUIT", 0, [1, 2]),
        ("198.51.100.2", Manner.USERS, "EHLO QUIT UNKNOWN VRFY", 0, [3, 4]),
        ("198.51.100.3", Manner.EARLY, "EHLO QUIT", 0, [5, 6, 7]),
        ("198.51.100.4", Manner.SPOKE, "EHLO QUIT", 0, [8, 9]),
        ("198.51.100.5", Manner.USERS, "HELO QUIT UNKNOWN VRFY", 0, [10, 11, 12]),
        ("198.51.100.6", Manner.FOREIGN, "UNKNOWN", 0, [13, 14, 15]),
        ("198.51.100.7", Manner.SPOKE, "EHLO", 0, [16, 17, 18]),
        ("198.51.100.8", Manner.MAIL, "DATA EHLO MAIL QUIT RCPT", 1, [19, 20, 25]),
        ("198.51.100.9", Manner.TRIED, "EHLO MAIL QUIT RCPT", 0, [26, 27, 28]),
        ("198.51.100.1", Manner.QUIET, "QUIT", 0, [29, 30]),
        ("198.51.100.1", Manner.SPOKE, "EHLO QUIT STARTTLS UNKNOWN", 0, [31, 32]),
        ("198.51.100.21", Manner.EARLY, "", 0, [34, 35, 36]),
        ("198.51.100.22", Manner.EARLY, "", 0, [37, 38, 39]),
        ("198.51.100.22", Manner.EARLY, "", 0, [40, 41, 42]),
        ("198.51.100.23", Manner.NO_MAIL, "", 0, [43, 44, 45]),
    ],
    "exim-syslog.log": [
        ("127.0.0.1", Manner.NO_MAIL, "", 0, [4, 5]),
        ("198.51.100.2", Manner.USERS, "EXPN VRFY", 0, [8, 9, 10, 11, 12, 13]),
        ("198.51.100.3", Manner.NO_MAIL, "", 0, [14, 15]),
        ("198.51.100.4", Manner.SPOKE, "EHLO", 0, [16, 17, 18, 19]),
        ("198.51.100.5", Manner.SPOKE, "HELO UNKNOWN", 0, [20, 21, 22, 23, 24]),
        ("198.51.100.6", Manner.FOREIGN, "UNKNOWN", 0, [25, 26, 27]),
        ("198.51.100.7", Manner.NO_MAIL, "", 0, [28, 30]),
        ("198.51.100.8", Manner.MAIL, "", 1, [29, 31, 34]),
        ("198.51.100.9", Manner.TRIED, "RCPT", 0, [35, 36, 37, 38]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [39, 40]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [41, 42]),
        ("198.51.100.25", Manner.NO_MAIL, "", 0, [43, 44]),
    ],
    "exim-main.log": [
        ("127.0.0.1", Manner.QUIET, "QUIT", 0, [1, 2, 3]),
        ("127.0.0.1", Manner.SPOKE, "EHLO QUIT", 0, [4, 5, 6]),
        ("127.0.0.1", Manner.SPOKE, "EHLO HELP QUIT", 0, [7, 8, 9]),
        ("127.0.0.1", Manner.QUIET, "", 0, [10, 11, 12]),
        ("127.0.0.1", Manner.SPOKE, "EHLO", 0, [13, 14, 15]),
        ("127.0.0.1", Manner.QUIET, "", 0, [16, 17, 18]),
        ("127.0.0.1", Manner.QUIET, "", 0, [19, 20, 21]),
    ],
    "opensmtpd.log": [
        ("127.0.0.1", Manner.NO_MAIL, "", 0, [3, 4]),
        ("198.51.100.2", Manner.USERS, "EXPN VRFY", 0, [5, 6, 7, 8]),
        ("198.51.100.3", Manner.NO_MAIL, "", 0, [9, 10]),
        ("198.51.100.4", Manner.SPOKE, "EHLO", 0, [11, 12, 13]),
        ("198.51.100.5", Manner.USERS, "FOO HELO VRFY", 0, [14, 15, 16, 17, 18]),
        ("198.51.100.6", Manner.FOREIGN, "UNKNOWN", 0, [19, 20, 21]),
        ("198.51.100.7", Manner.NO_MAIL, "", 0, [22, 23]),
        ("198.51.100.8", Manner.TRIED, "DATA RCPT", 0, [24, 25, 26, 27, 28]),
        ("198.51.100.9", Manner.TRIED, "RCPT", 0, [29, 30, 31]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [32, 33]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [34, 35]),
    ],
    "courier.log": [
        ("127.0.0.1", Manner.NO_MAIL, "", 0, [1]),
        ("198.51.100.2", Manner.USERS, "EXPN HELP VRFY", 0, [2, 3, 4, 5]),
        ("198.51.100.3", Manner.NO_MAIL, "", 0, [6]),
        ("198.51.100.4", Manner.NO_MAIL, "", 0, [7]),
        ("198.51.100.5", Manner.USERS, "FOO VRFY", 0, [8, 9, 10]),
        ("198.51.100.6", Manner.FOREIGN, "UNKNOWN", 0, [11, 12]),
        ("198.51.100.7", Manner.NO_MAIL, "", 0, [13]),
        ("198.51.100.8", Manner.TRIED, "MAIL", 0, [14, 19]),
        ("198.51.100.9", Manner.TRIED, "MAIL", 0, [15, 20]),
        ("198.51.100.1", Manner.NO_MAIL, "", 0, [16]),
        ("198.51.100.1", Manner.SPOKE, "HELP", 0, [17, 18]),
    ],
}


@pytest.mark.parametrize("name", _REAL)
def test_the_lines_of_a_real_server_make_the_connections_that_there_were(name: str) -> None:
    found = [
        (each.address, each.manner, " ".join(sorted(each.commands)), each.messages, [p.line for p in each.places])
        for each in connections(DATA / name)
    ]

    assert found == _REAL[name]


def test_the_greeting_is_read_where_sendmail_logs_it() -> None:
    assert [each.greeting for each in connections(DATA / "sendmail-level-15.log")] == [
        "220 mail1.lab.example ESMTP"
    ] * 2


def test_clients_have_the_name_that_the_server_gave_them(tmp_path: Path) -> None:
    named, unnamed = connections(DATA / "postfix.log")[9], connections(DATA / "postfix.log")[1]
    (hidden,) = connections(log_file(tmp_path, PREFIX + b"smtpd[1]: 0123456789abcdef smtp connected "
                                                        b"address=192.0.2.1 host=<unknown>"))  # fmt: skip

    assert (named.name, unnamed.name, hidden.name) == ("scanner.lab.example", None, None)


_EVIL = b"6AMA3FTD005381: evil.example [192.0.2.66] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA"
_EVIL_TEXTS = [
    _EVIL,
    b"[192.0.2.66] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",
    b"x) [192.0.2.66] closed by QUIT",
    b"x) [192.0.2.66] D=0s C=QUIT",
    b'x" H=[192.0.2.66] unrecognized command',
    b"x>, size=1, class=0, nrcpts=1, proto=SMTP, daemon=MTA, relay=evil [192.0.2.66]",
    b"a, relay=evil [192.0.2.66], reject=550",
    b"from evil[192.0.2.66] quit=1 commands=1",
    b": disconnect from evil[192.0.2.66] quit=1 commands=1",
    b"[192.0.2.66]: VRFY root",
    b"\nNov 23 20:16:53 mail1 postfix/smtpd[77]: connect from evil[192.0.2.66]",
    b"\x1b[31m\x00\xff[192.0.2.66]\x1b[0m",
    b'" result="500"\n0123456789abcdef smtp connected address=192.0.2.66 host=evil',
    b",ip=[192.0.2.66],port=[1]",
    b"dns; evil (evil [192.0.2.66])",
    b"x H=(c) [192.0.2.66] P=esmtp S=1",
    b'"x H=[192.0.2.66] P=esmtp S=1"@c.example',
    b"<a>, relay=[192.0.2.66], reject=550",
    b"x [192.0.2.66] (may be forged): VRFY a",
]
#: Where each server writes what a client chose.
_HOLES = {
    "sendmail": [
        b"sm-mta[1]: 6ANKHLNd000910: <-- %b",
        b"sm-mta[1]: 6ANKHLNd000910: [198.51.100.2]: VRFY %b",
        b"sm-mta[1]: 6ANKHLNd000910: [198.51.100.2]: probable open proxy: command=%b",
        b"sm-mta[1]: 6ANKHT30000916: ruleset=check_rcpt, arg1=<%b>, relay=[198.51.100.2], reject=550 %b",
        b"sm-mta[1]: 6ANKHT30000916: from=<%b>, size=0, class=0, nrcpts=1, msgid=<%b>, relay=c.example [198.51.100.2]",
    ],
    "postfix": [
        b"postfix/smtpd[1]: warning: non-SMTP command from c.example[198.51.100.2]: %b",
        b"postfix/smtpd[1]: warning: Illegal address syntax from c.example[198.51.100.2] in VRFY command: %b",
        b"postfix/smtpd[1]: improper command pipelining after CONNECT from c.example[198.51.100.2]: %b",
        b"postfix/smtpd[1]: NOQUEUE: reject: RCPT from c.example[198.51.100.2]: 550 <%b>: no; from=<%b> helo=<%b>",
        b"postfix/postscreen[1]: PREGREET 8 after 0 from [198.51.100.2]:37407: %b",
    ],
    "exim": [
        b"exim[1]: 2026-11-23 20:16:53 SMTP connection from (%b) [198.51.100.2] closed by QUIT",
        b'exim[1]: 2026-11-23 20:16:53 no MAIL in SMTP connection from (%b) [198.51.100.2] D=0s SNI="%b" C=EHLO,QUIT',
        b'exim[1]: 2026-11-23 20:16:53 SMTP syntax error in "%b" H=(c) [198.51.100.2] unrecognized command',
        b"exim[1]: 2026-11-23 20:16:53 rejected HELO from [198.51.100.2]: syntactically invalid argument(s): %b",
        b"exim[1]: 2026-11-23 20:16:53 SMTP connection Ci=7 from (%b) [198.51.100.2]:1 D=0s closed by QUIT",
        b"exim[1]: [7] SMTP connection from (%b) [198.51.100.2] I=[192.0.2.1] U=%b Ci=7 (TCP/IP connection count = 1)",
        b"exim[1]: plain authenticator failed for (%b) [198.51.100.2]: 535 Incorrect authentication data (set_id=%b)",
        b'exim[1]: SMTP call from (%b) [198.51.100.2] dropped: too many unrecognized commands (last was "%b")',
        b"exim[1]: SMTP command timeout on TLS connection from (%b) [198.51.100.2] D=5m",
        b"exim[1]: TLS error on connection Ci=7 from (%b) [198.51.100.2] (recv): %b",
        b"exim[1]: refused connection from (%b) [198.51.100.2] (host_reject_connection)",
        b"exim[1]: 2026-11-23 20:16:53 unqualified verify rejected: <%b> H=(c) [198.51.100.2]",
        b'exim[1]: 2026-11-23 20:16:53 1xVaTt-0000BG-0H <= %b H=(%b) [198.51.100.2] P=esmtp S=224 T="%b"',
    ],
    "opensmtpd": [
        b'smtpd[1]: smtp-in: Failed command on session f9c0dbf27cbba6d3: "%b" => 500 5.5.1 no',
        b'smtpd[1]: f9c0dbf27cbba6d3 smtp failed-command command="%b" result="500 5.5.1 no"',
    ],
    "courier": [
        b'courieresmtpd: error,relay=::ffff:198.51.100.2,port=49539,msg="502 ESMTP command error",cmd: %b',
        b"courieresmtpd: error,relay=::ffff:198.51.100.2,port=49539,from=<%b>: 417 no",
        b"courierd: newmsg,id=00A1.5C7E3B: dns; %b (c.example [::ffff:198.51.100.2])",
    ],
}  # fmt: skip


@pytest.mark.parametrize("hole", [hole for holes in _HOLES.values() for hole in holes])
@pytest.mark.parametrize("evil", _EVIL_TEXTS)
def test_what_a_client_says_is_never_taken_for_a_line_about_another(hole: bytes, evil: bytes, tmp_path: Path) -> None:
    """Written as the servers do at worst; a line end is a new line for whoever reads lines, so it is a blank here."""
    said = evil.replace(b"\n", b" ")
    line = PREFIX + hole.replace(b"%b", said)

    found = connections(log_file(tmp_path, line))

    assert {each.address for each in found} <= {"198.51.100.2"}


@pytest.mark.parametrize("hole", [hole for holes in _HOLES.values() for hole in holes])
def test_without_malice_the_same_lines_are_understood(hole: bytes, tmp_path: Path) -> None:
    """So that the test above does not pass because nothing is understood."""
    began = {
        b"sm-mta": b"sm-mta[1]: NOQUEUE: connect from [198.51.100.2]",
        b"smtpd[": b"smtpd[1]: f9c0dbf27cbba6d3 smtp connected address=198.51.100.2 host=c",
    }.get(hole[:6])
    lines = [PREFIX + line for line in (began, hole.replace(b"%b", b"a.example")) if line is not None]

    _, report = examined(log_file(tmp_path, *lines))

    assert (report.events, [client.address for client in report.clients]) == (len(lines), ["198.51.100.2"])


def test_a_count_of_recipients_that_the_client_wrote_is_not_believed() -> None:
    line = b"6ANKHT30000916: from=<x>, size=1, class=0, nrcpts=5, y>, size=0, class=0, nrcpts=0, relay=[192.0.2.1]"

    assert log_sendmail.maybe_seen(line) is None


def test_a_message_is_that_of_the_client_behind_what_the_sender_wrote() -> None:
    line = b"6ANKHT30000916: from=<x, relay=evil [192.0.2.66]>, size=1, class=0, nrcpts=1, relay=c [192.0.2.1]"

    seen = log_sendmail.maybe_seen(line)

    assert seen is not None
    assert (seen.kind, seen.address, seen.messages) == (EventKind.MESSAGE, b"192.0.2.1", 1)


def test_names_and_texts_are_escaped(tmp_path: Path) -> None:
    line = PREFIX + b"postfix/smtpd[1]: connect from \x1b<b>\x07\xff[192.0.2.1]"

    (found,) = connections(log_file(tmp_path, line))

    assert found.name == r"\x1b<b>\x07\xff"


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_text_raises(text: bytes) -> None:
    for reader in (
        log_sendmail.maybe_seen,
        log_postfix.maybe_seen,
        log_exim.maybe_seen,
        log_others.maybe_opensmtpd_seen,
        log_others.maybe_courier_seen,
    ):
        for prefix in (b"", b"6ANKHT30000916: ", b"connect from ", b"SMTP connection from ", b"started,ip="):
            reader(prefix + text)


@pytest.mark.parametrize(
    ("text", "kind", "address", "commands"),
    [
        (b"STARTTLS=server, relay=c.example [192.0.2.1], version=TLSv1.3, verify=NO", EventKind.COMMAND, b"192.0.2.1",
         ("STARTTLS",)),
        (b"6A0B1C2D000910: lost input channel from c.example [192.0.2.1] (may be forged) to MTA after rcpt",
         EventKind.LOST, b"192.0.2.1", ()),
        (b"6A0B1C2D000910: timeout waiting for input from [IPv6:2001:db8::1] during server cmd read", EventKind.LOST,
         b"IPv6:2001:db8::1", ()),
        (b"6A0B1C2D000910: c.example [192.0.2.1]: possible SMTP attack: command=HELO/EHLO, count=3", EventKind.COMMAND,
         b"192.0.2.1", ("HELO",)),
        (b"AA00910: Null connection from IDENT:a@c.example [192.0.2.1]", EventKind.NO_MAIL, b"192.0.2.1", ()),
        (b"6A0B1C2D000910: [192.0.2.1] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA ", EventKind.NO_MAIL,
         b"192.0.2.1", ()),
        (b"6A0B1C2D000910: rejecting commands from  [192.0.2.1] due to pre-greeting traffic", EventKind.EARLY,
         b"192.0.2.1", ()),
        (b"6A0B1C2D000910: rejecting commands from [192.0.2.1] due to pre-greeting traffic", EventKind.EARLY,
         b"192.0.2.1", ()),
        (b"6A0B1C2D000910: c.example [192.0.2.1]: ETRN x", EventKind.COMMAND, b"192.0.2.1", ("ETRN",)),
        (b"6A0B1C2D000910: from=<a@b>, size=1, class=0, nrcpts=2, msgid=<x>, relay=root@localhost", None, b"", ()),
        (b"6A0B1C2D000910: from=<a@b>, relay=c [192.0.2.1]", None, b"", ()),
        (b"6A0B1C2D000910: from=, nrcpts=1, relay=c [192.0.2.1]", None, b"", ()),
        (b"6A0B1C2D000910: --- 250 HELP", None, b"", ()),
        (b"6A0B1C2D000910: <-- \x16\x03", EventKind.COMMAND, None, ("UNKNOWN",)),
    ],
)  # fmt: skip
def test_sendmails_other_lines(
    text: bytes, kind: EventKind | None, address: bytes | None, commands: tuple[str, ...]
) -> None:
    seen = log_sendmail.maybe_seen(text)

    assert (seen and (seen.kind, seen.address, seen.commands)) == (kind and (kind, address, commands))


@pytest.mark.parametrize(
    ("text", "kind", "commands", "messages"),
    [
        (b"disconnect from c[192.0.2.1] ehlo=1 mail=2 rcpt=2 bdat=7 quit=1 commands=13", EventKind.ENDED,
         ("EHLO", "MAIL", "RCPT", "BDAT", "QUIT"), 1),
        (b"disconnect from c[192.0.2.1] ehlo=1 mail=2 rcpt=2 data=2 commands=7", EventKind.ENDED,
         ("EHLO", "MAIL", "RCPT", "DATA"), 2),
        (b"disconnect from c[192.0.2.1]", EventKind.ENDED, (), 0),
        (b"connect from c[192.0.2.1]:4711", EventKind.CONNECTED, (), 0),
        (b"lost connection after DATA (123 bytes) from c[192.0.2.1]", EventKind.LOST, (), 0),
        (b"timeout after END-OF-MESSAGE from c[192.0.2.1]", EventKind.LOST, (), 0),
        (b"too many errors after RCPT from c[192.0.2.1]", EventKind.LOST, (), 0),
        (b"SSL_accept error from c[192.0.2.1]: -1", EventKind.COMMAND, ("STARTTLS",), 0),
        (b"59E4E234048: client=c[192.0.2.1], sasl_method=PLAIN, sasl_username=a", EventKind.QUEUED, (), 0),
        (b"improper command pipelining after EHLO from c[192.0.2.1]: x", EventKind.COMMAND, (), 0),
        (b"NOQUEUE: reject: VRFY from c[192.0.2.1]: 550 no", EventKind.USERS, ("VRFY",), 0),
        (b"NOQUEUE: reject: CONNECT from c[192.0.2.1]: 554 no", EventKind.REFUSED, (), 0),
        (b"NOQUEUE: reject: CONNECT from [192.0.2.1]:99: too many connections", EventKind.REFUSED, (), 0),
        (b"warning: reject: ETRN x... from c[192.0.2.1]", EventKind.COMMAND, ("ETRN",), 0),
        (b"PASS OLD [192.0.2.1]:99", EventKind.SCREENED, (), 0),
        (b"DENYLISTED [192.0.2.1]:99", EventKind.REFUSED, (), 0),
        (b"NON-SMTP COMMAND from [192.0.2.1]:99 after CONNECT: GET / HTTP/1.1", EventKind.FOREIGN, (), 0),
        (b"COMMAND PIPELINING from [192.0.2.1]:99 after EHLO: x", EventKind.EARLY, ("EHLO",), 0),
    ],
)  # fmt: skip
def test_postfix_other_lines(text: bytes, kind: EventKind, commands: tuple[str, ...], messages: int) -> None:
    seen = log_postfix.maybe_seen(text)

    assert seen is not None
    assert (seen.kind, seen.address, seen.commands, seen.messages) == (kind, b"192.0.2.1", commands, messages)


_SYNC = b"SMTP protocol synchronization error "


@pytest.mark.parametrize(
    ("text", "kind", "commands", "complete"),
    [
        (_SYNC + b'(input sent without waiting for greeting): rejected connection from H=c [192.0.2.1] input="x"',
         EventKind.EARLY, (), False),
        (b"SMTP connection from c (a) [192.0.2.1]:9 I=[192.0.2.2] U=x Ci=7 (TCP/IP connection count = 1)",
         EventKind.CONNECTED, (), False),
        (b"SMTP connection Ci=p7 from [192.0.2.1] I=[192.0.2.2]:25 D=1h2m3.456s closed by QUIT", EventKind.ENDED, (),
         False),
        (b"SMTP connection from [192.0.2.1] (via inetd) D=0s closed by EOF", EventKind.ENDED, (), False),
        (b"SMTP connection from [192.0.2.1] TFO lost D=0s", EventKind.ENDED, (), False),
        (b"1xVaTt-000000000BG-0H0H SMTP connection Ci=7 from (a) [192.0.2.1] lost while reading message data",
         EventKind.ENDED, (), False),
        (b"no MAIL in TFO* SMTP connection from [192.0.2.1] Ci=7 D=0s C=EHLO,QUIT", EventKind.NO_MAIL,
         ("EHLO", "QUIT"), True),
        (b'SMTP protocol error in "AUTH x" H=(a) [192.0.2.1] Ci=7 AUTH command used when not advertised',
         EventKind.COMMAND, ("UNKNOWN",), False),
        (b"SMTP command timeout on connection from [192.0.2.1] Ci=7 D=5m", EventKind.LOST, (), False),
        (b"SMTP command timeout on TLS connection from (a) [192.0.2.1] D=5m", EventKind.LOST, (), False),
        (b"SMTP data timeout (message abandoned) on connection from [192.0.2.1] F=<a@b> D=5m", EventKind.LOST, (),
         False),
        (b'SMTP call from [192.0.2.1] dropped: too many nonmail commands (last was "EHLO")', EventKind.LOST, (), False),
        (b"unexpected disconnection while reading SMTP command from (a) [192.0.2.1] D=0s", EventKind.LOST, (), False),
        (b"refused connection from [192.0.2.1] (host_reject_connection)", EventKind.REFUSED, (), False),
        (b"temporarily refused connection from [192.0.2.1]: not in reserve list", EventKind.REFUSED, (), False),
        (b"connection from [192.0.2.1] refused (IP options)", EventKind.REFUSED, (), False),
        (b"rejected MAIL from [192.0.2.1]: no HELO/EHLO given", EventKind.TRIED, ("MAIL",), False),
        (b"dovecot_login authenticator failed for (a) [192.0.2.1]: 535 Incorrect authentication data (set_id=x)",
         EventKind.TRIED, ("AUTH",), False),
        (b"plain authenticator failed for H=(a) [192.0.2.1] U=x Ci=7: 535 Incorrect authentication data",
         EventKind.TRIED, ("AUTH",), False),
        (b"TLS error on SMTP connection Ci=7 from [192.0.2.1] (SSL_accept): no", EventKind.COMMAND, ("STARTTLS",),
         False),
        (b"1xVaTt-000000000BG-0H0H <= a@b DS H=c [192.0.2.1]:9 I=[192.0.2.2]:25 U=x Ci=7 P=esmtps L X=TLS1.3 S=1",
         EventKind.MESSAGE, (), False),
        (_SYNC + b'(next input sent too soon: pipelining was not advertised): rejected "EHLO x" H=[192.0.2.1] '
         b'next input="MAIL"', EventKind.EARLY, (), False),
        (b"no MAIL in SMTP connection from (a) [192.0.2.1] D=0s X=TLS1.3:x:256 C=...EHLO,QUIT", EventKind.NO_MAIL,
         ("EHLO", "QUIT"), False),
        (b"no MAIL in SMTP connection from c (a) [192.0.2.1] D=0s X=TLS1.3:x:256 CV=no C=EHLO,STARTTLS,?,QUIT",
         EventKind.NO_MAIL, ("EHLO", "STARTTLS", "UNKNOWN", "QUIT"), True),
        (b"no MAIL in SMTP connection from [192.0.2.1] D=0s X=TLS1.3:x:256", EventKind.NO_MAIL, (), False),
        (b"Connection from [192.0.2.1] refused: too many connections", EventKind.REFUSED, (), False),
        (b'H=c [192.0.2.1] rejected connection in "connect" ACL: no', EventKind.REFUSED, (), False),
        (b"H=(a) [192.0.2.1] X=TLS1.3:x:256 CV=no F=<a@b> temporarily rejected RCPT <x>: no", EventKind.TRIED,
         ("RCPT",), False),
        (b"H=(a) [192.0.2.1] F=<a@b> rejected after DATA: no", EventKind.TRIED, ("DATA",), False),
        (b"H=(a) [192.0.2.1] rejected EHLO or HELO a: no", EventKind.COMMAND, ("EHLO",), False),
        (b"TLS error on connection from (a) [192.0.2.1] (recv): no", EventKind.COMMAND, ("STARTTLS",), False),
    ],
)  # fmt: skip
def test_exims_other_lines(text: bytes, kind: EventKind, commands: tuple[str, ...], *, complete: bool) -> None:
    seen = log_exim.maybe_seen(text)

    assert seen is not None
    assert (seen.kind, seen.address, seen.commands, seen.complete) == (kind, b"192.0.2.1", commands, complete)


def test_older_opensmtpd_and_newer_addresses_are_read(tmp_path: Path) -> None:
    lines = (
        b"smtpd[1]: 0123456789abcdef smtp event=connected address=[2001:db8::1] host=c.example",
        b'smtpd[1]: 0123456789abcdef smtp event=failed-command address=::1 host=c command="FOO" result="500 no"',
        b"smtpd[1]: 0123456789abcdef smtp tls ciphers=TLSv1.3",
        b'smtpd[1]: 0123456789abcdef smtp bad-input result="500 no"',
        b"smtpd[1]: 0123456789abcdef smtp message msgid=d3be1ec3 size=249 nrcpt=1 proto=ESMTP",
        b"smtpd[1]: 0123456789abcdef smtp event=closed address=2001:db8::1 host=c reason=quit",
        b"smtpd[1]: 0123456789abcdef mda delivery evpid=d3be1ec305956ae5",
        b"smtpd[1]: 0123456789abcdef smtp something new",
    )

    (found,) = connections(log_file(tmp_path, *(PREFIX + line for line in lines)))

    assert (found.address, found.manner, found.messages, found.lines) == ("2001:db8::1", Manner.MAIL, 1, 6)


def test_a_message_of_couriers_is_that_of_the_clients_newest_connection(tmp_path: Path) -> None:
    lines = (
        b"courieresmtpd: started,ip=[::ffff:192.0.2.1],port=[1]",
        b"courieresmtpd: started,ip=[::ffff:192.0.2.1],port=[2]",
        b"courierd: newmsg,id=00A1.5C7E3B: dns; c.example (c.example [::ffff:192.0.2.1])",
        b"courierd: newmsg,id=00A2.5C7E3B: dns; d.example ([::ffff:192.0.2.2])",
        b'courieresmtpd: error,relay=::ffff:192.0.2.1,port=1,msg="writev: Broken pipe"',
    )

    found = connections(log_file(tmp_path, *(PREFIX + line for line in lines)))

    assert [(each.address, each.messages, [place.line for place in each.places]) for each in found] == [
        ("192.0.2.1", 0, [1, 5]),
        ("192.0.2.1", 1, [2, 3]),
        ("192.0.2.2", 1, [4]),
    ]


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"IPv6:2001:DB8:0::1", "2001:db8::1"),
        (b"192.0.2.01", None),
        (b"192.0.2.1\x00", None),
        (b"local", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_addresses_are_written_in_one_way(raw: bytes, address: str | None) -> None:
    assert maybe_address(raw) == address
