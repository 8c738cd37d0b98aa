"""Write records in LEEF 2.0 for QRadar: one line a record.

    LEEF:2.0|smtpsweep|smtpsweep|VERSION|STATUS|x09|devTime=...<TAB>dst=...<TAB>...

LEEF has no escape for a delimiter inside a value, so the delimiter is a tab, which our values never have (see
`scanner.formats.plain`). The header has no text of a server. Each key comes once: the predefined keys are those of
IBM's guide, the others are the columns of a row (`scanner.formats.columns`).

Source: IBM "QRadar LEEF Version 2" (devTime as 13 digits needs no devTimeFormat). Mappings: docs/formats.md.
"""

from collections.abc import Iterator
from typing import Final

from scanner.formats.columns import row_of, text_of
from scanner.formats.event import Event, key_of, time_of
from scanner.formats.plain import plain
from scanner.formats.severity import worst
from scanner.formats.suspicion import suspicions
from scanner.record.document import LineDocument
from scanner.version import VERSION

#: Columns that have a predefined key.
PREDEFINED: Final = {"ip": "dst", "port": "dstPort", "greeting_host": "identHostName"}
_LEFT_OUT: Final = frozenset({"observed_at"})


class Leef:
    """`format=leef`."""

    name = "leef"
    is_json = False

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the line of a record; a run has none."""
        if "event_id" not in document:
            return
        visit = plain(document, line)
        time_s, severity = time_of(visit), worst(visit["findings"])
        fields = {} if time_s is None else {"devTime": str(round(time_s * 1000))}
        fields |= {"cat": "smtp", "sev": str(severity.points), "proto": "TCP"}
        for column, value in row_of(visit, suspicions(visit, line)).items():
            if (text := text_of(value)) and column not in _LEFT_OUT:
                fields[PREDEFINED.get(column, column)] = text
        header = f"LEEF:2.0|smtpsweep|smtpsweep|{VERSION}|{visit['status']}|x09|"
        body = header + "\t".join(f"{key}={value}" for key, value in fields.items())
        yield Event(visit["event_id"], key_of(visit), time_s, severity.syslog, body.encode("ascii"))
