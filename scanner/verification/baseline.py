"""Read the baseline of a verification: stored sweeps, earlier verifications, and headers of a delivered message.

For each address and port the last scan counts that found an SMTP server there. Several visits of that scan count as
one, and it shows a version when any of them does. A target without SMTP (refused, silent, another service) has no
baseline. One file may hold records and results of `smtpsweep verify --json`, in any order.

Headers are read from a delivered message, from its header block, or from a result of `smtpsweep smoke --json`. The `by`
clause of a `Received:` line tells which server wrote it. In a smoke test the hop does, too: the first hop is the server
that took the message.
"""

from collections.abc import Iterable
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, Final, NamedTuple

import orjson

from scanner.analysis import read_lines
from scanner.errors import InputError
from scanner.files.text_input import utf_8
from scanner.model import GREETED, Record
from scanner.record import decode
from scanner.smoke.received import MAX_HEADER_BYTES, HeaderLeak, read_header
from scanner.verification.visits import VERIFY_SCHEMA, Visit, visit_from, visit_of

SMOKE_SCHEMA: Final = "smtpsweep.smoke/1"
#: Bytes of a file of headers that are read; a smoke test's result is far smaller.
_MAX_BYTES: Final = 4 * MAX_HEADER_BYTES

#: Address and port.
Key = tuple[str, int]


class BaselineVisit(NamedTuple):
    """The last known visit, the name that the user had given for the host, and the scan that made it."""

    visit: Visit
    host: str | None
    scan: str


class MessageHeaders(NamedTuple):
    """The header lines of one message that name software.

    `taken_by` is the address that took the message, where known. `writers` are the hosts that its `Received:` lines
    name as their writers.
    """

    leaks: tuple[HeaderLeak, ...]
    taken_by: Key | None = None
    writers: tuple[str, ...] = ()


def read_baseline(files: Iterable[str | Path]) -> dict[Key, BaselineVisit]:
    """Return the last known visit to each SMTP server of stored sweeps and verifications.

    Raises:
        InputError: when a file cannot be read, or a line is neither a record nor a result; file and line are named.
    """
    found: dict[Key, BaselineVisit] = {}
    for file in files:
        name = "standard input" if str(file) == "-" else str(file)
        for number, line in read_lines(file):
            try:
                item = _item(line)
            except InputError as error:
                raise InputError(f"{name}:{number}: {error}") from None
            if item is not None:
                key, baseline = item
                found[key] = _later(found.get(key), baseline)
    return found


def read_headers(file: str | Path) -> MessageHeaders:
    """Read a delivered message, its header block, or the result of a smoke test.

    Raises:
        InputError: when the file cannot be read, has no `Received:` line, or is JSON but no result of a smoke test
            with a delivered message.
    """
    try:
        with Path(file).open("rb") as stream:
            raw = utf_8(stream.read(_MAX_BYTES))
    except UnicodeDecodeError:
        raise InputError(f"{file}: is not text") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    if raw.lstrip().startswith(b"{"):
        return _smoke_headers(raw, str(file))
    if not raw.strip():
        raise InputError(f"{file}: is empty: where are the headers of the message?")
    header = read_header(raw)
    if not header.writers:
        raise InputError(
            f"{file}: has no Received: line: name a delivered message, or its header, as it is in the mailbox"
        )
    return MessageHeaders(header.leaks, writers=tuple(filter(None, header.writers)))


def leaks_of(key: Key, names: Iterable[str], messages: Iterable[MessageHeaders]) -> list[HeaderLeak]:
    """Return the `Received:` lines that the server at an address wrote; `names` are the names it is known by."""
    own = _plain(key[0], *names)
    return [
        leak
        for message in messages
        for leak in message.leaks
        if (leak.by is not None and _plain(leak.by) <= own) or (leak.hop == 1 and message.taken_by == key)
    ]


def has_line_of(message: MessageHeaders, key: Key, names: Iterable[str]) -> bool:
    """Tell whether a message has a `Received:` line of the server at an address."""
    writers = _plain(*message.writers, *(leak.by for leak in message.leaks if leak.by is not None))
    return message.taken_by == key or not _plain(key[0], *names).isdisjoint(writers)


def _plain(*names: str) -> frozenset[str]:
    """Return names in a form that can be compared."""
    return frozenset(name.lower().rstrip(".").strip("[]") for name in names)


def _item(line: bytes) -> tuple[Key, BaselineVisit] | None:
    """Return the visit on one line; None when there was no SMTP server, or the line has no address."""
    try:
        document: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"not a record: not valid JSON: {error}") from None
    if isinstance(document, dict) and document.get("schema") == VERIFY_SCHEMA:
        return _result(document)
    record = decode(line)
    if record.ip is None or record.port is None or not _was_heard(record):
        return None
    return (_canonical(record.ip), record.port), BaselineVisit(visit_of(record), record.host, record.scan_id)


def _was_heard(record: Record) -> bool:
    return record.banner is not None and record.status in GREETED


def _result(document: dict[str, Any]) -> tuple[Key, BaselineVisit] | None:
    ip, port, host = document.get("ip"), document.get("port"), document.get("host")
    if not isinstance(ip, str) or type(port) is not int or not (host is None or isinstance(host, str)):
        raise InputError("not a result of verify: ip, port or host is not as verify writes it")
    for name in ("after", "before"):  # a host that was down when it was last verified is known from before that
        if document.get(name) is not None:
            visit = visit_from(document[name])
            if visit.greeting is not None and visit.status in GREETED:
                return (_canonical(ip), port), BaselineVisit(visit, host, f"verify {visit.observed_at}")
    return None


def _later(known: BaselineVisit | None, new: BaselineVisit) -> BaselineVisit:
    """Return the visit that counts: of one scan the one that shows more, else the later one. Undated is oldest."""
    if known is None:
        return new
    if known.scan == new.scan:
        return new if len(new.visit.versions_in) > len(known.visit.versions_in) else known
    return new if (new.visit.observed_at or "") >= (known.visit.observed_at or "") else known


def _smoke_headers(raw: bytes, name: str) -> MessageHeaders:
    problem = f"{name}: is not a result of 'smtpsweep smoke --json' with a delivered message"
    try:
        document: Any = orjson.loads(raw)
        if document["schema"] != SMOKE_SCHEMA or document["state"] != "delivered":
            raise InputError(problem)
        leaks = tuple(_leak(each) for each in document["leaks"])
        return MessageHeaders(leaks, (str(document["ip"]), int(document["port"])))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(problem) from error


def _leak(fields: dict[str, Any]) -> HeaderLeak:
    if not isinstance(fields["text"], str):
        raise TypeError("a header line that is not text")
    if not all(fields[name] is None or isinstance(fields[name], str) for name in ("by", "product", "version")):
        raise TypeError("a name or version that is not text")
    if not isinstance(fields.get("is_sure", True), bool):
        raise TypeError("is_sure is neither true nor false")
    return HeaderLeak(**fields)


def _canonical(ip: str) -> str:
    """Return an address as a plan writes it, so that the two can be compared."""
    family = AF_INET6 if ":" in ip else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, ip))
    except (OSError, ValueError):
        raise InputError(f"{ip[:60]!a} is not an address") from None
