"""How a record is said to others: native, ECS, OCSF, CEF, LEEF, GELF, CSV."""

from scanner.formats.choice import FORMATS, make_format
from scanner.formats.event import Event, Format

__all__ = ["FORMATS", "Event", "Format", "make_format"]
