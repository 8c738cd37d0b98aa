"""Every stamp in every frame by every server: a table that is generated, not a list of cases."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from scanner.maillogs.events import LogSoftware
from tests.support.mail_logs import QUESTION, examined, read
from tests.support.mail_logs import unix_time as at

#: When all of it happens, by this machine's clock; `log_file` was changed within the year after.
AT = at("2026-11-23T20:16:53Z")

#: Stamp -> how much it tells of the moment above: all of it, a fraction of the second as well, or nothing.
STAMPS: dict[str, float | None] = {
    "Nov 23 20:16:53": AT,
    "Nov 23 20:16:53.250": AT + 0.25,
    "Nov 23 2026 20:16:53": AT,
    "Nov 23, 2026 20:16:53": AT,
    "Nov 23 20:16:53 2026": AT,
    "2026 Nov 23 20:16:53": AT,
    "Mon Nov 23 20:16:53 2026": AT,
    "Mon Nov 23 20:16:53 UTC 2026": AT,
    "Nov 23 20:16:53 UTC": AT,
    "Nov 23 2026 21:16:53 CET": AT,
    "Nov 23 15:16:53 EST": AT,
    "23 Nov 2026 20:16:53": AT,
    "Mon, 23 Nov 2026 21:16:53 +0100": AT,
    "23/Nov/2026:20:16:53 +0000": AT,
    "2026-11-23T20:16:53": AT,
    "2026-11-23T20:16:53Z": AT,
    "2026-11-23T20:16:53.250Z": AT + 0.25,
    "2026-11-23T21:16:53+01:00": AT,
    "2026-11-23T21:16:53+0100": AT,
    "2026-11-23T20:16:53.250000000Z": AT + 0.25,
    "2026-11-23T20:16:53,250Z": AT + 0.25,
    "2026-11-23 20:16:53": AT,
    "2026-11-23 20:16:53.250": AT + 0.25,
    "2026-11-23 20:16:53,250": AT + 0.25,
    "2026-11-23 20:16:53 UTC": AT,
    "2026-11-23 21:16:53 +0100": AT,
    "2026-11-23 21:16:53.250+01:00": AT + 0.25,
    "2026/11/23 20:16:53": AT,
    "2026-11-23T20:16:53 UTC": AT,
    "2026-11-23T21:16:53 +0100": AT,
    "2026-11-23_20:16:53.25000": AT + 0.25,  # svlogd -tt
    "23.11.2026 20:16:53": AT,
    "[2026-11-23 20:16:53]": AT,
    "[Nov 23 20:16:53]": AT,
    "Mon 2026-11-23 20:16:53 UTC": AT,
    "Mon 2026-11-23 21:16:53 CET": AT,
    "Mon 2026-11-23 17:16:53 -03": AT,
    "20261123201653": AT,  # rsyslog's date-mysql
    "20261123T201653Z": AT,
    "20261123T211653+0100": AT,
    "1795465013": AT,
    "1795465013250": AT + 0.25,
    "1795465013250000": AT + 0.25,
    "1795465013250000000": AT + 0.25,
    "1795465013.250000": AT + 0.25,
    f"@{(1 << 62) + 10 + int(AT):x}{250_000_000:08x}": AT + 0.25,  # TAI64N
    "": None,
}


#: The same a quarter of a second later, in frames that have a stamp of their own.
ISO = "2026-11-23T20:16:53.250123+00:00"


class Said(NamedTuple):
    """A line to be framed."""

    stamp: str
    tag: str
    pid: str
    text: str


def _classic(said: Said, head: str = "", *, between: str = "", end: str = "[{pid}]: ") -> str:
    """Put a stamp, words that stand between it and the tag, tag and text behind each other."""
    return head + " ".join(filter(None, (said.stamp, between, said.tag + end.format(pid=said.pid)))) + said.text


def _tabbed(said: Said, *between: str) -> str:
    """Put the same behind each other as collectors on Windows do."""
    return "\t".join(filter(None, (said.stamp, *between, f"{said.tag}[{said.pid}]: {said.text}")))


#: Name -> the frame, and the host that it names.
FRAMES: dict[str, tuple[Callable[[Said], str], str]] = {
    "host": (lambda said: _classic(said, between="mx1"), "mx1"),
    "no host": (_classic, ""),
    "an address for host": (lambda said: _classic(said, between="2001:db8::1"), "2001:db8::1"),
    "an address in brackets": (lambda said: _classic(said, between="[192.0.2.77]"), "[192.0.2.77]"),
    "no process": (lambda said: _classic(said, between="mx1", end=": "), "mx1"),
    "process behind a blank": (lambda said: _classic(said, between="mx1", end=" [{pid}]: "), "mx1"),
    "process behind the tag": (lambda said: _classic(said, between="mx1", end=": [{pid}] "), "mx1"),
    "priority": (lambda said: _classic(said, "<22>", between="mx1"), "mx1"),
    "priority, no host": (lambda said: _classic(said, "<22>"), ""),
    "priority behind the stamp": (lambda said: _classic(said, between="<22> mx1"), "mx1"),
    "FreeBSD -v": (lambda said: _classic(said, between="<mail.info> mx1"), "mx1"),
    "FreeBSD -v, behind the host": (lambda said: _classic(said, between="mx1 <mail.info>"), "mx1"),
    "FreeBSD -v, no host": (lambda said: _classic(said, between="<mail.info>"), ""),
    "FreeBSD -v, numbers": (lambda said: _classic(said, between="<2.6> mx1"), "mx1"),
    "AIX": (lambda said: _classic(said, between="mx1 mail:info"), "mx1"),
    "AIX, passed on": (lambda said: _classic(said, between="loghost mail:info Message forwarded from mx1:"), "mx1"),
    "busybox": (lambda said: _classic(said, between="mx1 mail.info"), "mx1"),
    "OpenWrt": (lambda said: _classic(said, between="mail.info"), ""),
    "Solaris": (lambda said: _classic(said, between="mx1", end="[{pid}]: [ID 197553 mail.info] "), "mx1"),
    "level behind the tag": (lambda said: _classic(said, between="mx1", end="[{pid}]: [mail.info] "), "mx1"),
    "level behind the tag, FreeBSD": (lambda said: _classic(said, between="mx1", end="[{pid}]: <mail.info> "), "mx1"),
    "Kiwi": (lambda said: _tabbed(said, "Mail.Info", "mx1"), "mx1"),
    "Kiwi, passed on": (
        lambda said: (
            _tabbed(said, "Mail.Info", "192.0.2.77").rpartition("\t")[0] + "\t" + _classic(said, between="mx1")
        ),
        "mx1",
    ),
    "tabs": (lambda said: _tabbed(said, "mx1"), "mx1"),
    "metalog": (lambda said: _classic(said._replace(tag=f"[{said.tag}]"), end=" "), ""),
    "metalog, host": (lambda said: _classic(said._replace(tag=f"[{said.tag}]"), between="mx1", end=" "), "mx1"),
    "rsyslog's protocol 23": (lambda said: f"<22>1 {ISO} mx1 {said.tag} {said.pid} - -  {said.text}", "mx1"),
    "NetBSD": (lambda said: f"{ISO} mx1 {said.tag} {said.pid} - - {said.text}", "mx1"),
    "macOS": (
        lambda said: f"{ISO} 0x1a2b     Info        0x0                  {said.pid}     0    {said.tag}: {said.text}",
        "",
    ),
    "macOS, library": (
        lambda said: f"{ISO} 0x1 Default 0x0 {said.pid} 0 {said.tag}: (libsystem_info.dylib) [a.b:c] {said.text}",
        "",
    ),
    "swarm": (lambda said: _classic(said, "mail.1.0abc@node1    | ", between="mx1"), "mx1"),
    "short-delta": (lambda said: _classic(said, "[ 5142.270117 <    0.000012 >] ", between="mx1"), "mx1"),
    "short-delta, first": (lambda said: _classic(said, "[ 5142.270117                 ] ", between="mx1"), "mx1"),
    "containerd's file, a part": (lambda said: _classic(said, f"{ISO} stdout P ", between="mx1"), "mx1"),
    "logcli": (lambda said: _classic(said, f'{ISO} {{app="mail", host="a}}b"}} ', between="mx1"), "mx1"),
    "aws logs tail": (lambda said: _classic(said, f"{ISO} mail/mail/1234abcd ", between="mx1"), "mx1"),
    "Splunk": (lambda said: json.dumps({"result": {"_raw": _classic(said, between="mx1"), "_time": ISO}}), "mx1"),
    "Loki": (
        lambda said: json.dumps({"labels": {"a": "b"}, "line": _classic(said, between="mx1"), "timestamp": ISO}),
        "mx1",
    ),
    "Elastic, its original": (
        lambda said: json.dumps(
            {"_source": {"message": "x", "event": {"original": _classic(said, between="mx1")}, "@timestamp": ISO}}
        ),
        "mx1",
    ),
    "GELF": (
        lambda said: json.dumps({"short_message": _classic(said, between="mx1"), "timestamp": AT + 0.25}),
        "mx1",
    ),
    "Google": (lambda said: json.dumps({"textPayload": _classic(said, between="mx1"), "timestamp": ISO}), "mx1"),
    "Elastic": (
        lambda said: json.dumps(
            {
                "_source": {
                    "@timestamp": ISO,
                    "message": said.text,
                    "host": {"name": "mx1"},
                    "process": {"name": said.tag, "pid": int(said.pid)},
                }
            }
        ),
        "mx1",
    ),
    "Graylog": (
        lambda said: json.dumps(
            {
                "message": said.text,
                "source": "mx1",
                "timestamp": ISO,
                "application_name": said.tag,
                "process_id": said.pid,
            }
        ),
        "mx1",
    ),
    "syslog-ng": (
        lambda said: json.dumps(
            {"PROGRAM": said.tag, "PID": said.pid, "MESSAGE": said.text, "HOST": "mx1", "ISODATE": ISO, "DATE": "x"}
        ),
        "mx1",
    ),
    "rsyslog": (
        lambda said: json.dumps(
            {
                "message": f" {said.text}",
                "fromhost": "mx1",
                "timereported": ISO,
                "programname": "x",
                "syslogtag": f"{said.tag}[{said.pid}]:",
            }
        ),
        "mx1",
    ),
    "Fluent Bit": (
        lambda said: json.dumps(
            {
                "date": AT + 0.25,
                "SYSLOG_IDENTIFIER": said.tag,
                "MESSAGE": said.text,
                "_PID": said.pid,
                "_HOSTNAME": "mx1",
            }
        ),
        "mx1",
    ),
    "fluentd": (
        lambda said: (
            f"{ISO}\tmail.info\t"
            + json.dumps({"host": "mx1", "ident": said.tag, "pid": said.pid, "message": said.text})
        ),
        "mx1",
    ),
    "Vector": (
        lambda said: json.dumps(
            {
                "appname": said.tag,
                "facility": "mail",
                "hostname": "mx1",
                "message": said.text,
                "procid": int(said.pid),
                "timestamp": ISO,
            }
        ),
        "mx1",
    ),
    "Azure": (
        lambda said: json.dumps(
            {
                "TimeGenerated": ISO,
                "Computer": "mx1",
                "ProcessName": said.tag,
                "ProcessID": int(said.pid),
                "SyslogMessage": said.text,
            }
        ),
        "mx1",
    ),
    "relay": (lambda said: _classic(said, "Nov 23 20:16:53 loghost ", between="mx1"), "mx1"),
    "compose": (lambda said: _classic(said, "mail-1  | ", between="mx1"), "mx1"),
    "compose, no host": (lambda said: _classic(said, "mail_1  | "), "mail_1"),
    "compose, in colour": (lambda said: _classic(said, "\x1b[36mmail-1  |\x1b[0m ", between="mx1"), "mx1"),
    "docker logs -t": (lambda said: _classic(said, "2026-11-23T20:16:53.250123456Z ", between="mx1"), "mx1"),
    "containerd's file": (
        lambda said: _classic(said, "2026-11-23T20:16:53.250123456Z stdout F ", between="mx1"),
        "mx1",
    ),
    "kubectl --prefix": (lambda said: _classic(said, "[pod/mail-0/postfix] ", between="mx1"), "mx1"),
    "kubectl --prefix --timestamps": (
        lambda said: _classic(said, "[pod/mail-0/postfix] 2026-11-23T20:16:53.250123456Z "),
        "mail-0/postfix",
    ),
    "docker's file": (
        lambda said: json.dumps(
            {"log": _classic(said, between="mx1") + "\n", "time": "2026-11-23T20:16:53.250123456Z"}
        ),
        "mx1",
    ),
    "a shipper's object": (
        lambda said: json.dumps({"@timestamp": "2026-11-23T20:16:53.250Z", "message": _classic(said, between="mx1")}),
        "mx1",
    ),
    "grep": (lambda said: _classic(said, "/var/log/mail.log.1:", between="mx1"), "mx1"),
    "grep -n": (lambda said: _classic(said, "mail.log:4711:", between="mx1"), "mx1"),
    "grep -hn": (lambda said: _classic(said, "4711:", between="mx1"), "mx1"),
    "cat -n": (lambda said: _classic(said, "  4711\t", between="mx1"), "mx1"),
    "a mark of UTF-8": (lambda said: _classic(said, "\ufeff", between="mx1"), "mx1"),
}
#: Those that bring a time of their own.
CARRIED = {
    name
    for name, (build, _) in FRAMES.items()
    if any(part in build(Said("", "t", "7", "")) for part in ("16:53", str(int(AT))))
}
#: Those that are one only before a stamp.
NEED_STAMPS = {
    "relay", "grep", "grep -n", "grep -hn", "cat -n", "Kiwi", "Kiwi, passed on", "metalog", "metalog, host", "tabs",
    "aws logs tail",
}  # fmt: skip

#: Server -> its tag, and the lines that a connection of 192.0.2.5 leaves.
SERVERS: dict[str, tuple[LogSoftware, str, tuple[str, ...]]] = {
    "sendmail": (LogSoftware.SENDMAIL, "sm-mta", (
        "6ANKGrHt000910: [192.0.2.5] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",)),
    "sendmail at level 10": (LogSoftware.SENDMAIL, "sendmail", (
        "NOQUEUE: connect from c.example [192.0.2.5]",
        "6ANKGrHt000910: c.example [192.0.2.5] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4")),
    "sendmail, early talker": (LogSoftware.SENDMAIL, "sm-mta", (
        "6ANKGrHt000910: rejecting commands from  [192.0.2.5] due to pre-greeting traffic after 0 seconds",)),
    "sendmail 8.9": (LogSoftware.SENDMAIL, "sendmail", (
        "NOQUEUE: Null connection from IDENT:root@c.example [192.0.2.5]",)),
    "postfix": (LogSoftware.POSTFIX, "postfix/smtpd", (
        "connect from unknown[192.0.2.5]", "disconnect from unknown[192.0.2.5] quit=1 commands=1")),
    "postfix, ports": (LogSoftware.POSTFIX, "postfix/submission/smtpd", (
        "connect from c.example[192.0.2.5]:4711", "disconnect from c.example[192.0.2.5]:4711")),
    "postfix, by its unit": (LogSoftware.POSTFIX, "postfix@-.service", (
        "connect from unknown[192.0.2.5]", "disconnect from unknown[192.0.2.5] quit=1 commands=1")),
    "postscreen": (LogSoftware.POSTFIX, "postfix-in/postscreen", (
        "CONNECT from [192.0.2.5]:4711 to [192.0.2.1]:25",
        "HANGUP after 0 from [192.0.2.5]:4711 in tests before SMTP handshake", "DISCONNECT [192.0.2.5]:4711")),
    "exim": (LogSoftware.EXIM, "exim", (
        "SMTP connection from [192.0.2.5] (TCP/IP connection count = 1)",
        "SMTP connection from [192.0.2.5] closed by QUIT",
        "no MAIL in SMTP connection from [192.0.2.5] D=0s C=QUIT")),
    "exim 4.98": (LogSoftware.EXIM, "exim4", (
        "SMTP connection from [192.0.2.5]:4711 I=[192.0.2.1]:25 Ci=77 (TCP/IP connection count = 1)",
        "SMTP connection Ci=77 from [192.0.2.5]:4711 I=[192.0.2.1]:25 D=0.3s closed by QUIT",
        "no MAIL in SMTP connection from [192.0.2.5]:4711 I=[192.0.2.1]:25 Ci=77 D=0.339s C=QUIT")),
    "exim with its own stamp": (LogSoftware.EXIM, "exim", (
        "2026-11-23 20:16:53.250 [77] SMTP connection from [192.0.2.5] lost D=0s",)),
    "opensmtpd": (LogSoftware.OPENSMTPD, "smtpd", (
        "f9c0dbf27cbba6d3 smtp connected address=192.0.2.5 host=<unknown>",
        "f9c0dbf27cbba6d3 smtp disconnected reason=quit")),
    "opensmtpd 5.9": (LogSoftware.OPENSMTPD, "smtpd", (
        "f9c0dbf27cbba6d3 smtp event=connected address=192.0.2.5 host=c.example",
        "f9c0dbf27cbba6d3 smtp event=closed address=192.0.2.5 host=c.example reason=quit")),
    "opensmtpd 5.4": (LogSoftware.OPENSMTPD, "smtpd", (
        "smtp-in: New session f9c0dbf27cbba6d3 from host c.example [192.0.2.5]",
        "smtp-in: Closing session f9c0dbf27cbba6d3")),
    "courier": (LogSoftware.COURIER, "courieresmtpd", ("started,ip=[::ffff:192.0.2.5],port=[4711]",)),
}  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("server", SERVERS)
def test_every_server_is_read_in_every_frame_with_every_stamp(server: str, frame: str, tmp_path: Path) -> None:
    """One file for each server and frame, with a connection for each stamp."""
    build, host = FRAMES[frame]
    software, tag, texts = SERVERS[server]
    has_stamp = "STAMP" in build(Said("STAMP", tag, "7", ""))
    stamps = [stamp for stamp in STAMPS if stamp][: None if has_stamp else 1]
    lines = [
        build(Said(stamp, tag, str(77 + number), _of(number, text)))
        for number, stamp in enumerate(stamps)
        for text in texts
    ]

    found = read(tmp_path, *lines)

    for number, (stamp, connection) in enumerate(zip(stamps, found, strict=True)):
        assert (connection.software, connection.address) == (software, f"192.0.2.{100 + number}"), stamp
        assert (connection.host, connection.lines) == (host, len(texts)), stamp
        if frame in CARRIED:  # the time of what carried the line, or the line's own: the same moment
            assert connection.first_at is not None, stamp
            assert int(connection.first_at) == AT, stamp
        else:
            assert connection.first_at == STAMPS[stamp], stamp


def _of(number: int, text: str) -> str:
    """Make a line one of another client's connection."""
    return text.replace("192.0.2.5", f"192.0.2.{100 + number}").replace("f9c0dbf27cbba6d3", f"{number:016x}")


@pytest.mark.parametrize("frame", [frame for frame in FRAMES if frame not in NEED_STAMPS])
@pytest.mark.parametrize("server", SERVERS)
def test_every_server_is_read_in_every_frame_without_a_stamp(server: str, frame: str, tmp_path: Path) -> None:
    build, host = FRAMES[frame]
    software, tag, texts = SERVERS[server]

    (found,) = read(tmp_path, *(build(Said("", tag, "77", text)) for text in texts))

    assert (found.software, found.address, found.host) == (software, "192.0.2.5", host)
    assert found.lines == len(texts)
    assert (found.first_at is None) == (frame not in CARRIED and server != "exim with its own stamp")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["json", "json-seq", "json-sse", "json-pretty", "export", "export, binary", "verbose"])
def test_every_server_is_read_in_every_form_of_the_journal(kind: str, server: str, tmp_path: Path) -> None:
    software, tag, texts = SERVERS[server]
    log = tmp_path / "journal"
    log.write_bytes(b"".join(_entry(kind, tag, text) for text in texts))

    found, report = examined(log, question=QUESTION)

    (connection,) = [judged.connection for judged in found]
    assert (connection.software, connection.address, connection.host) == (software, "192.0.2.5", "mx1")
    assert (connection.first_at, connection.lines) == (AT + 0.25, len(texts))
    assert (report.counts.lines, report.counts.broken, report.doubts) == (2 * len(texts), 0, [])


def _entry(kind: str, tag: str, text: str) -> bytes:
    """Write an entry of the journal, and one of another program, as journalctl prints them."""
    entry: dict[str, object] = {
        "__CURSOR": "s=1",
        "__REALTIME_TIMESTAMP": "1795465013250000",
        "_HOSTNAME": "mx1",
        "SYSLOG_IDENTIFIER": tag,
        "_PID": "77",
        "MESSAGE": text,
        "_CMDLINE": ["a", "b"] if kind == "json-pretty" else "a b",
    }
    both = [entry, {**entry, "SYSLOG_IDENTIFIER": "cron", "MESSAGE": "hello"}]
    match kind:
        case "json":
            return b"".join(json.dumps(each).encode() + b"\n" for each in both)
        case "json-seq":
            return b"".join(b"\x1e" + json.dumps(each).encode() + b"\n" for each in both)
        case "json-sse":
            return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in both)
        case "json-pretty":
            return b"".join(json.dumps(each, indent="\t").encode() + b"\n" for each in both)
        case "verbose":
            head = b"Mon 2026-11-23 20:16:53.250000 UTC [s=0a;i=1;b=2;m=3;t=%x;x=5]\n" % (int(AT) * 10**6 + 250_000)
            return b"".join(
                head + b"".join(b"    %b=%b\n" % (name.encode(), str(each[name]).encode()) for name in each)
                + b"             which goes on\n    BLOB=[128B blob data]\n"
                for each in both
            )  # fmt: skip
    return b"".join(_exported(each, binary=kind != "export") for each in both)


def _exported(entry: dict[str, object], *, binary: bool) -> bytes:
    fields = {name: str(value).encode() for name, value in entry.items()}
    odd = {"_ODD": b"connect from\nMESSAGE=x", "MESSAGE": fields.pop("MESSAGE")} if binary else {}
    plain = b"".join(b"%b=%b\n" % (name.encode(), value) for name, value in fields.items())
    lengths = ((name.encode(), len(value).to_bytes(8, "little"), value) for name, value in odd.items())
    return plain + b"".join(b"%b\n%b%b\n" % field for field in lengths) + b"\n"


@pytest.mark.parametrize("number", ["", " Ci=15057"])
@pytest.mark.parametrize("name", ["", "c.example ", "(helo) ", "c.example (helo) ", "([192.0.2.5]) "])
def test_exims_main_log_is_read_whatever_was_selected(name: str, number: str, tmp_path: Path) -> None:
    zones = {"": 0, " +0000": 0, " +0100": 3600, " -0330": -12600}
    interfaces = ["", " I=[203.0.113.103]", " I=[203.0.113.103]:25", " I=[2001:db8::1]:25", " I=[192.0.2.1]:25 U=root"]
    for zone, fraction, process, port, interface in product(
        zones, ["", ".250"], ["", "[15057] "], ["", ":54222"], interfaces
    ):
        client = f"{name}[192.0.2.5]{port}{interface}"
        head = f"2026-11-23 20:16:53{fraction}{zone} {process}"
        (found,) = read(
            tmp_path,
            f"{head}SMTP connection from {client}{number} (TCP/IP connection count = 1)",
            f"{head}SMTP connection{number} from {client} D=0.3s closed by QUIT",
            f"{head}no MAIL in SMTP connection from {client}{number} D=0.3s C=QUIT",
        )

        assert (found.lines, found.commands, found.complete) == (3, frozenset({"QUIT"}), True), head
        assert found.first_at == AT - zones[zone] + float(f"0{fraction}"), head
