"""Mail servers by script, for tests that send: an answer for each verb, and what the client said."""

import socket
import ssl
from collections.abc import Callable, Mapping

from tests.support.servers import Peer

#: Bytes to send; what takes over the socket; or nothing, and the connection is closed.
Answer = bytes | Callable[[socket.socket], None] | None

#: What an ordinary server answers.
ANSWERS = {
    "": b"220 mx.example.org ESMTP\r\n",
    "EHLO": b"250-mx.example.org\r\n250 HELP\r\n",
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"250 2.1.5 Ok\r\n",
    "DATA": b"354 go\r\n",
    ".": b"250 2.0.0 Ok: queued as ABC123\r\n",
    "QUIT": b"221 bye\r\n",
}


class ScriptedServer:
    """Answers by verb; `""` is the greeting, `.` the end of the message. None: close without a word.

    A callable is called with the socket and takes over. After STARTTLS is answered with 220, TLS begins when there is
    a context. `said` are the lines of all clients, message lines left out, which are in `messages`.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        on_message: Callable[[bytes], None] = lambda _message: None,
    ) -> None:
        self.answers: dict[str, Answer] = {**ANSWERS, **(answers or {})}
        self.said: list[str] = []
        self.messages: list[bytes] = []
        self._tls = tls
        self._on_message = on_message

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        sock: socket.socket = peer.sock
        if not self._answer(sock, ""):
            return
        stream = sock.makefile("rb")
        while line := stream.readline():
            self.said.append(line.decode("latin-1").rstrip("\r\n"))
            verb = line.split()[0].decode("latin-1").upper() if line.split() else ""
            if verb == "DATA" and self.answers["DATA"] == ANSWERS["DATA"]:
                self._answer(sock, "DATA")
                self._read_message(stream.readline)
                verb = "."
            if not self._answer(sock, verb):
                return
            if verb == "STARTTLS" and self._tls is not None:
                stream.close()
                sock = peer.sock = self._tls.wrap_socket(sock, server_side=True)
                stream = sock.makefile("rb")
                self.answers["EHLO"] = self.answers.get("EHLO inside", self.answers["EHLO"])

    def _answer(self, sock: socket.socket, verb: str) -> bool:
        answer = self.answers.get(verb, b"500 what\r\n")
        if callable(answer):
            answer(sock)
            return False
        if answer is None:
            return False
        sock.sendall(answer)
        return True

    def _read_message(self, readline: Callable[[], bytes]) -> None:
        message = b""
        while (line := readline()) not in {b".\r\n", b""}:
            message += line.removeprefix(b".")
        self.messages.append(message)
        self._on_message(message)
