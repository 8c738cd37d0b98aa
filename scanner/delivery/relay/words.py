"""What the process for remote sinks, and the libraries in it, say on standard error: log lines of the sweep.

Written to the terminal by the process itself, they would tear what the sweep draws there. So standard error is a pipe:
our own log lines come with their level and name and are logged here again, under the same; whatever else is written (a
library in C, a traceback) is a warning, each line once, and no more than `_MOST_LINES` of them in a run.
"""

import asyncio
import logging
import re
from collections.abc import Iterable
from typing import Final

from scanner.delivery.redaction import Redaction

log = logging.getLogger(__name__)

#: What is left to read when the process has ended is read for so long.
WORDS_S: Final = 1.0
_MOST_LINES: Final = 200
_MOST_CHARACTERS: Final = 500
_FORM: Final = "%(levelname)s:%(name)s:%(message)s"
_OURS = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):(scanner(?:\.\w+)*):(.*)")


def configure(level: int) -> None:
    """Set up logging in the process: lines that `repeat_words` understands."""
    logging.basicConfig(level=level, format=_FORM, force=True)


async def repeat_words(stream: asyncio.StreamReader | None, redactions: Iterable[Redaction] = ()) -> None:
    """Log what comes, line by line and without secrets, until the end; never fails."""
    kept = tuple(redactions)
    said: set[str] = set()
    while stream is not None:
        try:
            line = await stream.readline()
        except ValueError:  # longer than any line; it was thrown away
            continue
        if not line:
            return
        text = line.decode("utf-8", "backslashreplace").rstrip()
        for redaction in kept:  # a library in C writes past what cleans the process's own streams
            text = redaction.clean(text)
        text = text[:_MOST_CHARACTERS]
        if match := _OURS.fullmatch(text):
            logging.getLogger(match[2]).log(logging.getLevelNamesMapping()[match[1]], "%s", match[3])
        elif text and text not in said and len(said) < _MOST_LINES:
            said.add(text)
            log.warning("%s", text)
