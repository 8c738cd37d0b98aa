"""Rich's console, without its own way to end: when the reader has left, rich exits with code 1.

Here code 1 means that a check found something, and the caller may be in the middle of a visit. So it is an error like
any other.
"""

import errno
import os

import rich.console


class Console(rich.console.Console):
    """Raises BrokenPipeError when the reader has left."""

    def on_broken_pipe(self) -> None:
        """Raise what rich has caught."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
