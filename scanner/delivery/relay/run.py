"""The life of a run's folder: begin a run there, continue one, refuse a foreign one, and remove it in the end.

A sweep makes the folder before its state file refers to it. A sweep that is killed in between leaves a run without
records, and the same command takes that over. When every sink has everything the folder is removed, since it holds a
second copy of every record. The removal has several steps. The description is marked first, so that an interrupted
removal is finished later and not mistaken for a spool that lost its records.

Only our own files are removed, and the folder itself only when we made it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scanner.delivery.sink import Position
from scanner.delivery.spool import RunFolder, SpoolReader, last_record, read_cursor, read_known
from scanner.delivery.spool.index import INDEX, LAST, SpoolIndex, begin_index
from scanner.delivery.spool.line import is_note
from scanner.errors import InputError, SinkError

_OURS = re.compile(rf"records-\d{{12}}\.jsonl|{INDEX}|{LAST}|(log|relay)\.lock|\.smtpsweep-[0-9a-f]+\.part")
_OURS_OF_SINKS = re.compile(r"[a-z0-9][a-z0-9._-]*\.(cursor|dead\.jsonl|gaps\.jsonl)|\.smtpsweep-[0-9a-f]+\.part")


class Taken(NamedTuple):
    """The run that a sweep writes: its id, and whether it continues records that are there."""

    run: str
    resumed: bool


def take_run(folder: RunFolder, resume: Position | None, fresh: str, description: Mapping[str, Any]) -> Taken:
    """Return the run to write into a folder, and write its description there when it is new.

    Args:
        folder: an existing one.
        resume: the position in the state file; None for a new sweep.
        fresh: the id of a new run.
        description: that of a new run, without its id.

    Raises:
        InputError: when the folder holds another run with records, or not the one that is resumed; when a sink has a
            name that meant another receiver before.
        StateError: when a cursor is damaged.
        SinkError: when it cannot be written.
    """
    path = folder.path
    delivered = resume is not None and bool(resume.get("delivered"))
    found = folder.description() if (path / "run.json").exists() else None
    if found is not None and found.get("removing"):
        remove(folder)
        folder.create()
        found = None
    if found is None:
        if resume is not None and not delivered:
            raise InputError(f"{path}: the log of the sweep that is resumed is not here: name its folder with --run")
        _begin(folder, fresh)
        _describe(folder, fresh, description)
        return Taken(fresh, resumed=False)
    run = str(found["run"])
    if resume is not None and resume.get("run") == run:
        _describe(folder, run, {**found, "sinks": _all_sinks(folder, run, found["sinks"], description["sinks"])})
        return Taken(run, resumed=True)
    if _holds_records(folder, run):
        raise InputError(
            f"{path}: holds another run than the one in the state file: name the right one with --run"
            if resume is not None
            else f"{path}: holds a run already: name another with --run, or resume with its --state"
        )
    _describe(folder, run, {**description, "made": found.get("made", False)})
    return Taken(run, resumed=False)


def _all_sinks(
    folder: RunFolder, run: str, earlier: Sequence[dict[str, str]], now: Sequence[dict[str, str]]
) -> list[dict[str, str]]:
    """Return the sinks of a continued run: those of this command, and those of earlier ones, which may lack records.

    Raises:
        InputError: when a name means another receiver than before: it would get the cursor of that one.
    """
    names = {one["name"] for one in now}
    for one in now:
        before = next((other for other in earlier if other["name"] == one["name"]), one)
        cursor = read_cursor(folder.cursor(one["name"]), run)
        if before["shown"] != one["shown"] and (cursor.delivered or cursor.dead):
            raise InputError(
                f"-o {one['shown']}: is called {one['name']} as {before['shown']} was, which has received records of "
                f"this run already: repeat the outputs in their order, or give it another name="
            )
    return [*now, *(one for one in earlier if one["name"] not in names)]


def is_made_by_us(folder: RunFolder) -> bool:
    """Return whether the folder of a run does not exist yet, or was made by the run in it."""
    if not folder.path.exists():
        return True
    try:
        return bool(folder.description().get("made"))
    except InputError:
        return False


def remove(folder: RunFolder) -> list[str]:
    """Remove our files of a run whose sinks all have everything; return what else is in its folder.

    Raises:
        InputError: when another process uses it.
        SinkError: when it cannot be removed.
    """
    try:
        with folder.locked("log"), folder.locked("relay"):
            document = folder.description()
            folder.write_description({**document, "removing": True})
            for path in _ours(folder):
                path.unlink(missing_ok=True)
            (folder.path / "run.json").unlink()
        left = [str(path) for path in (*folder.sinks.iterdir(), *folder.path.iterdir()) if path != folder.sinks]
        if not list(folder.sinks.iterdir()):
            folder.sinks.rmdir()
        if not left and document.get("made"):
            folder.path.rmdir()
    except OSError as error:
        raise SinkError(f"{folder.path}: cannot be removed ({error.strerror})") from error
    return left


def strip(folder: RunFolder, run: str, last: int) -> None:
    """Remove the records of a run whose sinks all have everything, but keep what a resumed sweep needs.

    Raises:
        InputError: when another process uses it.
        SinkError: when they cannot be removed.
    """
    try:
        with folder.locked("log"):
            index = SpoolIndex.open(folder, run)
            try:
                index.removed(last)
                for first in folder.segments():
                    folder.segment(first).unlink(missing_ok=True)
            finally:
                index.close()
    except OSError as error:
        raise SinkError(f"{folder.path}: its records cannot be removed ({error.strerror})") from error


def _begin(folder: RunFolder, run: str) -> None:
    try:
        if folder.segments():
            raise InputError(f"{folder.path}: holds records, but no run.json: name another folder with --run")
        begin_index(folder, run)
    except OSError as error:
        raise SinkError(f"{folder.path}: cannot be written ({error.strerror})") from error


def _describe(folder: RunFolder, run: str, description: Mapping[str, Any]) -> None:
    try:
        folder.write_description({"run": run, **description})
    except OSError as error:
        raise SinkError(f"{folder.path}: cannot be written ({error.strerror})") from error


def _holds_records(folder: RunFolder, run: str) -> bool:
    """Return whether a spool has, or had, anything but notes about the run itself; True also when that is unknown."""
    try:
        with folder.locked("log"):
            known = read_known(folder, run)
            last = max(known.last, last_record(folder, run))
            if known.removed or known.trouble:
                return True
            with SpoolReader(folder, 0, run) as reader:
                while entries := reader.read(last, max_records=100, max_bytes=1 << 20):
                    if not all(is_note(entry[-1]) for entry in entries):
                        return True
    except OSError as error:
        raise InputError(f"{folder.path}: cannot be read ({error.strerror})") from None
    return False


def _ours(folder: RunFolder) -> list[Path]:
    ours = [path for path in folder.path.iterdir() if _OURS.fullmatch(path.name)]
    return ours + [path for path in folder.sinks.iterdir() if _OURS_OF_SINKS.fullmatch(path.name)]
