"""A DNS server of the tests' own: MX answers from a table, on a loopback UDP port, in a thread."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

#: What a domain has: MX records as zone file text; [] for a name without MX. Others do not exist.
Zone = Mapping[str, list[str]]

#: A domain to which the server never answers.
SILENT = "silent.example."


def answer(query: dns.message.Message, zone: Zone) -> dns.message.Message:
    """Return the response to a query for MX."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    name = query.question[0].name.to_text()
    if name not in zone:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif zone[name]:
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *zone[name]))
    return response


@contextmanager
def answering(zone: Zone, *, lifetime_s: float = 5.0) -> Iterator[dns.asyncresolver.Resolver]:
    """Run the server for the length of a with block; give a resolver that asks it and nobody else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(sock, zone))
        thread.start()
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = sock.getsockname()[1]
        resolver.lifetime = lifetime_s
        try:
            yield resolver
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", sock.getsockname())
            thread.join(10)


def _serve(sock: socket.socket, zone: Zone) -> None:
    while True:
        data, peer = sock.recvfrom(4096)
        if not data:
            return
        query = dns.message.from_wire(data)
        if query.question[0].name.to_text() != SILENT:
            sock.sendto(answer(query, zone).to_wire(), peer)
