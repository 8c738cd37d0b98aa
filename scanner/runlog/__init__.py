"""The record stream of one run, written once and kept on disk: what every remote receiver is served from."""

from scanner.runlog.cursor import Cursor, furthest, read_cursor, write_cursor
from scanner.runlog.folder import RunFolder
from scanner.runlog.index import Known, read_known
from scanner.runlog.reader import Entry, LogReader, Lost, last_record
from scanner.runlog.room import Quota
from scanner.runlog.segments import RUN_SCHEMA, RunLog

__all__ = [
    "RUN_SCHEMA",
    "Cursor",
    "Entry",
    "Known",
    "LogReader",
    "Lost",
    "Quota",
    "RunFolder",
    "RunLog",
    "furthest",
    "last_record",
    "read_cursor",
    "read_known",
    "write_cursor",
]
