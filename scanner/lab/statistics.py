"""What a lab has seen of its clients: the numbers that prove, or disprove, that a scanner behaves."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Statistics:
    """Counts since the lab was opened.

    `early_talkers` are connections that sent a byte before the greeting was complete. A greeting that is sent at once
    leaves no time for that: only hosts that pause, split or drip can notice. `quits` are clean ends: QUIT, answered
    with 221. `hangups` are connections that the client closed without QUIT, `resets` those it reset.
    `out_of_descriptors` counts how often the lab could not accept for want of a descriptor. `visits` has the
    connections of each address, when asked for.
    """

    connections: int = 0
    quits: int = 0
    hangups: int = 0
    resets: int = 0
    early_talkers: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    out_of_descriptors: int = 0
    visits: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "connections": self.connections,
            "quits": self.quits,
            "hangups": self.hangups,
            "resets": self.resets,
            "early_talkers": self.early_talkers,
            "bytes_received": self.bytes_received,
            "bytes_sent": self.bytes_sent,
            "out_of_descriptors": self.out_of_descriptors,
            "visits": dict(self.visits),
        }
