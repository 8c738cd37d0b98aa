"""Write records in the formats of other systems: ECS, OCSF, CEF, LEEF, GELF, CSV."""

from scanner.formats.choice import FORMATS, make_format
from scanner.formats.event import Event, Format

__all__ = ["FORMATS", "Event", "Format", "make_format"]
