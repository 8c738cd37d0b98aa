"""What the two syslog daemons of the tests share: a process on a loopback port that writes JSON lines into a file."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from tests.support.certificates import make_certificate
from tests.support.waiting import eventually


class Stored(NamedTuple):
    """A message as the daemon says it: its MSGID, its structured data (read by the daemon, or raw), and its text."""

    msgid: str
    data: Mapping[str, str] | str
    text: str


def data_of(stored: Stored) -> dict[str, str]:
    """Return structured data, without its escapes (RFC 5424, 6.3.3) where the daemon has left them."""
    if not isinstance(stored.data, str):
        return dict(stored.data)
    found = re.findall(r' ([a-z]+)="((?:[^"\\\]]|\\.)*)"', stored.data)
    assert stored.data == "[smtpsweep@32473" + "".join(f' {name}="{value}"' for name, value in found) + "]"
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in found}


class Certificates:
    """Ours and the daemon's in one: a certificate for 127.0.0.1 that vouches for itself; and a stranger's."""

    def __init__(self, folder: Path) -> None:
        certificate, key = make_certificate("127.0.0.1", names=("127.0.0.1",))
        self.certificate, self.key, self.both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)
        self.both.write_bytes(certificate + key)
        self.stranger = folder / "stranger.pem"
        self.stranger.write_bytes(b"".join(make_certificate("127.0.0.1", names=("127.0.0.1",))))


class SyslogDaemon:
    """One daemon that keeps what it receives in `out.jsonl`; kill and start it again as often as you like."""

    def __init__(self, folder: Path, port: int, tls: Certificates | None = None) -> None:
        """Take a folder for everything, the port, and certificates when it shall speak TLS, with clients that have one.

        Args:
            folder: is made when it is not there.
            port: on 127.0.0.1.
            tls: None for plain TCP.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self.tls = folder, port, tls
        self._process: subprocess.Popen[bytes] | None = None

    def root(self) -> Path:
        """Return where its packages are unpacked."""
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        """Return how it is started; what it is configured with is written before."""
        raise NotImplementedError

    def stored(self, line: Mapping[str, Any]) -> Stored:
        """Return what one line of its output says."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> Path:
        return self.folder / "out.jsonl"

    async def start(self) -> Self:
        """Start it and return when it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  starts at once
                [os.fspath(part) for part in self.command()], env={"PATH": "/usr/bin:/bin"}, stdout=log, stderr=log
            )
        process = self._process
        await eventually(lambda: process.poll() is not None or self._listens())
        assert process.poll() is None, (self.folder / "log").read_text()
        return self

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order, with everything written."""
        self._end(signal.SIGTERM)

    def messages(self) -> Iterator[Stored | None]:
        """Yield what it has stored, in order; None for a line that a kill cut off."""
        with self.output.open("rb") as lines:
            for line in lines:
                try:
                    found = orjson.loads(line)
                except orjson.JSONDecodeError:
                    yield None
                else:
                    yield self.stored(found)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
