"""Log what the relay process and the libraries in it write to standard error.

If the process wrote to the terminal itself, it would tear what the sweep draws there. So its standard error is a pipe
to the sweep. Our own log lines come with level and name and are logged here again under the same. Any other output
(of a library in C, a traceback) is logged as a warning, each line once, and at most `_MOST_LINES` in a run.
"""

import asyncio
import logging
import re
from collections.abc import Iterable
from typing import Final

from scanner.delivery.redaction import Redaction

log = logging.getLogger(__name__)

#: How long to read what is left when the process has ended.
WORDS_S: Final = 1.0
_MOST_LINES: Final = 200
_MOST_CHARACTERS: Final = 500
_FORM: Final = "%(levelname)s:%(name)s:%(message)s"
_OURS = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):(scanner(?:\.\w+)*):(.*)")


def configure(level: int) -> None:
    """Set up logging in the relay process, in the form that `repeat_words` reads."""
    logging.basicConfig(level=level, format=_FORM, force=True)


async def repeat_words(stream: asyncio.StreamReader | None, redactions: Iterable[Redaction] = ()) -> None:
    """Log a stream, line by line and without secrets, until its end; never fails."""
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
