r"""Lines that zgrab2 and masscan write.

zgrab2 writes a JSON object a line; the greeting of its `smtp` and `banner` modules is `data.<name>.result.banner`.
It makes bytes that are no UTF-8 into U+FFFD, so those are lost before we see them.

masscan writes one JSON object a line between "[" and "]" with commas (`-oJ`), one a line (`-oD`), or words (`-oL`:
`banner tcp 25 192.0.2.1 1795456345 smtp 220 ...`, bytes as `\xNN`). It leaves the CR out of SMTP line ends, which is
undone here, and cuts a greeting at its first odd byte, which cannot be.

Both may have said something to the server: what follows the greeting was an answer to them and is left out.
Left out as well are banners of other services: those that are neither called SMTP nor on a port for mail.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from scanner.kept.kept import Kept
from scanner.smtp import GreetingReader
from scanner.targets.address import V4_BITS, parse_address, v4_text, v6_text

#: Where a banner is a mail server's, whatever the other scanner took it for.
MAIL_PORTS: Final = frozenset({25, 465, 587, 2525})
_MAIL_NAMES: Final = frozenset({"smtp", "smtps", "submission"})
_ZGRAB2_MODULES: Final = frozenset({"smtp", "banner"})
_LIST_BANNER: Final = re.compile(
    rb"banner tcp ([0-9]{1,5}) ([0-9A-Fa-f.:]{2,45}) ([0-9]{1,12}) ([^ ]{1,60}) (.+)", re.DOTALL
)
_BYTE: Final = re.compile(rb"\\x([0-9A-Fa-f]{2})")


def is_mail(name: str, port: int) -> bool:
    """Tell whether a banner is taken: by the service's name or by its port."""
    return port in MAIL_PORTS or name in _MAIL_NAMES


def read_zgrab2(line: bytes) -> list[Kept]:
    """Return the greetings in one line of zgrab2.

    Raises:
        ValueError: when it is none.
    """
    if not line.strip():
        return []
    data = _object(line)
    ip = data.get("ip")
    found = []
    for grab in _object_of(data, "data").values():
        result = grab.get("result") if isinstance(grab, dict) else None
        banner = result.get("banner") if isinstance(result, dict) else None
        if isinstance(banner, str) and banner and grab.get("protocol") in _ZGRAB2_MODULES:
            raw = banner.encode("utf-8", "replace")
            found.append(Kept(_greeting_of(raw), _text(ip), _port(grab.get("port")), _rfc_3339(grab.get("timestamp"))))
    return found


def read_masscan(line: bytes) -> list[Kept]:
    """Return the greetings in one line of masscan's `-oJ`, `-oD` or `-oL`.

    Raises:
        ValueError: when it is none.
    """
    line = line.strip()
    if line.startswith(b"banner "):
        return list(_listed(line))
    line = line.strip(b", \t")
    # "{finished: 1}", which is not JSON, ends the files of some versions.
    if line in {b"", b"[", b"]", b"{finished: 1}"} or line.startswith((b"#", b"open ")):
        return []
    data = _object(line)
    if data.get("rec_type") == "banner":
        ports: list[Any] = [{"port": data.get("port"), "service": _object_of(data, "data")}]
    else:
        ports = data.get("ports", [])
    return [kept for port in ports if isinstance(port, dict) for kept in _masscan_port(data, port)]


def _masscan_port(data: Mapping[str, Any], port: Mapping[str, Any]) -> Iterator[Kept]:
    service, number = port.get("service"), _port(port.get("port"))
    if not isinstance(service, dict) or not isinstance(service.get("banner"), str) or number is None:
        return
    if is_mail(str(service.get("name", service.get("service_name"))), number) and service["banner"]:
        raw = service["banner"].encode("utf-8", "replace")
        yield Kept(_with_cr(raw), _text(data.get("ip")), number, _unix(data.get("timestamp")))


def _listed(line: bytes) -> Iterator[Kept]:
    match = _LIST_BANNER.fullmatch(line)
    if match is None:
        raise ValueError("a banner line has a protocol, a port, an address, a time, a name and a text")
    port, ip, timestamp, name, text = match.groups()
    if is_mail(name.decode("latin-1"), int(port)):
        raw = _BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), text)
        yield Kept(_with_cr(raw), _text(ip.decode()), _port(int(port)), _unix(timestamp.decode()))


def _with_cr(raw: bytes) -> bytes:
    return _greeting_of(raw if b"\r" in raw else raw.replace(b"\n", b"\r\n"))


def _greeting_of(raw: bytes) -> bytes:
    """Leave out what follows a whole greeting."""
    reader = GreetingReader(max_bytes=len(raw) + 1, max_lines=len(raw) + 1)
    reader.receive_data(raw)
    return reader.greeting.raw if reader.greeting is not None else raw


def _object(line: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  the caller hears of one kind of problem
    return data


def _object_of(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"no object {key!r} in it")  # noqa: TRY004  the caller hears of one kind of problem
    return value


def _text(value: object) -> str | None:
    """Return an address in its usual form.

    Raises:
        ValueError: when it is something else.
    """
    return None if value is None else address_text(value)


def address_text(value: object) -> str:
    """Return an IP address as records write it.

    Raises:
        ValueError: when it is none.
    """
    bits, number = parse_address(str(value))
    return v4_text(number) if bits == V4_BITS else v6_text(number)


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and 1 <= value <= 65535 else None


def _unix(value: object) -> float | None:
    text = str(value)
    return float(text) if text.isdecimal() and len(text) <= 12 else None


def _rfc_3339(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None
