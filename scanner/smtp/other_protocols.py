"""Recognise servers of other protocols by the first bytes they send, so that no SMTP reply is awaited from them.

Three kinds: binary records that say their own length, protocols of lines whose first line gives them away, and
services that greet with the same three-digit codes as SMTP (FTP, NNTP). An HTTP server usually says nothing at all.
"""

from typing import Final

#: RFC 8446 5.1 record header: type alert (0x15) or handshake (0x16), then version 3.x. A TLS server answers only what
#: it is asked; an alert (RFC 8446 6: header of 5 bytes, level, description) is all it says to someone who is silent.
_TLS_TYPES: Final = b"\x15\x16"
_TLS_VERSION: Final = 0x03
_TLS_ALERT_BYTES: Final = 7
#: RFC 854: IAC, then WILL, WONT, DO or DONT, then an option.
_TELNET_IAC: Final = 0xFF
_TELNET_VERBS: Final = b"\xfb\xfc\xfd\xfe"
_TELNET_COMMAND_BYTES: Final = 3
#: MySQL client/server protocol, a packet: three bytes length (little endian; a greeting is shorter than 64 KiB), the
#: sequence number 0, then protocol version 10 or an error (0xff: "Host ... is not allowed to connect").
_MYSQL_HEADER_BYTES: Final = 4
_MYSQL_GREETINGS: Final = (b"\x00\x00\x0a", b"\x00\x00\xff")

#: SSH (RFC 4253 4.2), HTTP, IMAP (RFC 3501 7.1), POP3 (RFC 1939 3), VNC (RFC 6143 7.1.1), rsync, SIP, XMPP and HTML.
_FIRST_LINES: Final = (
    b"SSH-", b"HTTP/", b"* OK", b"* BYE", b"* PREAUTH", b"+OK", b"-ERR", b"RFB ", b"@RSYNCD:", b"SIP/2.0", b"<",
)  # fmt: skip

#: FTP greets with 220 as well (RFC 959 5.4). FileZilla and CCProxy do not always say FTP.
_FILE_SERVERS: Final = ("ftp", "filezilla", "ccproxy")
#: NNTP greets with 200 or 201 (RFC 3977 5.1).
_NEWS_CODES: Final = (200, 201)
_NEWS_SERVERS: Final = ("nntp", "nnrp", "news")
#: These words settle it: "220 h Sendmail ... see ftp.sendmail.org" is a mail server.
_MAIL_SERVERS: Final = ("smtp", "sendmail")


def record_length(head: bytes) -> int | None:
    """Return how many bytes the binary record has that begins with `head`.

    Returns:
        0 when these bytes do not begin a known record, None when it takes more of them to tell (five are enough).
    """
    if len(head) >= 2:
        if head[0] in _TLS_TYPES and head[1] == _TLS_VERSION:
            return _TLS_ALERT_BYTES
        if head[0] == _TELNET_IAC and head[1] in _TELNET_VERBS:
            return _TELNET_COMMAND_BYTES
    if head[2:5] in _MYSQL_GREETINGS:
        return _MYSQL_HEADER_BYTES + int.from_bytes(head[:2], "little")
    if any(greeting.startswith(head[2:5]) for greeting in _MYSQL_GREETINGS):
        return None
    return 0


def is_other_protocol(raw: bytes) -> bool:
    """Tell whether what a server says first, whole or cut, is another protocol's."""
    return bool(record_length(raw[:5])) or is_other_first_line(raw)


def is_other_first_line(line: bytes) -> bool:
    """Tell whether a first line, whole or cut, is another protocol's."""
    return line.startswith(_FIRST_LINES)


def is_other_service(code: int, text: str) -> bool:
    """Tell whether a 2yz greeting is that of a file or news server. `text` leaves out the host name."""
    words = text.lower()
    foreign = _FILE_SERVERS + _NEWS_SERVERS if code in _NEWS_CODES else _FILE_SERVERS
    return any(word in words for word in foreign) and not any(word in words for word in _MAIL_SERVERS)
