"""Rich's console, which ends the process with code 1 when its reader has left; here that is an error like any other.

Code 1 means that a check found something, and whoever prints may be in the middle of a visit.
"""

import errno
import os

import rich.console


class Console(rich.console.Console):
    """Raises BrokenPipeError when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Pass on what rich has caught."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
