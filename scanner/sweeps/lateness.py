"""What people hear of a process that did not run in time: suspended now and then, or on a machine that is too slow."""

from scanner.settings import Settings
from scanner.timeouts import Lateness

#: Seconds in all from which on people hear of it: a disk that was slow once is nothing.
WORTH_TELLING_S = 2.0


def lateness_notices(lateness: Lateness, settings: Settings) -> list[str]:
    """Return a line when there is something to say."""
    if lateness.is_too_slow:
        lost_s = lateness.late_s + lateness.paused_s
        line = (
            f"this machine is too slow for what it was asked to do: for {lost_s:,.0f} s of {lateness.elapsed_s:,.0f} s "
            "this process did not run in time, and time-outs were extended; lower --concurrency "
            f"({settings.concurrency:,}) or --rate, or give it more of a processor"
        )
        return [line]
    if lateness.paused_s >= WORTH_TELLING_S:
        times = "once" if lateness.pauses == 1 else f"{lateness.pauses:,} times"
        line = (
            f"this process was suspended or held up {times}, for {lateness.paused_s:,.0f} s in all: "
            "time-outs were extended by as much"
        )
        return [line]
    return []
