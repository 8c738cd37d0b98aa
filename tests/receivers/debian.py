"""Programs from Debian packages for tests, unpacked beside the system: nothing is installed, nothing starts by itself.

`unpacked("rsyslog", ...)` downloads the packages and what they need once, with the system's own apt, into a folder of
its own (`kept`), and returns a root like `/`. Packages that conflict with each other on a system (two syslog daemons)
do not here.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tests.receivers.kept import kept
from tests.requirements import require_or_skip

_APT = ("apt-get", "--yes", "-o", "Acquire::Retries=1", "-o", "APT::Sandbox::User=root")


def unpacked(*packages: str) -> Path:
    """Return the root in which the packages are; skip when they cannot be had."""
    root = kept() / packages[0]
    complete = root / "complete"
    if not complete.exists():
        names = ", ".join(packages)
        require_or_skip(
            os.geteuid() == 0 and shutil.which("apt-get") is not None, f"needs root and apt-get for {names}"
        )
        try:
            _unpack(packages, root)
        except (OSError, subprocess.CalledProcessError) as error:
            require_or_skip(False, f"cannot download the packages {names}: {error}")
        complete.touch()
    return root


def libraries(root: Path) -> dict[str, str]:
    """Return the environment in which programs of a root find their libraries: every folder that holds some."""
    folders = sorted({str(path.parent) for path in root.glob("usr/lib/**/*.so.*")})
    return {"LD_LIBRARY_PATH": ":".join(folders), "PATH": "/usr/bin:/bin"}


def _unpack(packages: tuple[str, ...], root: Path) -> None:
    archives = root / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    download = [*_APT, "-o", f"Dir::Cache::archives={archives}", "install", "--no-install-recommends"]
    download += ["--download-only", "--reinstall", *packages]
    if subprocess.run(download, capture_output=True, check=False).returncode != 0:  # package lists are missing or old
        subprocess.run([*_APT, "update"], capture_output=True, check=True)
        subprocess.run(download, capture_output=True, check=True)
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    shutil.rmtree(archives)
