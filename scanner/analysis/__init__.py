"""What earlier sweeps left in files: read back, compared."""

from scanner.analysis.stored import open_stored, read_lines, read_records

__all__ = ["open_stored", "read_lines", "read_records"]
