"""Files as somebody else may have left or prepared them."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.requirements import require_or_skip

#: "nobody": a user that owns nothing else.
NOBODY = 65534


def give_away(path: Path) -> Path:
    """Make a file, folder or link another user's; skip the test when we are not allowed to."""
    require_or_skip(os.geteuid() == 0, "needs root to make a file of another user")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return path


def mode_of(path: Path) -> int:
    """Return the permissions of a file or folder."""
    return stat.S_IMODE(path.lstat().st_mode)


def left_over(folder: Path) -> list[str]:
    """Return the names of temporary files that were left in a folder and below it."""
    return sorted(path.name for path in folder.rglob(".*"))


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def modes_below(folder: Path) -> dict[str, int]:
    """Return the permissions of everything below a folder, by its path from there."""
    return {str(path.relative_to(folder)): mode_of(path) for path in sorted(folder.rglob("*"))}


@contextmanager
def mounted_disk(place: Path) -> Iterator[Path]:
    """Make a file system of 64 KiB in a new folder; skip the test when we are not allowed to."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    can = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    require_or_skip(can, "needs root and the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
