"""Which sockets can be read or written: one object for all of them, whose own descriptor the event loop watches.

Linux has epoll, edge-triggered: a socket is registered once and never touched again, "connected" and "has data" come as
different bits. Elsewhere the standard library's selector does the same with one more call a connection (its kqueue
object has a descriptor that can be watched, too). Both speak epoll's masks here.
"""

import select
import selectors
from typing import Protocol

IN = 0x001
OUT = 0x004
ERR = 0x008
HUP = 0x010
RDHUP = 0x2000
EDGE = 1 << 31
#: Registered once, reported on every change.
INTEREST = IN | OUT | RDHUP | EDGE
#: The other side has finished sending: bytes may still be waiting, nothing comes after them.
ENDED = RDHUP | HUP


class Readiness(Protocol):
    """The part of `select.epoll` that the pool uses, and one call for pollers that must be told more."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when any socket is ready."""
        ...

    def register(self, fd: int, eventmask: int) -> None:
        """Watch a socket that begins to connect."""
        ...

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
        """Return (descriptor, mask) of what is ready."""
        ...

    def connected(self, fd: int) -> None:
        """Take note that a socket's attempt to connect is over."""
        ...

    def forget(self, fd: int) -> None:
        """Take note that a descriptor is about to be closed."""
        ...

    def release(self, fd: int) -> None:
        """Stop watching a descriptor that lives on."""
        ...

    def close(self) -> None:
        """Release what the poller holds."""
        ...


class EpollReadiness:
    """`select.epoll`; its own methods are handed out, so that the hot path calls C directly."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.register = self._epoll.register
        self.poll = self._epoll.poll
        self.release = self._epoll.unregister
        self.close = self._epoll.close

    def connected(self, fd: int) -> None:
        """Do nothing: edges tell."""

    def forget(self, fd: int) -> None:
        """Do nothing: closing a descriptor takes it out of epoll (epoll(7))."""


class SelectorReadiness:
    """The standard library's best selector, level-triggered: write interest until connected, read interest after."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when any socket is ready."""
        descriptor: int = self._selector.fileno()
        return descriptor

    def register(self, fd: int, eventmask: int) -> None:
        """Wait for a connection attempt to end."""
        del eventmask
        self._selector.register(fd, selectors.EVENT_WRITE)

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
        """Return what is ready; a writable socket is reported with ERR so that its SO_ERROR is asked."""
        return [
            (key.fd, IN if mask & selectors.EVENT_READ else OUT | ERR)
            for key, mask in self._selector.select(timeout)[:maxevents]
        ]

    def connected(self, fd: int) -> None:
        """Wait for data from here on."""
        self._selector.modify(fd, selectors.EVENT_READ)

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor that is about to be closed."""
        self._selector.unregister(fd)

    release = forget

    def close(self) -> None:
        """Release the descriptor."""
        self._selector.close()


def best_readiness() -> Readiness:
    """Return epoll where there is epoll, else the standard library's selector."""
    return EpollReadiness() if hasattr(select, "epoll") else SelectorReadiness()
