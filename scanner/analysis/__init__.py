"""Stored records: read them back, compare two sweeps, convert them to other formats."""

from scanner.analysis.stored import open_stored, read_lines, read_records

__all__ = ["open_stored", "read_lines", "read_records"]
