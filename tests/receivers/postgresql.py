"""A real PostgreSQL on loopback: Debian's `postgresql`, a cluster of its own in a folder that is removed in the end.

The server refuses to run as root, so root starts it as `postgres` (made by the package) or `nobody`, and the folder is
theirs; anybody else starts it as himself. Only TCP on 127.0.0.1, no Unix socket. The superuser is `owner`, with
password `PASSWORD`; over the network every connection needs one.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, LiteralString, Self

import psycopg

from tests.support.requirements import require_or_skip

PASSWORD: Final = "an-0wner's\\secret"  # noqa: S105  of a server that lives as long as a test
DATABASE: Final = "postgres"
_START_S: Final = 60


def programs() -> Path:
    """Return the folder of the newest server's programs; skip when there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not folders and (found := shutil.which("initdb")) is not None:
        folders = [Path(found).parent]
    require_or_skip(bool(folders), "needs PostgreSQL (Debian's postgresql)")
    return folders[-1]


class PostgresqlServer:
    """One cluster; `kill` and `start` again as often as you like, `remove` in the end."""

    def __init__(self, port: int, *settings: str, certificate: tuple[bytes, bytes] | None = None) -> None:
        """Make the cluster, with settings such as "max_connections=20"; with certificate and key (PEM) it takes TLS."""
        self.port = port
        self._programs = programs()
        self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="smtpsweep-postgresql-"))
        (self.folder / "password").write_text(PASSWORD)
        self._settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={port}", *settings]
        if certificate is not None:
            (self.folder / "certificate").write_bytes(certificate[0])
            (self.folder / "key").write_bytes(certificate[1])
            (self.folder / "key").chmod(0o600)
            self._settings += [
                "ssl=on", f"ssl_cert_file={self.folder / 'certificate'}", f"ssl_key_file={self.folder / 'key'}"
            ]  # fmt: skip
        if self._user is not None:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-U", "owner", "-A", "scram-sha-256", f"--pwfile={self.folder / 'password'}", "--no-sync",
            "--no-instructions", "--locale=C", "-E", "UTF8", "-D", str(self.folder / "data"),
        )  # fmt: skip

    @property
    def conninfo(self) -> dict[str, Any]:
        """How the superuser connects."""
        return {"host": "127.0.0.1", "port": self.port, "user": "owner", "password": PASSWORD, "dbname": DATABASE}

    async def start(self) -> Self:
        """Start and return when it answers; also after `kill`, when it replays its log first."""
        async with asyncio.timeout(_START_S):
            while True:
                if self._process is None or self._process.poll() is not None:  # children of the last one may linger
                    self._launch()
                with suppress(psycopg.OperationalError):
                    await (await psycopg.AsyncConnection.connect(**self.conninfo)).close()
                    return self
                await asyncio.sleep(0.05)  # it has no event for being ready

    def kill(self) -> None:
        """End it and all its processes at once. It is stopped first, so that it starts no further ones."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            for child in self._children(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.send_signal(signal.SIGKILL)
        process.wait()

    def freeze(self) -> None:
        """Stop all its processes: connections stay, and nothing answers."""
        assert self._process is not None
        for pid in (self._process.pid, *self._children(self._process.pid)):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let its processes go on."""
        assert self._process is not None
        for pid in (self._process.pid, *self._children(self._process.pid)):
            os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """End it and remove what it stored."""
        self.kill()
        shutil.rmtree(self.folder)

    async def query(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as superuser, past the code under test, and return its rows."""
        async with await psycopg.AsyncConnection.connect(**self.conninfo, autocommit=True) as connection:
            cursor = await connection.execute(statement, values or None)
            return await cursor.fetchall() if cursor.description is not None else []

    def _launch(self) -> None:
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data")]
        command += [word for setting in self._settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, **self._as()
            )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, check=True, timeout=_START_S, capture_output=True, cwd=self.folder, **self._as())

    def _as(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    @staticmethod
    def _children(pid: int) -> list[int]:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom root starts the server as; None for everybody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    message = "there is neither a user postgres nor nobody"
    raise AssertionError(message)
