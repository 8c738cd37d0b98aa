r"""Read nmap's XML (`-oX`, `-oA`): the output of its `banner` script, and its service fingerprints.

The script writes unprintable bytes as `\xNN` and leaves backslashes alone, so the letters `\x0D` cannot be told from
the byte. It wraps lines with plain line feeds, which are removed, and ends a banner that it cut with "...": such a
greeting stays unterminated. Without the script, the greeting may be in the fingerprint of a service that nmap did not
know: the quoted answer to its NULL probe.

Address and port come from the elements, the time from the end of the host's scan, the name from the user. Left out are
closed ports, and services that nmap probed and found to be something other than mail, in TLS (a "tunnel") or not. A
name from nmap's table of ports proves nothing. The file is read as a stream; `files.xml` says what is refused.
masscan's XML (`-oX`) has the same elements, with the banner in an attribute of `service`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from scanner import lazy
from scanner.files.xml import XmlReader
from scanner.importers.imported import BadLine, ImportedBanner
from scanner.importers.mail_services import MAIL_PORTS, is_greeting, is_mail_name
from scanner.importers.masscan import unescaped
from scanner.importers.values import maybe_address, maybe_host, maybe_port, maybe_seconds, shown

_CUT_OFF: Final = "..."
#: How the script writes an unprintable byte, so never one of 0x20 to 0x7E.
_SCRIPT_BYTE: Final = lazy.pattern(r"\\x([01][0-9A-F]|7F|[89A-F][0-9A-F])")
_NULL_PROBE: Final = lazy.pattern(r'%r\(NULL,[0-9A-F]{1,5},"((?:[^"\\]|\\.)*)"\)', re.DOTALL)
_QUOTED: Final = lazy.pattern(r"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
#: A declaration of UTF-16; the text itself arrives here as UTF-8.
_SAYS_UTF_16: Final = lazy.pattern(
    rb"<\?xml[^>]{0,99}encoding\s{0,9}=\s{0,9}[\"'](?:utf|ucs|iso-10646-ucs)-?(?:16|32|2|4)", re.IGNORECASE
)
_CONTROLS: Final = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def read_nmap(chunks: Iterable[bytes], name: str) -> Iterator[ImportedBanner | BadLine]:
    """Yield each banner in a document that comes in pieces; the last item may be why the rest cannot be read.

    The text is in the encoding that it declares, UTF-8 by default. A document that declares UTF-16 was converted to
    UTF-8 before.
    """
    document = _Document(name)
    reader = XmlReader(document.on_start, document.on_end)
    try:
        for number, chunk in enumerate(chunks):
            if number == 0 and _SAYS_UTF_16.match(chunk):
                reader = XmlReader(document.on_start, document.on_end, encoding="utf-8")
            document.line = reader.line
            reader.feed(chunk)
            yield from document.take()
        reader.feed(b"", last=True)
    except ValueError as error:
        yield from document.take()
        yield BadLine(f"{name}: line {reader.line}", str(error))


class _Document:
    """The host and port that are being read, and the banners found since the last `take`."""

    def __init__(self, name: str) -> None:
        self.line = 1
        self._name = name
        self._found: list[ImportedBanner | BadLine] = []
        self._root: str | None = None
        self._is_masscan = False
        self._ip: str | None = None
        self._host: str | None = None
        self._ended_at: str | None = None
        self._port: int | None = None
        self._service: Mapping[str, str] = {}
        self._banner: str | None = None

    def take(self) -> list[ImportedBanner | BadLine]:
        """Return what was found since the last call."""
        found, self._found = self._found, []
        return found

    def on_start(self, element: str, attributes: Mapping[str, str]) -> None:
        """Note what an element tells about the host or port."""
        if self._root is None:
            self._root = element
            if element != "nmaprun":
                raise ValueError(f"its first element is {shown(element)}: not the XML of nmap or masscan")
            self._is_masscan = attributes.get("scanner") == "masscan"
        elif element == "host":
            self._ip, self._host, self._ended_at = None, None, attributes.get("endtime")
        elif element == "address" and attributes.get("addrtype") in {"ipv4", "ipv6"}:
            self._ip = attributes.get("addr")
        elif element == "hostname" and attributes.get("type") == "user":
            self._host = attributes.get("name")
        elif element == "port":
            self._port = maybe_port(attributes.get("portid"))
            self._service, self._banner = {}, None
        elif element == "service":
            self._service = attributes
        elif element == "script" and attributes.get("id") == "banner":
            self._banner = attributes.get("output")

    def on_end(self, element: str) -> None:
        """At the end of a port, note its banner."""
        if element != "port":
            return
        raw = self._greeting()
        if not raw or not self._is_mail(raw):
            return
        try:
            ip = maybe_address(self._ip)
        except ValueError as error:
            self._found.append(BadLine(f"{self._name}: line {self.line} or later", str(error)))
            return
        (at, time_note), (host, host_note) = maybe_seconds(self._ended_at), maybe_host(self._host)
        notes = tuple(note for note in (time_note, host_note) if note is not None)
        self._found.append(ImportedBanner(raw, ip, self._port, at, host, notes))

    def _is_mail(self, raw: bytes) -> bool:
        name = self._service.get("name", "")
        if self._is_masscan or self._service.get("method") == "probed":
            return is_greeting(name, self._port, raw)
        return self._port in MAIL_PORTS or is_mail_name(name)

    def _greeting(self) -> bytes:
        if self._is_masscan:
            return unescaped(self._service.get("banner", "").encode("utf-8", "replace"))
        probe = _NULL_PROBE.search(self._service.get("servicefp", ""))
        if probe is not None:
            return _QUOTED.sub(_unquoted, probe[1]).encode("latin-1", "replace")
        if self._banner is None:
            return b""
        text = self._banner.replace("\n", "")
        is_cut = text.endswith(_CUT_OFF)
        raw = _SCRIPT_BYTE.sub(lambda byte: chr(int(byte[1], 16)), text.removesuffix(_CUT_OFF))
        return raw.encode("latin-1", "replace") + (b"" if is_cut else b"\r\n")


def _unquoted(match: re.Match[str]) -> str:
    digits, character = match.groups()
    return chr(int(digits, 16)) if digits is not None else _CONTROLS.get(character, character)
