"""A process that has loaded the program and gives birth to one that runs it for each command it is asked for.

Hundreds of tests run a command and look at what it prints, returns and leaves. Most of the time of each went into
starting an interpreter and importing the same modules. Here that is done once for each process of pytest; every command
still is a process of its own, with its own descriptors, folder and environment. What is left out: settings that an
interpreter reads only when it starts (PYTHONPATH, locale); `command_line` starts a real one for those.

A request comes over the socket whose descriptor is the argument: a line of JSON and three descriptors for the child's
standard streams. The answers are two lines of JSON: the process's id, then its code as `subprocess` would tell it.
"""

import json
import os
import runpy
import socket
import sys
import time
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import scanner.cli


def _load() -> None:
    for module in iter_modules(scanner.cli.__path__):
        import_module(f"scanner.cli.{module.name}")


def _request(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Read one request; None at the end of pytest."""
    data, streams, _, _ = socket.recv_fds(connection, 65_536, 3)
    while data and not data.endswith(b"\n"):
        data += connection.recv(65_536)
    return (json.loads(data), streams) if data else None


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Make this process one that a shell would have started for the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["scanner", *request["arguments"]]


def main() -> None:
    """Serve until the other side is closed; a child returns from here as the command."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    _load()
    while (asked := _request(connection)) is not None:
        request, streams = asked
        pid = os.fork()
        if not pid:
            connection.close()
            _become(request, streams)
            runpy.run_module("scanner", run_name="__main__", alter_sys=True)
            return
        for stream in streams:
            os.close(stream)
        connection.sendall(b"%d\n" % pid)
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
