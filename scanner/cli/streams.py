"""The two streams of a command: what it says to people (2), and what it hands on (1).

Problem: a terminal can be closed, stopped with Ctrl-S or too poor for a character; a disk behind a redirection can be
full; whoever read a pipe can be gone. None of that may end a sweep, change an exit code to one that means something
else, or print a traceback that nobody asked for.

Approach: `install` puts streams of ours in the place of Python's, so there is one door for everything that is said to
people: progress, notices, complaints, log lines, warnings and the tracebacks of threads all go through `sys.stderr`.
What cannot be written there is dropped. A reader that stands still is waited for; while a sweep runs (`hurried`) only
for a moment, and then what was dropped is counted and said. A live block (`scanner.cli.live`) is drawn through the
same door, so whatever is said meanwhile appears above it.

Standard output carries results, so a failure there matters: the first one is raised to whoever writes, and remembered
(`output_failure`), so that an event loop that swallows it cannot make the exit code lie; later writes are dropped.

What an encoding lacks is written as an escape. Left out: descriptors that others write to directly (child processes).
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

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: How long a sweep waits for a reader that stands still, and how long it does so for its last words.
HURRIED_S, LAST_WORDS_S = 0.05, 10.0
#: The most of an unfinished line that is held back while a block is shown.
_MAX_LINE_BYTES = 1 << 16

_ESCAPED = "smtpsweep.escaped"


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding lacks (a codec's error handler); the ellipsis of a table keeps its one column."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = ("~" if one == "\u2026" else one.encode("ascii", "backslashreplace").decode() for one in lacking)
    return "".join(shown), error.end


codecs.register_error(_ESCAPED, _escaped)


class _Stream(io.RawIOBase):
    """A standard stream that is written to. Without a descriptor when the process was started without one."""

    def __init__(self, fd: int | None) -> None:
        """Take a descriptor, which stays the caller's."""
        self._fd = fd

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor; raise OSError when there is none."""
        if self._fd is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._fd

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._fd is not None and os.isatty(self._fd)


class Voice(_Stream):
    """Standard error as a file that takes everything. `fd` is None when the process was started without one."""

    def __init__(self, fd: int | None) -> None:
        """Take a descriptor, which stays the caller's."""
        super().__init__(fd)
        self._own = None if fd is None else _reopened_terminal(fd)
        self._lock = threading.RLock()
        self._block: bytes | None = None  # what is shown at the bottom of the terminal, None when there is no block
        self._eraser: Callable[[], bytes] = bytes  # what removes it
        self._line = b""  # the beginning of a line, while a block is shown
        self._patience_s: float | None = None
        self._stuck = False
        self._dropped = 0
        self._busy = False
        self._later: list[bytes] = []  # what a signal's handler said while we were writing

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what can be written and drop the rest; above the block, when one is shown."""
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
        """Return what brings whole lines above the block; the beginning of one waits for its end."""
        lines, newline, self._line = (self._line + said).rpartition(b"\n")
        if len(self._line) > _MAX_LINE_BYTES:
            lines, newline, self._line = lines + newline + self._line, b"\n", b""
        return self._eraser() + lines + newline + block if newline else b""

    def show(self, block: bytes, eraser: Callable[[], bytes]) -> None:
        """Draw a block in the place of the one before; `eraser` returns what will remove the new one."""
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
        """Return columns and rows; of a usual terminal when it does not say."""
        try:
            columns, rows = os.get_terminal_size(self.fileno())
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24

    def set_patience(self, seconds: float | None) -> None:
        """Say how long to wait for a reader that stands still; None: for ever."""
        self._patience_s, self._stuck = seconds, False

    def _put(self, data: bytes) -> bool:
        """Write; return False when a reader that stands still was waited for in vain."""
        fd = self._own if self._own is not None else self._fd
        rest = memoryview(data)
        try:
            while rest and fd is not None:
                if not self._is_ready(fd):
                    return False
                with suppress(BlockingIOError):  # a pipe that can be written to takes PIPE_BUF bytes at once
                    rest = rest[os.write(fd, rest[: select.PIPE_BUF]) :]
        except OSError:  # full, gone, or taken away: nobody is there to be told
            return True
        return True

    def _is_ready(self, fd: int) -> bool:
        """Wait for the reader; once it was waited for in vain, not again before it has taken something."""
        patience_s = self._patience_s
        ready = _is_writable(fd, 0 if self._stuck and patience_s is not None else patience_s)
        self._stuck = not ready
        return ready


class OutputLostError(OSError):
    """Standard output did not take what was written. No BrokenPipeError: libraries handle those in their own ways."""


class Output(_Stream):
    """Standard output. The first failure is raised and kept; what comes after it is dropped."""

    def __init__(self, fd: int | None) -> None:
        """Take a descriptor, which stays the caller's; None when the process was started without one."""
        super().__init__(fd)
        self.failure: OutputLostError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write a part of the data, at least one byte of it. Raises OSError, once."""
        with memoryview(data) as view:
            if self.failure is not None:
                return view.nbytes
            try:
                while True:
                    try:
                        return os.write(self.fileno(), view)
                    except BlockingIOError:  # whoever shares it made it so
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
    """Return what went wrong with standard output, None when nothing did."""
    return _output.failure if _output is not None else None


def voice() -> Voice | None:
    """Return standard error as installed; None when it was not, as in tests that look at what is said."""
    return _voice


@contextmanager
def hurried(last_words_s: float | None = None) -> Iterator[None]:
    """Let no reader of standard error hold up the body; afterwards it is waited for so long (None: for ever)."""
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
    """Let the body go on to its end when standard output takes nothing: it is doing more than printing.

    The failure is remembered, and the command's exit code will say so.
    """
    try:
        yield
    except OSError:
        if output_failure() is None:
            raise


def visible(text: str) -> str:
    """Return a text as one line: whatever would move a cursor, or end the line, is written as an escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def say(line: str) -> None:
    """Say one line to people, whatever is in it: names of files and of servers may hold line ends and worse."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # ours takes everything; one of somebody else's (tests) may be closed
            sys.stderr.write(f"{visible(line)}\n")
            sys.stderr.flush()


def _descriptor(stream: TextIO | None) -> int | None:
    return None if stream is None else stream.fileno()


def _text(buffer: io.RawIOBase | io.BufferedWriter, like: TextIO | None, *, line_buffering: bool) -> TextIO:
    encoding = like.encoding if like is not None else "utf-8"
    # Standard error has no buffer of Python's: that one forbids a signal's handler to speak in the middle of a line.
    through = isinstance(buffer, io.RawIOBase) or bool(getattr(like, "write_through", False))
    stream: BinaryIO = buffer  # type: ignore[assignment]  # what `python -u` does with its raw files
    return io.TextIOWrapper(stream, encoding, _ESCAPED, line_buffering=line_buffering, write_through=through)


def _is_writable(fd: int, timeout_s: float | None) -> bool:
    """Wait until a write does not block, or fails at once. Signals may interrupt."""
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
    """Open a terminal anew, not blocking: the flag of the descriptor itself would be everybody's who shares it."""
    if not os.isatty(fd):
        return None
    with suppress(OSError):
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    return None
