"""A real Apache Kafka on loopback, from Maven Central: `python -m tests.receivers.kafka` installs it.

One KRaft node that is broker and controller. The jars have 54 MB. Needs Maven and Java 17 or newer.

Listeners: plain (everything is allowed: for what tests prepare and read back), and on request TLS, SASL, and SASL over
TLS. Of their users `writer` may do everything and `reader` nothing; passwords are in `PASSWORDS`.
"""

import asyncio
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final, NamedTuple, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.receivers.maven import Artifact, fetched
from tests.support.ports import free_ports
from tests.support.requirements import require_or_skip

VERSION: Final = "4.3.1"
PASSWORDS: Final = {"writer": "right-s3cret", "reader": "r3ader"}
_SLF4J: Final = "1.7.36"
_START_S: Final = 60
_CLUSTER: Final = "A" * 22
_ARTIFACTS: Final = (
    Artifact("org.apache.kafka", "kafka_2.13", VERSION),
    Artifact("org.apache.kafka", "kafka-tools", VERSION),
    Artifact("org.slf4j", "slf4j-simple", _SLF4J),
)
_BATCH: Final = re.compile(
    r"count: (\d+) baseSequence: (-?\d+) lastSequence: (-?\d+) producerId: (-?\d+) producerEpoch: (-?\d+)"
)
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.partitions=3
auto.create.topics.enable={create}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:writer
"""
_SASL: Final = """\
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
{listeners}"""
_JAAS: Final = """\
listener.name.{name}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {users};
listener.name.{name}.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.{name}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
_TLS: Final = """\
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
ssl.client.auth={client_auth}
"""


def installed() -> Path:
    """Return the folder of the jars."""
    require_or_skip(shutil.which("java") is not None, "Kafka needs Java 17 or newer (Debian's default-jre-headless)")
    return fetched(f"kafka-{VERSION}", _ARTIFACTS) / "libs"


class Batch(NamedTuple):
    """A batch of records as the broker has it: what it wrote, and who produced it as which part of a sequence."""

    partition: int
    records: int
    first: int
    last: int
    producer: int
    epoch: int


class Kafka:
    """One node that keeps its topics in a folder; `kill` and `start` again as often as you like."""

    def __init__(
        self,
        folder: Path,
        *,
        create: bool = False,
        sasl: bool = False,
        certificates: tuple[Path, Path] | None = None,
        client_auth: str = "none",
    ) -> None:
        """Prepare.

        Args:
            folder: for its data.
            create: whether it makes topics by itself.
            sasl: whether it has listeners with SASL.
            certificates: its certificate with key (one PEM), and the authority's; None for no listeners with TLS.
            client_auth: "required" for mutual TLS.
        """
        self._libs = installed()
        self.folder = folder
        names = ["PLAINTEXT", "CONTROLLER", *["SASL_PLAINTEXT"] * sasl, *["SSL"] * (certificates is not None)]
        names += ["SASL_SSL"] * (sasl and certificates is not None)
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.servers = f"127.0.0.1:{self.ports['PLAINTEXT']}"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self._properties = folder / "server.properties"
        self._properties.write_text(self._configuration(create, sasl, certificates, client_auth))
        users = [f"{mechanism}=[name={name},password={password}]" for name, password in PASSWORDS.items()
                 for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")]  # fmt: skip
        arguments = ["format", "-t", _CLUSTER, "-c", str(self._properties)]
        arguments += [argument for user in users for argument in ("--add-scram", user)] if sasl else []
        self.tool("kafka.tools.StorageTool", *arguments)

    async def start(self) -> Self:
        """Start and wait until it takes records."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220  starts at once
                [*self._java("-Xms256m", "-Xmx384m"), "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
            )  # fmt: skip
        async with asyncio.timeout(_START_S):
            while not await asyncio.to_thread(self._is_ready):
                assert self._process.poll() is None, (self.folder / "output").read_text()[-2000:]
        return self

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def create(self, topic: str, partitions: int = 3, **configuration: str) -> None:
        """Make a topic and return when it is there; in names of its configuration `_` stands for a dot."""
        config = {name.replace("_", "."): value for name, value in configuration.items()}
        admin = AdminClient({"bootstrap.servers": self.servers})
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)

    def tool(self, main_class: str, *arguments: str) -> bytes:
        """Run one of Kafka's own tools and return what it prints."""
        command = [*self._java("-Xmx256m"), main_class, *arguments]
        done = subprocess.run(command, capture_output=True, cwd=self.folder, timeout=60, check=False)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
        return done.stdout

    def batches(self, topic: str) -> list[Batch]:
        """Return what producers have written, from the files of a topic, in the order of each partition."""
        found = []
        for file in sorted(self.folder.glob(f"data/{topic}-*/*.log")):
            partition = int(file.parent.name.rpartition("-")[2])
            printed = self.tool("org.apache.kafka.tools.DumpLogSegments", "--files", str(file)).decode()
            found += [Batch(partition, *map(int, numbers)) for numbers in _BATCH.findall(printed)]
        return found

    def _java(self, *options: str) -> list[str]:
        log_level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", *options, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", log_level, "-cp", f"{self._libs}/*"]

    def _is_ready(self) -> bool:
        admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=0.5).brokers)
        except KafkaException:
            return False

    def _configuration(self, create: bool, sasl: bool, certificates: tuple[Path, Path] | None, client_auth: str) -> str:
        text = _PROPERTIES.format(controller=self.ports["CONTROLLER"], folder=self.folder, create=str(create).lower())
        listeners = [f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()]
        text += f"listeners={','.join(listeners)}\n"
        text += f"advertised.listeners={','.join(one for one in listeners if not one.startswith('CONTROLLER'))}\n"
        text += "listener.security.protocol.map=CONTROLLER:PLAINTEXT"
        text += "".join(f",{name}:{name}" for name in self.ports if name != "CONTROLLER") + "\n"
        if sasl:
            users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
            names = [name.lower() for name in self.ports if name.startswith("SASL")]
            text += _SASL.format(listeners="".join(_JAAS.format(name=name, users=users) for name in names))
        if certificates is not None:
            keystore, authority = certificates
            text += _TLS.format(keystore=keystore, authority=authority, client_auth=client_auth)
        return text


if __name__ == "__main__":
    print(installed())  # noqa: T201  what a script asks for
