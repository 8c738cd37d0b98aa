"""The file sink: whole lines only, resumable, compressed by name, in parts when asked.

`sweep.jsonl` is part 0; with a rotation size `sweep.0001.jsonl`, `sweep.0002.jsonl` ... follow it. Parts are never
renamed, never written again once the next has begun, and no line is split between two. A file whose name ends in `.gz`
or `.zst` is compressed, each batch as a unit of its own (`delivery.local.compression`); the rotation size then counts
compressed bytes.

Each write, and `close`, checks that the files still hold what was acknowledged, and fails when another program has
removed, replaced or cut one of them.

After a failed write, the file is cut back to what was acknowledged. Resuming after a crash cuts a torn end: the rest of
a line of a plain file, the rest of a unit of a compressed one. Whole lines behind the checkpoint stay, since a reader
may have them already.

A checksum over all acknowledged bytes (`delivery.local.kept_bytes`) makes sure that a resumed sweep continues only
files that hold what it wrote.

Opening does not change a file that was there. The first `write` does, when every sink of the sweep is open: so a
command that is refused because of another output neither makes nor empties a file.

Devices, FIFOs and the like work too. They have no position and no parts, and are not resumed.
"""

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Self
from zlib import crc32

from scanner.delivery.local.compression import codec_for
from scanner.delivery.local.descriptor import Descriptor, kept_error, open_error, printable, write_error
from scanner.delivery.local.kept_bytes import KeptBytes
from scanner.delivery.local.paths import part_path, path_of_url
from scanner.delivery.sink import Position, SinkOptions
from scanner.errors import InputError, SinkError
from scanner.files.names import RECORDS, require_fitting_name
from scanner.files.whole import FileId

#: Lines are packed and written in blocks of at most this many bytes (a longer line is a block of its own).
_BLOCK_BYTES = 1 << 20


class FileSink:
    """A sink that writes to one path, or to a row of parts beside it."""

    def __init__(self, path: str | PurePath, options: SinkOptions | None = None) -> None:
        """Keep the path; nothing is opened yet.

        Raises:
            InputError: when this can never be a path, or its suffix promises another format.
        """
        self._path = PurePath(path)
        self.name = printable(str(path))
        if not str(path).strip() or "\0" in str(path):
            raise InputError(f"-o {self.name}: is not a path")
        require_fitting_name(f"-o {self.name}", self._path, RECORDS)
        self._options = options or SinkOptions()
        self._codec = codec_for(self._path)
        self._out: Descriptor | None = None
        self._part = 0
        self._acknowledged: Position | None = None
        self._finished: list[tuple[str, os.stat_result]] = []  # parts that are written no more
        self._before = 0  # bytes of all parts before this one
        self._start = (0, 0)  # where this sweep's records begin: part, offset
        self._crc = self._part_crc = 0  # of all its bytes, and of those before this part
        self._kept: KeptBytes | None = None
        self._whole: int | None = None  # where a resumed file ends when what is torn is cut off
        self._begun = self._replaces = False
        # A cancelled write goes on in its thread. Closing must wait for it, or the number of the descriptor could
        # belong to another file by the time it writes.
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """Where the path leads, so that two spellings of one file are the same."""
        return printable(os.path.realpath(self._path))

    @classmethod
    def from_url(cls, url: str, options: SinkOptions) -> Self:
        """Make the sink of a `file:///absolute/path` URL, percent-encoded (RFC 8089).

        Raises:
            InputError: when the URL names another host, no path, or has a query.
        """
        return cls(path_of_url(url), options)

    async def open(self, resume: Position | None) -> None:
        """Open or make the file, and cut what a crash tore off its end when a sweep is resumed.

        Raises:
            InputError: when it cannot be written, another process writes it, or it holds something already.
        """
        await asyncio.to_thread(self._open, resume)

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the kernel has all the lines.

        Raises:
            SinkError: when it does not take them; the file then ends with the last acknowledged line.
        """
        await asyncio.to_thread(self._write, lines)

    def position(self) -> Position | None:
        """Return the part and how many of its bytes are acknowledged; None when it is not a regular file."""
        return self._acknowledged

    def vouches(self, position: Position) -> bool:
        """Return whether the files reach an acknowledged position; call it in the order of the positions.

        It reads the files, and only a resumed sweep that has not written yet may call it.

        Raises:
            InputError: when they are long enough but hold something else: they were changed or replaced.
        """
        if self._kept is None or "crc" not in position:
            return True
        try:
            crc = self._kept.crc_until(_count(position, "part"), _count(position, "bytes"))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise open_error(self.name, error) from error
        if crc is not None and position["crc"] != f"{crc:08x}":
            raise InputError(
                f"{printable(self._part_path(_count(position, 'part')))}: does not hold what the sweep wrote: "
                "put that file back, or use a new --state"
            )
        return crc is not None

    async def close(self) -> None:
        """Bring the file to its disk and close it; a write that waits for a slow reader gives up.

        Raises:
            SinkError: when the disk did not keep what it had taken.
        """
        if self._out is not None:
            self._out.stop()
            await asyncio.to_thread(self._close)

    def _open(self, resume: Position | None) -> None:
        try:
            self._part = self._last_part(resume)
            self._out = Descriptor.open(self._part_path(self._part))
            if not self._out.regular:
                return
            if resume is None:
                self._look_at(self._out)
                self._start = self._part, 0 if self._replaces else self._out.size
            else:
                self._require_earlier(self._out, resume)
                self._go_on(self._out, resume)
            self._acknowledge(self._out)
        except OSError as error:
            self._abandon()
            raise open_error(self.name, error) from error
        except InputError:
            self._abandon()
            raise

    def _last_part(self, resume: Position | None) -> int:
        part = _count(resume, "part")
        if self._options.rotate_size is None and part == 0:
            return 0
        while os.path.lexists(self._part_path(part + 1)):
            part += 1
        if part and resume is None and self._options.if_exists != "append":
            left = printable(self._part_path(part))
            raise InputError(f"{self.name}: {left} is left from an earlier output: move it away, or use --append")
        return part

    def _look_at(self, out: Descriptor) -> None:
        if out.size == 0:
            return
        match self._options.if_exists:
            case "overwrite":
                self._replaces = True
            case "append":
                # It may be another program's file: nothing is cut off, and nothing is added to a torn line.
                if self._codec.whole_end(out.fd, 0, out.size) != out.size:
                    raise InputError(f"{self.name}: ends inside a line or block: repair it, or resume with its --state")
            case _:  # refuse
                raise InputError(
                    f"{self.name}: exists and is not empty: use --append, --overwrite, or --state to resume its sweep"
                )

    def _require_earlier(self, out: Descriptor, resume: Position) -> None:
        """Refuse to go on with a file that holds nothing of what it should, or after parts that are not all there."""
        known = _count(resume, "part"), _count(resume, "bytes")
        if known > (0, 0) and out.made:
            raise InputError(f"{self.name}: is not there any more: put it back, or use a new --state")
        if known[1] and self._part == known[0] and not out.size:
            raise InputError(f"{self.name}: is empty, and held records of the sweep: put it back, or use a new --state")
        for part in range(self._part):
            path = self._part_path(part)
            found = _stat_or_none(path)
            if found is None:
                raise InputError(f"{printable(path)}: is not there any more: put it back, or use a new --state")
            self._finished.append((path, found))
            self._before += found.st_size
            if part + 1 == known[0] and self._before < _count(resume, "before"):
                raise InputError(f"{self.name}: its earlier parts are shorter than they were: use a new --state")

    def _go_on(self, out: Descriptor, resume: Position) -> None:
        """Find out where the file is whole, and compute its checksum; nothing is cut before the first write."""
        self._start = _count(resume, "start_part"), _count(resume, "start")
        known = _count(resume, "bytes") if self._part == _count(resume, "part") else 0
        # A file that is shorter than it should be may be torn anywhere, so all of it is searched.
        start = known if known <= out.size else 0
        self._whole = out.size = self._codec.whole_end(out.fd, start, out.size)
        self._kept = KeptBytes(self._part_path, *self._start)
        self._part_crc = self._kept.crc_until(self._part, 0) or 0
        self._crc = self._kept.crc_until(self._part, out.size) or 0
        if "crc" in resume:
            self.vouches(resume)

    def _write(self, lines: Sequence[bytes]) -> None:
        with self._lock:
            if self._out is None:
                raise SinkError(f"{self.name}: is not open")
            first_part, size, crc = self._part, 0 if self._replaces else self._out.size, self._crc
            try:
                self._begin(self._out)
                for block in _blocks(lines, min(_BLOCK_BYTES, self._options.rotate_size or _BLOCK_BYTES)):
                    self._out = self._write_block(self._out, self._codec.pack(block))
            except OSError as error:
                with suppress(OSError):  # the first error is the one to report; a torn end is cut when resuming
                    self._out.cut(size if self._part == first_part else 0)
                self._crc = crc if self._part == first_part else self._part_crc
                raise write_error(self.name, error) from error
            if self._out.regular:
                self._out.require_kept(self._part_path(self._part))
                self._acknowledge(self._out)

    def _begin(self, out: Descriptor) -> None:
        self._begun = True
        if self._replaces:
            out.cut(0)
            self._replaces = False
        elif self._whole is not None:
            out.cut(self._whole)
        self._whole = self._kept = None

    def _write_block(self, out: Descriptor, block: bytes) -> Descriptor:
        limit = self._options.rotate_size
        if limit is not None and out.regular and out.size and out.size + len(block) > limit:
            following = Descriptor.open(self._part_path(self._part + 1), exclusive=True, like=out)
            out.require_kept(self._part_path(self._part))
            self._finished.append((self._part_path(self._part), os.fstat(out.fd)))
            self._before += out.size
            self._out, self._part, self._part_crc = following, self._part + 1, self._crc
            out.close()
            out = following
        out.write_all(block)
        self._crc = crc32(block, self._crc)
        return out

    def _acknowledge(self, out: Descriptor) -> None:
        self._acknowledged = {"part": self._part, "bytes": 0 if self._replaces else out.size}
        if self._part:
            self._acknowledged["before"] = self._before
        if self._start > (0, 0):
            self._acknowledged |= {"start_part": self._start[0], "start": self._start[1]}
        if (self._part, self._acknowledged["bytes"]) != self._start:
            self._acknowledged["crc"] = f"{self._crc:08x}"

    def _abandon(self) -> None:
        if self._out is not None:
            if self._out.made:
                with suppress(OSError):
                    os.unlink(self._out.name)  # noqa: PTH108  as in `_close`
            os.close(self._out.fd)
            self._out = None

    def _close(self) -> None:
        with self._lock:
            out, self._out = self._out, None
            if out is None:
                return
            try:
                if out.made and not self._begun and FileId.of(out.fd) == FileId.of(Path(out.name)):
                    os.unlink(out.name)  # noqa: PTH108  a str also holds a path that is not UTF-8
                elif self._begun:
                    self._require_kept(out)
            except OSError as error:
                raise write_error(self.name, error) from error
            finally:
                self._let_go(out)

    def _let_go(self, out: Descriptor) -> None:
        try:
            out.close()
        except OSError as error:
            raise write_error(self.name, error) from error

    def _require_kept(self, out: Descriptor) -> None:
        """Verify every part once more. Raises SinkError."""
        out.require_kept(self._part_path(self._part))
        for path, then in self._finished:
            now = _stat_or_none(path)
            if now is None or FileId.from_stat(now) != FileId.from_stat(then) or now.st_size < then.st_size:
                raise SinkError(kept_error(path, "removed" if now is None else "replaced or cut"))

    def _part_path(self, part: int) -> str:
        return str(part_path(self._path, part))


def _blocks(lines: Sequence[bytes], limit: int) -> Iterator[bytes]:
    block: list[bytes] = []
    size = 0
    for line in lines:
        if block and size + len(line) > limit:
            yield b"".join(block)
            block, size = [], 0
        block.append(line)
        size += len(line)
    if block:
        yield b"".join(block)


def _stat_or_none(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  a str also holds a path that is not UTF-8
    except FileNotFoundError:
        return None


def _count(position: Position | None, key: str) -> int:
    """Return a number of a stored position; a damaged one counts as 0, and the file itself then tells."""
    value = (position or {}).get(key, 0)
    return value if isinstance(value, int) and value >= 0 else 0
