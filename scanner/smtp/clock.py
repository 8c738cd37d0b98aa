"""How far a server's clock is from ours, as far as its greeting tells.

A greeting tells whole seconds, cut, so both clocks are compared in whole seconds: 0 is the same second. The moment to
compare with is when the greeting came, not when the connection began: a server that pauses first writes the time after
the pause. The way through the network is not known and not taken off.
"""

from datetime import datetime
from functools import lru_cache


def maybe_clock_skew(server_time: str | None, moment: float) -> int | None:
    """Return the seconds by which the server is ahead at `moment` (Unix seconds), negative when it is behind.

    None when there is no time, or one without a zone: local time of a place that we do not know.
    """
    told = None if server_time is None else _unix_seconds(server_time)
    return None if told is None else told - int(moment)


@lru_cache(maxsize=1024)  # within a sweep many servers tell the same second
def _unix_seconds(server_time: str) -> int | None:
    time = datetime.fromisoformat(server_time)
    return None if time.tzinfo is None else int(time.timestamp())
