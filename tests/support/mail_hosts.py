"""Mail servers made of a greeting and a table of replies, for tests that look at a host more than once."""

import ssl
from collections.abc import Mapping, Sequence

from tests.support.dialogues import Replies
from tests.support.servers import Peer


class MailHost:
    """A script that greets and answers by a table; `heard` are the commands of all its connections."""

    def __init__(
        self, greeting: bytes, replies: Replies | Mapping[str, bytes], tls: ssl.SSLContext | None = None
    ) -> None:
        self.greeting = greeting
        self.replies = {
            command.partition(" ")[0]: reply if isinstance(reply, bytes) else wire(*reply)
            for command, reply in replies.items()
        }
        self.heard: list[str] = []
        self._tls = tls

    def __call__(self, peer: Peer) -> None:
        """Talk to one client until it says QUIT or goes."""
        if self._tls is not None:
            peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
        peer.send(self.greeting)
        while True:
            peer.received = b""
            line = peer.read_line().decode("latin-1").strip()
            if not line:
                return
            self.heard.append(line)
            reply = self.replies.get(line.partition(" ")[0], b"500 5.5.1 what?\r\n")
            if not reply:
                return  # it hangs up
            peer.send(reply)
            if line == "QUIT":
                return


def wire(code: int, lines: Sequence[str]) -> bytes:
    """Return a reply as it is sent."""
    *first, last = lines
    return b"".join(
        [*(f"{code}-{line}\r\n".encode("latin-1") for line in first), f"{code} {last}\r\n".encode("latin-1")]
    )
