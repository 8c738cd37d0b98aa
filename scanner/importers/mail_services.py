"""Decide which banners of other scanners are greetings of mail servers.

Other scanners find more than greetings on a mail port: the certificate of STARTTLS, a web server behind TLS, SSH. They
name the service, and that name is believed. Where they name no service, or one that does not tell, the port decides.
"""

from typing import Final

from scanner import lazy
from scanner.model import Status
from scanner.smtp import ReplyReader, parse_banner

#: On these ports a banner of an unnamed service is a mail server's.
MAIL_PORTS: Final = frozenset({25, 465, 587, 2525})
_MAIL_NAMES: Final = frozenset({"smtp", "smtps", "smtp-proxy", "submission", "submissions"})
#: Names that do not tell: masscan's for an unknown service, and nmap's for one that closed at once.
_UNSURE_NAMES: Final = frozenset({"", "unknown", "tcpwrapped"})
#: masscan's name for every greeting of several lines: FTP and SMTP both begin with 220.
_FTP: Final = "ftp"
_REPLY: Final = lazy.pattern(rb"[245][0-9]{2}(?:[ \-\r\n]|$)")
_LARGE: Final = 1 << 24


def is_mail_name(name: str) -> bool:
    """Tell whether the name of a service is that of a mail server."""
    return name in _MAIL_NAMES


def is_greeting(name: str, port: int | None, raw: bytes) -> bool:
    """Tell whether a banner is a mail server's greeting, by the service's name where that tells, else by its port."""
    if is_mail_name(name):
        return True
    if port not in MAIL_PORTS:
        return False
    return name in _UNSURE_NAMES or (name == _FTP and not _is_other(raw))


def speaks_smtp(raw: bytes) -> bool:
    """Tell whether the text of a banner shows that it is an SMTP greeting; for services without a name."""
    return _REPLY.match(raw) is not None and b"SMTP" in raw.upper() and not _is_other(raw)


def is_reply(raw: bytes) -> bool:
    """Tell whether a banner begins with a reply code and its text does not show another protocol."""
    return _REPLY.match(raw) is not None and not _is_other(raw)


def greeting_of(raw: bytes) -> bytes:
    """Remove what follows a whole greeting: the replies to commands of the other scanner."""
    reader = ReplyReader(max_bytes=len(raw) + 1, max_lines=len(raw) + 1)
    reader.receive_data(raw)
    return reader.reply.raw if reader.reply is not None else raw


def _is_other(raw: bytes) -> bool:
    return parse_banner(raw, max_bytes=_LARGE, max_lines=_LARGE).status is Status.NOT_SMTP
