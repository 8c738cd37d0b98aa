"""Run the command as its users do: in a process of its own, and look at what it prints, returns and leaves."""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Final, NamedTuple

ROOT = Path(__file__).parents[2]
_PATIENCE_S: Final = 50


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def smtpsweep(*arguments: str | Path, cwd: Path, stdin: str = "") -> Done:
    """Run `python -m scanner` in a folder; everything it makes without being told where is found there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    data = stdin.encode("utf-8", "surrogateescape")
    code, out, err = _server(_read_at_start(environment)).run(list(map(str, arguments)), cwd, environment, data)
    return Done(code, out.decode(), err.decode())


def _read_at_start(environment: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return the variables that an interpreter looks at only when it starts: others need a server of their own."""
    return frozenset((name, value) for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG")))


class _Server:
    """The process of `command_server`, seen from here: one command at a time."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._connection, theirs = socket.socketpair()
        others = {name: value for name, value in os.environ.items() if name not in variables}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.command_server", str(theirs.fileno())],
                cwd=ROOT, env={**others, **variables}, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        self._answers = self._connection.makefile("rb")
        atexit.register(self.close)

    def close(self) -> None:
        self._answers.close()
        self._connection.close()
        self._process.wait()

    def run(
        self, arguments: list[str], cwd: Path, environment: Mapping[str, str], stdin: bytes
    ) -> tuple[int, bytes, bytes]:
        """Run a command; return its code and what it printed."""
        request = json.dumps({"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}).encode()
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        streams = [theirs_in, theirs_out, theirs_err]
        socket.send_fds(self._connection, [request[:1]], streams)
        self._connection.sendall(request[1:] + b"\n")
        for stream in streams:
            os.close(stream)
        with _Ender(int(self._answers.readline())), os.fdopen(ours_out, "rb") as out, os.fdopen(ours_err, "rb") as err:
            printed = _Reading(err)
            writing = threading.Thread(target=_write, args=(ours_in, stdin))
            writing.start()
            everything = out.read()
            code = int(self._answers.readline())
            writing.join()
            return code, everything, printed.result()


@cache
def _server(variables: frozenset[tuple[str, str]]) -> _Server:
    return _Server(dict(variables))


class _Ender:
    """Ends a command that takes longer than any of a test may."""

    def __init__(self, pid: int) -> None:
        self._timer = threading.Timer(_PATIENCE_S, os.kill, (pid, signal.SIGKILL))

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


class _Reading:
    """Reads a stream to its end beside what else is done."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._data = b""
        self._thread = threading.Thread(target=self._read, args=(stream,))
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        self._data = stream.read()

    def result(self) -> bytes:
        self._thread.join()
        return self._data


def _write(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
