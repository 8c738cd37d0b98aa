"""Compute how far a server's clock differs from this machine's, from the time in its greeting.

A greeting has whole seconds, so both clocks are cut to whole seconds: 0 means the same second. Compare with the moment
when the greeting arrived, not when the connection began: a server that pauses first writes the time after the pause.
The time on the network is not known and not subtracted.
"""

from datetime import datetime
from functools import lru_cache


def maybe_clock_skew(server_time: str | None, moment: float) -> int | None:
    """Return the seconds by which the server is ahead at `moment` (Unix seconds), negative when it is behind.

    None when there is no time, or one without a zone: the local time of an unknown place.
    """
    told = None if server_time is None else _unix_seconds(server_time)
    return None if told is None else told - int(moment)


@lru_cache(maxsize=1024)  # within a sweep many servers write the same second
def _unix_seconds(server_time: str) -> int | None:
    time = datetime.fromisoformat(server_time)
    return None if time.tzinfo is None else int(time.timestamp())
