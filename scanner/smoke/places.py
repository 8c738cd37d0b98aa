"""Names for the place where a test message should arrive, as the user writes them, and the `Mailbox` behind each.

`maildir:/path`, `mbox:/path`, `imaps://user@host[:port]/MAILBOX`, `lmtp[:ADDRESS:PORT]`, `smtp[:ADDRESS:PORT]`.
The last two listen themselves, on loopback unless an address is named. A password is never part of a name; one that is
written into it all the same is refused, and not repeated in what is said about it.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from scanner.engine import Gate
from scanner.errors import InputError
from scanner.smoke.imap_mailbox import ImapAccount, ImapMailbox
from scanner.smoke.mailboxes import FileMailbox, Mailbox, Maildir, Mbox
from scanner.smoke.request import SmokeTest, tls_context
from scanner.smoke.smoke import MakePlace

#: Where our own receiver listens by default.
DEFAULT_LISTENERS: Final = {"lmtp": ("127.0.0.1", 2424), "smtp": ("127.0.0.1", 2525)}
FORMS: Final = "maildir:/path, mbox:/path, imaps://user@host/INBOX, lmtp[:ADDRESS:PORT] or smtp[:ADDRESS:PORT]"
_IMAPS_PORT: Final = 993


class SmokePlace(NamedTuple):
    """A place by name. `path` is set for files, `listen` for our own receivers, the rest for IMAP."""

    kind: str
    path: Path | None = None
    listen: tuple[str, int] | None = None
    host: str = ""
    port: int = 0
    user: str = ""
    mailbox: str = ""

    def __str__(self) -> str:
        if self.path is not None:
            return f"{self.kind}:{self.path}"
        if self.listen is not None:
            return "{}: listening on {} port {}".format(self.kind, *self.listen)
        return f"imaps://{self.host}:{self.port}/{self.mailbox}"


def parse_where(text: str) -> SmokePlace:
    """Read the name of a place.

    Raises:
        InputError: when it is none of the forms.
    """
    kind, _, rest = text.partition(":")
    if kind in {"maildir", "mbox"} and rest:
        return SmokePlace(kind, path=Path(rest))
    if kind in DEFAULT_LISTENERS:
        return SmokePlace(kind, listen=_listener(kind, rest) if ":" in text else DEFAULT_LISTENERS[kind])
    if kind == "imaps":
        return _imap(text)
    raise InputError(f"--receive: write {FORMS}")


def _listener(kind: str, text: str) -> tuple[str, int]:
    match = re.fullmatch(r"\[?([0-9A-Fa-f.:]{2,60}?)\]?:([0-9]{1,5})", text)
    try:
        if match is not None and 1 <= int(match[2]) <= 65535:
            return str(ip_address(match[1])), int(match[2])
    except ValueError:
        pass
    raise InputError(f"--receive {kind}: write {kind}, or {kind}:ADDRESS:PORT such as {kind}:127.0.0.1:2424")


def _imap(text: str) -> SmokePlace:
    """Read an IMAP URL; messages do not repeat it, for there might be a password in it."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port or _IMAPS_PORT
    except ValueError:
        raise InputError("--receive: this is not an IMAP URL: write imaps://user@host[:port]/INBOX") from None
    if url.password is not None:
        raise InputError("--receive: no password in a URL: name a variable (--imap-password-env) or a file")
    user, mailbox = unquote(url.username or ""), unquote(url.path.removeprefix("/")) or "INBOX"
    if not host or not user or not user.isprintable() or url.query or url.fragment:
        raise InputError("--receive: write imaps://user@host[:port]/INBOX")
    if not re.fullmatch(r"[ !#-\[\]-~]{1,200}", mailbox):  # quoted as it is: no quotes, no backslash, plain ASCII
        raise InputError('--receive: the name of the mailbox must be plain ASCII without " and backslash')
    return SmokePlace("imaps", host=host, port=port, user=user, mailbox=mailbox)


def place_maker(where: SmokePlace, test: SmokeTest, imap_password: str | None) -> MakePlace:
    """Return what makes the place for one test.

    Raises:
        InputError: when something it needs is missing: the password, or aiosmtpd for a receiver of our own.
    """
    if where.path is not None:
        files = Maildir(where.path, test.token) if where.kind == "maildir" else Mbox(where.path, test.token)
        return lambda _gate: FileMailbox(files)
    if where.listen is not None:
        return _receiver(where, test)
    if imap_password is None:
        raise InputError("--receive imaps: the password is needed: --imap-password-env or --imap-password-file")
    account = ImapAccount(where.host, where.port, where.user, imap_password, where.mailbox)
    context = tls_context(test.ca_file, insecure=False)  # a secret goes through it: always verified
    return lambda gate: ImapMailbox(account, test.token, gate, context)


def _receiver(where: SmokePlace, test: SmokeTest) -> MakePlace:
    try:
        from scanner.smoke.receiver import MailReceiver  # noqa: PLC0415  aiosmtpd is an extra
    except ModuleNotFoundError as error:
        raise InputError(f"--receive {where.kind} needs {error.name}: pip install 'smtpsweep[smoke]'") from None
    assert where.listen is not None  # noqa: S101  of this kind
    address = where.listen

    def make(gate: Gate) -> Mailbox:
        del gate  # it listens; nobody is visited
        return MailReceiver(address, lmtp=where.kind == "lmtp", recipient=test.recipient, token=test.token)

    return make
