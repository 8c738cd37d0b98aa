"""Gaps: the numbers of records that were skipped for a best-effort receiver, kept for people and for replay."""

import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from scanner.delivery.relay.dead_letters import append_lines
from scanner.delivery.spool import Lost, RunFolder, SpoolRecord
from scanner.files.whole import write_whole


def keep(file: Path, first: int, last: int, records: int) -> None:
    """Append the numbers from `first` to `last`, of which `records` were records. Raises OSError."""
    append_lines(file, _line({"first": first, "last": last, "records": records, "at": round(time.time(), 3)}))


def cut_given_back(entries: list[SpoolRecord | Lost], folder: RunFolder) -> bool:
    """Drop entries from the first hole on that exists because the spool removed records; return whether there is one.

    Such records are skipped; they do not count as damaged. Raises OSError.
    """
    oldest = min(folder.segments(), default=0)
    for place, one in enumerate(entries):
        if isinstance(one, Lost) and one.reason == "missing" and one.first < oldest:
            del entries[place:]
            return True
    return False


def first_number(file: Path) -> int:
    """Return the lowest number that was skipped, 1 when it is unknown."""
    return min((gap["first"] for gap in _read(file)), default=1)


def records_before(file: Path, first: int) -> int:
    """Return how many records before a number were skipped."""
    return int(sum(gap["records"] for gap in _before(file, first)))


def cut(file: Path, first: int) -> None:
    """Remove gaps from a number on, since everything from there is sent again. Raises OSError."""
    left = _before(file, first)
    if left:
        write_whole(file, b"".join(map(_line, left)))
    else:
        file.unlink(missing_ok=True)


def _before(file: Path, first: int) -> list[dict[str, float]]:
    left: list[dict[str, float]] = []
    for gap in _read(file):
        if gap["first"] < first:
            last = min(gap["last"], first - 1)
            left.append({**gap, "last": last, "records": min(gap["records"], last - gap["first"] + 1)})
    return left


def _read(file: Path) -> Iterator[dict[str, int]]:
    """Yield the gaps of a file; damaged lines are left out, since the cursor has the count."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            gap = orjson.loads(line)
            yield {name: int(gap[name]) for name in ("first", "last", "records", "at")}
        except (ValueError, KeyError, TypeError):
            continue


def _line(gap: dict[str, float]) -> bytes:
    return orjson.dumps(gap, option=orjson.OPT_APPEND_NEWLINE)
