"""Records to standard output, for pipelines: `smtpsweep sweep ... | jq`.

Written past `sys.stdout`, whose buffer would tear lines when the process is killed and complain at exit when the reader
has gone (`| head -1`). A reader that is slow makes the sweep slow; one that closes the pipe ends it, with one line.
"""

import asyncio
import threading
from collections.abc import Sequence

from scanner.errors import InputError, SinkError
from scanner.sinks.descriptor import (
    Descriptor,
    open_error,
    silence_standard_output,
    standard_output_is_closed,
    write_error,
)
from scanner.sinks.sink import Position


class StdoutSink:
    """A sink that writes to file descriptor 1 (another one in tests)."""

    name = "stdout"

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._out: Descriptor | None = None
        self._lock = threading.Lock()  # as in FileSink: closing waits for a write that was cancelled

    async def open(self, resume: Position | None) -> None:  # noqa: ARG002  what went to a pipe cannot be continued
        """Open our own way to standard output.

        Raises:
            InputError: when there is none.
        """
        if self._fd == 1 and standard_output_is_closed():
            raise InputError("stdout: is closed: redirect it, or name a file with -o")
        try:
            self._out = Descriptor.standard_output(self._fd)
        except OSError as error:
            raise open_error(self.name, error) from error

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the pipe, terminal or file has all the lines.

        Raises:
            SinkError: when it does not take them.
        """
        await asyncio.to_thread(self._write, lines)

    def position(self) -> Position | None:
        """Return None: nobody can look up what a reader of a pipe has got."""
        return None

    async def close(self) -> None:
        """Let go; standard output itself stays open. A write still waiting for a slow reader gives up."""
        if self._out is not None:
            self._out.stop()
            await asyncio.to_thread(self._close)

    def _write(self, lines: Sequence[bytes]) -> None:
        with self._lock:
            if self._out is None:
                raise SinkError("stdout: is not open")
            try:
                self._out.write_all(b"".join(lines))
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    silence_standard_output(self._fd)
                raise write_error(self.name, error) from error

    def _close(self) -> None:
        with self._lock:
            out, self._out = self._out, None
            if out is not None:
                out.close()
