"""What stands behind `-o SCHEME://...`, taken apart once for all remote sinks, and checked against what a kind knows.

    splunk+https://user@host:8088,other:8088/path?index=sec&token_env=HEC_TOKEN&format=ecs&policy=required

Options are query parameters, read into the kind's own dataclass (`options`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl, unquote

from scanner.delivery.local.descriptor import printable
from scanner.delivery.receivers.options import CommonOptions, url_options
from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.redaction import Redaction
from scanner.delivery.secrets import Secret, read_secret
from scanner.errors import InputError

#: The parts of a URL (RFC 3986, appendix B). urllib's own function refuses several hosts of which one is in brackets.
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<hosts>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?(#.*)?", re.DOTALL
)


_O = TypeVar("_O", bound=CommonOptions)
_O_co = TypeVar("_O_co", bound=CommonOptions, covariant=True)


@dataclass(frozen=True, slots=True)
class SinkKind(Generic[_O]):
    """A kind of remote sink, as its entry point (group `smtpsweep.receivers`, named by its scheme) offers it.

    `formats` are the formats it can send, the default one first. `make` is the receiver's class, `options` that of its
    options. `secrets` are names of secrets: each is read from `NAME_env` or `NAME_file`. `confirms` is False for those
    that never answer (UDP).
    """

    summary: str
    example: str
    formats: tuple[str, ...]
    make: Callable[["SinkUrl[_O]"], Receiver]
    options: type[_O] = CommonOptions  # type: ignore[assignment]  # for a receiver without options of its own
    secrets: tuple[str, ...] = ()
    confirms: bool = True


class SinkUrl(Generic[_O_co]):
    """The URL of a remote sink, parsed and checked.

    `options` are the options, defaults included; `hosts` are pairs of host and port. `redaction` knows all secrets:
    texts of others go through it before they are shown, and code that finds a further secret adds it there.
    """

    def __init__(self, text: str, kind: SinkKind[_O_co]) -> None:
        """Read a URL.

        Raises:
            InputError: when it is not a URL, holds a password, or an option is unknown or has a wrong value.
        """
        self.shown = _without_query(text)
        try:
            parts = _parts(text)
            self.hosts = _hosts(parts["hosts"])
        except ValueError as error:
            raise InputError(
                f"-o {self.shown}: is not a URL of the form {kind.example}: {printable(str(error))}"
            ) from None
        self.scheme, self.path = parts["scheme"].lower(), unquote(parts["path"])
        user, _, password = parts["hosts"].rpartition("@")[0].partition(":")
        if password:
            raise InputError(f"-o {self.shown}: a password must not stand in a URL: name it with password_env=NAME")
        self.user = unquote(user) or None
        self.options, self._secrets = self._read(dict(_query(parts["query"] or "", self.shown)), kind)
        self.redaction = Redaction()
        for secret in self._secrets.values():
            if secret is not None:
                self.redaction.add(secret.reveal(), self.user)

    def secret(self, name: str) -> Secret | None:
        """Return a secret, None when the URL does not name it."""
        return self._secrets[name]

    def _read(self, given: dict[str, str], kind: SinkKind[_O]) -> tuple[_O, Mapping[str, Secret | None]]:
        known = url_options(kind.options)
        values: dict[str, Any] = {}
        for option in known:
            text = given.pop(option.name, option.default)
            try:
                values[option.name] = None if text is None else option.read(text)
            except ValueError as error:
                raise InputError(f"-o {self.shown}: {option.name}={text!a}: must be {error}") from None
        values["format"] = values["format"] or kind.formats[0]
        if values["format"] not in kind.formats:
            formats = ", ".join(kind.formats)
            raise InputError(f"-o {self.shown}: format={values['format']!a}: must be one of {formats}")
        secrets = {
            name: read_secret(f"-o {self.shown}", name, given.pop(f"{name}_env", None), given.pop(f"{name}_file", None))
            for name in kind.secrets
        }
        for name in given:
            if name in kind.secrets:
                raise InputError(f"-o {self.shown}: {name}=...: a secret must not stand in a URL: use {name}_env=NAME")
            secret = [f"{one}_{where}" for one in kind.secrets for where in ("env", "file")]
            names = ", ".join([*(option.name for option in known), *secret])
            raise InputError(f"-o {self.shown}: {name!a} is not an option of it; known: {names}")
        return kind.options(**values), secrets


def single_host(url: SinkUrl[CommonOptions], default_port: int) -> tuple[str, int]:
    """Return host and port of a URL that must name one host.

    Raises:
        InputError: when it names several.
    """
    if len(url.hosts) != 1:
        raise InputError(f"-o {url.shown}: must name one host")
    host, port = url.hosts[0]
    return host, port or default_port


def _parts(text: str) -> re.Match[str]:
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("it has no scheme or no host")
    return match


def _hosts(netloc: str) -> list[tuple[str, int | None]]:
    hosts = []
    for part in netloc.rpartition("@")[2].split(","):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", part)
        if match is None:
            host, colon, _ = part.rpartition("@")[2].partition(":")  # what follows may be a password
            raise ValueError(f"{host + colon * 4!a} is not a host or host:port".replace("::::", ":..."))
        port = int(match[2]) if match[2] else None
        if port is not None and not 1 <= port <= 65535:
            raise ValueError(f"port {port} must be 1 to 65535")
        hosts.append((match[1].strip("[]"), port))
    return hosts


def _query(query: str, shown: str) -> list[tuple[str, str]]:
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"-o {shown}: {name!a} is given twice")
    return pairs


def _without_query(text: str) -> str:
    """Return a URL for messages: without its parameters, and without a password that should not be there.

    A password may hold characters that end a host or a path; then the user information ends at the last @ of the text.
    """
    scheme, separator, rest = text.partition("://")
    head = rest.partition("?")[0]
    is_user = "@" not in head and ":" in head and "@" in rest and not _is_host(re.split("[/#]", head)[0])
    userinfo, at, host = (rest if is_user else head).rpartition("@")
    host, slash, path = host.partition("?")[0].partition("/")
    if "[" not in host and not _is_host(host):
        host = re.sub(r":(?![0-9]{1,5}(?:,|$))[^,]*", ":...", host)  # not a port: perhaps a password
    return printable(f"{scheme}{separator}{userinfo.partition(':')[0]}{at}{host}{slash}{path}")


def _is_host(netloc: str) -> bool:
    try:
        return bool(_hosts(netloc))
    except ValueError:
        return False
