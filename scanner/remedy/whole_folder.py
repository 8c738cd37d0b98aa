"""A folder that is there whole or not at all: filled under another name, then renamed."""

from pathlib import Path


def put_in_place(unfinished: Path, folder: Path, old: Path) -> None:
    """Rename a folder into its place; what was there is moved to `old`, and comes back when that fails.

    All three are on one file system. Raises OSError.
    """
    if not folder.exists():
        unfinished.rename(folder)
        return
    folder.rename(old)
    try:
        unfinished.rename(folder)
    except OSError:
        old.rename(folder)
        raise
