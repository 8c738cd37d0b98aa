"""Greetings that were collected earlier, by people or by other scanners: read from their files, one at a time."""

from scanner.importers.formats import FORMATS, read_kept
from scanner.importers.imported import BadLine, Kept
from scanner.importers.text import parse_text

__all__ = ["FORMATS", "BadLine", "Kept", "parse_text", "read_kept"]
