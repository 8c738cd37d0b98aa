"""Lines inside objects: what container runtimes, log shippers and log servers keep or export as JSON.

They keep the line as the program wrote it (`log`, `_raw`, `event.original`), or take it apart and keep program, process
and text in fields of their own. Exports hold the objects in lists, at any depth. Names of fields differ from product to
product and stand below others, so a field is known by the end of its path, without case and without the `_` and `@`
before it. The program has to stand in a field of its own or where it stands in a line; a text of another program is
that program's, however much it looks like a mail server's.

Memory is bounded: an object is one line of the file or one entry of its list.

Sources: Docker's `json-file`; the templates of rsyslog, syslog-ng's format-json, Fluent Bit's systemd input; Elastic
Common Schema; GELF; the exports of Splunk, Loki, CloudWatch, Google Cloud and Azure Monitor.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

#: Where a whole line is, and where the text of one, without or with what stands before it.
_LINES = ("event.original", "raw", "log", "line", "full_message", "textpayload")
_TEXTS = ("message", "msg", "short_message", "syslogmessage", "content", "body")
_TAGS = (
    "syslog_identifier", "syslog.identifier", "syslog.appname", "application_name", "appname", "app_name", "app-name",
    "program", "process.name", "processname", "ident", "syslogtag", "sourcename", "programname",
)  # fmt: skip
#: Shippers call their own streams so.
_LOOSE_TAGS = ("tag",)
_PIDS = ("syslog_pid", "pid", "procid", "process_id", "processid")
_HOSTS = ("host.hostname", "host.name", "hostname", "host", "source", "computer", "logsource", "fromhost")
_TIMES = ("timereported", "isodate", "eventtime", "time", "timestamp", "ts", "date", "datetime", "timegenerated")
#: Fields of an object and levels of one inside another that are looked at.
_MOST_FIELDS, _DEEPEST = 300, 8
#: What a time counts, by its size: seconds, milliseconds, microseconds, nanoseconds.
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))


class Carried(NamedTuple):
    """A line or its parts, as an object holds them: octets, empty where there are none.

    Without a `tag` the text is a whole line.
    """

    stamp: bytes
    host: bytes
    tag: bytes
    pid: bytes
    text: bytes


def carried(value: Any, is_wanted: Callable[[bytes], object], depth: int = 0) -> Iterator[Carried]:
    """Yield the lines that an object or a list holds, itself or inside.

    `is_wanted` tells whether a tag is one of a mail server.

    Raises:
        ValueError: when a text is neither text nor octets.
    """
    if isinstance(value, dict) and (found := _maybe_carried(_flat(value), is_wanted)):
        yield found
    elif isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str):
        yield Carried(_stamp(value[0]), b"", b"", b"", octets(value[1]).rstrip(b"\r\n"))  # Loki's time and line
    elif depth < _DEEPEST:
        for inside in value.values() if isinstance(value, dict) else value:
            if isinstance(inside, (dict, list)):
                yield from carried(inside, is_wanted, depth + 1)


def octets(value: Any) -> bytes:
    """Return a text as octets; a list of numbers stands for octets that are not text.

    Raises:
        ValueError: when it is neither.
    """
    if isinstance(value, list):
        return bytes(value)  # raises ValueError when they are not octets
    if not isinstance(value, str):
        raise ValueError("neither text nor octets")  # noqa: TRY004  what was read is wrong, not how we were called
    return value.encode("utf-8", "surrogatepass")


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object and of those inside it by their paths; lists of others are left out."""
    fields: dict[str, Any] = {}
    waiting: deque[tuple[str, Mapping[str, Any], int]] = deque([("", value, 0)])
    while waiting and len(fields) < _MOST_FIELDS:
        prefix, inside, depth = waiting.popleft()
        for name, each in inside.items():
            path = prefix + name.lower().lstrip("_@")
            if isinstance(each, dict):
                if depth < _DEEPEST and len(waiting) < _MOST_FIELDS:
                    waiting.append((f"{path}.", each, depth + 1))
            else:
                fields.setdefault(path, each)
    return fields


def _maybe_carried(fields: Mapping[str, Any], is_wanted: Callable[[bytes], object]) -> Carried | None:
    line = next((found for found in _found(fields, _LINES) if not _is_number(found)), None)
    text = line if line is not None else next(_found(fields, _TEXTS), None)
    if text is None:
        return None
    raw = octets(text).rstrip(b"\r\n")
    stamp = next((stamp for time in _found(fields, _TIMES) if (stamp := _stamp(time))), b"")
    if line is not None:
        return Carried(stamp, b"", b"", b"", raw)
    tags = [_split_tag(tag) for tag in _found(fields, _TAGS) if isinstance(tag, str)]
    loose = [_split_tag(tag) for tag in _found(fields, _LOOSE_TAGS) if isinstance(tag, str)]
    tag, pid = next((each for each in (*tags, *loose) if is_wanted(each[0])), tags[0] if tags else (b"", b""))
    pid = pid or next(
        (str(found).encode() for found in _found(fields, _PIDS) if str(found).isdecimal() and str(found).isascii()), b""
    )
    host = next((octets(found) for found in _found(fields, _HOSTS) if isinstance(found, str)), b"")
    return Carried(stamp, host, tag, pid, raw.lstrip(b" "))


def _is_number(value: Any) -> bool:
    """Tell whether it is the number of a line in a program's source, or a flag, and no line of a log."""
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and value.isdecimal())


def _found(fields: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Any]:
    """Yield the values of the fields that are called so, those further out first."""
    for name in names:
        if fields.get(name) is not None:
            yield fields[name]
    for name in names:
        yield from (value for path, value in fields.items() if path.endswith(f".{name}") and value is not None)


def _split_tag(tag: str) -> tuple[bytes, bytes]:
    """Take `postfix/smtpd[77]:` apart."""
    name, _, pid = octets(tag).rstrip(b": ").removesuffix(b"]").partition(b"[")
    return name, pid if pid.isdigit() else b""


def _stamp(time: Any) -> bytes:
    """Return a time as a stamp; empty when it is not a time. Numbers count from 1970; their size tells the unit."""
    if isinstance(time, str):
        if not time.isdecimal() or len(time) in {8, 14}:  # a date, in digits alone
            return octets(time)
        time = int(time) if len(time) < 20 else None
    if isinstance(time, bool) or not isinstance(time, (int, float)):
        return b""
    unit = next((unit for most, unit in _UNITS if 1e8 <= time < most), None)
    return b"" if unit is None else b"%.6f" % (time / unit)
