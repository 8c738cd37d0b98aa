"""A folder that the user has named: checked before any work is done, filled under another name, renamed at the end.

A folder in the way is replaced only with --overwrite, only if it is of the same kind, and only if it holds nothing but
what we write there. At the end it is checked again, since somebody may have changed it meanwhile.

A problem found before the work is an InputError, a later one a SinkError. Files are in `files.places`.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from scanner.errors import InputError, SinkError
from scanner.files.whole import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    FileId,
    make_folders,
    maybe_lstat,
    require_own,
    sync_folder,
)


class WholeFolder:
    """A folder that is filled under another name; a `with` block that ends without an error puts it in its place."""

    def __init__(
        self,
        folder: Path,
        *,
        overwrite: bool,
        is_ours: Callable[[Path], bool],
        kind: str,
        writes: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Check what is there.

        Args:
            folder: where.
            overwrite: whether a folder that is there may be replaced.
            is_ours: whether a folder may be replaced; never true of a home that somebody named by mistake.
            kind: what such a folder is called, such as "folder of plans".
            writes: whether we write a file of this name (relative, with slashes) there. A folder that holds any other
                is not replaced.

        Raises:
            InputError: if it exists and may not be replaced.
        """
        self._folder, self._is_ours = folder, is_ours
        self._there: FileId | None = None
        self._listed: dict[str, FileId] = {}
        self._keeps_old = False
        try:
            found = maybe_lstat(folder)
            if found is not None:
                self._require_replaceable(found, kind, overwrite=overwrite)
                self._listed = _listed(folder)
        except OSError as error:
            raise InputError(self._failure(error)) from None
        if foreign := sorted(name for name in self._listed if not writes(name)):
            raise InputError(
                f"{folder}: holds {ascii(foreign[0])[1:-1]}, which does not belong to a {kind}, so it is not replaced: "
                "move that away, or name another folder"
            )

    def _require_replaceable(self, found: os.stat_result, kind: str, *, overwrite: bool) -> None:
        if not overwrite:
            raise InputError(f"{self._folder}: exists: name another folder, or use --overwrite")
        require_own(found, self._folder)
        self._there = FileId.from_stat(found)
        if not (stat.S_ISDIR(found.st_mode) and self._is_ours(self._folder)):
            raise InputError(f"{self._folder}: exists and is not a {kind}, so it is not replaced: name another folder")

    def __enter__(self) -> Path:
        """Return an empty folder to fill.

        Raises:
            InputError: if it cannot be made.
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
            SinkError: if the disk does not take it, or somebody else made a folder there meanwhile.
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
            import shutil  # noqa: PLC0415  it imports every compression library, and most commands write no folder

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
        """Undo the first step. Raises OSError; if that fails, the message names where the old folder is."""
        try:
            old.rename(self._folder)
        except OSError as error:
            self._keeps_old = True
            raise OSError(error.errno, f"{error.strerror}; what was there before is in {old}") from None

    def _failure(self, error: OSError) -> str:
        return f"{self._folder}: cannot be written ({error.strerror or error})"


def _listed(folder: Path) -> dict[str, FileId]:
    """Return the files in and below a folder by relative name, and empty folders. Raises OSError."""
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
    """Remove what was listed, and folders that are then empty; return whether nothing is left. Raises OSError."""
    for name, known in _listed(folder).items():
        if not name.endswith("/") and listed.get(name) == known:
            (folder / name).unlink()
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()
    return not folder.exists()


def _make_private(folder: Path) -> None:
    """Make everything in a folder private to its owner, and sync it. Raises OSError."""
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
