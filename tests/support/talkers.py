"""Servers that hold a dialogue, by a table of replies, and visits to them."""

import ssl
from dataclasses import replace

from scanner.engine import DescriptorBudget, Gate, Pool
from scanner.model import Attempt, Dialogue
from scanner.settings import Probe, Settings
from scanner.targets import ALWAYS_EXCLUDED
from tests.support.servers import ListSource, Peer, Script, loopback_targets, serving

GREETING = b"220 mx.example.org ESMTP\r\n"
DIALOGUE = Settings(
    rate=0,
    subnet_rate=0,
    probe=Probe.DIALOGUE,
    ehlo_name="scanner.example.net",
    greeting_timeout_s=3,
    dialogue_timeout_s=3,
    total_timeout_s=8,
)
EHLO = b"250-mx.example.org Hello\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"


async def visit(script: Script, options: Settings = DIALOGUE, *, count: int = 1) -> list[Attempt]:
    attempts: list[Attempt] = []
    with serving(script) as server:
        if options.tls_ports == (0,):
            options = replace(options, tls_ports=(server.port,))
        pool = Pool(
            options,
            ListSource(loopback_targets(count, server.port)),
            Gate(ALWAYS_EXCLUDED, rate=0, subnet_rate=0),
            attempts.extend,
            budget=DescriptorBudget(200, 50, None),
        )
        await pool.run()
    assert pool.statistics().sockets == 0
    return attempts


async def dialogue_with(script: Script, options: Settings = DIALOGUE) -> Dialogue:
    (attempt,) = await visit(script, options)
    assert attempt.dialogue is not None
    return attempt.dialogue


def commands(dialogue: Dialogue) -> list[tuple[str, int | None]]:
    return [(exchange.command, exchange.code) for exchange in dialogue.exchanges]


class Talker:
    """A server that answers by a table; STARTTLS may change the connection to TLS."""

    def __init__(self, replies: dict[str, bytes], context: ssl.SSLContext | None = None) -> None:
        self.replies = replies
        self.context = context
        self.heard: list[str] = []

    def __call__(self, peer: Peer) -> None:
        peer.send(GREETING)
        self.talk(peer)

    def talk(self, peer: Peer) -> None:
        while line := self.next_line(peer):
            self.heard.append(line)
            verb = line.split(" ")[0]
            peer.send(self.replies.get(verb, b"500 5.5.1 what?\r\n"))
            if verb == "QUIT":
                return
            if verb == "STARTTLS" and self.context is not None:
                try:
                    peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
                except (ssl.SSLError, OSError):
                    return

    @staticmethod
    def next_line(peer: Peer) -> str:
        line = b""
        while not line.endswith(b"\n"):
            byte = peer.sock.recv(1)
            if not byte:
                return ""
            line += byte
        return line.decode("latin-1").rstrip()


def polite(**changes: bytes) -> dict[str, bytes]:
    replies = {"EHLO": EHLO, "HELP": b"214 2.0.0 ask somebody else\r\n", "STARTTLS": b"220 go on\r\n"}
    return {**replies, "QUIT": b"221 2.0.0 Bye\r\n", **changes}
