"""Secrets of sinks: named where they are used, read when they are needed, never shown.

A URL or a configuration file says where a secret is (`token_env=NAME`, `token_file=PATH`), never what it is: command
lines are seen by every user of a machine, and configuration files end up in version control.
"""

import logging
import os
import stat
from pathlib import Path

from scanner.delivery.redaction import SHORT
from scanner.errors import InputError

log = logging.getLogger(__name__)

#: A file that is larger is not a file of a secret.
_MAX_BYTES = 64 << 10


class Secret:
    """A text that does not show itself: not in messages, logs, tracebacks or dumps of objects."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the one who sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


def read_secret(where: str, name: str, env: str | None, file: str | None) -> Secret | None:
    """Return the secret that an environment variable or a file holds; None when neither was named.

    A warning is logged for a file that others may read, and for a secret that is too short to be one.

    Line ends at the end of a file are left out.

    Raises:
        InputError: when both are named, or the one that is named holds nothing; `where` and `name` are in the message.
    """
    if env is not None and file is not None:
        raise InputError(f"{where}: {name}_env and {name}_file are both given: choose one")
    if env is not None:
        text = os.environ.get(env, "")
        if not text:
            raise InputError(f"{where}: {name}_env={env}: this environment variable is not set")
        return _secret(text, f"{where}: {name}_env={env}")
    if file is None:
        return None
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
            is_open = others_read(stream.fileno())
    except OSError as error:
        raise InputError(f"{where}: {name}_file={file!a}: cannot be read ({error.strerror})") from None
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(data) > _MAX_BYTES:
        raise InputError(f"{where}: {name}_file={file!a}: must hold the secret as text, and nothing else")
    warn_when_open(f"{where}: {name}_file={file!a}", is_open=is_open)
    return _secret(text, f"{where}: {name}_file={file!a}")


def others_read(fd: int) -> bool:
    """Tell whether others than its owner may read an open file. Raises OSError."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def warn_when_open(what: str, *, is_open: bool) -> None:
    """Log a warning when others may read the file of a secret. It is used all the same: it may be meant so."""
    if is_open:
        log.warning("%s: other users of this machine can read it: chmod 600", what)


def _secret(text: str, what: str) -> Secret:
    if len(text) < SHORT:
        log.warning("%s: less than %d characters can hardly be kept out of messages", what, SHORT)
    return Secret(text)
