"""One open output (file, pipe, terminal or device), to which blocks are written whole or not at all.

Problem: `write` may take a part, block without end, or fail in the middle. An output that is not a regular file has no
size, cannot be cut, and may have a reader that is slow or gone.

Approach: everything here blocks and is called in a thread. A regular file is opened for appending and locked against
a second writer. It must belong to us, or its owner could read what we add to it; the same holds for a FIFO that is
named directly. Anything else is opened again without blocking, so that a stalled reader can be waited for in steps and
given up (`stop`). The non-blocking flag belongs to our own open file description, so other writers to the same pipe
are not affected.

`_ADVICE` is the table of what can go wrong and what the user can do about it.
Left out: fsync for each batch. A killed process loses nothing that the kernel has. After a power failure the file may
be shorter than the checkpoint says; resuming detects and repairs that.
"""

import errno
import fcntl
import os
import select
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from scanner.errors import InputError, SinkError
from scanner.files.whole import FileId, maybe_lstat, require_followable, require_own, require_regular

#: Results name weak servers: only their owner may read them. A file that exists keeps its mode.
_NEW_FILE_MODE = 0o600
#: How often a writer that waits for a slow reader looks whether it was told to stop.
_STOP_CHECK_MS = 100

_RESUME = "then run it again (with --state it goes on)"
_ADVICE = {
    errno.ENOSPC: f"free some space, {_RESUME}",
    errno.EDQUOT: f"free some of your quota, {_RESUME}",
    errno.EFBIG: "the limit for one file is reached (ulimit -f, file system): use --rotate-size",
    errno.EROFS: "choose a place that can be written",
    errno.EIO: f"the device fails: check it, {_RESUME}",
    errno.EACCES: "choose a place that you may write",
    errno.EPERM: "choose a place that you may write",
    errno.ENOENT: "the directory does not exist: create it first",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EISDIR: "name a file, not a directory",
    errno.ENXIO: "it has no reader: start the reader first",
    errno.EWOULDBLOCK: "it is being written already, by another process or another -o",
    errno.EEXIST: "somebody else made it: move it away",
}


class Descriptor:
    """An open output. `size` is what a regular file holds, counted by us; for others it counts what was written.

    `made` says that the file was not there before.
    """

    def __init__(self, fd: int, name: str, *, regular: bool, made: bool = False) -> None:
        self.fd = fd
        self.name = name
        self.regular = regular
        self.made = made
        found = os.fstat(fd)
        self.size = found.st_size if regular else 0
        self._had_name = found.st_nlink > 0  # standard output may be a temporary file that has none
        self._stopped = False

    @classmethod
    def open(cls, path: str, *, exclusive: bool = False, like: Self | None = None) -> Self:
        """Open a path for writing at its end; make the file if it is not there (`exclusive`: it must not be).

        A new file is readable by its owner only, or has the mode of `like`. Raises OSError.
        """
        if not exclusive:
            require_followable(path)
        if not exclusive and _is_special(path):
            return cls(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), path, regular=False)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        made = True
        try:
            fd = os.open(path, flags | os.O_EXCL, _NEW_FILE_MODE)
        except FileExistsError:
            if exclusive:
                raise
            fd, made = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC), False
        try:
            if not made:
                found = os.fstat(fd)
                require_regular(found, path)
                require_own(found, path)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if like is not None:
                os.fchmod(fd, stat.S_IMODE(os.fstat(like.fd).st_mode))
            return cls(fd, path, regular=True, made=made)
        except OSError:
            os.close(fd)
            raise

    @classmethod
    def standard_output(cls, fd: int) -> Self:
        """Open our own way to standard output, whatever that is; `fd` itself stays open. Raises OSError."""
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            with suppress(OSError):  # a pipe of another user cannot be opened anew; then a stalled reader stalls us
                return cls(
                    os.open(f"/dev/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), "stdout", regular=False
                )
        return cls(os.dup(fd), "stdout", regular=stat.S_ISREG(os.fstat(fd).st_mode))

    def write_all(self, data: bytes) -> None:
        """Return when all of `data` is written. Raises OSError; a part of `data` may then be in the file."""
        rest = memoryview(data)
        while rest:
            try:
                written = os.write(self.fd, rest)
            except BlockingIOError:
                self._wait_for_reader()
            else:
                self.size += written
                rest = rest[written:]

    def cut(self, size: int) -> None:
        """Make a regular file end at `size` again; nothing for others, which cannot forget. Raises OSError."""
        if self.regular:
            os.ftruncate(self.fd, size)
            self.size = size

    def require_kept(self, path: str | None = None) -> None:
        """Verify that a regular file was not removed, replaced or cut while it is being written.

        `path` is where it must be; None: anywhere, as long as it has a name.

        Raises:
            SinkError: when it was; with the file and what happened to it.
        """
        if not self.regular:
            return
        held = os.fstat(self.fd)
        became = None
        if path is not None and FileId.of(Path(path)) != FileId.from_stat(held):
            became = "replaced by another file" if os.path.lexists(path) else "removed"
        elif self._had_name and not held.st_nlink:
            became = "removed"
        elif held.st_size < self.size:
            became = f"cut from {self.size:,} to {held.st_size:,} bytes"
        if became:
            raise SinkError(kept_error(self.name, became))

    def stop(self) -> None:
        """Make a writer that waits for a slow reader give up, with ECANCELED. Callable from another thread."""
        self._stopped = True

    def close(self) -> None:
        """Bring a regular file to its disk, and close. Raises OSError; it is closed all the same."""
        try:
            if self.regular:
                os.fsync(self.fd)
        finally:
            os.close(self.fd)

    def _wait_for_reader(self) -> None:
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        while not poll.poll(_STOP_CHECK_MS):
            if self._stopped:
                raise OSError(errno.ECANCELED, "stopped while the reader took nothing")


def open_error(name: str, error: OSError) -> InputError:
    """Return the error of an output that cannot be opened, in one line."""
    return InputError(f"{name}: cannot be written: {_reason(error, error.strerror)}")


def write_error(name: str, error: OSError) -> SinkError:
    """Return the error of an output that takes no more records, in one line."""
    if error.errno == errno.EPIPE:
        return SinkError(f"{name}: the reader closed the pipe before the sweep was over")
    return SinkError(f"{name}: cannot write: {_reason(error)}")


def printable(text: str) -> str:
    """Return the text when a terminal can show it as it is, else its ASCII form in quotes with escapes."""
    return text if text.isprintable() else ascii(text)


def kept_error(name: str, became: str) -> str:
    """Return one line about what another program did to an output."""
    return (
        f"{printable(name)}: was {became} while the sweep wrote it, and records with it: sweep anew, with a new --state"
    )


def silence_standard_output(fd: int) -> None:
    """Point a standard output without a reader at /dev/null, so that the interpreter's last flush does not fail.

    Python's documentation advises this ("Note on SIGPIPE" in the module `signal`).
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)


def standard_output_is_closed() -> bool:
    """Whether the process was started without a standard output; its number may belong to another file by now."""
    return sys.__stdout__ is None


def _reason(error: OSError, said: str | None = None) -> str:
    """Return what is wrong and what to do; `said` replaces the system's words for it."""
    advice = _ADVICE.get(error.errno or 0)
    reason = said or (os.strerror(error.errno) if error.errno else "error")
    return f"{reason}: {advice}" if advice else reason


def _is_special(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  bytes that are no UTF-8 are kept in a str here
    except FileNotFoundError:
        return False
    if (named := maybe_lstat(path)) is not None and stat.S_ISFIFO(named.st_mode):
        require_own(named, path)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return not stat.S_ISREG(mode)
