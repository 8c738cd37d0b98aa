"""Which banners of other scanners are greetings of mail servers: the service that the source names is believed.

What other scanners find on a mail port need not be a greeting: the certificate of STARTTLS, a web server behind TLS,
SSH. They say so. Where they only know the port, or call it by a name that does not tell, the port decides.
"""

from typing import Final

from scanner import lazy
from scanner.model import Status
from scanner.smtp import ReplyReader, parse_banner

#: Where a banner is a mail server's when nobody says what it is.
MAIL_PORTS: Final = frozenset({25, 465, 587, 2525})
_MAIL_NAMES: Final = frozenset({"smtp", "smtps", "smtp-proxy", "submission", "submissions"})
#: Names that do not tell: masscan calls what it does not know so, and nmap what closed at once.
_UNSURE_NAMES: Final = frozenset({"", "unknown", "tcpwrapped"})
#: masscan calls every greeting of several lines so: FTP and SMTP both begin with 220.
_FTP: Final = "ftp"
_REPLY: Final = lazy.pattern(rb"[245][0-9]{2}(?:[ \-\r\n]|$)")
_LARGE: Final = 1 << 24


def is_mail_name(name: str) -> bool:
    """Tell whether a service's name is that of a mail server."""
    return name in _MAIL_NAMES


def is_greeting(name: str, port: int | None, raw: bytes) -> bool:
    """Tell whether a banner is a mail server's greeting, by the service's name where that tells, else by its port."""
    if is_mail_name(name):
        return True
    if port not in MAIL_PORTS:
        return False
    return name in _UNSURE_NAMES or (name == _FTP and not _is_other(raw))


def speaks_smtp(raw: bytes) -> bool:
    """Tell whether a banner of a service that nobody named is an SMTP greeting by its own words."""
    return _REPLY.match(raw) is not None and b"SMTP" in raw.upper() and not _is_other(raw)


def is_reply(raw: bytes) -> bool:
    """Tell whether a banner begins with a reply code of a mail server and is not another protocol's by its words."""
    return _REPLY.match(raw) is not None and not _is_other(raw)


def greeting_of(raw: bytes) -> bytes:
    """Leave out what follows a whole greeting: the answers to what the other scanner said."""
    reader = ReplyReader(max_bytes=len(raw) + 1, max_lines=len(raw) + 1)
    reader.receive_data(raw)
    return reader.reply.raw if reader.reply is not None else raw


def _is_other(raw: bytes) -> bool:
    return parse_banner(raw, max_bytes=_LARGE, max_lines=_LARGE).status is Status.NOT_SMTP
