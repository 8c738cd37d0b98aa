"""The spool of one run: its records on disk, written once, from which all remote receivers are served.

Messages and file names call it the log of the run. Names are imported when they are first used, since reading a line of
a spool needs neither sinks nor an event loop.
"""

from typing import TYPE_CHECKING

from scanner import lazy

if TYPE_CHECKING:
    from scanner.delivery.spool.cursor import Cursor, furthest, read_cursor, write_cursor
    from scanner.delivery.spool.folder import RunFolder
    from scanner.delivery.spool.index import Known, read_known
    from scanner.delivery.spool.reader import Lost, SpoolReader, SpoolRecord, last_record
    from scanner.delivery.spool.room import Quota
    from scanner.delivery.spool.segments import SpoolWriter

__all__ = [
    "Cursor",
    "Known",
    "Lost",
    "Quota",
    "RunFolder",
    "SpoolReader",
    "SpoolRecord",
    "SpoolWriter",
    "furthest",
    "last_record",
    "read_cursor",
    "read_known",
    "write_cursor",
]

__getattr__ = lazy.names(
    __name__,
    {
        "cursor": ("Cursor", "furthest", "read_cursor", "write_cursor"),
        "folder": ("RunFolder",),
        "index": ("Known", "read_known"),
        "reader": ("SpoolReader", "Lost", "SpoolRecord", "last_record"),
        "room": ("Quota",),
        "segments": ("SpoolWriter",),
    },
)
