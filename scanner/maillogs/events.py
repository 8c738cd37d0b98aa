"""The events of mail logs: what one line tells (`LogEvent`), and a whole connection (`LoggedConnection`).

A line is a `LogEvent`; the events of one connection make a `LoggedConnection`. Texts that a client or its DNS chose
(names, commands, greetings) are escaped printable ASCII; addresses are what `ipaddress` understood, in its shortest
form, an IPv4 address inside IPv6 as the IPv4 address.
"""

from enum import StrEnum
from typing import NamedTuple


class LogSoftware(StrEnum):
    """The mail servers whose log lines are understood."""

    SENDMAIL = "Sendmail"
    POSTFIX = "Postfix"
    EXIM = "Exim"
    OPENSMTPD = "OpenSMTPD"
    COURIER = "Courier"

    __hash__ = str.__hash__


class EventKind(StrEnum):
    """What one line says about a connection."""

    CONNECTED = "connected"  # a client connected
    SCREENED = "screened"  # postscreen let the client through: smtpd has it from here on
    GREETED = "greeted"  # the text of our side's greeting (Sendmail, LogLevel 15)
    COMMAND = "command"  # a command, known or not
    EARLY = "early"  # the client spoke before the greeting, or out of turn
    USERS = "users"  # VRFY or EXPN: it asked for the names of users
    FOREIGN = "foreign"  # another protocol: HTTP, SSH
    REFUSED = "refused"  # the connection itself was refused
    TRIED = "tried"  # MAIL, RCPT or DATA was refused
    QUEUED = "queued"  # a message was begun
    MESSAGE = "message"  # a message was taken
    LOST = "lost"  # the client went away, or the time was over
    ENDED = "ended"  # the connection ended
    NO_MAIL = "no_mail"  # the connection ended, and there was no message in it

    __hash__ = str.__hash__


class Manner(StrEnum):
    """What a connection looked like, as far as its lines tell. The first that applies, in this order."""

    MAIL = "mail"  # it brought a message
    EARLY = "early talker"
    FOREIGN = "not SMTP"
    USERS = "asked for users"
    TRIED = "tried to send"  # MAIL, RCPT, DATA or AUTH, and no message came of it
    REFUSED = "refused"
    SPOKE = "spoke, no mail"  # EHLO, HELP, STARTTLS ...
    QUIET = "took the greeting"  # QUIT or nothing; only where the log lists the commands
    NO_MAIL = "no mail"  # the log does not tell what was said


class LogPosition(NamedTuple):
    """One line: the file's name as it was given, and the line's number from 1."""

    file: str
    line: int


class LineMeaning(NamedTuple):
    """What the text of one line says, before the server, the time and the place are known.

    `session` tells the connection from others of the same server, None when the process id does. `commands` are verbs
    in upper case, `complete` when the line lists all of the connection. `final`: no further line of it will come.
    """

    kind: EventKind
    address: bytes | None = None
    name: bytes | None = None
    session: bytes | None = None
    commands: tuple[str, ...] = ()
    complete: bool = False
    final: bool = False
    messages: int = 0
    text: bytes = b""


class LogEvent(NamedTuple):
    """One line of a log that speaks of a client's connection.

    `at` is Unix time in seconds, None where the log has no times. `session` is the key of the connection: server's
    host, software, process or session. `address` is None where only an earlier line of the session names it. `messages`
    were taken according to this line. `text` is the part that somebody outside chose (a greeting, a command, an
    answer), escaped.
    """

    at: float | None
    software: LogSoftware
    kind: EventKind
    place: LogPosition
    host: str
    session: tuple[str, LogSoftware, bytes]
    address: str | None
    name: str | None
    commands: tuple[str, ...]
    complete: bool
    final: bool
    messages: int
    text: str


class LoggedConnection(NamedTuple):
    """All that the log has about one connection.

    `first_at` and `last_at` are Unix times of its first and last line (some servers log the end only), None where the
    log has no times. `commands` is everything named, `complete` when the log lists all. `places` are its lines, at most
    the first 50, `lines` their number. `greeting` is the greeting that was sent, where it was logged.
    """

    software: LogSoftware
    host: str
    address: str
    name: str | None
    first_at: float | None
    last_at: float | None
    manner: Manner
    commands: frozenset[str]
    complete: bool
    messages: int
    greeting: str | None
    places: tuple[LogPosition, ...]
    lines: int

    @property
    def began_at(self) -> float:
        """When it began, for comparisons: 0 where the log has no times."""
        return self.first_at or 0.0

    @property
    def ended_at(self) -> float:
        """When it ended, likewise."""
        return self.last_at or 0.0
