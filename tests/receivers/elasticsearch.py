"""A real Elasticsearch on loopback, from Maven Central: `python -m tests.receivers.elasticsearch` installs it.

7.17.29 is the newest version whose server and HTTP transport are there; its jars have 34 MB. They are put into the
folders of a distribution, with the files beside them that its modules need. Data streams, security and everything else
of X-Pack are not there. Needs Maven and a Java from 17 to 23: later ones have no security manager.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.receivers.maven import Artifact, fetched, maybe_java
from tests.receivers.search_server import SearchServer
from tests.support.ports import free_ports
from tests.support.requirements import require_or_skip

VERSION: Final = "7.17.29"
_ARTIFACTS: Final = (
    Artifact("org.elasticsearch", "elasticsearch", VERSION),
    Artifact("org.elasticsearch.plugin", "transport-netty4-client", VERSION),
    Artifact("org.apache.logging.log4j", "log4j-core", "2.17.1"),
)
_JAVA: Final = (17, 24)
_DESCRIPTOR: Final = f"""\
name=transport-netty4
description=HTTP and transport
version={VERSION}
elasticsearch.version={VERSION}
java.version=1.8
classname=org.elasticsearch.transport.Netty4Plugin
"""
_POLICY: Final = """\
grant {
  permission java.net.SocketPermission "*", "accept,connect,resolve";
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.reflect.ReflectPermission "suppressAccessChecks";
  permission java.io.FilePermission "/proc/sys/net/core/somaxconn", "read";
};
"""
_LOGGING: Final = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%p] %c %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""
_SETTINGS: Final = """\
cluster.name: smtpsweep-tests
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
discovery.type: single-node
path.data: {folder}/data
path.logs: {folder}/logs
"""


def installed() -> Path:
    """Return the home of the distribution."""
    return fetched(f"elasticsearch-{VERSION}", _ARTIFACTS, _put_together) / "home"


def _put_together(folder: Path) -> None:
    library, netty = folder / "home/lib", folder / "home/modules/transport-netty4"
    for place in (library, netty, folder / "home/plugins"):
        place.mkdir(parents=True, exist_ok=True)
    for jar in (folder / "libs").glob("*.jar"):
        shutil.copy(jar, netty if jar.name.startswith(("netty-", "transport-netty4")) else library)
    (netty / "plugin-descriptor.properties").write_text(_DESCRIPTOR)
    (netty / "plugin-security.policy").write_text(_POLICY)


class Elasticsearch(SearchServer):
    """Elasticsearch as its own main class starts it."""

    has_data_streams = False

    def __init__(self, folder: Path) -> None:
        http, self._transport = free_ports(2)
        super().__init__(folder, http)

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        java = maybe_java(*_JAVA)
        require_or_skip(java is not None, "Elasticsearch 7 needs a Java from 17 to 23 (Debian's default-jre-headless)")
        assert java is not None
        home = installed()
        self._configure()
        scratch = self.folder / "tmp"
        # Without JNA's native part it does not notice that it may be root who starts it, which it would refuse.
        properties = {
            "jna.nounpack": "true", "jna.nosys": "true", "java.security.manager": "allow",
            "java.io.tmpdir": scratch, "log4j2.disable.jmx": "true", "io.netty.noUnsafe": "true",
            "es.path.home": home, "es.path.conf": self.folder / "config", "es.distribution.flavor": "oss",
            "es.distribution.type": "tar", "es.bundled_jdk": "false",
        }  # fmt: skip
        command = [
            *(java, "-Xms512m", "-Xmx512m", *(f"-D{name}={value}" for name, value in properties.items())),
            *("-cp", f"{home}/lib/*", "org.elasticsearch.bootstrap.Elasticsearch"),
        ]
        return command, {**os.environ, "LIBFFI_TMPDIR": str(scratch)}

    def _configure(self) -> None:
        for name in ("config", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        settings = _SETTINGS.format(http=self.port, transport=self._transport, folder=self.folder)
        (self.folder / "config/elasticsearch.yml").write_text(settings)
        (self.folder / "config/log4j2.properties").write_text(_LOGGING)


if __name__ == "__main__":
    print(installed())  # noqa: T201  what a script asks for
