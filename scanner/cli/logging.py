"""Log lines go to stderr, with every byte that could move a cursor or forge a line made visible."""

import logging

LEVELS = ("debug", "info", "warning", "error")


class _Neutral(logging.Formatter):
    """Keeps what a peer sent from writing on the terminal: printable ASCII only, the rest as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one log record."""
        return "\n".join(line.encode("unicode_escape").decode("ascii") for line in super().format(record).split("\n"))


def configure(level: str) -> None:
    """Set up logging for the command line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Neutral("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
