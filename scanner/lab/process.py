"""A lab as a child process, for tests, the demo and benchmarks.

The child says when it listens, so nobody sleeps; it is stopped by SIGTERM to its own process id, and killed if it does
not end in time. It ends by itself when its standard input is closed: when we were killed.
"""

import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any, Self

import orjson

from scanner.errors import LocalError
from scanner.lab.server import LabSettings
from scanner.lab.service import READY_PREFIX, WRITTEN_LINE, Files

_START_S = 20.0  # a loaded machine needs some seconds to start Python
_STOP_S = 10.0


class LabProcess:
    """A lab in a process of its own. Use as a context manager.

    `port` is the port it listens on, `pid` its process id. `prefix` is put before the command: `taskset -c 1`,
    `ip netns exec NAME`.
    """

    def __init__(self, settings: LabSettings | None = None, *, prefix: tuple[str, ...] = ()) -> None:
        """Prepare, do not start. Without settings: the mixed profile on a free port."""
        self.settings = settings or LabSettings(port=0)
        self.port = 0
        self._prefix = prefix
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start the lab and wait until it listens.

        Raises:
            LocalError: when it does not start; the message is what the lab said.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="smtpsweep-lab-")
        files = Files(statistics=str(self._statistics_path()))
        argument = orjson.dumps({"settings": asdict(self.settings), "files": asdict(files)}).decode()
        command = (*self._prefix, sys.executable, "-m", "scanner.lab", argument)
        # The command is made of this interpreter and the caller's own prefix; no shell reads it.
        self._process = subprocess.Popen(  # noqa: S603 - see above
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            self.port = _port(self._read_line(READY_PREFIX))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the lab."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the lab (with a prefix that does not replace itself, of the prefix)."""
        return self._running().pid

    def statistics(self) -> dict[str, Any]:
        """Return what the lab has counted so far (`scanner.lab.statistics`)."""
        self._running().send_signal(signal.SIGUSR1)
        self._read_line(WRITTEN_LINE)
        statistics: dict[str, Any] = orjson.loads(self._statistics_path().read_bytes())
        return statistics

    def stop(self) -> None:
        """Stop the lab and remove its files. Nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in filter(None, (process.stdin, process.stderr)):
                pipe.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def _statistics_path(self) -> Path:
        if self._folder is None:
            raise LocalError("lab: the process is not running")
        return Path(self._folder.name, "statistics.json")

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise LocalError("lab: the process is not running")
        return self._process

    def _read_line(self, prefix: str) -> str:
        """Return the next line, which must begin with this."""
        stderr = self._running().stderr
        if stderr is None or not select([stderr], [], [], _START_S)[0]:
            raise LocalError(f"lab: no answer from the process within {_START_S:g} s")
        line = stderr.readline()
        if not line.startswith(prefix):
            raise LocalError(line.strip() or "lab: the process ended without a word")
        return line


def _port(ready_line: str) -> int:
    return int(ready_line.partition(" port ")[2].split()[0])
