"""What one smoke test sends, through which host, and how: `SmokeTest`, checked before anything happens.

The host is one name or one address, sender and recipient are plain addresses without quotes (RFC 5321, 4.1.2), and TLS
is verified by the system's authorities, by those of a file, or not at all.
"""

import re
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scanner.delivery.redaction import Redaction
from scanner.engine.certificates import accepting_context
from scanner.errors import InputError
from scanner.settings import Settings
from scanner.smoke.sending import Login, StartTls
from scanner.targets import COMMAND_LINE, TextSource, parse_exclusions, parse_spec

#: Letters of a local part without quotes (RFC 5321, 4.1.2: Dot-string), and what may be its domain.
_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z.:]{{2,60}}\]"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@(?:{_DOMAIN})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTest:
    """What to send, through which server, and how. `token` is new for each test; it marks the message.

    `timeout_s` is seconds for connecting and sending, and once more for arriving. `redaction` knows the passwords of
    others than `login`: what servers say goes through it.
    """

    host: str
    sender: str
    recipient: str
    port: int = 25
    starttls: StartTls = StartTls.AUTO
    insecure_tls: bool = False
    ca_file: Path | None = None
    login: Login | None = field(default=None, repr=False)
    redaction: Redaction = field(default_factory=Redaction, repr=False)
    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    exclude: Sequence[str] = ()
    ehlo_name: str | None = None
    source_address: str | None = None
    token: str = field(default_factory=lambda: str(uuid.uuid4()))

    def validated(self) -> "SmokeTest":
        """Return self when it can be done.

        Raises:
            InputError: naming what cannot: an address that is not one, a host that is a network, a setting.
        """
        require_one_address("--from", self.sender)
        require_one_address("--to", self.recipient)
        asked = parse_spec([TextSource(COMMAND_LINE, [self.host])])
        if asked.ranges.count + len(asked.names) != 1 or asked.mail_domains:
            raise InputError(f"{self.host!r}: a smoke test is for one host: a name or an address")
        parse_exclusions([TextSource(COMMAND_LINE, self.exclude)])
        self.settings().validated()
        tls_context(self.ca_file, insecure=self.insecure_tls)
        return self

    def settings(self) -> Settings:
        """Return what the engine needs to know; one connection needs no pace."""
        return Settings(
            ports=(self.port,),
            rate=0,
            subnet_rate=0,
            connect_timeout_s=self.connect_timeout_s,
            total_timeout_s=self.timeout_s,
            ehlo_name=self.ehlo_name,
            source_address=self.source_address,
        )


def require_one_address(option: str, text: str) -> None:
    """Refuse what is not exactly one plain mail address.

    Raises:
        InputError: naming the option.
    """
    if len(text) > 254 or len(text.rpartition("@")[0]) > 64 or not _ADDRESS.fullmatch(text):
        raise InputError(f"{option} {text!a}: not one mail address such as postmaster@example.com")


def tls_context(ca_file: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """Return a context that verifies by the system's authorities or those of a file, or accepts any certificate.

    Raises:
        InputError: when the file cannot be read or holds no certificate.
    """
    if insecure:
        return accepting_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "no certificate in it"
        raise InputError(f"--ca-file {ca_file}: cannot be used ({why})") from None
