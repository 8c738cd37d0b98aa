"""Greetings that were collected earlier, by people or by other scanners: read from their files, one at a time."""

from scanner.kept.formats import FORMATS, read_kept
from scanner.kept.kept import BadLine, Kept
from scanner.kept.text import parse_text

__all__ = ["FORMATS", "BadLine", "Kept", "parse_text", "read_kept"]
