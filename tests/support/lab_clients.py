"""A lab that runs in a thread, and clients of it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from threading import Thread

from scanner.lab.personality import personality, population
from scanner.lab.process import LabProcess
from scanner.lab.server import Lab, LabSettings

NETWORK = int(ip_address("127.1.0.0"))
#: Pauses of 6 s become 60 ms.
SCALE = 0.01
#: Long enough for an answer on a loaded machine; only silence is waited for less.
PATIENCE_S = 20.0
SILENCE_S = 0.15


@contextmanager
def running(settings: LabSettings) -> Iterator[Lab]:
    """A lab that serves in a thread."""
    with Lab(settings) as lab:
        thread = Thread(target=lab.run)
        thread.start()
        try:
            yield lab
        finally:
            lab.stop()
            thread.join()


def address_of(behaviour: str, form: str | None = None) -> str:
    """The first host of 127.1.0.0/16 in the mixed profile that behaves so (and carries this form)."""
    hosts = population("mixed")
    for offset in range(2**16):
        host = hosts.personality(NETWORK + offset)
        if host.behaviour.name == behaviour and (form is None or (host.form is not None and host.form.id == form)):
            return str(ip_address(NETWORK + offset))
    raise LookupError(behaviour)


def connect(lab: Lab | LabProcess, address: str) -> socket.socket:
    return socket.create_connection((address, lab.port), timeout=PATIENCE_S)


def read(sock: socket.socket, size: int) -> bytes:
    """Read until so many bytes have come, or the end."""
    data = b""
    while len(data) < size and (piece := sock.recv(65_536)):
        data += piece
    return data


def read_all(sock: socket.socket) -> bytes:
    return read(sock, 2**30)


def read_line(sock: socket.socket, line_end: bytes = b"\n") -> bytes:
    data = b""
    while not data.endswith(line_end) and (piece := sock.recv(1)):
        data += piece
    return data


def is_quiet(sock: socket.socket) -> bool:
    """Whether nothing comes, not even an end."""
    sock.settimeout(SILENCE_S)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE_S)
    return False


def quit_politely(lab: Lab | LabProcess, address: str) -> bytes:
    """Read the greeting of a plain host, say QUIT, return all that was said."""
    with connect(lab, address) as sock:
        greeting = sock.recv(65_536)
        sock.sendall(b"QUIT\r\n")
        return greeting + read_all(sock)


def host_name_of(address: str) -> bytes:
    return personality(int(ip_address(address))).hostname.encode()
