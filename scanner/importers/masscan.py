r"""Read what masscan writes: JSON in three layouts (`-oJ`, `-oD`, and what `jq` makes of them) and its list (`-oL`).

A line of the list is `banner tcp 25 192.0.2.1 1795456345 smtp 220 ...`, with bytes as `\xNN`. JSON has one `\u00NN` for
each byte. masscan removes the CR of SMTP line ends; it is put back here. Some versions cut a greeting at its first
non-ASCII byte; that cannot be repaired. masscan also writes what it found behind STARTTLS, as banners of services
called `ssl` and `X509`. Those are left out, and so is whatever follows the greeting, a reply to masscan.

Its XML is read by `nmap`. Its binary files are not read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from scanner import lazy
from scanner.importers.imported import ImportedBanner
from scanner.importers.json_entries import JsonEntry
from scanner.importers.mail_services import greeting_of, is_greeting
from scanner.importers.values import maybe_address, maybe_port, maybe_seconds

_LIST_BANNER: Final = lazy.pattern(
    r"banner tcp ([0-9]{1,5}) ([0-9A-Fa-f.:]{2,45}) ([0-9]{1,15}) ([^ ]{1,60}) (.*)", re.DOTALL
)
_BYTE: Final = lazy.pattern(rb"\\x([0-9A-Fa-f]{2})")
_LIST_BEGINS: Final = "#masscan"
_LIST_ENDS: Final = "# end"
_UNENDED: Final = f"the list ends without the line '{_LIST_ENDS}': it was cut"
_CUT: Final = "the file ends inside this line"
#: What ends the files of some versions, which is not JSON.
_FINISHED: Final = "{finished"


def read_masscan(entry: JsonEntry) -> Iterator[ImportedBanner]:
    """Yield the banners in an object or a line.

    Raises:
        ValueError: when masscan did not write it.
    """
    if entry.value is not None:
        yield from _object(entry.value)
    elif entry.problem is not None:
        if not entry.text.startswith(_FINISHED):
            raise ValueError(entry.problem)
    elif entry.text.startswith("banner "):
        found = list(_listed(entry.text))
        if entry.is_cut:  # half a greeting may show half a version
            raise ValueError(_CUT)
        yield from found
    elif not entry.text.startswith(("#", "open ", "closed ")):
        raise ValueError("not valid JSON, and not a line of masscan's list")
    elif entry.is_cut and not entry.text.startswith("#"):
        raise ValueError(_CUT)


def whole_lists(entries: Iterable[JsonEntry]) -> Iterator[JsonEntry]:
    """Pass the entries of a file on, and report a list of masscan that has no last line."""
    is_open, line = False, 0
    for entry in entries:
        line = entry.line
        begins = entry.text.startswith(_LIST_BEGINS)
        if begins and is_open:
            yield JsonEntry(line, problem=_UNENDED)
        is_open = begins or (is_open and not entry.is_cut and entry.text.strip() != _LIST_ENDS)
        yield entry
    if is_open:
        yield JsonEntry(line, problem=_UNENDED)


def unescaped(text: bytes) -> bytes:
    r"""Return the bytes that masscan writes as `\xNN`, with CR at line ends and without what follows the greeting."""
    return _with_cr(_BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), text))


def _object(value: Mapping[str, Any]) -> Iterator[ImportedBanner]:
    if value.get("rec_type") == "banner":
        if not isinstance(value.get("data"), dict):
            raise ValueError("no object 'data' in it")
        ports: Any = [{"port": value.get("port"), "service": value["data"]}]
    else:
        ports = value.get("ports")
    for port in ports if isinstance(ports, list) else ():
        service = port.get("service") if isinstance(port, dict) else None
        banner = service.get("banner") if isinstance(service, dict) else None
        number = maybe_port(port.get("port")) if isinstance(port, dict) else None
        if isinstance(banner, str) and isinstance(service, dict) and number is not None:
            name = str(service.get("name", service.get("service_name", "")))
            yield from _imported(name, number, _with_cr(_bytes(banner)), value.get("ip"), value.get("timestamp"))


def _listed(line: str) -> Iterator[ImportedBanner]:
    match = _LIST_BANNER.fullmatch(line)
    if match is None:
        raise ValueError("a banner line has a protocol, a port, an address, a time, a name and a text")
    port, ip, timestamp, name, text = match.groups()
    yield from _imported(name, maybe_port(port), unescaped(text.encode("utf-8", "surrogateescape")), ip, timestamp)


def _imported(name: str, port: int | None, raw: bytes, ip: object, timestamp: object) -> Iterator[ImportedBanner]:
    if raw and is_greeting(name, port, raw):
        at, note = maybe_seconds(timestamp)
        yield ImportedBanner(raw, maybe_address(ip), port, at, notes=() if note is None else (note,))


def _bytes(banner: str) -> bytes:
    """Return what the server sent: masscan writes an escape for each byte, a program that reformats it may not."""
    try:
        return banner.encode("latin-1")
    except UnicodeEncodeError:
        return banner.encode("utf-8", "replace")


def _with_cr(raw: bytes) -> bytes:
    return greeting_of(raw if b"\r" in raw else raw.replace(b"\n", b"\r\n"))
