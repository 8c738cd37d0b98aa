"""A terminal: a real pseudo-terminal in front of a command, and what its screen shows in the end.

Only what this program sends is understood: text, carriage return, line feed, cursor up, erase to the end, and colours,
which are passed over. Anything else is an error, so that nothing is misread silently.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_CONTROL = re.compile(r"\x1b\[(\d*(?:;\d+)*)([A-Za-z])|\r|\n|[^\x00-\x1f\x7f]|\x07")


class Screen:
    """The rows of a terminal, those that have scrolled away included."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            match = _CONTROL.match(text, at)
            assert match is not None, text[at : at + 40]
            at = match.end()
            self._take(match[0], match[1], match[2])

    def _take(self, what: str, number: str | None, kind: str | None) -> None:
        if what == "\r":
            self._column = 0
        elif what == "\n":
            self._to_row(self._row + 1)
        elif kind == "A":
            self._row -= int(number or 1)
            assert self._row >= 0, "the cursor left the screen"
        elif kind == "J":
            assert not number
            self.rows = [*self.rows[: self._row], self.rows[self._row][: self._column]]
        elif kind is None:
            self._put(what)
        else:
            assert kind == "m", what

    def _put(self, character: str) -> None:
        if self._column >= self.columns:
            self._column = 0
            self._to_row(self._row + 1)
        row = self.rows[self._row].ljust(self._column)
        self.rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1

    def _to_row(self, row: int) -> None:
        self._row = row
        self.rows += [""] * (row + 1 - len(self.rows))

    def lines(self) -> list[str]:
        return [row.rstrip() for row in self.rows]


class Terminal:
    """A command that runs in a terminal of its own; `stdout` may lead elsewhere."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (100, 30),
        stdout: int | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.screen = Screen(size[0])
        self.heard = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            cwd=cwd,
            env=dict(environment),
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self.process.kill()
        self.process.wait()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def hang_up(self) -> None:
        """Take the terminal away."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def until(self, seen: Callable[["Terminal"], bool], patience_s: float = 40.0) -> None:
        """Read until something is seen."""
        deadline = time.monotonic() + patience_s
        while not seen(self):
            assert time.monotonic() < deadline, self.screen.lines()
            assert self._read(), self.screen.lines()

    def until_end(self) -> int:
        """Read until the command has ended; return its exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=20)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 40)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side any more
            return False
        text = data.decode("utf-8", "replace")
        self.heard += text
        self.screen.feed(text)
        return bool(data)
