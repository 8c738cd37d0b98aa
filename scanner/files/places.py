"""The place of a file that the user has named: checked before any work is done, filled at the end.

A file in the way is refused unless it may be replaced. At the end it is refused again if it is not what was there at
the beginning. `files.whole` brings a file into its place without it ever being half there or readable by others.

A problem found before the work is an InputError, a later one a SinkError. Left out: folders (`files.folders`), and
outputs that grow while a sweep runs (`delivery.local.file`).
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from scanner.errors import InputError, SinkError
from scanner.files.whole import (
    PRIVATE_FILE,
    FileId,
    maybe_lstat,
    open_beside,
    require_followable,
    require_own,
    require_regular,
    sync,
    sync_folder,
)


def never(_: Path) -> bool:
    """For `may_replace`: only an empty file."""
    return False


def always(_: Path) -> bool:
    """For `may_replace`: any regular file of ours (`--overwrite`)."""
    return True


class FilePlace:
    """The place of a file that will be written, checked before any work is done.

    `path` is that place, with links followed. It can be written several times.
    """

    def __init__(
        self,
        name: str | Path,
        *,
        label: str | None = None,
        may_replace: Callable[[Path], bool] = never,
        advice: str = "use --overwrite, or another name",
        mode: int = PRIVATE_FILE,
    ) -> None:
        """Check what is there.

        Args:
            name: the path as the user gave it.
            label: what messages call it, such as "--summary x.json"; default: the name.
            may_replace: whether a regular file of ours that holds something may be replaced. An empty one may be.
            advice: what the user can do if it may not.
            mode: of the new file, before the umask.

        Raises:
            InputError: if it cannot be written there.
        """
        self.label = label if label is not None else str(name)
        self._mode = mode
        try:
            self.path = _resolved(name)
            found = maybe_lstat(self.path)
            if found is not None:
                require_regular(found, self.path)
                require_own(found, self.path)
                if found.st_size and not may_replace(self.path):
                    raise InputError(f"{self.label}: exists: {advice}")
            _require_writable_beside(self.path)
        except FileNotFoundError:
            raise InputError(f"{self.label}: cannot be written (its folder does not exist)") from None
        except OSError as error:
            raise InputError(self._failure(error)) from None
        self._there = None if found is None else FileId.from_stat(found)

    def write(self, data: bytes) -> None:
        """Write this content.

        Raises:
            SinkError: if the disk does not take it, or somebody else made a file there meanwhile.
        """
        try:
            with self.opened() as (out, _):
                out.write(data)
        except OSError as error:
            raise SinkError(self._failure(error)) from None

    def opened(self) -> "WholeFile":
        """Return the file to write: a `with` block gives its stream and its temporary name, and commits at its end."""
        return WholeFile(self)

    def _failure(self, error: OSError) -> str:
        return f"{self.label}: cannot be written ({error.strerror or error})"

    def begin(self) -> tuple[int, Path]:
        """Make the temporary file. Raises OSError."""
        return open_beside(self.path, mode=self._mode)

    def commit(self, fresh: Path) -> None:
        """Give a finished file its name. Raises OSError, also if something else has the name by now."""
        made, there = FileId.of(fresh), FileId.of(self.path)
        if there is None:
            _take_name(fresh, self.path)
        elif there == self._there:
            fresh.replace(self.path)
        else:
            raise FileExistsError(errno.EEXIST, "somebody else made it meanwhile", str(self.path))
        self._there = made
        sync_folder(self.path.parent)


class WholeFile:
    """A file being written. A block that ends without an error puts it in its place; otherwise the old one stays."""

    def __init__(self, place: FilePlace) -> None:
        self._place = place
        self._out: BinaryIO
        self._fresh: Path

    def __enter__(self) -> tuple[BinaryIO, Path]:
        """Return the stream, and the name under which the file can be opened again. Raises OSError."""
        fd, self._fresh = self._place.begin()
        self._out = os.fdopen(fd, "wb")
        return self._out, self._fresh

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or remove what was written. Raises OSError."""
        try:
            if kind is None:
                sync(self._out)
                self._place.commit(self._fresh)
        finally:
            with suppress(OSError):  # the disk may fail again; only closing is left to do
                self._out.close()
            self._fresh.unlink(missing_ok=True)


def _require_writable_beside(path: Path) -> None:
    """Make a file in the same folder and remove it. Raises OSError."""
    fd, fresh = open_beside(path)
    os.close(fd)
    fresh.unlink()


def _resolved(name: str | Path) -> Path:
    """Follow links that the user or root made. Raises OSError."""
    if not str(name) or "\0" in str(name):
        raise OSError(errno.EINVAL, "it is not a path", str(name))
    require_followable(name)
    return Path(os.path.realpath(name))


def _take_name(fresh: Path, path: Path) -> None:
    """Rename without replacing anything. A link does that in one step; some file systems have none. Raises OSError."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "somebody else made it meanwhile", str(path)) from None
    except OSError:
        if os.path.lexists(path):
            raise
        fresh.replace(path)
