"""One connection of the lab, from the first step of its script to its end.

Sans-IO: bytes, end of input and "the delay is over" go in; bytes to send, the next delay and an ending come out of
plain attributes. The server does the rest. Hosts that greet at once and get only QUIT never come here: the server has
a shorter way for them.
"""

from scanner.lab.behaviours import ScriptEnd, ScriptStep
from scanner.lab.personality import Personality
from scanner.lab.statistics import Statistics

#: A client that sends more than this without a line end is not worth an answer.
MAX_INPUT_BYTES = 65_536
_EHLO_LINES = ("PIPELINING", "8BITMIME", "SIZE 10240000", "HELP")


class Conversation:
    """What one host says to one client, and counts of it.

    `outbox` has the bytes to send now. `wait_s` is the delay until `resume` must be called, None when nothing is due.
    `ending` is CLOSE or RESET when the connection is to be ended as soon as the outbox is empty, else None.
    """

    __slots__ = (
        "_early",
        "_inbox",
        "_index",
        "_leaving",
        "_personality",
        "_statistics",
        "_steps",
        "ending",
        "outbox",
        "wait_s",
    )

    def __init__(self, personality: Personality, statistics: Statistics) -> None:
        self._personality = personality
        self._statistics = statistics
        self._steps = personality.steps
        self._index = 0
        self._early = False
        self._leaving = False
        self._inbox = b""
        self.outbox = bytearray()
        self.wait_s: float | None = None
        self.ending: ScriptEnd | None = None
        self._arm()

    @property
    def greeted(self) -> bool:
        """Whether the last step has been sent, so that the client may speak."""
        return self._index >= len(self._steps)

    def resume(self) -> None:
        """Go on after the delay: send what is due, up to the next delay."""
        self.wait_s = None
        if self.greeted:
            self._say_goodbye()  # only an answer to QUIT is delayed after the greeting
            return
        self._send_step(self._steps[self._index])
        self._arm()

    def start_at_the_end(self) -> None:
        """Take over from the server after it has sent the whole greeting by the short way."""
        self._index = len(self._steps)
        self.wait_s = self.ending = None
        self.outbox.clear()

    def receive(self, data: bytes) -> None:
        """Take bytes from the client: commands after the greeting, an offence before it."""
        self._statistics.bytes_received += len(data)
        if not self.greeted:
            self._statistics.early_talkers += not self._early
            self._early = True
            return
        if self._personality.behaviour.ending not in {ScriptEnd.SERVE, ScriptEnd.REFUSE}:
            return
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for line in lines:
            self._answer(line.strip().upper())
        if len(self._inbox) > MAX_INPUT_BYTES:
            self._inbox = b""
            self._reply("500 Line too long")

    def _arm(self) -> None:
        """Send the steps that are due at once, then note the next delay or do what the script ends with."""
        while not self.greeted and not self._steps[self._index].delay_s:
            if not self._send_step(self._steps[self._index]):
                self.wait_s = 0.0  # an endless step without a delay: let the server go round
                return
        if not self.greeted:
            self.wait_s = self._steps[self._index].delay_s
        elif self._personality.behaviour.ending in {ScriptEnd.CLOSE, ScriptEnd.RESET}:
            self.ending = self._personality.behaviour.ending

    def _send_step(self, step: ScriptStep) -> bool:
        """Send a step; return whether the script moved on (the last step of an endless one comes again)."""
        self.outbox += step.data
        last = self._index == len(self._steps) - 1
        if last and self._personality.behaviour.ending is ScriptEnd.REPEAT:
            return False
        self._index += 1
        return True

    def _answer(self, command: bytes) -> None:
        verb = command[:4]
        if verb == b"QUIT":
            self._quit()
        elif self._personality.behaviour.ending is ScriptEnd.REFUSE:
            self._reply("503 No SMTP service here")
        elif verb == b"EHLO":
            lines = (self._personality.hostname, *_EHLO_LINES)
            self._reply(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")
        elif verb in {b"HELO", b"NOOP", b"RSET"}:
            self._reply(f"250 {self._personality.hostname}")
        elif verb == b"HELP":
            self._reply("214 See RFC 5321")
        else:
            self._reply("500 Command unrecognized")

    def _quit(self) -> None:
        if self._leaving:
            return  # a second QUIT
        self._leaving = True
        self._statistics.quits += 1
        delay_s = self._personality.behaviour.quit_delay_s
        if delay_s:
            self.wait_s = delay_s
        else:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self._reply(f"221 2.0.0 {self._personality.hostname} closing connection")
        self.ending = ScriptEnd.CLOSE

    def _reply(self, *lines: str) -> None:
        self.outbox += "".join(f"{line}\r\n" for line in lines).encode()
