"""Secrets of sinks: read from the environment or a file, and never shown.

A URL or a configuration file names where a secret is (`token_env=NAME`, `token_file=PATH`), never the secret itself:
every user of a machine can see command lines, and configuration files end up in version control.
"""

import logging
import os
import stat
from pathlib import Path

from scanner.delivery.redaction import SHORT
from scanner.errors import InputError

log = logging.getLogger(__name__)

#: A larger file cannot be meant as a secret.
_MAX_BYTES = 64 << 10


class Secret:
    """A text whose `repr` hides it: it does not appear in messages, logs, tracebacks or dumps of objects."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the code that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


def read_secret(where: str, name: str, env: str | None, file: str | None) -> Secret | None:
    """Return the secret that an environment variable or a file holds; None when neither was named.

    A warning is logged when other users may read the file, and when the secret is too short to be hidden in messages.
    Line ends at the end of a file are left out.

    Raises:
        InputError: when both are named, or the named one is empty or cannot be read; `where` and `name` are in the
            message.
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
    """Return whether users other than its owner may read an open file. Raises OSError."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def warn_when_open(what: str, *, is_open: bool) -> None:
    """Log a warning when others may read the file of a secret. It is used all the same: that may be intended."""
    if is_open:
        log.warning("%s: other users of this machine can read it: chmod 600", what)


def _secret(text: str, what: str) -> Secret:
    if len(text) < SHORT:
        log.warning("%s: less than %d characters can hardly be kept out of messages", what, SHORT)
    return Secret(text)
