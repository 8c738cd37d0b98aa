"""What the tests of OpenSearch and of Elasticsearch have in common: one node on loopback, and ways to look into it."""

import asyncio
import signal
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson

from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.relay.destination import make_destinations

_START_S: Final = 120


class SearchServer(ABC):
    """One node that keeps its indices in a folder; `kill` and `start` again as often as you like."""

    #: Whether it has data streams, as the shipped index template wants.
    has_data_streams: bool

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """Return the command that runs it in its folder, and its environment; skip where it cannot run."""

    async def start(self) -> Self:
        """Start and wait until it takes documents."""
        self.folder.mkdir(exist_ok=True)
        command, environment = self._command()
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220  starts at once
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
                env=environment,
            )  # fmt: skip
        async with asyncio.timeout(_START_S):
            while not await self._is_ready():
                assert self._process.poll() is None, (self.folder / "output").read_text()[-2000:]
                await asyncio.sleep(0.1)  # it has no event for being ready, and each question costs it work
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
async def search_sink(
    port: int, path: str = "/logs-smtpsweep-default?format=native", user: str = ""
) -> AsyncIterator[Receiver]:
    """Open the sink for a server on this port."""
    (one,) = make_destinations([f"opensearch+http://{user}127.0.0.1:{port}{path}"])
    await one.receiver.open("run")
    try:
        yield one.receiver
    finally:
        await one.receiver.close()
