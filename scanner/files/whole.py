"""Write files whole or not at all, private to their owner, and never into another user's file.

Results name weak servers, sweeps run as root, and folders such as /tmp are shared. So every file that this program
writes in one piece is written here, or through `scanner.files.places` if the user has named it:

- It is written beside its place under a random name that nobody can predict (O_EXCL, O_NOFOLLOW), synced, renamed into
  its place, and the folder is synced. After a crash the old content is there, or the new one.
- Its mode is 0600, that of a folder 0700, whatever the umask allows.
- A file of another user is refused, even for root: its owner could read what we add to it.
- FIFOs, devices and sockets are refused without waiting for their other end.

Everything raises OSError, whose `strerror` says in our words what is wrong; the caller adds the name of the file.
"""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

#: For everything that holds results, or shows what was visited.
PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
#: For counts that another user's program collects; the umask may take more away.
PUBLIC_FILE: Final = 0o644


@dataclass(frozen=True, slots=True)
class FileId:
    """The identity of a file under any name: device and inode."""

    device: int
    inode: int

    @classmethod
    def of(cls, file: Path | int) -> Self | None:
        """Return the identity of what a path leads to, or of an open descriptor; None if nothing is there."""
        try:
            return cls.from_stat(os.fstat(file) if isinstance(file, int) else file.stat())
        except OSError:
            return None

    @classmethod
    def from_stat(cls, found: os.stat_result) -> Self:
        """Return the identity in a result of `stat`."""
        return cls(found.st_dev, found.st_ino)


def require_own(found: os.stat_result, name: str | Path) -> None:
    """Refuse what belongs to another user, even if we are root. Raises OSError.

    What belongs to root is accepted: root may read everything anyway.
    """
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, f"it belongs to another user (uid {found.st_uid})", str(name))


def require_regular(found: os.stat_result, name: str | Path) -> None:
    """Refuse folders, FIFOs, devices and sockets. Raises OSError."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(name))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(name))


def require_followable(name: str | Path) -> None:
    """Refuse a link that neither we nor root made, and one that leads nowhere. Raises OSError.

    The folders in the path are checked in the same way: a link in a shared folder could lead anywhere.
    """
    for folder in Path(name).parents:
        with suppress(NotADirectoryError):
            if (above := maybe_lstat(folder)) is not None and stat.S_ISLNK(above.st_mode):
                require_own(above, folder)
    found = maybe_lstat(name)
    if found is None or not stat.S_ISLNK(found.st_mode):
        return
    require_own(found, name)
    if not Path(name).exists():
        raise OSError(errno.ELOOP, "it is a symbolic link that leads nowhere", str(name))


def maybe_lstat(name: str | Path) -> os.stat_result | None:
    """Return the status of this name without following a link; None if nothing has the name. Raises OSError."""
    try:
        return Path(name).lstat()
    except FileNotFoundError:
        return None


def open_own(file: Path, flags: int, mode: int = PRIVATE_FILE) -> int:
    """Open a regular file of ours and return its descriptor, without following a link or waiting.

    Raises OSError, also if it is a link, not a regular file, or another user's. A file that this call makes is ours,
    whatever owner the file system shows.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if flags & os.O_CREAT:
        try:
            return os.open(file, flags | os.O_EXCL, mode)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
    try:
        fd = os.open(file, flags & ~os.O_CREAT)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(file)) from None
        if error.errno == errno.ENXIO:  # a FIFO without a reader, a socket
            raise OSError(errno.ENXIO, "it is not a regular file", str(file)) from None
        raise
    try:
        found = os.fstat(fd)
        require_regular(found, file)
        require_own(found, file)
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_private_append(file: Path) -> BinaryIO:
    """Open a file of ours to append to it, and make it if it does not exist. Raises OSError."""
    return os.fdopen(open_own(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def open_beside(file: Path, *, mode: int = PRIVATE_FILE, flags: int = 0) -> tuple[int, Path]:
    """Make a new file in the same folder, to be renamed to `file`; return its descriptor and its name.

    Raises OSError.
    """
    fresh = file.with_name(f".smtpsweep-{os.urandom(8).hex()}.part")
    how = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(fresh, how | flags, mode), fresh


def write_whole(file: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Make or replace a file in a folder of ours in one step. A link is replaced, not followed. Raises OSError."""
    fd, fresh = open_beside(file, mode=mode)
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            sync(out)
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk. Raises OSError."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # a folder in which we may write and not read cannot be synced
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems sync no folders
            raise
    finally:
        os.close(fd)


def make_folders(folder: Path) -> bool:
    """Make a folder and missing ones above it, each private to its owner; return whether it was missing.

    Raises OSError.
    """
    if folder.is_dir():
        return False
    make_folders(folder.parent)  # ends at the root, or at the current folder
    try:
        folder.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        return False
    return True


def own_folder(folder: Path) -> None:
    """Make a private folder, or use it again if it is ours. Raises OSError if it is not.

    A link to a folder of ours is followed only if we or root made it: another user could lead us anywhere.
    """
    require_followable(folder)
    if not make_folders(folder):
        require_own(folder.stat(), folder)


def sync(out: BinaryIO) -> None:
    """Sync what was written to the disk. Raises OSError."""
    out.flush()
    os.fsync(out.fileno())
