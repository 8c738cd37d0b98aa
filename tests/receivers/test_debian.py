"""Servers that are unpacked bring all that they depend on, whatever this machine has."""

import os
import shutil
from pathlib import Path

import pytest

from tests.receivers.debian import foreign_files, holes, unpacked
from tests.receivers.rsyslog import Rsyslog
from tests.receivers.syslog_daemon import Certificates, SyslogDaemon
from tests.receivers.syslog_ng import SyslogNg

pytestmark = pytest.mark.real


@pytest.mark.parametrize("packages", [("rsyslog", "rsyslog-openssl"), ("syslog-ng-core",)], ids=lambda names: names[0])
def test_every_library_of_an_unpacked_server_is_in_its_root(packages: tuple[str, ...]) -> None:
    assert holes(unpacked(*packages)) == []


@pytest.mark.parametrize("daemon", [Rsyslog, SyslogNg])
async def test_a_running_server_has_loaded_nothing_from_this_machine(
    daemon: type[SyslogDaemon], tmp_path: Path, unused_tcp_port: int
) -> None:
    server = daemon(tmp_path / "daemon", unused_tcp_port, Certificates(tmp_path))
    await server.start()
    try:
        assert foreign_files(server.pid, server.root()) == []
    finally:
        server.kill()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A root without one library, which this machine may well have."""
    root = tmp_path / "root"
    shutil.copytree(unpacked("syslog-ng-core"), root, symlinks=True, copy_function=os.link)
    for path in root.glob("**/libpcre.so.3*"):
        path.unlink()
    return root


def test_a_hole_is_named_with_the_files_that_need_it(damaged: Path) -> None:
    found = holes(damaged)

    assert any(line.startswith("/usr/sbin/syslog-ng: ") for line in found)
    assert all("libpcre.so.3: cannot open shared object file" in line for line in found)


async def test_what_a_process_has_loaded_from_elsewhere_is_named(tmp_path: Path, unused_tcp_port: int) -> None:
    server = SyslogNg(tmp_path / "daemon", unused_tcp_port)
    await server.start()
    try:
        found = foreign_files(server.pid, tmp_path)
    finally:
        server.kill()

    assert str(server.root() / "usr/sbin/syslog-ng") in found
    assert any(name.endswith("/libsyslogformat.so") for name in found)  # loaded at run time
