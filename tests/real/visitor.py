"""A visitor of its own for the tests of the lab: `python -m tests.real.visitor ADDRESS [SOURCE [EARLY]]`.

Connects to port 25, sends EARLY at once when given, prints what the server sends until a line end, says QUIT and
prints the rest. It knows nothing of the scanner, so that what it sees can be compared with what the scanner saw.
"""

import socket
import sys


def visit(address: str, source: str = "", early: bytes = b"") -> bytes:
    """Return all that the server sent, until it closed the connection.

    Raises:
        OSError: when there is no connection, or the server resets it.
    """
    with socket.create_connection((address, 25), timeout=20, source_address=(source, 0)) as connection:
        connection.sendall(early)
        stream = connection.makefile("rb")
        greeting = stream.readline()
        connection.sendall(b"QUIT\r\n")
        return greeting + stream.read()


if __name__ == "__main__":
    server, visitor, first_words, *_ = (*sys.argv[1:], "", "")
    sys.stdout.buffer.write(visit(server, visitor, first_words.encode()))
