"""Programs from Debian packages for tests, unpacked beside the system: nothing is installed, nothing starts by itself.

`unpacked("rsyslog", ...)` downloads packages once, with the system's own apt, into a folder of its own (`kept`), and
returns a root like `/`. Everything that they depend on comes with them, down to the C library: apt is told that
nothing is installed, so it does not matter what this machine has. A program is started by the root's own loader
(`command`), which looks for libraries in the root. `holes` proves that all of them are there.

Packages that conflict with each other on a system (two syslog daemons) do not here. Their scripts do not run, so this
is for programs that need no setting up.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.receivers.kept import kept
from tests.support.requirements import require_or_skip

_APT: Final = ("apt-get", "--yes", "-o", "Acquire::Retries=1", "-o", "APT::Sandbox::User=root")
_NOTHING_INSTALLED: Final = ("-o", "Dir::State::status=/dev/null")
_ELF: Final = b"\x7fELF"


def unpacked(*packages: str) -> Path:
    """Return the root in which the packages are; skip when they cannot be had."""
    root = kept() / f"{packages[0]}-root"
    if not root.exists():
        names = ", ".join(packages)
        require_or_skip(
            os.geteuid() == 0 and shutil.which("apt-get") is not None, f"needs root and apt-get for {names}"
        )
        kept().mkdir(parents=True, exist_ok=True)
        with (kept() / f"{packages[0]}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process of the tests may be at it
            if not root.exists():
                try:
                    _unpack(packages, root)
                except (OSError, subprocess.CalledProcessError) as error:
                    require_or_skip(False, f"cannot download the packages {names}: {error}")
    return root


def command(root: Path, program: str) -> list[str]:
    """Return how a program of a root, such as "usr/sbin/rsyslogd", is started with the root's libraries."""
    folders = ":".join(str(root / folder) for folder in _library_folders(root))
    return [str(root / _loader(root)), "--inhibit-cache", "--library-path", folders, str(root / program)]


def holes(root: Path) -> list[str]:
    """Return the loader's word on each file of a root that does not find all its libraries there; [] when all do.

    It runs inside the root (chroot), so nothing of this machine can hide a hole. Needs to be root.
    """
    found = []
    for path in _elf_files(root):
        resolve = ["chroot", str(root), f"/{_loader(root)}", "--inhibit-cache", "--list", f"/{path}"]
        done = subprocess.run(resolve, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            found.append(done.stderr.strip())
    return found


def foreign_files(pid: int, root: Path) -> list[str]:
    """Return the programs and libraries that a process has loaded from outside a root, at run time, too."""
    with Path(f"/proc/{pid}/maps").open() as maps:
        mapped = {fields[5] for line in maps if len(fields := line.split(maxsplit=5)) == 6 and "x" in fields[1]}
    files = {name.rstrip("\n") for name in mapped if name.startswith("/")}
    return sorted(name for name in files if not Path(name).is_relative_to(root.resolve()))


def _unpack(packages: tuple[str, ...], root: Path) -> None:
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # what a killed run left
    archives = new / "archives"
    (archives / "partial").mkdir(parents=True)
    download = [*_APT, *_NOTHING_INSTALLED, "-o", f"Dir::Cache::archives={archives}", "install"]
    download += ["--no-install-recommends", "--download-only", *packages]
    if subprocess.run(download, capture_output=True, check=False).returncode != 0:  # package lists are missing or old
        subprocess.run([*_APT, "update"], capture_output=True, check=True)
        subprocess.run(download, capture_output=True, check=True)
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, new], check=True)
    shutil.rmtree(archives)
    new.rename(root)


def _loader(root: Path) -> Path:
    """Return where a root has its dynamic loader, relative to it; its absolute link would lead to this machine's."""
    (found,) = {path.relative_to(root) for path in root.glob("**/ld-linux*.so*") if not path.is_symlink()}
    return found


def _library_folders(root: Path) -> list[Path]:
    """Return the folders with libraries, also those that a program itself names from `/` (RUNPATH)."""
    return sorted({path.parent.relative_to(root) for path in root.glob("**/*.so.*") if path.is_file()})


def _elf_files(root: Path) -> Iterator[Path]:
    """Yield the programs and libraries of a root, relative to it."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(_ELF)) == _ELF:
                    yield path.relative_to(root)
