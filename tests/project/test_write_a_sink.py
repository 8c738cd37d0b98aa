"""The remote sink that docs/write-a-sink.md shows works as it stands there."""

import asyncio
import re
import sys
from pathlib import Path

import orjson
import pytest

from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.errors import SinkError

ROOT = Path(__file__).parents[2]


class Collector:
    """Takes every line but those with `poison`, and answers as the page says."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = 0
        while line := await reader.readline():
            if line == b"\n":
                writer.write(b"ok\n")
                place = 0
            elif b"poison" in line:
                writer.write(b"%d\n" % place)
                break
            else:
                self.taken.append(orjson.loads(line)["event_id"])
                place += 1
        writer.close()


def record(number: int) -> bytes:
    document = {"schema": "smtpsweep.record/1", "event_id": "poison" if number == 350 else str(number), "ip": "::1",
                "port": 25, "observed_at": None, "findings": []}  # fmt: skip
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the example as the page says."""
    page = (ROOT / "docs/write-a-sink.md").read_text()
    code = next(part for part in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "LinesReceiver" in part)
    assert len(code.splitlines()) < 65
    info = tmp_path / "site/smtpsweep_lines-1.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site/smtpsweep_lines.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: smtpsweep-lines\nVersion: 1\n")
    points = next(part for part in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "receivers" in part)
    points = points.replace('project.entry-points."smtpsweep.receivers"', "smtpsweep.receivers").replace('"', "")
    (info / "entry_points.txt").write_text(points)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{ROOT}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "smtpsweep_lines", raising=False)


async def test_the_example_delivers_everything_and_names_what_is_refused(installed: None, tmp_path: Path) -> None:
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    remote = SpoolSink(
        RunFolder(tmp_path / "run"), make_destinations([f"lines://127.0.0.1:{port}?timeout=5"]), {}, drain_s=20
    )
    await remote.open(None)
    await remote.write([record(number) for number in range(1, 1001)])
    with pytest.raises(
        SinkError, match=r"sink lines-1: 1 record not delivered \(the first: the collector refuses it\)"
    ):
        await remote.close()
    server.close()

    assert collector.taken == [str(number) for number in range(1, 1001) if number != 350]
    (letter,) = dead_letters.read(tmp_path / "run/sinks/lines-1.dead.jsonl")
    assert (letter.event_id, letter.reason) == ("poison", "the collector refuses it")


async def test_the_example_says_when_nobody_is_there(installed: None, tmp_path: Path, unused_tcp_port: int) -> None:
    urls = [f"lines://127.0.0.1:{unused_tcp_port}"]
    remote = SpoolSink(RunFolder(tmp_path / "run"), make_destinations(urls), {}, drain_s=1)
    await remote.open(None)
    await remote.write([record(1)])
    with pytest.raises(SinkError, match="cannot connect: ConnectionRefusedError"):
        await remote.close()
