"""The command line: one short module per command, errors as one line, exit codes that scripts can rely on."""

from scanner.cli import early


def main() -> None:
    """Run the command line and exit; from the first moment on, a request to stop is heard."""
    early.install()
    early.hurry()
    from scanner.cli import entry  # noqa: PLC0415  loading it takes a while

    entry.main()


__all__ = ["main"]
