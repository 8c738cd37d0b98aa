"""One receiver of each kind at once: where it is, what it has got, and how it is killed.

OpenSearch and the webhook stand behind a network that fails; Splunk's double fails by itself.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import orjson

from tests.receivers import kafka_mock
from tests.receivers.contract import Restartable
from tests.receivers.fault_proxy import FAULTS, FaultProxy
from tests.receivers.http_server import Got, Say, ScriptedServer
from tests.receivers.kafka import Kafka
from tests.receivers.nats_server import NatsServer
from tests.receivers.opensearch import OpenSearch
from tests.receivers.postgresql import PASSWORD, PostgresqlServer
from tests.receivers.rsyslog import Rsyslog
from tests.receivers.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, counted
from tests.receivers.splunk_rules import TOKEN, Behaviour
from tests.receivers.splunk_server import SplunkServer, copies
from tests.receivers.syslog_daemon import Certificates, data_of
from tests.support.ports import free_ports

#: What the sinks read from their environment.
SECRETS: Final[Mapping[str, str]] = MappingProxyType(
    {"OWNER_PASSWORD": PASSWORD, "STORE_KEY": ACCESS_KEY, "STORE_SECRET": SECRET_KEY, "HEC": TOKEN}
)
_SEED: Final = 20261123
_SPLUNK: Final = Behaviour(
    ack_s=(0.0, 0.3), busy=0.05, throttled=0.03, poisoned=0.05, answer_loss=0.02, ack_loss=0.03, seed=_SEED
)
#: Less often than usual: with so much else to do, each pause before a retry adds to the whole.
_FAULTS: Final = MappingProxyType({fault: share / 3 for fault, share in FAULTS.items()})
#: No record of the lab's is larger: what is may be refused by the proxies, so that it is split.
_LARGEST: Final = 1 << 16

_Server = TypeVar("_Server", bound=Restartable)


class Station(NamedTuple):
    """A receiver: the sink's URL, how to count what it has, whether it drops repeats, and what is killed."""

    url: str
    ids: Callable[[], Awaitable[Counter[str]]]
    drops_repeats: bool
    server: Restartable


@asynccontextmanager
async def one_of_each(folder: Path) -> AsyncIterator[dict[str, Station]]:
    """Start all; the sink of each has its name."""
    async with AsyncExitStack() as stack:
        found = {kind.__name__.strip("_"): await kind(folder, stack) for kind in _KINDS}
        yield {name: one._replace(url=f"{one.url}&name={name}") for name, one in found.items()}


async def _kafka(folder: Path, stack: AsyncExitStack) -> Station:
    server = await _started(Kafka(folder / "kafka"), stack)
    server.create("smtp")

    async def ids() -> Counter[str]:
        return Counter(kafka_mock.event_ids(kafka_mock.stored(server.servers, "smtp")))

    return Station(f"kafka://{server.servers}/smtp?compression=lz4", ids, False, server)


async def _nats(folder: Path, stack: AsyncExitStack) -> Station:
    server = await _started(NatsServer(folder / "nats", free_ports(1)[0]), stack)
    await server.create("SWEEP", "smtpsweep.records", duplicate_window_s=3600)  # a slow machine may need long

    async def ids() -> Counter[str]:
        return Counter(orjson.loads(body)["event_id"] for body in await server.stored())

    return Station(f"nats://127.0.0.1:{server.port}/SWEEP?timeout=5", ids, True, server)


async def _postgresql(folder: Path, stack: AsyncExitStack) -> Station:
    del folder  # it has one of its own, which its user may enter
    server = PostgresqlServer(free_ports(1)[0])
    stack.callback(server.remove)
    await server.start()

    async def ids() -> Counter[str]:
        return Counter(row[0] for row in await server.query("SELECT event_id FROM smtpsweep_record"))

    where = f"127.0.0.1:{server.port}/postgres"
    return Station(f"postgresql://owner@{where}?password_env=OWNER_PASSWORD&create=yes", ids, True, server)


async def _opensearch(folder: Path, stack: AsyncExitStack) -> Station:
    server = await _started(OpenSearch(folder / "opensearch"), stack)
    proxy = await _network_before(server.url, stack)

    async def ids() -> Counter[str]:
        return await server.ids("smtpsweep")

    where = f"127.0.0.1:{proxy.port}/smtpsweep"
    return Station(f"opensearch+http://{where}?format=native&install=yes&timeout=60", ids, True, server)


async def _s3(folder: Path, stack: AsyncExitStack) -> Station:
    server = await _started(S3Server(folder / "s3"), stack)

    async def ids() -> Counter[str]:
        return counted(server.objects())

    where = f"127.0.0.1:{server.port}/{BUCKET}/smtp"
    keys = "access_key_env=STORE_KEY&secret_key_env=STORE_SECRET"
    return Station(f"s3+http://{where}?{keys}&compress=gzip", ids, False, server)


async def _splunk(folder: Path, stack: AsyncExitStack) -> Station:
    server = await _started(SplunkServer(folder, free_ports(1)[0], _SPLUNK), stack)

    async def ids() -> Counter[str]:
        return copies(server.journal)

    where = f"127.0.0.1:{server.port}"
    return Station(f"splunk+http://{where}?token_env=HEC&index=sec&format=native&ack_timeout=3", ids, False, server)


async def _syslog(folder: Path, stack: AsyncExitStack) -> Station:
    tls = Certificates(folder)
    server = await _started(Rsyslog(folder / "rsyslog", free_ports(1)[0], tls), stack)

    async def ids() -> Counter[str]:
        server.stop()
        return Counter(data_of(stored)["id"] for stored in server.messages() if stored is not None)

    files = f"ca_file={tls.certificate}&cert_file={tls.both}"
    return Station(f"syslog+tls://127.0.0.1:{server.port}?max_bytes=524288&{files}", ids, False, server)


async def _webhook(folder: Path, stack: AsyncExitStack) -> Station:
    del folder  # it stores nothing
    taken: Counter[str] = Counter()

    def take(got: Got) -> Say:
        taken.update(document["event_id"] for document in orjson.loads(got.body))
        return Say(202)

    async def ids() -> Counter[str]:
        return taken

    server = await stack.enter_async_context(ScriptedServer(default=take))
    proxy = await _network_before(f"http://127.0.0.1:{server.port}", stack)
    return Station(f"{proxy.url}/in?batch=1000&timeout=10", ids, False, _Door(proxy))


class _Door:
    """What is killed of a receiver inside the test's own process: the way to it."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy

    def kill(self) -> None:
        self._proxy.down = True

    async def start(self) -> None:
        self._proxy.down = False


_KINDS: Final = (_kafka, _nats, _postgresql, _opensearch, _s3, _splunk, _syslog, _webhook)


async def _started(server: _Server, stack: AsyncExitStack) -> _Server:
    stack.callback(server.kill)
    await server.start()
    return server


async def _network_before(url: str, stack: AsyncExitStack) -> FaultProxy:
    return await stack.enter_async_context(FaultProxy(url, seed=_SEED, faults=_FAULTS, small_bytes=_LARGEST))
