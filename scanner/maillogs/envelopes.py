r"""Take a log line apart: stamp, host, program, process, text, and what other programs have put in front.

Log files of the same server look different on every system. Before the text there can be, from the left:
1. what brought the line: the mark of an encoding, compose's `service-1  | `, kubectl's `[pod/name/container] `, the
   runtime's own stamp with `stdout F `, an earlier host's whole header, the name and number that grep gave the line;
2. priority and stamp: `<22>`, and any stamp of `stamps`, also in brackets;
3. facility and severity, before or after the host: FreeBSD's `<mail.info>` (`syslogd -v`), AIX's `mail:info`, busybox's
   and OpenWrt's `mail.info`, Kiwi's `Mail.Info`;
4. the host, the program's tag, its process, also behind a blank; Solaris's `[ID 197553 mail.info]`; metalog's tag in
   brackets; the columns of macOS's `log show`.
Tabs may stand between them, as collectors on Windows have it. Each may be missing: Exim's own main log has a stamp and
nothing else, and OpenSMTPD in a container not even that.

The text of a line is hostile: a client chooses parts of it, and can make them look like a log line. So nothing is
searched for. A line is read from the left, and the tag must stand where tags stand. The commonest form is tried first,
the others only when it does not fit.

Sources: RFC 3164, RFC 5424; rsyslog's RSYSLOG_FileFormat; syslogd(8) of FreeBSD, AIX and Solaris; busybox's syslogd;
journalctl(1); docker's and Kubernetes' logging documentation; Exim's specification, chapter 52.
"""

import re

from scanner import lazy
from scanner.maillogs.events import LogSoftware
from scanner.maillogs.stamps import maybe_stamp, names_its_zone

_SEVERITY = rb"(?i:emerg(?:ency)?|panic|alert|crit(?:ical)?|err(?:or)?|warn(?:ing)?|notice|info|debug|none)"
_FACILITY = rb"(?i:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|ntp|security|console|local[0-7])"
#: Facility and severity in words or numbers.
_LEVEL = rb"(?:<%b\.%b>|<\d{1,2}\.\d>|<\d{1,3}>|\[?%b[.:]%b\]?)" % (_FACILITY, _SEVERITY, _FACILITY, _SEVERITY)
_ISO = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_TEXT = rb"(?:\[ID \d+ [a-z0-9.]+\] )?(.*)"
#: A host may be missing (local datagrams); it never ends in a colon, or a program's name could be taken for it.
_COMMONEST = lazy.pattern(
    rb"(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|" + _ISO + rb") "
    rb"(?:([^ \[\]]*[^ \[\]:]) )?([A-Za-z][\w./-]{0,63})(?:\[(\d{1,10})\])?: " + _TEXT
)  # fmt: skip
#: In the place of the host, what may be a level, a year, a zone or another stamp. Such a line is looked at closely.
_NO_HOST = lazy.pattern(_LEVEL + rb"|[A-Z]{1,4}|[+-].*|\d{4}(?:-.*)?|\d{9}.*|@4.*", re.DOTALL)
_RFC_5424 = lazy.pattern(
    rb"(?:<\d{1,3}>)?1 (" + _ISO + rb") (\S{1,255}) (\S{1,48}) (\S{1,128}) \S{1,32} "
    rb'(?:-|(?:\[(?:[^\]"\\]|"(?:[^"\\]|\\.)*")*\])+)(?: {1,2}(?:\xef\xbb\xbf)?(.*))?'
)
#: The same as NetBSD's syslogd writes it into files (`-o syslog`), and without structured data.
_NETBSD = lazy.pattern(
    rb"(" + _ISO + rb") (\S{1,255}) ([A-Za-z][\w./@-]{0,47}) (\d{1,10}|-) - -(?: (?:\xef\xbb\xbf)?(.*))?"
)
#: Behind the stamp: metalog's `[program] text`, and what macOS's `log show` has before the program.
_METALOG = lazy.pattern(rb"(?:([^ \[\]<>]*[^ \[\]<>:]) )?\[([A-Za-z][\w./@-]{0,63})\](?: ?\[(\d{1,10})\])?:? (.*)")
_MACOS = lazy.pattern(
    rb"0x[0-9a-f]{1,16} {1,16}[A-Z][a-z]{2,12} {1,16}0x[0-9a-f]{1,16} {1,24}(\d{1,10}) {1,8}\d{1,6} {1,8}"
    rb"([\w./@-]{1,64}): (?:\([\w. +-]{1,128}\) )?(?:\[[\w.:-]{1,128}\] )?(.*)"
)
#: Behind the stamp. AIX says whose line it was that another host passed on.
_NAMED = lazy.pattern(
    rb"(?:%b )?(?:(?!%b )(\[[0-9A-Fa-f.:]{2,45}\]|[^ \[\]<>]*[^ \[\]<>:]) )?(?:%b )?"
    rb"(?:Message forwarded from ([^ \[\]<>:]{1,255}): )?"
    rb"(/?[A-Za-z][\w./@-]{0,127})(?: ?\[(\d{1,10})\])?: " % (_LEVEL, _LEVEL, _LEVEL) + _TEXT
)  # fmt: skip
#: Where the tag ends. Up to there collectors on Windows put tabs between the fields.
_TAG_END = lazy.pattern(rb"[\w\]]:[ \t]")
_PRIORITY = lazy.pattern(rb"<\d{1,3}> ?")
_BLANKS = lazy.pattern(rb"[ \t]{1,4}")
_HOST = lazy.pattern(rb"([^ \[\]<>]*[^ \[\]<>:]|\[[0-9A-Fa-f.:]{2,45}\]) ")
#: Facility and severity behind the tag.
_LATE_LEVEL = lazy.pattern(_LEVEL + rb" ")
#: What carries a line in a stream of several containers; colours stand around compose's.
_COLOUR = rb"(?:\x1b\[[\d;]{0,12}m)?"
_CARRIER = lazy.pattern(
    rb"\xef\xbb\xbf|" + _COLOUR + rb"([\w.@-]{1,128}) {1,64}\| ?" + _COLOUR + rb" ?|"
    rb"\[(?:pod/)?([a-z][\w./-]{0,255})\] |"
    # Seconds since the boot, and since the line before.
    rb"\[ {0,9}\d{1,8}\.\d{6}(?: {0,3}<[ \d.*]{1,24}>| {1,24})? ?\] "
)  # fmt: skip
#: What grep and `cat -n` put before a line. Only with a stamp behind it: else it may be a tag, or anything.
_NUMBERED = lazy.pattern(rb"[\w./~+@-]{1,255}:(?:\d{1,9}:)?| {0,8}\d{1,9}\t")
#: `P` is a part of a line that the runtime found too long; logcli's labels stand behind the stamp.
_RUNTIME = lazy.pattern(rb'(?:stdout|stderr) [FP] |\{(?:[\w.]{1,64}="(?:[^"\\]|\\.){0,256}"(?:, ?)?){0,32}\} {1,4}')
#: In front of a text: Exim writes it there (`+pid`), and so does syslogd where the tag came without.
_PROCESS = lazy.pattern(rb"\[(\d{1,10})\] ")
#: In a container it writes to its error output, which has neither stamp nor tag.
_BARE_OPENSMTPD = lazy.pattern(rb"[0-9a-f]{16} smtp (?:event=)?[a-z-]{1,20}\b.*")
#: How the lines of Exim's main log begin; other programs, too, write a date, a blank and a text (web and IMAP servers).
_EXIMS = lazy.pattern(
    rb"[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} |exim\b|Start queue|End queue|SMTP |no MAIL in|"
    rb"no (?:host|IP) |(?:DS )?[HU]=|TLS |cwd=|(?:temporarily )?re(?:jected|fused) |unqualified |unexpected |"
    rb"[Cc]onnection from |ETRN |VRFY |[Ww]arning: |[\w-]{1,64} authenticator |listen|daemon|pid \d|ignoring |"
    rb"list matching|Error or EOF|"
    rb"too many |ATRN |retry-type|failed to |Failed to |socket |Exiting|DKIM|lowest numbered|remote host"
)
#: The part before a text is not longer.
_MOST_HEAD_BYTES = 1024
#: Headers inside headers: how often a line may have been passed on.
_MOST_HEADERS = 4
_TAGS = (
    (lazy.pattern(rb"sendmail(?:[-.][\w.-]+)?|sm-[a-z0-9-]{1,32}"), LogSoftware.SENDMAIL),
    (lazy.pattern(rb"[\w.@-]+(?:/[\w.-]+)*/(?:smtpd|postscreen)|postfix(?:@[\w.-]*)?\.service"), LogSoftware.POSTFIX),
    (lazy.pattern(rb"exim4?(?:[-_.][\w.-]+)?"), LogSoftware.EXIM),
    (lazy.pattern(rb"smtpd|opensmtpd(?:\.service)?"), LogSoftware.OPENSMTPD),
    (lazy.pattern(rb"courieresmtpd|courierd"), LogSoftware.COURIER),
)
#: Names that are remembered, of programs and of hosts.
_MOST_NAMES = 1024
#: A line taken apart: stamp, host, tag, process, text. All but the tag may be empty; the text is without the tag.
Parts = tuple[bytes, bytes, bytes, bytes, bytes]


class Envelopes:
    """Takes the lines of one file apart."""

    def __init__(self) -> None:
        self._tags: dict[bytes, LogSoftware | None] = {}
        self._hosts: dict[bytes, bool] = {}

    def maybe_software(self, tag: bytes) -> LogSoftware | None:
        """Return the mail server that a tag belongs to; None for all other tags."""
        try:
            return self._tags[tag]
        except KeyError:
            pass
        if len(self._tags) >= _MOST_NAMES:
            self._tags.clear()
        name = tag.rpartition(b"/")[2] if tag.startswith(b"/") else tag
        found = next((software for pattern, software in _TAGS if pattern.fullmatch(name)), None)
        self._tags[tag] = found
        return found

    def maybe_common_parts(self, line: bytes) -> Parts | None:
        """Take a line in the commonest form apart; None when it has another form, or the host is doubtful."""
        if (match := _COMMONEST.fullmatch(line)) is None:
            return None
        stamp, host, tag, pid, text = match.groups(b"")
        if not (self._hosts.get(host) or self._is_host(host)):
            return None
        if not pid:
            pid, text = _split_process(text)
        return stamp, host, tag, pid, text

    def maybe_parts(self, line: bytes, stamp: bytes = b"") -> Parts | None:
        """Take a line apart; None when it has no form of a log line.

        A line without a stamp, or with a stamp like Exim's own, needs the tag of a known mail server. `stamp` is the
        stamp of what carried the line, if it has one.
        """
        if parts := self.maybe_common_parts(line):
            return parts if not stamp else (_better(stamp, parts[0]), *parts[1:])
        if match := _RFC_5424.fullmatch(line) or _NETBSD.fullmatch(line):
            own, host, tag, pid, text = match.groups(b"")
            host, tag, pid = (b"" if part == b"-" else part for part in (host, tag, pid))
            return _better(stamp, own), host, tag, pid, text
        return self._parts(line, stamp, b"", _MOST_HEADERS) or self._untabbed_parts(line, stamp)

    def _untabbed_parts(self, line: bytes, stamp: bytes) -> Parts | None:
        plain = _without_tabs(line)
        return None if plain == line else self._parts(plain, stamp, b"", _MOST_HEADERS)

    def _is_host(self, host: bytes) -> bool:
        if len(self._hosts) >= _MOST_NAMES:
            self._hosts.clear()
        self._hosts[host] = found = _NO_HOST.fullmatch(host) is None
        return found

    def _parts(self, line: bytes, stamp: bytes, host: bytes, left: int) -> Parts | None:
        """Take apart what can be before a line, then the line; `left` headers may still come."""
        if not left:
            return None
        for _ in range(_MOST_HEADERS):
            if carrier := _CARRIER.match(line):
                line, host = line[carrier.end() :], carrier[1] or carrier[2] or host
        if match := _PRIORITY.match(line):
            line = line[match.end() :]
        own, rest = _split_stamp(line)
        if not own and (match := _NUMBERED.match(line)) and begins(line[match.end() :]):
            return self._parts(line[match.end() :], stamp, host, left - 1)
        stamp = _better(stamp, own)
        if runtime := _RUNTIME.match(rest):
            rest = rest[runtime.end() :]
        if own and _split_stamp(rest)[0]:
            return self._parts(rest, stamp, host, left - 1)
        named = _NAMED.fullmatch(rest)
        if named and (self.maybe_software(named[3]) or (own and (named[4] or not _is_exims(own)))):
            pid, text = (named[4], named[5]) if named[4] else _split_process(named[5])
            if not stamp:  # Exim's own, in a line that has no other
                stamp, text = _split_stamp(without_level(text))
            return stamp, named[2] or named[1] or host, named[3], pid, text
        if own and (found := self._in_brackets(rest, stamp, host) or self._passed_on(rest, stamp, host, left - 1)):
            return found
        return _tagless(own, stamp, host, rest)

    def _in_brackets(self, rest: bytes, stamp: bytes, host: bytes) -> Parts | None:
        """Read what metalog and macOS write behind a stamp."""
        if match := _METALOG.fullmatch(rest):
            named, tag, pid, text = match.groups(b"")
            return (stamp, named or host, tag, pid, text) if self.maybe_software(tag) else None
        match = _MACOS.fullmatch(rest)
        return None if match is None else (stamp, host, match[2], match[1], match[3])

    def _passed_on(self, rest: bytes, stamp: bytes, host: bytes, left: int) -> Parts | None:
        """Read a whole line behind what carried it, or behind the host that passed it on."""
        if level := _LATE_LEVEL.match(rest):
            rest = rest[level.end() :]
        relay = _HOST.match(rest)
        for inside in (rest, rest[relay.end() :] if relay else b""):
            if _CARRIER.match(inside) or begins(inside):
                return self._parts(inside, stamp, host, left)
        return None


def _without_tabs(line: bytes) -> bytes:
    """Return a line with blanks for the tabs up to the end of its tag; what comes behind is the program's."""
    end = _TAG_END.search(line, 0, _MOST_HEAD_BYTES) if b"\t" in line[:_MOST_HEAD_BYTES] else None
    return line if end is None else line[: end.end()].replace(b"\t", b" ") + line[end.end() :]


def without_level(text: bytes) -> bytes:
    """Return the text of a line without the facility and severity that it begins with."""
    match = _LATE_LEVEL.match(text) if text.startswith((b"[", b"<")) else None
    return text[match.end() :] if match else text


def _tagless(own: bytes, stamp: bytes, host: bytes, text: bytes) -> Parts | None:
    """Read a line without a tag, which two servers write by themselves."""
    if _BARE_OPENSMTPD.fullmatch(text):
        return stamp, host, b"smtpd", b"", text
    pid, text = _split_process(text)
    return (stamp, host, b"exim", pid, text) if own and _is_exims(own) and _EXIMS.match(text) else None


def _better(outer: bytes, own: bytes) -> bytes:
    """Choose the stamp: the line's own, unless only the one of what carried it names its zone."""
    return outer if outer and not (own and (names_its_zone(own) or not names_its_zone(outer))) else own


def _split_stamp(line: bytes) -> tuple[bytes, bytes]:
    """Return the stamp that a line begins with, empty when there is none, and the rest of the line."""
    opened = line.startswith(b"[")
    match = maybe_stamp(line[1:] if opened else line)
    if match is None:
        return b"", line
    rest = line[match.end() + opened :]
    rest = rest.removeprefix(b"]") if opened else rest
    rest = rest.removeprefix(b":")
    blanks = _BLANKS.match(rest)
    return (match[0], rest[blanks.end() :]) if blanks else (b"", line)


def begins(text: bytes) -> bool:
    """Tell whether a text begins as a line does: with a priority or a stamp."""
    return _PRIORITY.match(text) is not None or _split_stamp(text)[0] != b""


def _split_process(text: bytes) -> tuple[bytes, bytes]:
    """Return the process that a text begins with, empty when there is none, and the rest."""
    match = _PROCESS.match(text) if text.startswith(b"[") else None
    return (match[1], text[match.end() :]) if match else (b"", text)


def _is_exims(stamp: bytes) -> bool:
    return stamp[4:5] == b"-" and stamp[10:11] == b" "
