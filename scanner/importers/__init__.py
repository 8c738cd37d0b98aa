"""Banners that people or other scanners collected earlier, read from their files one at a time."""

from scanner.importers.formats import FORMATS, read_banners
from scanner.importers.imported import BadLine, ImportedBanner
from scanner.importers.text import parse_text

__all__ = ["FORMATS", "BadLine", "ImportedBanner", "parse_text", "read_banners"]
