"""Measure records: microseconds to encode one in several ways, to read it back, and to pack batches for a file.

`python -m benchmarks.record`. The record is a plain Sendmail greeting with everything filled in, as a sweep writes it
most often; "hostile" has a byte that needs escaping wherever there can be one. The other ways to encode are here to
check the choice in `scanner.record` on another machine or Python. Figures are the best of several rounds: on a busy
machine the other rounds measure other programs, too.
"""

import time
import timeit
from base64 import b64encode
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, TypeVar

import orjson

from scanner.delivery.local.compression import codec_for
from scanner.identify import disclosure, identify
from scanner.model import Banner, Record, Software
from scanner.record import EventIds, decode, encode
from scanner.smtp import parse_banner

SENDMAIL = b"220 mail%d.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
HOSTILE = b'220-\x1b[2J"\\\xff${jndi:ldap://x}\r\n220 <script>\xe2\x80\xa8 ESMTP Sendmail 8.14.7/8.13.8\n'
ROUNDS, CALLS = 15, 5_000

Value = TypeVar("Value")

_IDS = EventIds("00000000-0000-4000-8000-000000000000")


def main() -> None:
    """Print the tables."""
    plain, hostile = record_of(SENDMAIL % 1), record_of(HOSTILE)
    print("| encoding one record | plain, us | hostile, us |\n|---|--:|--:|")
    ways: list[tuple[str, Callable[[Record], object]]] = [
        ("**scanner.record.encode**", encode),
        ("orjson, `default` called for each object", _with_default),
        ("f-string, a check for each text", _with_template),
        ("(event id)", lambda record: _IDS.of(str(record.ip), record.port or 0)),
    ]
    for name, way in ways:
        print(f"| {name} | {_microseconds(way, plain):.2f} | {_microseconds(way, hostile):.2f} |")
    print("\n| reading one line | plain, us | hostile, us |\n|---|--:|--:|")
    readers: list[tuple[str, Callable[[bytes], object]]] = [
        ("scanner.record.decode, to a `Record`", decode),
        ("orjson.loads, to a `RecordDocument`", orjson.loads),
    ]
    for name, read in readers:
        print(f"| {name} | {_microseconds(read, encode(plain)):.2f} | {_microseconds(read, encode(hostile)):.2f} |")
    print(f"\n{len(encode(plain))} bytes plain, {len(encode(hostile))} bytes hostile\n")
    print("| packing batches | records a batch | us a record | of plain size |\n|---|--:|--:|--:|")
    for suffix in (".gz", ".zst"):
        for count in (1, 10, 100, 1000):
            _print_packing(suffix, count)


def record_of(raw: bytes, number: int = 1) -> Record:
    """Make the record that a sweep would make of a greeting."""
    banner = parse_banner(raw)
    software = identify(banner)
    ip = f"192.0.{number >> 8 & 255}.{number & 255}"
    return Record(
        scan_id="00000000-0000-4000-8000-000000000000",
        event_id=_IDS.of(ip, 25),
        observed_at=1795342616.123 + number / 500,
        ip=ip,
        port=25,
        host=None,
        status=banner.status,
        connect_s=0.0004 + number % 97 / 10_000,
        first_byte_s=1.0049 + number % 89 / 10_000,
        total_s=1.0053 + number % 83 / 10_000,
        banner=banner,
        software=software,
        disclosure=disclosure(banner, software),
    )


def _microseconds(way: Callable[[Value], object], value: Value) -> float:
    return min(timeit.repeat(lambda: way(value), timer=time.process_time, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def _print_packing(suffix: str, count: int) -> None:
    codec = codec_for(PurePath(f"sweep{suffix}"))
    batch = b"".join(encode(record_of(SENDMAIL % number, number)) for number in range(count))
    calls = max(1, 2_000 // count)
    cost = (
        min(timeit.repeat(lambda: codec.pack(batch), timer=time.process_time, number=calls, repeat=5))
        / calls
        / count
        * 1e6
    )
    print(f"| {suffix} | {count} | {cost:.1f} | {len(codec.pack(batch)) / len(batch):.0%} |")


def _with_default(record: Record) -> bytes:
    option = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps({**record._asdict(), "status": str(record.status)}, _default, option)


def _default(value: Any) -> Any:
    if isinstance(value, Banner):
        return {**value._asdict(), "raw": b64encode(value.raw).decode(), "status": str(value.status)}
    return {name: getattr(value, name) for name in Software.__dataclass_fields__}


def _with_template(record: Record) -> bytes:
    banner, software = record.banner, record.software
    assert banner is not None  # noqa: S101  the records of this benchmark have one
    named = "".join(f',"{name}":{_quoted(getattr(software, name, None))}' for name in Software.__dataclass_fields__)
    return (
        f'{{"scan_id":"{record.scan_id}","event_id":"{record.event_id}","observed_at":{record.observed_at:.3f}'
        f',"ip":"{record.ip}","port":{record.port},"host":{_quoted(record.host)},"status":"{record.status}"'
        f',"connect_ms":{record.connect_s},"first_byte_ms":{record.first_byte_s},"total_ms":{record.total_s}'
        f',"text":{_quoted(banner.text)},"bytes":{len(banner.raw)},"code":{banner.code}'
        f',"lines":[{",".join(map(_quoted, banner.lines))}],"hostname":{_quoted(banner.hostname)}'
        f',"server_time":{_quoted(banner.server_time)}{named}}}\n'
    ).encode()


def _quoted(text: object) -> str:
    if isinstance(text, str) and text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return orjson.dumps(text).decode()


if __name__ == "__main__":
    main()
