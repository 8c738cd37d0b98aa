"""The sink for standard output, used in pipelines: `smtpsweep sweep ... | jq`.

It does not write through `sys.stdout`, whose buffer would tear lines when the process is killed and cause an error at
exit when the reader is gone (`| head -1`). A slow reader makes the sweep slow; one that closes the pipe ends the sweep,
with a message of one line.
"""

import asyncio
import os
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath

from scanner.delivery.local.compression import codec_for
from scanner.delivery.local.descriptor import (
    Descriptor,
    open_error,
    silence_standard_output,
    standard_output_is_closed,
    write_error,
)
from scanner.delivery.sink import Position
from scanner.errors import InputError, SinkError


class StdoutSink:
    """A sink that writes to file descriptor 1 (another one in tests)."""

    name = "stdout"

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._out: Descriptor | None = None
        self._acknowledged: Position | None = None
        self._lock = threading.Lock()  # as in FileSink: closing waits for a write that was cancelled

    @property
    def identity(self) -> str:
        """The kind of standard output: a sweep must not be resumed into another kind, without its first records."""
        try:
            mode = os.fstat(self._fd).st_mode
        except OSError:
            return "stdout"
        kinds = {stat.S_IFREG: "file", stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFSOCK: "socket"}
        return f"stdout ({kinds.get(stat.S_IFMT(mode), 'other')})"

    async def open(self, resume: Position | None) -> None:
        """Open standard output again for ourselves. A file is continued at its end; a pipe has no position.

        Raises:
            InputError: when it is closed, or a file that does not hold what a resumed sweep has written.
        """
        if self._fd == 1 and standard_output_is_closed():
            raise InputError("stdout: is closed: redirect it, or name a file with -o")
        try:
            out = Descriptor.standard_output(self._fd)
        except OSError as error:
            raise open_error(self.name, error) from error
        if out.regular and resume is not None and not _goes_on(out, resume):
            os.close(out.fd)
            raise InputError(
                "stdout: is not the file with the first records of the sweep, or that was emptied: "
                "use >> with the same file, or a new --state"
            )
        self._out = out
        self._acknowledge(out)

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the pipe, terminal or file has all the lines.

        Raises:
            SinkError: when it does not take them.
        """
        await asyncio.to_thread(self._write, lines)

    def position(self) -> Position | None:
        """Return the length of the file; None for a pipe, since what its reader has cannot be looked up."""
        return self._acknowledged

    async def close(self) -> None:
        """Close our descriptor; standard output itself stays open. A write that waits for a slow reader gives up.

        Raises:
            SinkError: when it is a file that was removed or cut while we wrote.
        """
        if self._out is not None:
            self._out.stop()
            await asyncio.to_thread(self._close)

    def _write(self, lines: Sequence[bytes]) -> None:
        with self._lock:
            if self._out is None:
                raise SinkError("stdout: is not open")
            self._out.require_kept()
            try:
                self._out.write_all(b"".join(lines))
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    silence_standard_output(self._fd)
                raise write_error(self.name, error) from error
            self._acknowledge(self._out)

    def _acknowledge(self, out: Descriptor) -> None:
        if out.regular:
            held = os.fstat(out.fd)
            out.size = held.st_size  # other programs may write there, too: standard error, say
            self._acknowledged = {"device": held.st_dev, "inode": held.st_ino, "bytes": out.size}

    def _close(self) -> None:
        with self._lock:
            out, self._out = self._out, None
            if out is None:
                return
            try:
                out.require_kept()
            finally:
                os.close(out.fd)


def _goes_on(out: Descriptor, resume: Position) -> bool:
    """Return whether a file is the one that a sweep has written to; a torn line at its end is cut."""
    held, size = os.fstat(out.fd), resume.get("bytes")
    if (resume.get("device"), resume.get("inode")) != (held.st_dev, held.st_ino):
        return False
    if not isinstance(size, int) or out.size < size:
        return False
    with suppress(OSError):  # a file that cannot be read stays as it is
        fd = os.open(f"/dev/fd/{out.fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            out.cut(codec_for(PurePath("stdout")).whole_end(fd, size, out.size))
        finally:
            os.close(fd)
    os.lseek(out.fd, 0, os.SEEK_END)
    return True
