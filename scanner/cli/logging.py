"""Log lines on stderr, for people or as JSON. Bytes that could move a cursor or forge a line are escaped.

The standard library writes the lines for people. structlog writes `--log-format json`, one JSON object per line for log
shippers. It is imported only then: it takes as long to load as everything else that a short command does.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

from scanner.text.visible import visible_ascii

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("console", "json")
#: Lines per second of each kind: a sweep visits thousands of hosts a second, and nobody reads that fast.
MOST_DEBUG_LINES = 20


class _AsciiFormatter(logging.Formatter):
    """Writes printable ASCII only, the rest as escapes, so that a peer's text cannot control the terminal.

    A message is one line, so that no text in it can look like another message; a traceback has several.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        """Return the line of a log record; a traceback may follow it."""
        return visible_ascii(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  the library's name
        """Return the lines of a traceback."""
        return "\n".join(map(visible_ascii, super().formatException(ei).split("\n")))


class DebugLimit(logging.Filter):
    """Limits debug lines of each kind per second; the next line that passes gives the number of those dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, object], tuple[int, int]] = {}  # kind -> second, lines in it

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to show a record."""
        if record.levelno > logging.DEBUG:
            return True
        kind, second = (record.name, record.msg), int(record.created)
        last, lines = self._seen.get(kind, (second, 0))
        if last == second:
            self._seen[kind] = second, lines + 1
            return lines < MOST_DEBUG_LINES
        if lines > MOST_DEBUG_LINES:
            record.msg = f"{record.msg} ({lines - MOST_DEBUG_LINES:,} similar lines not shown)"
        self._seen[kind] = second, 1
        return True


def configure(level: str, form: str = "console") -> None:
    """Set up logging for the command line; `level` is one of LEVELS, `form` one of FORMATS."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _json_formatter() if form == "json" else _AsciiFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    handler.addFilter(DebugLimit())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _json_formatter() -> logging.Formatter:
    import structlog  # noqa: PLC0415  65 ms of a start

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ExtraAdder(),
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _make_ascii,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )


def _make_ascii(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make every text of an event printable ASCII (a structlog processor)."""
    del logger, name
    return {visible_ascii(str(key)): _ascii_value(value) for key, value in event.items()}


def _ascii_value(value: object) -> object:
    if isinstance(value, dict):
        return {visible_ascii(str(key)): _ascii_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_ascii_value(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return visible_ascii(str(value))
