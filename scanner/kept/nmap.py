r"""The XML that nmap writes (`-oX`, `-oA`): the output of its `banner` script, and its service fingerprints.

The script writes bytes that are not printable as `\xNN` and leaves backslashes as they are, so `\x0D` that the server
sent in letters cannot be told from the byte. It breaks lines to the width of a terminal with plain line feeds,
which are taken out, and ends what it cut off with "...": such a greeting stays unterminated. Without the script, the
greeting may be in the fingerprint of a service that nmap did not know: the answer to its NULL probe, whole, quoted.

Address and port are the element's, the time is when the host was finished. Hosts that were found closed, and services
other than mail, have no greeting. The file is read as a stream; see `scanner.safe_xml` for what is refused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from scanner.kept.kept import BadLine, Kept
from scanner.kept.scanners import address_text, is_mail
from scanner.safe_xml import XmlReader

_CUT_OFF: Final = "..."
#: What the script writes for a byte that is not printable, so never for 0x20 to 0x7E.
_SCRIPT_BYTE: Final = re.compile(r"\\x([01][0-9A-F]|7F|[89A-F][0-9A-F])")
_NULL_PROBE: Final = re.compile(r'%r\(NULL,[0-9A-F]{1,5},"((?:[^"\\]|\\.)*)"\)', re.DOTALL)
_QUOTED: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_CONTROLS: Final = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def read_nmap(chunks: Iterable[bytes], name: str) -> Iterator[Kept | BadLine]:
    """Yield each greeting in a document that comes in pieces; the last thing may be why it cannot be read on."""
    document = _Document(name)
    reader = XmlReader(document.on_start, document.on_end)
    try:
        for chunk in chunks:
            document.line = reader.line
            reader.feed(chunk)
            yield from document.take()
        reader.feed(b"", last=True)
    except ValueError as error:
        yield from document.take()
        yield BadLine(f"{name}: line {reader.line}", str(error))


class _Document:
    """What is known of the host and the port that are being read, and the greetings found since they were taken."""

    def __init__(self, name: str) -> None:
        self.line = 1
        self._name = name
        self._found: list[Kept | BadLine] = []
        self._ip: str | None = None
        self._ended_at: float | None = None
        self._port = 0
        self._service: Mapping[str, str] = {}
        self._banner: str | None = None

    def take(self) -> list[Kept | BadLine]:
        """Return what was found since the last call."""
        found, self._found = self._found, []
        return found

    def on_start(self, element: str, attributes: Mapping[str, str]) -> None:
        """Note what an element says."""
        if element == "host":
            ended = attributes.get("endtime", "")
            self._ip, self._ended_at = None, float(ended) if re.fullmatch("[0-9]{1,12}", ended) else None
        elif element == "address" and attributes.get("addrtype") in {"ipv4", "ipv6"}:
            self._ip = attributes.get("addr")
        elif element == "port":
            number = attributes.get("portid", "")
            self._port = int(number) if re.fullmatch("[0-9]{1,5}", number) else 0
            self._service, self._banner = {}, None
        elif element == "service":
            self._service = attributes
        elif element == "script" and attributes.get("id") == "banner":
            self._banner = attributes.get("output")

    def on_end(self, element: str) -> None:
        """At the end of a port, keep its greeting."""
        if element != "port" or not is_mail(self._service.get("name", ""), self._port):
            return
        raw = self._greeting()
        if not raw:
            return
        try:
            ip = None if self._ip is None else address_text(self._ip)
        except ValueError as error:
            self._found.append(BadLine(f"{self._name}: line {self.line} or later", str(error)))
            return
        port = self._port if 1 <= self._port <= 65535 else None
        self._found.append(Kept(raw, ip, port, self._ended_at))

    def _greeting(self) -> bytes:
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
