"""Make the ids of records: the same for the same target of the same scan, so that readers can drop repeats."""

import hashlib


class EventIds:
    """Make the event ids of one scan: the same for the same target, whenever and however often it is visited.

    An id is 32 hex digits, BLAKE2b-128 over `<length of scan id>:<scan id> greeting <port> <ip>`, and the number of
    the sample from the second on. The length, and digits before the one part that may hold anything, keep two different
    targets from making the same input; no address ends in a space and digits.
    """

    __slots__ = ("_state",)

    def __init__(self, scan_id: str) -> None:
        text = scan_id.encode()
        self._state = hashlib.blake2b(b"%d:%b greeting " % (len(text), text), digest_size=16)

    def of(self, ip: str, port: int, sample: int | None = None) -> str:
        """Return the id of the visit to one address and port; the first of several samples has that of a single one."""
        state = self._state.copy()  # what all ids of the scan share was hashed once
        state.update((f"{port} {ip} {sample}" if sample else f"{port} {ip}").encode())
        return state.hexdigest()
