"""Find the lines that look like a mail server's but were not understood, because they must not count as silence.

A log in an unknown form has traces that are not found. So every line about a client's connection that could not be read
is counted, with the first as an example. When there are more of them than lines that were read, nothing is concluded
from that file. Fewer do not make the file doubtful (a client can garble lines about itself), except for a line that
names our own address: it may be the missing trace.

Words that any server might use tell whether a line is about a connection, since the form of the line is unknown.
Phrases that the known servers use for other things (deliveries, their own start) are excluded. Most lines of other
programs are recognised by their tag, at the price of a look-up; only the rest is searched.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from scanner import lazy
from scanner.maillogs.events import LogPosition
from scanner.maillogs.spans import Span
from scanner.text.escape import escape

#: How much of a line is searched: servers name the client at its beginning.
_SEARCHED_BYTES = 4096
#: Characters of an example; tags that are remembered.
_SHOWN, _MOST_QUIET = 200, 1024
#: What any server logs about a client's connection, in lower case, for text in lower case.
_WORDS = (
    b"connect", b"no mail in", b"did not issue", b"rejecting", b"smtp call", b"smtp command", b"smtp session",
    b"smtp client", b"smtp protocol", b"smtp syntax", b"start,", b"started,", b"error,relay", b"session", b"lost input",
    b"pregreet", b"hangup", b"greeting",
)  # fmt: skip
#: What is logged about mail that the server itself sends.
_SENT = (
    rb"connect to |(?<!during )connection to |SMTP connection outbound | (?:=>|->|==|\*\*|\*>) |stat=|STARTTLS=client|"
    rb"(?:^|: )(?:---|<--) |remote (?:host|mail server)"
)
_OUTBOUND = lazy.pattern(_SENT, re.IGNORECASE)
#: What is logged about other things than a new client: mail sent, TLS, limits; such a connection has other lines.
_OF_OTHERS = lazy.pattern(
    _SENT + rb"|connection (?:refused|timed out|reset|rate|(?<!TCP/IP connection )count|concurrency|closed by remote)|"
    rb"cache|SMTP connection identification |TLS connection established|TLS session|starting daemon|daemon started|"
    rb"listening|statistics:|Milter|(?<!no )host name|hostname",
    re.IGNORECASE,
)
#: Words about mail in a line of an unknown form.
_OF_MAIL = lazy.pattern(
    rb"\bL?E?SMTP(?:[SD]|SVC\d{0,4})?\b|\b(?:EHLO|HELO|RCPT|MAIL FROM)\b|"
    rb"\b(?:sendmail|sm-mta|smtpd|exim4?|courieresmtpd|postfix/postscreen)\b"
)
#: Lines were left out of the log, or no client was let in for a while.
_WITHHELD = lazy.pattern(
    rb"rate-limiting|imuxsock lost \d+ messages|[Ss]uppressed \d+ messages|messages lost|dropped \d+ messages|"
    rb"rejecting connections on daemon|refusing connections on daemon|[Dd]isabling incoming SMTP connections|"
    rb"(?:client|relay|from |H=)[^ \[]{0,255}\["
    rb"(?:[0-9A-Fa-f.:]{0,40}[xX*]{1,4}(?:\.[xX*]{1,4}){0,3}|(?i:redacted|anonymi[sz]ed))\]"
)
#: Programs that write logs.
_LOGGERS = lazy.pattern(rb"rsyslogd.*|syslog-ng|syslogd|(?:systemd-)?journald?|metalog")
#: `syslogd` counts lines that come again.
_REPEATED = lazy.pattern(rb"(?:last message|message repeated)")
#: An address of IPv4 or IPv6; a line without one names no client.
_ADDRESS = lazy.pattern(rb"\d\.\d{1,3}\.\d|[0-9A-Fa-f]:[0-9A-Fa-f]{0,4}:")
#: Programs that have nothing to do with mail, or only with reading it.
_ELSEWHERE = lazy.pattern(
    rb"kernel|systemd(?!-nspawn).*|sshd.*|CRON|cron.*|crond|named|imapd.*|pop3d.*|saslauthd|fail2ban.*|sudo|su|"
    rb"procmail|fetchmail|dhc.*|ntpd|chronyd|audit.*|httpd|apache.*|nginx"
)
#: Programs beside mail servers that log clients and mail in their own words.
_OTHERS = lazy.pattern(
    rb"postfix[\w.-]*(?:/[\w.-]+)*/(?!smtpd|postscreen).*|dovecot.*|amavis.*|spam.*|rspamd|opend.*|postgrey|policyd.*|"
    rb"clam.*|freshclam|systemd-nspawn.*|mimedefang.*|milter.*|mailman.*"
)
#: Programs that accept a connection and start a mail server for it: an address that they name has connected.
_STARTERS = lazy.pattern(rb"x?inetd|tcpserver|tcpsvd|s6-tcpserver.*|qmail.*")


class ExampleLine(NamedTuple):
    """A line that was not understood: where it stands, and its text, escaped and cut."""

    place: LogPosition
    text: str


@dataclass(slots=True)
class Unread:
    """The lines that look like a mail server's and were not understood: how many, and an example of them.

    `naming_us` is one that has an address of ours, `withheld` one that says that something is not in the log.
    """

    lines: int = 0
    example: ExampleLine | None = None
    naming_us: ExampleLine | None = None
    withheld: ExampleLine | None = None


class Watch:
    """Looks at the lines of one file of which nothing came. `ours` are the addresses that are looked for."""

    def __init__(self, ours: tuple[str, ...] = ()) -> None:
        self.unread = Unread()
        self.span = Span()  # of all lines that have a time, of whatever program
        self._ours = [re.compile(_pattern(address), re.IGNORECASE) for address in ours]
        #: Tags of programs that are not looked at again.
        self.quiet: set[bytes] = set()

    def of_server(self, place: LogPosition, text: bytes) -> bool:
        """Take a line of a mail server of which no event came; tell whether it seems to speak of a connection.

        One that has our address may be the trace that is missing, whatever its words.
        """
        searched = text[:_SEARCHED_BYTES]
        if _speaks(searched):
            self._note_withheld(place, searched, text)
            self._note(place, text)
            return True
        if self._names_us(text) and not _OUTBOUND.search(searched):
            self._note_ours(place, text)
        self._note_withheld(place, searched, text)
        return False

    def of_program(self, file: str, number: int, tag: bytes, line: bytes) -> None:
        """Take a line of a program whose tag is not a mail server's."""
        searched = line[:_SEARCHED_BYTES]
        if _LOGGERS.fullmatch(tag):
            self._note_withheld(LogPosition(file, number), searched, line)
            return
        is_other = _OTHERS.fullmatch(tag) is not None
        if _ELSEWHERE.fullmatch(tag) or (is_other and not self._ours):
            if len(self.quiet) < _MOST_QUIET:
                self.quiet.add(tag)
            return
        if is_other:
            if self._names_us(line):
                self._note_ours(LogPosition(file, number), line)
            return
        if _OF_MAIL.search(searched) or (tag.endswith(b"smtpd") and _speaks(searched)):
            self._note(LogPosition(file, number), line)
        elif self._names_us(line) and (_STARTERS.fullmatch(tag) or _speaks(searched)):
            self._note_ours(LogPosition(file, number), line)

    def of_unknown_program(self, file: str, number: int, line: bytes) -> None:
        """Take a line whose form is unknown, or that is damaged."""
        searched = line[:_SEARCHED_BYTES]
        if not (_OF_MAIL.search(searched) or _speaks(searched)):
            return
        if not _REPEATED.search(searched):
            self._note(LogPosition(file, number), line)
        elif self._names_us(line):
            self._note_ours(LogPosition(file, number), line)

    def _note_withheld(self, place: LogPosition, searched: bytes, line: bytes) -> None:
        if self.unread.withheld is None and _WITHHELD.search(searched):
            self.unread.withheld = _example(place, line)

    def _note_ours(self, place: LogPosition, line: bytes) -> None:
        self.unread.naming_us = self.unread.naming_us or _example(place, line)

    def _note(self, place: LogPosition, line: bytes) -> None:
        unread = self.unread
        unread.lines += 1
        if unread.example is None:
            unread.example = _example(place, line)
        if unread.naming_us is None and self._names_us(line):
            self._note_ours(place, line)

    def _names_us(self, line: bytes) -> bool:
        return any(pattern.search(line) for pattern in self._ours)


def _speaks(text: bytes) -> bool:
    small = text.lower()
    if not any(word in small for word in _WORDS):
        return False
    return bool(_ADDRESS.search(text) and not _OF_OTHERS.search(text))


def _example(place: LogPosition, line: bytes) -> ExampleLine:
    shown = escape(line[:_SHOWN])
    return ExampleLine(place, shown + ("..." if len(line) > _SHOWN else ""))


def _pattern(address: str) -> bytes:
    """Return what an address looks like in a line, in its shortest form and, for IPv6, written out."""
    known = ip_address(address)
    forms = {known.compressed, known.exploded}
    before, after = (
        (rb"(?<![\d.])", rb"(?![\d]|\.\d)") if known.version == 4 else (rb"(?<![0-9A-Fa-f:])", rb"(?![0-9A-Fa-f:])")
    )
    return before + b"(?:" + b"|".join(re.escape(form.encode()) for form in sorted(forms)) + b")" + after
