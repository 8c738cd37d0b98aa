"""Read what zgrab2 writes: a JSON object for each host, with `data.<name>.result.banner`.

Its `smtp` module has spoken to a mail server, whatever the port. Its `banner` module records anything: on a mail port
that is a greeting, elsewhere only when its text says so. That module can write the banner in hex or base64, which the
length gives away.

zgrab2 turns bytes that are not UTF-8 into U+FFFD, so those are lost. It may have sent commands: what follows the
greeting is a reply and is left out.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scanner import lazy
from scanner.importers.imported import ImportedBanner
from scanner.importers.mail_services import MAIL_PORTS, greeting_of, is_reply, speaks_smtp
from scanner.importers.values import maybe_address, maybe_host, maybe_moment, maybe_port

_SMTP, _BANNER = "smtp", "banner"
_HEX: Final = lazy.pattern(r"(?:[0-9a-f]{2})+", re.IGNORECASE)


def read_zgrab2(entry: Mapping[str, Any]) -> Iterator[ImportedBanner]:
    """Yield the banners in one object of zgrab2.

    Raises:
        ValueError: when zgrab2 did not write it.
    """
    data = entry.get("data")
    if not isinstance(data, dict):
        if isinstance(entry.get("error"), str):
            return  # zgrab2 could not try
        raise ValueError("no object 'data' in it")
    host, host_note = maybe_host(entry.get("domain"))
    for grab in data.values():
        if not isinstance(grab, dict) or grab.get("protocol") not in {_SMTP, _BANNER}:
            continue
        result, port = grab.get("result"), maybe_port(grab.get("port")) or maybe_port(entry.get("port"))
        raw = _banner(result) if isinstance(result, dict) else b""
        if raw and (grab["protocol"] == _SMTP or _is_greeting(port, raw)):
            at, time_note = maybe_moment(grab.get("timestamp"))
            notes = tuple(note for note in (host_note, time_note) if note is not None)
            yield ImportedBanner(greeting_of(raw), maybe_address(entry.get("ip")), port, at, host, notes)


def _is_greeting(port: int | None, raw: bytes) -> bool:
    if port is None:  # older versions do not write it
        return is_reply(raw)
    return port in MAIL_PORTS or speaks_smtp(raw)


def _banner(result: Mapping[str, Any]) -> bytes:
    banner, length = result.get("banner"), result.get("length")
    if not isinstance(banner, str):
        return b""
    if isinstance(length, int) and length != len(banner.encode("utf-8", "surrogatepass")):
        if len(banner) == 2 * length and _HEX.fullmatch(banner):
            return bytes.fromhex(banner)
        try:
            raw = b64decode(banner, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) == length:
            return raw
    try:
        return banner.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # an escape for half a surrogate pair
        return banner.encode("utf-8", "replace")
