"""Where a test message should arrive: a `Mailbox`. A Maildir and an mbox file; see also `imap_mailbox` and `receiver`.

Each place is opened before the message is sent, so that what was there before is passed over and what cannot be read is
known in time. It is then looked at every 0.2 s (IMAP: every second): a file tells nobody that it grew, and on network
file systems not even inotify would. Who waits bounds the wait. The message is known by its own header with a random
token, not by subject or Message-ID, which bounces and vacation replies repeat.

A Maildir is read file by file, each once. An mbox is read on from the size it had, without a lock, as a mail reader
does: a line, or a header block, that is not whole yet is left for the next look. Nothing is ever changed or removed.

Left out: mailboxes that are neither (mbx, dbox): use IMAP. Sources: Maildir as D. J. Bernstein describes it; RFC 4155.
"""

import asyncio
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from scanner.errors import InputError
from scanner.smoke.received import MAX_HEADER_BYTES

#: The header that marks our message; its value is the token.
MARK_HEADER: Final = "X-Smtpsweep-Smoke"
#: Seconds between two looks at files.
POLL_S: Final = 0.2
_CHUNK_BYTES: Final = 65_536


class MailboxError(InputError):
    """Raised when the place where the message should arrive cannot be read, or not be opened."""


class Mailbox(Protocol):
    """Where a message should arrive. Enter it before the message is sent."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    async def arrival(self) -> bytes:
        """Wait for the message, without end, and return its header block (at most `MAX_HEADER_BYTES`)."""
        ...


def is_ours(headers: bytes, token: str) -> bool:
    """Tell whether a header block has our header with this token."""
    pattern = rf"^{MARK_HEADER}:[ \t\r\n]*{re.escape(token)}[ \t]*\r?$"
    return re.search(pattern.encode("ascii"), headers, re.IGNORECASE | re.MULTILINE) is not None


async def poll(look: Callable[[], bytes | None], every_s: float) -> bytes:
    """Look, in a thread, until something is there."""
    while True:
        found = await asyncio.to_thread(look)
        if found is not None:
            return found
        await asyncio.sleep(every_s)


class FileMailbox:
    """A Maildir or an mbox on this machine as a `Mailbox`."""

    def __init__(self, files: "Maildir | Mbox", *, every_s: float = POLL_S) -> None:
        self._files = files
        self._every_s = every_s

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._files.note)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def arrival(self) -> bytes:
        """Wait for the message and return its header block.

        Raises:
            MailboxError: when the files cannot be read any more.
        """
        return await poll(self._files.look, self._every_s)


class Maildir:
    """A Maildir: `new` and `cur` are looked at, whether they are there already or come while we wait."""

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._token = token
        self._seen: set[str] = set()

    def note(self) -> None:
        """Remember what is there already.

        Raises:
            MailboxError: when it is not a folder, or cannot be read.
        """
        if self._path.exists() and not self._path.is_dir():
            raise MailboxError(f"maildir {self._path}: is not a folder")
        self._seen = {_base(name) for _, name in self._entries()}

    def look(self) -> bytes | None:
        """Read what has come since; return the header block of our message, None when it is not there yet.

        Raises:
            MailboxError: when the folder or a message in it cannot be read.
        """
        for folder, name in self._entries():
            if _base(name) in self._seen:
                continue
            try:
                headers = _read_headers(folder / name)
            except (
                FileNotFoundError
            ):  # a mail reader has just moved it from new to cur: seen there, or at the next look
                continue
            except OSError as error:
                raise MailboxError(f"maildir {self._path}: a message cannot be read ({error.strerror})") from None
            self._seen.add(_base(name))
            if is_ours(headers, self._token):
                return headers
        return None

    def _entries(self) -> list[tuple[Path, str]]:
        found: list[tuple[Path, str]] = []
        for folder in (self._path / "new", self._path / "cur"):
            try:
                found += [(folder, path.name) for path in folder.iterdir() if not path.name.startswith(".")]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise MailboxError(f"maildir {self._path}: cannot be read ({error.strerror})") from None
        return found


def _base(name: str) -> str:
    """Return the part of a Maildir name that stays when flags change."""
    return name.partition(":")[0]


def _read_headers(path: Path) -> bytes:
    """Return the header block of a message file; nothing for anything but a regular file (a FIFO would not end)."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        raw = stream.read(MAX_HEADER_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    return header_block(raw)


def header_block(raw: bytes) -> bytes:
    """Return what comes before the first empty line, its last line end included."""
    end = re.search(rb"(?:\A|\n)(?=\r?\n)", raw)
    return raw[: end.end()] if end else raw


class Mbox:
    """An mbox file, read on from the size it had; one that does not exist yet is waited for."""

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._token = token
        self._offset = 0
        self._inode: int | None = None
        self._reader = MboxReader(token)

    def note(self) -> None:
        """Remember how large it is.

        Raises:
            MailboxError: when it is not a file, or cannot be read.
        """
        try:
            with self._opened() as stream:
                state = os.fstat(stream.fileno())
        except FileNotFoundError:
            return
        except OSError as error:
            raise MailboxError(f"mbox {self._path}: cannot be read ({error.strerror})") from None
        self._offset, self._inode = state.st_size, state.st_ino

    def look(self) -> bytes | None:
        """Read what was added; return the header block of our message, None when it is not there whole yet.

        Raises:
            MailboxError: when the file cannot be read.
        """
        try:
            with self._opened() as stream:
                self._follow(os.fstat(stream.fileno()))
                stream.seek(self._offset)
                while chunk := stream.read(_CHUNK_BYTES):
                    self._offset += len(chunk)
                    if headers := self._reader.feed(chunk):
                        return headers
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MailboxError(f"mbox {self._path}: cannot be read ({error.strerror})") from None
        return None

    def _follow(self, state: os.stat_result) -> None:
        """Notice that the file was replaced or has shrunk, as when a mail reader takes messages out: read it anew."""
        if state.st_ino != self._inode or state.st_size < self._offset:
            self._offset, self._inode = 0, state.st_ino
            self._reader = MboxReader(self._token)

    def _opened(self) -> BinaryIO:
        """Open the file; a FIFO or a device is refused, which might never end."""
        fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        stream = os.fdopen(fd, "rb")
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            stream.close()
            raise MailboxError(f"mbox {self._path}: is not a file")
        return stream


class MboxReader:
    """Finds one message's header block in an mbox that comes in pieces. No I/O.

    A message begins at a line `From ...`; in bodies such lines are quoted (`>From `), and where they are not, what
    follows is taken for a header block that is not ours. Bytes before the first such line belong to an older message.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._rest = b""
        self._headers: bytearray | None = None

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes; return the header block when it is whole and ours."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:MAX_HEADER_BYTES]
        for line in lines:
            if line.startswith(b"From "):
                self._headers = bytearray()
            elif self._headers is not None and line.strip(b"\r"):
                self._headers += (line + b"\n")[: max(0, MAX_HEADER_BYTES - len(self._headers))]
            elif self._headers is not None:
                block, self._headers = bytes(self._headers), None
                if is_ours(block, self._token):
                    return block
        return None
