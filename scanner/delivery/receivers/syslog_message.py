"""Encode an event as a message of RFC 5424, and frame it; without any network.

    <134>1 2026-11-22T10:16:56.123000Z probe1 smtpsweep - native [smtpsweep@32473 id="..." ip="..." port="25"] {...}

Everything that a filter needs is outside MSG: the severity, the format as MSGID, and as structured data the event's id,
address and port. A message that is longer than `max_bytes` is refused, since a part of a record is not the record. With
`long=cut` it is cut instead, at the end of a character and with `truncated="1"`; a cut JSON object is not JSON.

MSG has a byte order mark only when it is not plain ASCII. RFC 5424, 6.4, asks for one before UTF-8, but receivers pass
it on as a part of the text, and ASCII may also be sent as plain octets, without one.

Frames are octet-counted (RFC 6587, 3.4.1; RFC 5425, 4.3): a line end inside a message cannot begin another one.
"""

import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scanner.formats.event import Event

#: The facilities of RFC 5424, 6.2.1, by their names in syslog.conf(5).
FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
#: The number for examples (RFC 5612); an organisation that has its own sets `enterprise=`.
DOCUMENTATION_ENTERPRISE = 32473
#: The header and structured data of an event are smaller, so that there is always room for text.
LEAST_MAX_BYTES = 1024

_APP_NAME = "smtpsweep"
_NIL = "-"
_BOM = b"\xef\xbb\xbf"
_EPOCH = datetime.fromtimestamp(0, UTC)
#: HOSTNAME: printable ASCII without space.
_HOSTNAME = re.compile(r"[!-~]{1,255}")
_KEY = re.compile(r"([^ ]+) ([0-9]+)")
#: All but the tab, which separates the fields of LEEF.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPED = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStyle:
    """The settings that all messages of a sink share.

    `name` is that of the format, `max_bytes` limits a message without its frame, `cuts` tells whether longer ones are
    cut.
    """

    name: str = "native"
    hostname: str = _NIL
    facility: str = "local0"
    enterprise: int = DOCUMENTATION_ENTERPRISE
    max_bytes: int = 8192
    cuts: bool = False


def read_hostname(text: str) -> str:
    """Return a valid HOSTNAME.

    Raises:
        ValueError: with what it must be.
    """
    if not _HOSTNAME.fullmatch(text):
        raise ValueError("1 to 255 printable ASCII characters without a space")
    return text


def own_hostname() -> str:
    """Return this machine's name, or "-" when it cannot be a HOSTNAME."""
    name = socket.gethostname()
    return name if _HOSTNAME.fullmatch(name) else _NIL


def message(event: Event, style: MessageStyle) -> bytes:
    """Return the message of an event, at most `max_bytes` long (unless its id alone is longer)."""
    mark = _mark(event)
    head = _head(event, style, truncated=False)
    if len(head) + len(mark) + len(event.body) <= style.max_bytes:
        return head + mark + event.body
    head = _head(event, style, truncated=True)
    return head + mark + _cut(event.body, max(0, style.max_bytes - len(head) - len(mark)))


def frame(text: bytes) -> bytes:
    """Return a message as it goes over TCP or TLS."""
    return b"%d %b" % (len(text), text)


def maybe_refusal(event: Event, style: MessageStyle) -> str | None:
    """Return why an event must not be sent: it is too long, or holds a control character; None when it may.

    A control character may act as a line end, or as a command to the terminal of a reader.
    """
    found = _CONTROL.search(event.body)
    if found is not None:
        return f"holds the control character \\x{found[0][0]:02x}"
    if style.cuts:
        return None
    size = len(_head(event, style, truncated=False)) + len(_mark(event)) + len(event.body)
    if size <= style.max_bytes:
        return None
    return f"{size} bytes, more than max_bytes={style.max_bytes}: raise it here and at the receiver, or set long=cut"


def _mark(event: Event) -> bytes:
    return b"" if event.body.isascii() else _BOM


def _head(event: Event, style: MessageStyle, *, truncated: bool) -> bytes:
    priority = FACILITIES.index(style.facility) * 8 + event.severity
    header = f"<{priority}>1 {_time(event.time_s)} {style.hostname} {_APP_NAME} {_NIL} {style.name}"
    data = {"id": event.id}
    if target := _KEY.fullmatch(event.key):
        data |= {"ip": target[1], "port": target[2]}
    if truncated:
        data["truncated"] = "1"
    values = "".join(f' {name}="{value.translate(_ESCAPED)}"' for name, value in data.items())
    return f"{header} [{_APP_NAME}@{style.enterprise}{values}] ".encode()


def _time(time_s: float | None) -> str:
    if time_s is None:
        return _NIL
    at = _EPOCH + timedelta(microseconds=round(time_s * 1e6))
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _cut(text: bytes, size: int) -> bytes:
    """Return the beginning of a UTF-8 text, without a part of a character at its end."""
    while size < len(text) and size and text[size] & 0xC0 == 0x80:  # the byte after the cut continues a character
        size -= 1
    return text[:size]
