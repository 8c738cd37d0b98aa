"""Wait longer each time that something fails, up to a limit."""

#: Seconds of the first wait and of the longest.
BACK_OFF_S = (0.05, 1.0)


class BackOff:
    """A wait that doubles each time. Nothing should be tried before `until`; set `wait_s` to 0 after a success."""

    __slots__ = ("until", "wait_s")

    def __init__(self) -> None:
        self.until = self.wait_s = 0.0

    def extend(self, now: float) -> None:
        """Wait from `now` on, twice as long as the last time."""
        first_s, most_s = BACK_OFF_S
        self.wait_s = min(most_s, self.wait_s * 2 or first_s)
        self.until = now + self.wait_s
