"""The record stream of one run, written once and kept on disk: what every remote receiver is served from."""

from scanner.runlog.cursor import Cursor, read_cursor, write_cursor
from scanner.runlog.folder import RunFolder
from scanner.runlog.reader import Entry, LogReader, last_record
from scanner.runlog.room import Quota
from scanner.runlog.segments import RunLog

__all__ = ["Cursor", "Entry", "LogReader", "Quota", "RunFolder", "RunLog", "last_record", "read_cursor", "write_cursor"]
