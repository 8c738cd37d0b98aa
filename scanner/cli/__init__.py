"""The command line: one short module per command, errors as one line, exit codes that scripts can rely on."""

from scanner.cli.entry import main

__all__ = ["main"]
