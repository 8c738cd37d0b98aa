"""The two output streams of a command: messages for people on standard error, results on standard output.

Problem: a terminal can be closed, stopped with Ctrl-S or lack a character; a disk can be full; the reader of a pipe can
be gone. None of that may end a sweep, turn the exit code into one with another meaning, or print a traceback.

Approach: `install` replaces Python's streams. Everything for people goes through `sys.stderr`: progress, notices,
errors, log lines, warnings and the tracebacks of threads. What cannot be written there is dropped. We wait for a reader
that has stopped; while a sweep runs (`hurried`) only for a moment, and then dropped lines are counted and their number
is shown. A live block (`scanner.cli.live`) is drawn through the same stream, and lines appear above it.

Standard output carries results, so a failure there matters: the first one is raised to the writer and remembered
(`output_failure`), since an event loop might swallow it and the exit code would be wrong. Later writes are dropped.

Characters that an encoding lacks are escaped. Left out: child processes that write to the descriptors directly.
"""

import codecs
import errno
import io
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO

from scanner.text.visible import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Seconds that a sweep waits for a reader that has stopped: for each line, and for the last lines.
HURRIED_S, LAST_WORDS_S = 0.05, 10.0
#: Bytes of an unfinished line to hold back while a block is shown.
_MAX_LINE_BYTES = 1 << 16

_ESCAPED = "smtpsweep.escaped"


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Escape what an encoding lacks (a codec's error handler); a table's ellipsis stays one column wide."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = ("~" if one == "\u2026" else one.encode("ascii", "backslashreplace").decode() for one in lacking)
    return "".join(shown), error.end


codecs.register_error(_ESCAPED, _escaped)


class _Stream(io.RawIOBase):
    """A standard output stream. It has no descriptor if the process was started without one."""

    def __init__(self, fd: int | None) -> None:
        """Take a descriptor; the caller closes it."""
        self._fd = fd

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor; raise OSError if there is none."""
        if self._fd is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._fd

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._fd is not None and os.isatty(self._fd)


class Voice(_Stream):
    """Standard error as a file whose writes never fail. `fd` is None if the process was started without one."""

    def __init__(self, fd: int | None) -> None:
        """Take a descriptor; the caller closes it."""
        super().__init__(fd)
        self._own = None if fd is None else _reopened_terminal(fd)
        self._lock = threading.RLock()
        self._block: bytes | None = None  # what is shown at the bottom of the terminal; None: no block
        self._eraser: Callable[[], bytes] = bytes  # returns what removes it
        self._line = b""  # the beginning of a line, while a block is shown
        self._patience_s: float | None = None
        self._stuck = False
        self._dropped = 0
        self._busy = False
        self._later: list[bytes] = []  # what a signal handler wrote while we were writing

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what can be written and drop the rest; above the block, if one is shown."""
        said = bytes(data)
        with self._lock:
            self._later.append(said)
            if not self._busy:
                self._busy = True
                try:
                    while self._later:
                        self._say(self._later.pop(0))
                finally:  # a request to stop may come here
                    self._busy = False
        return len(said)

    def _say(self, said: bytes) -> None:
        if self._dropped and self._put(b"smtpsweep: %d lines were not shown: nobody read them\n" % self._dropped):
            self._dropped = 0
        if not self._put(said if self._block is None else self._above_block(said, self._block)):
            self._dropped += said.count(b"\n")

    def _above_block(self, said: bytes, block: bytes) -> bytes:
        """Return what shows whole lines above the block; an unfinished line waits for its end."""
        lines, newline, self._line = (self._line + said).rpartition(b"\n")
        if len(self._line) > _MAX_LINE_BYTES:
            lines, newline, self._line = lines + newline + self._line, b"\n", b""
        return self._eraser() + lines + newline + block if newline else b""

    def show(self, block: bytes, eraser: Callable[[], bytes]) -> None:
        """Replace the block by this one; `eraser` returns what will remove it."""
        with self._lock:
            self._put((self._eraser() if self._block is not None else b"") + block)
            self._block, self._eraser = block, eraser

    def hide(self) -> None:
        """Remove the block."""
        with self._lock:
            if self._block is not None:
                self._put(self._eraser() + self._line)
            self._block, self._eraser, self._line = None, bytes, b""

    def terminal_size(self) -> tuple[int, int]:
        """Return columns and rows; 80 and 24 if the terminal does not tell."""
        try:
            columns, rows = os.get_terminal_size(self.fileno())
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24

    def set_patience(self, seconds: float | None) -> None:
        """Set how long to wait for a reader that has stopped; None: for ever."""
        self._patience_s, self._stuck = seconds, False

    def _put(self, data: bytes) -> bool:
        """Write; return False if the reader has stopped and the wait for it was in vain."""
        fd = self._own if self._own is not None else self._fd
        rest = memoryview(data)
        try:
            while rest and fd is not None:
                if not self._is_ready(fd):
                    return False
                with suppress(BlockingIOError):  # a pipe that can be written to takes PIPE_BUF bytes at once
                    rest = rest[os.write(fd, rest[: select.PIPE_BUF]) :]
        except OSError:  # full, gone, or taken away: there is nobody to tell
            return True
        return True

    def _is_ready(self, fd: int) -> bool:
        """Wait for the reader; after a wait in vain, do not wait again until it has read something."""
        patience_s = self._patience_s
        ready = _is_writable(fd, 0 if self._stuck and patience_s is not None else patience_s)
        self._stuck = not ready
        return ready


class OutputLostError(OSError):
    """A write to standard output failed. It is not a BrokenPipeError: libraries handle those in their own ways."""


class Output(_Stream):
    """Standard output. The first failure is raised and kept; later writes are dropped."""

    def __init__(self, fd: int | None) -> None:
        """Take a descriptor, which the caller closes; None if the process was started without one."""
        super().__init__(fd)
        self.failure: OutputLostError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write part of the data, at least one byte. Raises OSError, once."""
        with memoryview(data) as view:
            if self.failure is not None:
                return view.nbytes
            try:
                while True:
                    try:
                        return os.write(self.fileno(), view)
                    except BlockingIOError:  # a process that shares it made it non-blocking
                        _is_writable(self.fileno(), None)
            except OSError as error:
                self.failure = OutputLostError(error.errno, error.strerror)
                raise self.failure from None


_voice: Voice | None = None
_output: Output | None = None


def install() -> None:
    """Replace `sys.stdout` and `sys.stderr`; once, at the start of a command."""
    global _voice, _output  # noqa: PLW0603  a process has one of each
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # `stty tostop`: writing from the background must not stop us
    _voice = Voice(_descriptor(sys.stderr))
    _output = Output(_descriptor(sys.stdout))
    sys.stderr = _text(_voice, sys.stderr, line_buffering=True)
    sys.stdout = _text(io.BufferedWriter(_output), sys.stdout, line_buffering=_output.isatty())


def output_failure() -> OutputLostError | None:
    """Return the failure of standard output, None if there was none."""
    return _output.failure if _output is not None else None


def voice() -> Voice | None:
    """Return standard error as installed; None if it was not, as in tests that capture it."""
    return _voice


@contextmanager
def hurried(last_words_s: float | None = None) -> Iterator[None]:
    """Let no reader of standard error hold up the body; then wait for it up to `last_words_s` (None: for ever)."""
    if _voice is None:
        yield
        return
    _voice.set_patience(HURRIED_S)
    try:
        yield
    finally:
        _voice.set_patience(last_words_s)


@contextmanager
def unheard() -> Iterator[None]:
    """Let the body continue when standard output fails, because it does more than print.

    The failure is remembered and sets the command's exit code.
    """
    try:
        yield
    except OSError:
        if output_failure() is None:
            raise


def say(line: str) -> None:
    """Print one line for people. Its text is made safe: names of files and servers may hold line ends and worse."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # ours never fails; another one, as in tests, may be closed
            sys.stderr.write(f"{visible(line)}\n")
            sys.stderr.flush()


def _descriptor(stream: TextIO | None) -> int | None:
    return None if stream is None else stream.fileno()


def _text(buffer: io.RawIOBase | io.BufferedWriter, like: TextIO | None, *, line_buffering: bool) -> TextIO:
    encoding = like.encoding if like is not None else "utf-8"
    # Standard error has no buffer of Python's, which would not let a signal handler write in the middle of a line.
    through = isinstance(buffer, io.RawIOBase) or bool(getattr(like, "write_through", False))
    stream: BinaryIO = buffer  # type: ignore[assignment]  # what `python -u` does with its raw files
    return io.TextIOWrapper(stream, encoding, _ESCAPED, line_buffering=line_buffering, write_through=through)


def _is_writable(fd: int, timeout_s: float | None) -> bool:
    """Wait until a write would not block; return False after the timeout. Signals may interrupt."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if poll.poll(None if left is None else left * 1000):
            return True
        if left is not None and left <= 0:
            return False


def _reopened_terminal(fd: int) -> int | None:
    """Open a terminal again, non-blocking: that flag on the descriptor itself would affect all who share it."""
    if not os.isatty(fd):
        return None
    with suppress(OSError):
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    return None
