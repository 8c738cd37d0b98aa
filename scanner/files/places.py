"""The place of a file or folder that the user has named: looked at before any work is done, filled at the end.

What is in the way is refused unless it may be replaced; and again at the end, when it is not what was there at the
beginning. How a file comes into its place without ever being half there, or readable by others, is in `files.whole`.

Whatever is wrong before something was done is an InputError, whatever goes wrong later a SinkError.

Left out: outputs that grow while a sweep runs (`sinks.file`).
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from scanner.errors import InputError, SinkError
from scanner.files.whole import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    FileId,
    make_folders,
    maybe_lstat,
    open_beside,
    require_followable,
    require_own,
    require_regular,
    sync,
    sync_folder,
)


def never(_: Path) -> bool:
    """For `may_replace`: nothing that holds something."""
    return False


def always(_: Path) -> bool:
    """For `may_replace`: whatever regular file of ours is there (`--overwrite`)."""
    return True


class FilePlace:
    """The place of a file that will be written, looked at before any work is done.

    `path` is where that is, links followed. It can be written several times.
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
        """Look at what is there.

        Args:
            name: the path as the user gave it.
            label: what messages call it, such as "--summary x.json"; default: the name.
            may_replace: whether a regular file of ours that holds something may be replaced. An empty one may be.
            advice: what to do about one that may not.
            mode: of the new file, before the umask.

        Raises:
            InputError: when it cannot be written there.
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
            fd, fresh = open_beside(self.path)
            os.close(fd)
            fresh.unlink()
        except FileNotFoundError:
            raise InputError(f"{self.label}: cannot be written (its folder does not exist)") from None
        except OSError as error:
            raise InputError(self._failure(error)) from None
        self._there = None if found is None else FileId.from_stat(found)

    def write(self, data: bytes) -> None:
        """Put this content there.

        Raises:
            SinkError: when the disk does not take it, or somebody else made a file there meanwhile.
        """
        try:
            with self.opened() as (out, _):
                out.write(data)
        except OSError as error:
            raise SinkError(self._failure(error)) from None

    def opened(self) -> "WholeFile":
        """Return the file to write; a `with` block gives its stream and its name until then, its end commits it."""
        return WholeFile(self)

    def _failure(self, error: OSError) -> str:
        return f"{self.label}: cannot be written ({error.strerror or error})"

    def begin(self) -> tuple[int, Path]:
        """Make the temporary file. Raises OSError."""
        return open_beside(self.path, mode=self._mode)

    def commit(self, fresh: Path) -> None:
        """Give a finished file its name. Raises OSError, also when something else has the name by now."""
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
    """A file being written. When its block ends well it is in its place; else what was there is untouched."""

    def __init__(self, place: FilePlace) -> None:
        self._place = place
        self._out: BinaryIO
        self._fresh: Path

    def __enter__(self) -> tuple[BinaryIO, Path]:
        """Return the stream, and the name by which the file can be opened once more. Raises OSError."""
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
            with suppress(OSError):  # the disk that failed may fail once more; what is left to do is closing
                self._out.close()
            self._fresh.unlink(missing_ok=True)


def _resolved(name: str | Path) -> Path:
    """Follow a link that the user may have made himself. Raises OSError."""
    if not str(name) or "\0" in str(name):
        raise OSError(errno.EINVAL, "it is not a path", str(name))
    require_followable(name)
    return Path(os.path.realpath(name))


def _take_name(fresh: Path, path: Path) -> None:
    """Rename where nothing must be. A link does that in one step; some file systems know none. Raises OSError."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "somebody else made it meanwhile", str(path)) from None
    except OSError:
        if os.path.lexists(path):
            raise
        fresh.replace(path)


class WholeFolder:
    """A folder that is filled under another name; use it in a `with` block, whose clean end puts it in its place."""

    def __init__(
        self,
        folder: Path,
        *,
        overwrite: bool,
        is_ours: Callable[[Path], bool],
        kind: str,
        writes: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Look at what is there.

        Args:
            folder: where.
            overwrite: whether a folder that is there may be replaced.
            is_ours: whether it is one of the kind that is replaced; never a home that somebody named by mistake.
            kind: what such a folder is called, such as "folder of plans".
            writes: whether a file of this name (relative, with slashes) is one that we write there. With any other in
                it the folder is not replaced.

        Raises:
            InputError: when it is there and may not be replaced.
        """
        self._listed: dict[str, FileId] = {}
        self._folder, self._is_ours = folder, is_ours
        self._there: FileId | None = None
        self._keeps_old = False
        try:
            found = maybe_lstat(folder)
            if found is None:
                return
            if not overwrite:
                raise InputError(f"{folder}: exists: name another folder, or use --overwrite")
            require_own(found, folder)
            self._there = FileId.from_stat(found)
            ours = stat.S_ISDIR(found.st_mode) and is_ours(folder)
            self._listed = _listed(folder) if ours else {}
        except OSError as error:
            raise InputError(self._failure(error)) from None
        if not ours:
            raise InputError(f"{folder}: exists and is not a {kind}, so it is not replaced: name another folder")
        if foreign := sorted(name for name in self._listed if not writes(name)):
            raise InputError(
                f"{folder}: holds {ascii(foreign[0])[1:-1]}, which is not of a {kind}, so it is not replaced: "
                "move that away, or name another folder"
            )

    def __enter__(self) -> Path:
        """Return an empty folder to fill.

        Raises:
            InputError: when it cannot be made.
        """
        try:
            make_folders(self._folder.parent)
            self._private = self._folder.with_name(f".smtpsweep-{os.urandom(8).hex()}.part")
            self._private.mkdir(mode=PRIVATE_FOLDER)
            new = self._private / "new"
            new.mkdir(mode=PRIVATE_FOLDER)
        except OSError as error:
            raise InputError(self._failure(error)) from None
        return new

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the folder in its place, or remove what was written.

        Raises:
            SinkError: when the disk does not take it, or somebody else made a folder there meanwhile.
        """
        try:
            if kind is None:
                _make_private(self._private / "new")
                self._put_in_place(self._private / "new", self._private / "old")
            elif isinstance(error, OSError):
                raise SinkError(self._failure(error)) from None
        except OSError as failure:
            raise SinkError(self._failure(failure)) from None
        finally:
            import shutil  # noqa: PLC0415  it loads every way to pack files, and most commands write no folder

            shutil.rmtree(self._private / "new" if self._keeps_old else self._private, ignore_errors=True)

    def _put_in_place(self, new: Path, old: Path) -> None:
        if FileId.of(self._folder) != self._there:
            raise FileExistsError(errno.EEXIST, "somebody else changed it meanwhile", str(self._folder))
        if self._there is not None:
            self._folder.rename(old)
            if FileId.of(old) != self._there or not self._is_ours(old):  # in the moment between
                self._put_back(old)
                raise FileExistsError(errno.EEXIST, "somebody else changed it meanwhile", str(self._folder))
        try:
            new.rename(self._folder)
        except OSError:
            if self._there is not None:
                self._put_back(old)
            raise
        sync_folder(self._folder.parent)
        if self._there is not None and not _removed(old, self._listed):
            self._keeps_old = True
            raise OSError(errno.ENOTEMPTY, f"it is replaced, but somebody put more into the old one: that is {old} now")

    def _put_back(self, old: Path) -> None:
        """Undo the first step; what cannot go back is kept where it is, and named. Raises OSError."""
        try:
            old.rename(self._folder)
        except OSError as error:
            self._keeps_old = True
            raise OSError(error.errno, f"{error.strerror}; what was there before is in {old}") from None

    def _failure(self, error: OSError) -> str:
        return f"{self._folder}: cannot be written ({error.strerror or error})"


def _listed(folder: Path) -> dict[str, FileId]:
    """Return what is in a folder and below, by relative name; of folders only the empty ones. Raises OSError."""
    found: dict[str, FileId] = {}
    for path, folders, names in os.walk(folder, onerror=_raised):
        links = [name for name in folders if Path(path, name).is_symlink()]
        for file in (Path(path, name) for name in (*names, *links)):
            found[file.relative_to(folder).as_posix()] = FileId.from_stat(file.lstat())
        if not names and not folders and Path(path) != folder:
            found[Path(path).relative_to(folder).as_posix() + "/"] = FileId.from_stat(Path(path).lstat())
    return found


def _raised(error: OSError) -> None:
    raise error


def _removed(folder: Path, listed: dict[str, FileId]) -> bool:
    """Remove what was listed, and the folders that are empty then; tell whether that was all. Raises OSError."""
    for name, known in _listed(folder).items():
        if not name.endswith("/") and listed.get(name) == known:
            (folder / name).unlink()
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()
    return not folder.exists()


def _make_private(folder: Path) -> None:
    """Take what is in a folder from everybody else, and bring it to the disk. Raises OSError."""
    for path, _, names in os.walk(folder):
        for name in names:
            fd = os.open(Path(path, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchmod(fd, PRIVATE_FILE)
                os.fsync(fd)
            finally:
                os.close(fd)
        Path(path).chmod(PRIVATE_FOLDER)
        sync_folder(Path(path))
