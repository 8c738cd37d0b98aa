"""The command line: one short module per command, errors as one line, exit codes that scripts can rely on."""

from scanner.cli import early


def main() -> None:
    """Run the command line and exit. Requests to stop are handled from the start."""
    early.install()
    early.hurry()
    from scanner.cli import entry  # noqa: PLC0415  loading it takes a while

    entry.main()


__all__ = ["main"]
