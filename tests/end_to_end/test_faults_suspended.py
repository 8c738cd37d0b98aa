"""The command while it is suspended for longer than its time-outs: no live host is silent because we did not look."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from tests.support.servers import Peer, serving

#: All of them shorter than the suspension; long enough for a slow machine to be served in.
TIME_OUTS = ("--connect-timeout", "3s", "--greeting-timeout", "3s", "--idle-timeout", "3s", "--total-timeout", "5s",
             "--dialogue-timeout", "3s", "--retries", "0")  # fmt: skip
SUSPENDED_S, PAUSE_S = 6.5, 1.5


class PausingServers:
    """Servers that think before they answer a command, or before they greet; `waiting` are those that think now."""

    def __init__(self, slow: bytes) -> None:
        self._slow = slow
        self.waiting = threading.Semaphore(0)

    def script(self, peer: Peer) -> None:
        self._answer(peer, b"greeting", b"220 mx.example.org ESMTP Postfix\r\n")
        while line := self._line(peer):
            word = line.split(maxsplit=1)[0]
            self._answer(
                peer, word, {b"EHLO": b"250 mx.example.org\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"500 ?\r\n")
            )

    def _answer(self, peer: Peer, word: bytes, answer: bytes) -> None:
        if word == self._slow:
            self.waiting.release()
            threading.Event().wait(PAUSE_S)
        peer.send(answer)

    @staticmethod
    def _line(peer: Peer) -> bytes:
        peer.received = b""
        return peer.read_line() if peer.ended == "open" else b""


def suspended(slow: bytes, hosts: int, network: str, folder: Path, *arguments: str) -> tuple[list[Any], Any]:
    """Sweep, stop the process while all of the hosts think, let it go on; return all records and the summary."""
    servers, output, summary = PausingServers(slow), folder / "out.jsonl", folder / "summary"
    with serving(servers.script) as server:
        pace = ("--port", str(server.port), "--rate", "0", "--subnet-rate", "0", "--all", "--quiet")
        command = [sys.executable, "-m", "scanner", "sweep", network, *pace, *TIME_OUTS, *arguments]
        process = subprocess.Popen([*command, "-o", output, "--summary", summary])
        for _ in range(hosts):
            assert servers.waiting.acquire(timeout=20)
        process.send_signal(signal.SIGSTOP)
        time.sleep(SUSPENDED_S)  # nothing else makes the clock go on
        process.send_signal(signal.SIGCONT)
        assert process.wait(50) == 0
    return [orjson.loads(line) for line in output.read_bytes().splitlines()], orjson.loads(summary.read_bytes())


def test_a_sweep_that_was_suspended_finds_every_host(tmp_path: Path) -> None:
    records, summary = suspended(b"greeting", 128, "127.61.0.0/25", tmp_path)

    assert Counter(record["status"] for record in records) == {"ready": 128}
    assert len({record["ip"] for record in records}) == 128
    (notice,) = summary["notices"]
    assert notice.startswith("this process was suspended or held up once, for ")
    # The time in which nobody looked is nobody's.
    assert max(record["timing"]["total_ms"] for record in records) < 1000 * SUSPENDED_S


def test_dialogues_that_were_suspended_come_to_their_end(tmp_path: Path) -> None:
    records, _ = suspended(b"EHLO", 32, "127.61.1.0/27", tmp_path, "--probe", "dialogue")

    assert Counter(record["status"] for record in records) == {"ready": 32}
    assert Counter(record["dialogue"]["error"] for record in records) == {None: 32}
    assert {record["dialogue"]["exchanges"][0]["code"] for record in records} == {250}
